# TRUNCATE of twins and of deployments: nothing of what was there is left in
# any view, in the log or among the reports, and what comes next is right.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Utils;
use Test::More;

use TwinsetTest;

my $node = new_node('truncate');
create_twinset($node);

my $change = q(
UPDATE twinset.twin SET tags = '{"env": "prod", "n": 3}' WHERE device_id < 'dev2';
DELETE FROM twinset.twin WHERE device_id LIKE '%9';
DO $$ BEGIN PERFORM twinset.report_status('dev30', 5, 200); END $$;
);
my $insert_again = q(
INSERT INTO twinset.twin (device_id, tags) SELECT 'dev' || i, '{"env": "prod"}' FROM generate_series(30, 50) AS i
ON CONFLICT DO NOTHING;
);
my $count_reports = 'SELECT count(*) FROM twinset.report';
my $newest = $node->safe_psql('postgres', 'SELECT extract(epoch FROM now()) * 1000000');

sub rows { return $node->safe_psql('postgres', $_[0]); }

# what is truncated, with the log settled or not, and whether that is committed
for my $tables ('twinset.twin', 'twinset.deployment', 'twinset.twin, twinset.deployment')
{
	for my $settled (1, 0)
	{
		for my $isolation ('READ COMMITTED', 'REPEATABLE READ')
		{
			my $name = "$tables, " . ($settled ? 'settled' : 'unsettled') . ", $isolation";

			create_fleet($node);
			rows('SELECT * FROM twinset.reconcile()') if $settled;
			my $before = rows('SELECT * FROM twinset.device_status ORDER BY device_id');
			my $reports = rows($count_reports);

			is(rows("BEGIN ISOLATION LEVEL $isolation; $change
				TRUNCATE $tables; SELECT * FROM brute.difference; $insert_again SELECT * FROM brute.difference; ROLLBACK"),
				'', "exact within the transaction: $name");
			is_exact($node, "rolled back: $name");
			is(rows('SELECT * FROM twinset.device_status ORDER BY device_id'), $before, "as before: $name");
			is(rows($count_reports), $reports, "reports as before: $name");

			rows("BEGIN ISOLATION LEVEL $isolation; $change TRUNCATE $tables; COMMIT");
			is_exact($node, "committed: $name");
			is(rows($count_reports), '0', "no report is left: $name") if $tables =~ /\.twin/;
			rows($insert_again);
			is_exact($node, "devices after it: $name");
			is(rows(q(SELECT count(*) FROM twinset.device_status WHERE status = 'healthy')), '0', "none is healthy: $name");
			rows(q(INSERT INTO twinset.deployment (deployment_id, content, target_condition)
				VALUES ('after', brute.manifest('1'), 'tags.env = ''prod''')));
			is_exact($node, "a deployment after it: $name");
			is_verified($node, $name);
			my $revision = rows('SELECT max(revision) FROM twinset.deployment');
			cmp_ok($revision, '>', $newest, "a revision is never given twice: $name");
			$newest = $revision;
			rows('TRUNCATE twinset.twin, twinset.deployment');
			is_exact($node, "empty: $name");
			is(rows('SELECT changes FROM twinset.unsettled_changes()'), '0', "the log is empty: $name");
		}
	}
}

# a table of the user's own that references twins goes with them
create_fleet($node);
rows('CREATE TABLE site (device_id text PRIMARY KEY REFERENCES twinset.twin ON DELETE CASCADE, name text);
	INSERT INTO site SELECT device_id, device_id FROM twinset.twin');
isnt($node->psql('postgres', 'TRUNCATE twinset.twin'), 0, 'a table that references twins forbids TRUNCATE, as ever');
is_exact($node, 'after a refused TRUNCATE');
rows('TRUNCATE twinset.twin CASCADE');
is_exact($node, 'after TRUNCATE … CASCADE');
is(rows('SELECT count(*) FROM site'), '0', 'the table that references twins is empty');

$node->stop;
done_testing();
