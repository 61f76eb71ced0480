# Prepared transactions, open across a restart and a crash: what they changed is
# seen by nobody until they are committed, and then everywhere.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Utils;
use Test::More;

use TwinsetTest;

my $node = new_node('prepared');
create_twinset($node);
create_fleet($node);

sub rows { return $node->safe_psql('postgres', $_[0]); }

sub prepare
{
	my ($name, $statements) = @_;
	return rows("BEGIN; $statements PREPARE TRANSACTION '$name'");
}

my $writes_twins = q(
UPDATE twinset.twin SET tags = '{"env": "prod", "n": 3}' WHERE device_id IN ('dev11', 'dev12');
INSERT INTO twinset.twin (device_id, tags) VALUES ('prepared', '{"env": "prod"}');
DELETE FROM twinset.twin WHERE device_id = 'dev14';
SELECT twinset.report_status(device_id, revision, 500) FROM twinset.device_status WHERE device_id = 'dev16';
);
my $writes_deployments = q(
UPDATE twinset.twin SET tags = '{"env": "test"}' WHERE device_id = 'dev22';
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
	VALUES ('prepared', brute.manifest('1'), 'tags.env = ''test''', 9);
UPDATE twinset.deployment SET target_condition = 'tags.n = 2' WHERE deployment_id = 'few';
);

for my $end ('COMMIT', 'ROLLBACK')
{
	for my $mode ('fast', 'immediate')
	{
		my $case = "$end PREPARED after a stop with mode $mode";
		rows('TRUNCATE twinset.twin, twinset.deployment');
		create_fleet($node);

		prepare('twins', $writes_twins);
		prepare('deployments', $writes_deployments);
		is_exact($node, "open: $case");
		$node->stop($mode);
		$node->start;
		is(rows('SELECT count(*) FROM pg_prepared_xacts'), '2', "both are still open: $case");
		is_exact($node, "open after the restart: $case");
		is_verified($node, "open after the restart: $case");

		# writers of other devices do not wait for either; deployment changes wait for one
		rows(q(SET lock_timeout = '5s'; UPDATE twinset.twin SET tags = '{"env": "prod"}' WHERE device_id = 'dev25';
			SELECT twinset.report_status('dev26', 5, 200)));
		is_exact($node, "a writer beside them: $case");
		my ($status, $output, $error) = $node->psql('postgres', q(SET lock_timeout = '100ms'; \set VERBOSITY sqlstate
			UPDATE twinset.deployment SET priority = 7 WHERE deployment_id = 'all'));
		like($error, qr/55P03/, "a deployment change waits for the one that is prepared: $case");

		rows("$end PREPARED 'deployments'");
		is_exact($node, "the deployments' one has ended: $case");
		rows(q(UPDATE twinset.deployment SET priority = 7 WHERE deployment_id = 'all'));
		is_exact($node, "a deployment change beside the twins' one: $case");
		is(rows('SELECT repaired FROM twinset.reconcile()'), '0', "reconcile() beside it: $case");
		rows("$end PREPARED 'twins'");
		is_exact($node, "both have ended: $case");
		is(rows(q(SELECT count(*) FROM twinset.device_status WHERE device_id = 'prepared')), $end eq 'COMMIT' ? '1' : '0',
			"what was prepared is there if it was committed: $case");
		is_verified($node, $case);
		is(rows('SELECT repaired FROM twinset.reconcile()'), '0', "nothing to repair: $case");
	}
}

# the log of a prepared transaction is not settled by whoever commits much meanwhile
prepare('twins', q(UPDATE twinset.twin SET tags = '{"env": "prod"}' WHERE device_id = 'dev33';));
rows(q(SET twinset.settle_after = 1; UPDATE twinset.twin SET tags = '{"env": "test"}' WHERE device_id <> 'dev33'));
is_exact($node, 'a commit that settles beside a prepared transaction');
rows(q(COMMIT PREPARED 'twins'));
is_exact($node, 'and then that is committed');

$node->stop;
done_testing();
