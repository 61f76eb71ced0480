# Statements on more rows than are fetched, written or looked up at once: ten
# thousand twins and more, more deployments than have a condition looked up each.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Utils;
use Test::More;

use TwinsetTest;

my $node = new_node('large');
create_twinset($node);

# winners, statuses, counts and reports, in one statement, each pair of device and deployment matched twice
my $compare = q(
WITH winner AS MATERIALIZED (SELECT * FROM brute.winner),
target AS MATERIALIZED (SELECT deployment_id, count(*) AS target FROM brute.targeted GROUP BY deployment_id),
device AS MATERIALIZED (SELECT device_id, deployment_id, revision, status FROM twinset.device_status WHERE deployment_id IS NOT NULL),
deployment AS MATERIALIZED (SELECT deployment_id, target, actual, healthy, unhealthy FROM twinset.deployment_status),
counted AS MATERIALIZED (
	SELECT d.deployment_id, coalesce(t.target, 0), coalesce(w.actual, 0), coalesce(w.healthy, 0), coalesce(w.unhealthy, 0)
	FROM twinset.deployment AS d LEFT JOIN target AS t USING (deployment_id) LEFT JOIN (
		SELECT deployment_id, count(*) AS actual, count(*) FILTER (WHERE status = 'healthy') AS healthy,
			count(*) FILTER (WHERE status = 'unhealthy') AS unhealthy FROM winner GROUP BY deployment_id) AS w USING (deployment_id))
SELECT 'missing', to_jsonb(x) FROM (SELECT * FROM winner EXCEPT ALL SELECT * FROM device) AS x
UNION ALL SELECT 'wrong', to_jsonb(x) FROM (SELECT * FROM device EXCEPT ALL SELECT * FROM winner) AS x
UNION ALL SELECT 'missing', to_jsonb(x) FROM (SELECT * FROM counted EXCEPT ALL SELECT * FROM deployment) AS x
UNION ALL SELECT 'wrong', to_jsonb(x) FROM (SELECT * FROM deployment EXCEPT ALL SELECT * FROM counted) AS x
UNION ALL SELECT 'wrong', to_jsonb(x) FROM (SELECT * FROM shown.report EXCEPT ALL SELECT * FROM brute.report) AS x
);

