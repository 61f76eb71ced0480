# What was written while the triggers did not fire is settled by reconcile().
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Utils;
use Test::More;

use TwinsetTest;

my $node = new_node('switched_off');
create_twinset($node);

sub rows { return $node->safe_psql('postgres', $_[0]); }

# every kind of write; a deployment's revision is given, since nothing draws it
my $change = q(
UPDATE twinset.twin SET tags = '{"env": "prod", "n": 3}', updated_at = now() WHERE device_id < 'dev2';
UPDATE twinset.twin SET iot_edge = false WHERE device_id = 'dev3';
UPDATE twinset.twin SET retired_at = now() WHERE device_id = 'dev31';
DELETE FROM twinset.twin WHERE device_id LIKE '%9';
DELETE FROM twinset.report WHERE device_id LIKE '%9' OR device_id = 'dev30';
INSERT INTO twinset.twin (device_id, tags) SELECT 'new' || i, '{"env": "prod"}' FROM generate_series(30, 50) AS i;
INSERT INTO twinset.report (device_id, revision, code, reported_at)
	SELECT 'new40', revision, 200, now() FROM twinset.deployment WHERE deployment_id = 'prod';
DELETE FROM twinset.deployment WHERE deployment_id = 'few';
UPDATE twinset.deployment SET priority = 5, target_condition = 'tags.n = 3' WHERE deployment_id = 'all';
INSERT INTO twinset.deployment (deployment_id, content, target_condition, revision, created_at, updated_at)
	SELECT 'replica', brute.manifest('1'), '*', max(revision) + 1, now(), now() FROM twinset.deployment;
);

my %switched_off = (
	'session_replication_role = replica' => "SET session_replication_role = replica; $change",
	'DISABLE TRIGGER ALL' => 'ALTER TABLE twinset.twin DISABLE TRIGGER ALL; ALTER TABLE twinset.deployment DISABLE TRIGGER ALL;'
	  . "ALTER TABLE twinset.report DISABLE TRIGGER ALL; $change"
	  . 'ALTER TABLE twinset.twin ENABLE TRIGGER ALL; ALTER TABLE twinset.deployment ENABLE TRIGGER ALL;'
	  . 'ALTER TABLE twinset.report ENABLE TRIGGER ALL;');

for my $name (sort keys %switched_off)
{
	for my $settled (1, 0)
	{
		my $case = $name . ($settled ? '' : ', the log not empty before');
		rows('TRUNCATE twinset.twin, twinset.deployment');
		create_fleet($node);
		rows('SELECT * FROM twinset.reconcile()') if $settled;

		rows($switched_off{$name});
		isnt(rows('SELECT * FROM twinset.verify()'), '', "verify() says so: $case") if $name =~ /DISABLE/;
		rows('SELECT * FROM twinset.reconcile()');
		is_exact($node, "reconciled: $case");
		is_verified($node, "reconciled: $case");
		is(rows('SELECT repaired FROM twinset.reconcile()'), '0', "once is enough: $case");

		# the triggers work again
		rows(q(UPDATE twinset.twin SET tags = '{"env": "test"}' WHERE device_id < 'dev2'));
		is_exact($node, "a tag change after it: $case");
		rows(q(UPDATE twinset.deployment SET target_condition = 'tags.env = ''test''' WHERE deployment_id = 'replica'));
		is_exact($node, "a deployment change after it: $case");
		rows(q(INSERT INTO twinset.deployment (deployment_id, content) VALUES ('next', brute.manifest('1'))));
		is_exact($node, "a new deployment after it: $case");

		# and in every role: ENABLE TRIGGER ALL has forgotten ALWAYS and REPLICA
		rows('SELECT * FROM twinset.reconcile()');
		rows(q(SET session_replication_role = replica; UPDATE twinset.twin SET tags = '{"env": "prod"}' WHERE device_id < 'dev2'));
		is_exact($node, "a tag change in the role replica after it: $case");
	}
}

$node->stop;
done_testing();
