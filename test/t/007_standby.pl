# A physical standby serves all that only reads, settled or not, and goes on
# when it is promoted.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Utils;
use Test::More;

use TwinsetTest;

my $primary = new_node('primary', '', allows_streaming => 1);
create_twinset($primary);
create_fleet($primary);
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
# else a reader on the standby is cancelled where the primary prunes what it sees
$standby->append_conf('postgresql.conf', 'hot_standby_feedback = on');
$standby->start;

sub caught_up
{
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
	return;
}

my @reads = (
	map("SELECT * FROM twinset.$_ ORDER BY 1, 2", qw(deployment_status device_status deployment_device deployment_module)),
	q(SELECT * FROM twinset.explain_device('dev3')),
	q(SELECT * FROM twinset.device_manifest('dev3')),
	q(SELECT * FROM twinset.preview('tags.n = 1', 5)),
	q(SELECT * FROM twinset.preview(NULL, 1, 'prod')),
	q(SELECT * FROM twinset.verify()),
	q(SELECT * FROM twinset.check_condition('tags.n = 1')),
	q(SELECT * FROM twinset.check_manifest('{}')),
	q(SELECT count(*) FROM twinset.twin WHERE twinset.matches(device_id, tags, 'tags.env = ''prod''')));

sub serves
{
	my ($name) = @_;

	caught_up();
	is_exact($standby, $name);
	is($standby->safe_psql('postgres', $_), $primary->safe_psql('postgres', $_), "$name: $_") for @reads;
	return;
}

serves('as it was copied, unsettled');
$primary->safe_psql('postgres', 'SELECT * FROM twinset.reconcile()');
serves('settled');
$primary->safe_psql('postgres', q(
UPDATE twinset.twin SET tags = '{"env": "prod", "n": 3}' WHERE device_id < 'dev2';
DELETE FROM twinset.twin WHERE device_id LIKE '%8';
INSERT INTO twinset.twin (device_id) VALUES ('new');
SELECT twinset.report_status('dev2', revision, 200) FROM twinset.device_status WHERE device_id = 'dev2'));
serves('tag changes and a report');
$primary->safe_psql('postgres', q(UPDATE twinset.deployment SET target_condition = 'tags.n < 3' WHERE deployment_id = 'few'));
serves('a deployment change');
$primary->safe_psql('postgres', q(SET twinset.settle_after = 1; UPDATE twinset.twin SET tags = '{"n": 2}' WHERE device_id > 'dev3'));
serves('a commit that settles');

# a transaction on the standby keeps its snapshot while the primary goes on
$primary->poll_query_until('postgres', 'SELECT backend_xmin IS NOT NULL FROM pg_stat_replication');
my $reader = TwinsetTest::Session->new($standby, 'reader');
$reader->query('BEGIN ISOLATION LEVEL REPEATABLE READ');
my $before = $reader->query('SELECT * FROM twinset.deployment_status ORDER BY 1');
$primary->safe_psql('postgres', q(UPDATE twinset.twin SET tags = '{"env": "prod"}'; UPDATE twinset.deployment SET priority = 4));
caught_up();
is($reader->query('SELECT * FROM brute.difference'), '', 'exact in a snapshot that the primary has left behind');
is($reader->query('SELECT * FROM twinset.deployment_status ORDER BY 1'), $before, 'and it shows the same');
$reader->query('COMMIT');
$reader->quit;
serves('after that');

isnt($standby->psql('postgres', q(SELECT twinset.report_status('dev2', 5, 200))), 0, 'a standby takes no report');

$primary->safe_psql('postgres', q(UPDATE twinset.twin SET tags = '{"env": "test"}' WHERE device_id < 'dev2'));
caught_up();
$primary->stop('immediate');
$standby->promote;
is_exact($standby, 'promoted');
is_verified($standby, 'promoted');
$standby->safe_psql('postgres', q(
UPDATE twinset.twin SET tags = '{"env": "prod", "n": 1}' WHERE device_id < 'dev3';
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority) VALUES ('new', brute.manifest('1'), 'tags.n = 1', 9);
SELECT twinset.report_status(device_id, revision, 200) FROM twinset.device_status));
is_exact($standby, 'written to after the promotion');
is($standby->safe_psql('postgres', 'SELECT repaired FROM twinset.reconcile()'), '0', 'nothing to repair');

$standby->stop;
done_testing();
