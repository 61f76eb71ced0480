# Logical replication of twins, deployments and reports: publisher and
# subscriber are both right, after the first copy, while changes come in, and
# the subscriber is as the publisher is.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Utils;
use Test::More;

use TwinsetTest;

my $publisher = new_node('publisher', '', allows_streaming => 'logical');
my $subscriber = new_node('subscriber', '', allows_streaming => 'logical');
create_twinset($publisher);
create_twinset($subscriber);
create_fleet($publisher);

$publisher->safe_psql('postgres', 'CREATE PUBLICATION fleet FOR TABLE twinset.twin, twinset.deployment, twinset.report');
my $connection = $publisher->connstr . ' dbname=postgres';
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION fleet CONNECTION '$connection' PUBLICATION fleet");

# all that the views show, but when a winner became a device's
my @views = (
	'SELECT * FROM twinset.deployment_status ORDER BY 1',
	'SELECT device_id, tags, deployment_id, revision, status, reported_revision, code, description, reported_at'
	  . ' FROM twinset.device_status ORDER BY 1',
	'SELECT * FROM twinset.deployment_device ORDER BY 1, 2');

sub replicated
{
	my ($name) = @_;

	$publisher->wait_for_catchup('fleet');
	is_exact($publisher, "publisher: $name");
	is_exact($subscriber, "subscriber: $name");
	is_verified($subscriber, "subscriber: $name");
	is($subscriber->safe_psql('postgres', $_), $publisher->safe_psql('postgres', $_), "the same: $name: $_") for @views;
	return;
}

$subscriber->wait_for_subscription_sync($publisher, 'fleet');
replicated('the first copy');

my @changes = (
	[ 'tags', q(UPDATE twinset.twin SET tags = '{"env": "prod", "n": 3}' WHERE device_id < 'dev2') ],
	[ 'liveness', q(UPDATE twinset.twin SET iot_edge = false WHERE device_id = 'dev3';
		UPDATE twinset.twin SET retired_at = now() WHERE device_id IN ('dev31', 'dev32')) ],
	[ 'and back', q(UPDATE twinset.twin SET iot_edge = true, retired_at = NULL) ],
	[ 'new devices', q(INSERT INTO twinset.twin (device_id, tags) SELECT 'new' || i, '{"n": 2}' FROM generate_series(1, 50) AS i) ],
	[ 'reports', q(SELECT twinset.report_status(device_id, revision, 200) FROM twinset.device_status WHERE device_id LIKE '%2') ],
	[ 'reports again', q(SELECT twinset.report_status(device_id, revision, 500) FROM twinset.device_status WHERE device_id LIKE '%2%') ],
	[ 'deleted devices', q(DELETE FROM twinset.twin WHERE device_id LIKE '%4') ],
	[ 'a new deployment', q(INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
		VALUES ('new', brute.manifest('1'), 'tags.n = 2', 5)) ],
	[ 'a condition', q(UPDATE twinset.deployment SET target_condition = 'NOT tags.env = ''prod''' WHERE deployment_id = 'prod') ],
	[ 'priorities', q(UPDATE twinset.deployment SET priority = 7 - priority) ],
	[ 'a content', q(UPDATE twinset.deployment SET content = brute.manifest('8') WHERE deployment_id = 'new') ],
	[ 'a deleted deployment', q(DELETE FROM twinset.deployment WHERE deployment_id = 'few') ],
	[ 'twins, deployments and reports in a transaction', q(BEGIN;
		UPDATE twinset.twin SET tags = tags || '{"n": 1}' WHERE device_id < 'dev3';
		INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
			VALUES ('both', brute.manifest('1'), 'tags.n = 1', 8);
		DELETE FROM twinset.twin WHERE device_id = 'dev1';
		UPDATE twinset.twin SET tags = '{"n": 1}' WHERE device_id > 'dev3';
		SELECT twinset.report_status('dev2', revision, 200) FROM twinset.deployment WHERE deployment_id = 'both';
		UPDATE twinset.deployment SET priority = 1 WHERE deployment_id = 'both';
		INSERT INTO twinset.twin (device_id, tags) VALUES ('dev1', '{"env": "prod"}');
		COMMIT) ],
	[ 'twins and deployments in a statement', q(WITH t AS (UPDATE twinset.twin SET tags = '{"n": 2}' WHERE device_id < 'dev2'),
			d AS (UPDATE twinset.deployment SET priority = 6 WHERE deployment_id = 'both')
		DELETE FROM twinset.twin WHERE device_id = 'dev5') ],
	[ 'a commit that settles', q(SET twinset.settle_after = 1; UPDATE twinset.twin SET tags = '{"env": "prod"}' WHERE device_id < 'dev2') ],
	[ 'TRUNCATE of deployments', q(TRUNCATE twinset.deployment) ],
	[ 'deployments after it', q(INSERT INTO twinset.deployment (deployment_id, content, target_condition)
		VALUES ('all', brute.manifest('1'), '*')) ],
	[ 'TRUNCATE of twins', q(TRUNCATE twinset.twin) ],
	[ 'TRUNCATE of both in a transaction', q(BEGIN; INSERT INTO twinset.twin (device_id) VALUES ('a'); TRUNCATE twinset.twin, twinset.deployment;
		INSERT INTO twinset.twin (device_id) VALUES ('a');
		INSERT INTO twinset.deployment (deployment_id, content, target_condition) VALUES ('all', brute.manifest('1'), '*'); COMMIT) ]);

for my $change (@changes)
{
	my ($name, $statements) = @$change;

	$publisher->safe_psql('postgres', $statements);
	replicated($name);
}

# a subscriber that was settled goes on right
is($subscriber->safe_psql('postgres', 'SELECT repaired FROM twinset.reconcile()'), '0', 'the subscriber has nothing to repair');
$publisher->safe_psql('postgres', 'TRUNCATE twinset.twin, twinset.deployment');
create_fleet($publisher);
replicated('a fleet after it was settled');

# and when it takes over it writes itself
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION fleet');
$subscriber->safe_psql('postgres', q(
UPDATE twinset.twin SET tags = '{"env": "prod"}' WHERE device_id < 'dev2';
UPDATE twinset.deployment SET content = brute.manifest('9') WHERE deployment_id = 'prod';
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority) VALUES ('own', brute.manifest('1'), '*', 9)));
is_exact($subscriber, 'the subscriber took over');
is_verified($subscriber, 'the subscriber took over');

# a publication of all tables has the internal ones too: it forbids nothing
$publisher->safe_psql('postgres', 'CREATE PUBLICATION everything FOR ALL TABLES');
for my $change (
	q(UPDATE twinset.deployment SET target_condition = 'tags.n = 1', content = brute.manifest('10') WHERE deployment_id = 'few'),
	q(DELETE FROM twinset.deployment WHERE deployment_id = 'few'),
	q(SET twinset.settle_after = 1; UPDATE twinset.twin SET tags = '{"env": "prod"}'),
	q(SELECT FROM twinset.reconcile(); INSERT INTO twinset.reconciliation_run SELECT now(), now(), 0, 0 FROM generate_series(1, 1001);
		SELECT FROM twinset.reconcile()),
	q(DELETE FROM twinset.twin WHERE device_id < 'dev2'),
	q(TRUNCATE twinset.deployment), q(TRUNCATE twinset.twin))
{
	$publisher->safe_psql('postgres', $change);
	is_exact($publisher, "all tables are published: $change");
}
is($publisher->safe_psql('postgres', 'SELECT changes FROM twinset.unsettled_changes()'), '0', 'what commits settle is settled too');

$publisher->stop;
$subscriber->stop;
done_testing();