my @steps = (
	[ 'deployments', q(INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
		SELECT 'd' || i, brute.manifest('1'), format('tags.n = %s OR tags.site IN [%s, %s]', i, i * 3, i * 5), 1 + i % 4
		FROM generate_series(1, 20) AS i) ],
	[ 'twins', q(INSERT INTO twinset.twin (device_id, tags)
		SELECT 'dev' || i, jsonb_build_object('n', i % 25, 'site', i % 97) FROM generate_series(1, 10500) AS i) ],
	[ 'reports', q(SELECT count(twinset.report_status(device_id, revision, CASE WHEN device_id LIKE '%7' THEN 500 ELSE 200 END))
		FROM twinset.device_status WHERE deployment_id IS NOT NULL) ],
	[ 'a deployment that wins all', q(INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
		VALUES ('all', brute.manifest('1'), '*', 9)) ],
	[ 'its reports', q(SELECT count(twinset.report_status(device_id, revision, 200)) FROM twinset.device_status) ],
	[ 'and loses all', q(UPDATE twinset.deployment SET priority = 1, target_condition = NULL WHERE deployment_id = 'all') ],
	[ 'all priorities', q(UPDATE twinset.deployment SET priority = 5 - priority WHERE priority < 5) ],
	[ 'all conditions', q(UPDATE twinset.deployment
		SET target_condition = format('tags.n = %s AND tags.site > 20', substr(deployment_id, 2)) WHERE deployment_id <> 'all') ],
	[ 'tags of all', q(UPDATE twinset.twin SET tags = tags || jsonb_build_object('n', (tags->'n')::integer / 2)) ],
	[ 'tags of all twice in a transaction', q(BEGIN;
		UPDATE twinset.twin SET tags = tags || '{"n": 1}';
		UPDATE twinset.twin SET tags = tags || jsonb_build_object('n', hashtext(device_id) & 15); COMMIT) ],
	[ 'a deployment beside tags of all', q(WITH t AS (UPDATE twinset.twin SET tags = tags || '{"n": 3}' WHERE device_id < 'dev5')
		UPDATE twinset.deployment SET target_condition = 'tags.n >= 3' WHERE deployment_id IN ('d3', 'all')) ],
	[ 'twins retired', q(UPDATE twinset.twin SET retired_at = now() WHERE hashtext(device_id) % 2 = 0) ],
	[ 'and back', q(UPDATE twinset.twin SET retired_at = NULL WHERE retired_at IS NOT NULL) ],
	[ 'twins deleted, with their reports', q(DELETE FROM twinset.twin WHERE device_id > 'dev10') ],
	[ 'twins upserted', q(INSERT INTO twinset.twin (device_id, tags)
		SELECT 'dev' || i, jsonb_build_object('n', i % 25, 'site', 30) FROM generate_series(1, 10500) AS i
		ON CONFLICT (device_id) DO UPDATE SET tags = excluded.tags) ],
	[ 'twins merged', q(MERGE INTO twinset.twin AS t
		USING (SELECT 'dev' || i AS device_id FROM generate_series(5000, 15500) AS i) AS s ON t.device_id = s.device_id
		WHEN MATCHED AND t.device_id LIKE '%3' THEN DELETE
		WHEN MATCHED THEN UPDATE SET tags = t.tags || '{"n": 7}'
		WHEN NOT MATCHED THEN INSERT (device_id, tags) VALUES (s.device_id, '{"n": 8, "site": 50}')) ],
	[ 'deployments deleted', q(DELETE FROM twinset.deployment WHERE deployment_id LIKE '%2%') ],
	[ 'deployments truncated', q(TRUNCATE twinset.deployment) ]);

# with the log settled by whoever commits much, and by nobody but deployment changes
for my $settle_after (1000, 0)
{
	$node->safe_psql('postgres', 'TRUNCATE twinset.twin, twinset.deployment');
	for my $step (@steps)
	{
		my ($name, $statement) = @$step;

		$name .= $settle_after ? '' : ', no commit settles';
		$node->safe_psql('postgres', "SET twinset.settle_after = $settle_after; $statement");
		is($node->safe_psql('postgres', $compare), '', "exact: $name");
	}
	is_verified($node, 'at the end');
	is($node->safe_psql('postgres', 'SELECT repaired FROM twinset.reconcile()'), '0', 'nothing to repair');
}

# what a new connection has taken to read a long log of wide tags, in kB
sub memory
{
	my ($match_by) = @_;

	return $node->safe_psql('postgres', "SET twinset.match_by = $match_by;"
		  . q(DO $$ BEGIN PERFORM count(deployment_id) FROM twinset.device_status; END $$;
		SELECT substring(pg_read_file('/proc/self/status') FROM 'VmHWM:\s+(\d+) kB')));
}

$node->safe_psql('postgres', q(TRUNCATE twinset.twin;
	INSERT INTO twinset.deployment (deployment_id, content, target_condition) VALUES ('a', brute.manifest('1'), '*');
	SET twinset.settle_after = 0;
	INSERT INTO twinset.twin (device_id, tags)
	SELECT 'dev' || i, jsonb_build_object('pad', string_agg(hashtext(i::text || j)::text, ',')) FROM generate_series(1, 10000) AS i, generate_series(1, 320) AS j
	GROUP BY i;
	UPDATE twinset.twin SET tags = tags || '{"n": 1}'));
my ($compiled, $looked_up) = (memory('matcher'), memory('cost'));
cmp_ok($looked_up, '<', $compiled + 10000, 'who goes over to the compiled deployments while the log is read keeps nothing of its devices');

$node->stop;
done_testing();
