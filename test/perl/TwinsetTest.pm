# What the TAP tests share: a server with the extension and the brute force,
# and the question whether twinset is exact.
package TwinsetTest;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use PostgreSQL::Test::Cluster;
use Test::More;

use TwinsetTest::Session;

our @EXPORT = qw(test_file new_node create_twinset create_fleet is_exact is_verified);

my $test_directory = abs_path(dirname(__FILE__) . '/..');

sub test_file
{
	my ($name) = @_;
	return "$test_directory/$name";
}

# A running server; more settings by text, one a line.
sub new_node
{
	my ($name, $settings, %init) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$settings //= '';
	$node->init(extra => [ '--encoding=UTF8', '--locale=C' ], %init);
	$node->append_conf(
		'postgresql.conf', qq(
fsync = off
max_prepared_transactions = 20
deadlock_timeout = 50ms
autovacuum = off
jit = off
log_statement = none
$settings
));
	$node->start;
	return $node;
}

# The extension and the brute force, in a database.
sub create_twinset
{
	my ($node, $dbname) = @_;
	$dbname //= 'postgres';

	$node->safe_psql($dbname, 'CREATE EXTENSION twinset');
	$node->safe_psql($dbname, '\i ' . test_file('brute_force.sql'));
	return;
}

# Forty devices, three deployments that overlap, and reports of each kind.
sub create_fleet
{
	my ($node, $dbname) = @_;

	$node->safe_psql($dbname // 'postgres', q(
INSERT INTO twinset.twin (device_id, tags)
SELECT format('dev%s', i),
       jsonb_build_object('env', (ARRAY['prod', 'test'])[1 + i % 2], 'n', i % 5)
FROM generate_series(1, 40) AS i;
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority) VALUES
  ('all', brute.manifest('1'), '*', 1),
  ('prod', brute.manifest('2'), 'tags.env = ''prod''', 2),
  ('few', brute.manifest('3'), 'tags.n = 3', 3);
SELECT twinset.report_status(device_id, revision, CASE WHEN device_id LIKE '%1' THEN 500 ELSE 200 END, 'first')
FROM twinset.device_status WHERE device_id NOT LIKE '%7';
SELECT twinset.report_status('dev7', 1, 200);
));
	return;
}

# One statement, one snapshot: the views against brute force.
sub is_exact
{
	my ($node, $name, $dbname) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($node->safe_psql($dbname // 'postgres', 'SELECT * FROM brute.difference'), '', "exact: $name");
}

# but for triggers and such of the test's own
sub is_verified
{
	my ($node, $name, $dbname) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($node->safe_psql($dbname // 'postgres', q(SELECT * FROM twinset.verify() WHERE kind <> 'part')), '', "verified: $name");
}

1;
