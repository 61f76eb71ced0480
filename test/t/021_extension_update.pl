# A database that has come to this version by ALTER EXTENSION UPDATE has the same objects as one that began with it, and
# its fleet is as it was.
#
# Every version that CHANGELOG.md calls released must have its script and a path to this one.  The objects are compared as
# pg_dump --binary-upgrade writes them: the members of the extension one by one, with comments and privileges.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Utils;
use Test::More;

use TwinsetTest;

# The DDL of each object of a database, in an order that does not depend on when it was made.  What differs by chance is
# taken out: object ids, the numbers of files, how far a sequence is and the dump's own key.  The tables that are dumped, which the extension has
# by their ids, are told by their names.
sub objects
{
	my ($node, $dbname) = @_;
	my ($dump, $stderr) = run_command([ 'pg_dump', '--binary-upgrade', '--schema-only', '-d', $node->connstr($dbname) ]);

	die $stderr if $stderr ne '';
	$dump =~ s/^SELECT pg_catalog\.binary_upgrade_set_next_.*\n//mg;
	$dump =~ s/^-- For binary upgrade, .*\n//mg;
	$dump =~ s/^UPDATE pg_catalog\.pg_class\nSET relfrozenxid = .*\nWHERE .*\n//mg;
	$dump =~ s/^SELECT pg_catalog\.setval\(.*\n//mg;
	$dump =~ s/^\\(un)?restrict .*\n//mg;
	$dump =~ s/(binary_upgrade_create_empty_extension\(.*?, ')\{[\d,]*\}/$1/g;
	my @objects = sort split /^--\n(?=-- Name: )/m, $dump;
	return [
		@objects,
		split /\n/,
		$node->safe_psql($dbname, q(SELECT c.relname, k.condition FROM pg_extension AS e
			CROSS JOIN LATERAL unnest(extconfig, extcondition) AS k (table_id, condition)
			JOIN pg_class AS c ON c.oid = k.table_id WHERE extname = 'twinset' ORDER BY 1)) ];
}

# What only one of two lists of objects has.
sub difference
{
	my ($one, $other) = @_;
	my %count;

	$count{$_}++ foreach @$one;
	$count{$_}-- foreach @$other;
	return join "\n", map { $count{$_} ? ($count{$_} > 0 ? "only here:\n$_" : "missing:\n$_") : () } sort keys %count;
}

# The versions of CHANGELOG.md's headings but for those not released yet.
sub released_versions
{
	my $changes = slurp_file("$FindBin::RealBin/../../CHANGELOG.md");

	return map { /^## (\S+), (?!not released)/ ? $1 : () } split /\n/, $changes;
}

my $node = new_node('main');
$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(fresh again);
$node->safe_psql($_, 'CREATE EXTENSION twinset') for qw(fresh again);
my $current = $node->safe_psql('fresh', q(SELECT extversion FROM pg_extension WHERE extname = 'twinset'));
my $fresh = objects($node, 'fresh');
cmp_ok(scalar(grep { /^-- Name: set_tags\(/ } @$fresh), '==', 1, 'the objects are told one by one');
is(difference(objects($node, 'again'), $fresh), '', 'two installations are the same');

# that a difference is seen, and which
foreach my $change (
	[ 'a privilege', 'fleet_overview', 'GRANT SELECT ON twinset.fleet_overview TO PUBLIC' ],
	[ 'a comment', 'fleet_overview', q(COMMENT ON VIEW twinset.fleet_overview IS 'x') ],
	[ 'a default', 'deployment', 'ALTER TABLE twinset.deployment ALTER COLUMN priority SET DEFAULT 7' ],
	[ 'a member', 'fleet_overview', 'ALTER EXTENSION twinset DROP VIEW twinset.fleet_overview' ],
	[ 'a table to dump', 'WHERE false', q(UPDATE pg_extension SET extcondition[1] = 'WHERE false' WHERE extname = 'twinset') ])
{
	my ($name, $object, $do) = @$change;

	$node->safe_psql('again', $do);
	like(difference(objects($node, 'again'), $fresh), qr/$object/, "$name: seen");
	$node->safe_psql('postgres', "DROP DATABASE again");
	$node->safe_psql('postgres', "CREATE DATABASE again");
	$node->safe_psql('again', 'CREATE EXTENSION twinset');
}

# by what every version has, and without the brute force, which needs this version's views
my $manifest = '{"modulesContent": {"$edgeAgent": {"properties.desired": {"schemaVersion": "1.1",
	"runtime": {"type": "docker", "settings": {}}, "modules": {}, "systemModules": {
	"edgeAgent": {"type": "docker", "settings": {"image": "agent:1"}},
	"edgeHub": {"type": "docker", "status": "running", "restartPolicy": "always", "settings": {"image": "hub:1"}}}}},
	"$edgeHub": {"properties.desired": {"schemaVersion": "1.1", "routes": {},
	"storeAndForwardConfiguration": {"timeToLiveSecs": 60}}}}}';
my $fleet = qq(
INSERT INTO twinset.twin (device_id, tags) SELECT 'dev' || i, jsonb_build_object('n', i % 5) FROM generate_series(1, 40) AS i;
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
VALUES ('all', '$manifest', '*', 1), ('few', '$manifest', 'tags.n = 3', 3);
SELECT count(twinset.report_status(device_id, revision, 200)) FROM twinset.device_status WHERE device_id LIKE 'dev1%';
UPDATE twinset.twin SET tags = '{"n": 3}' WHERE device_id LIKE 'dev2%');

my %path = map { $_ => 1 } split /\n/, $node->safe_psql('postgres',
	qq(SELECT source FROM pg_extension_update_paths('twinset') WHERE target = '$current' AND path IS NOT NULL));
my %released = map { $_ => 1 } grep { $_ ne $current } released_versions();
is_deeply([ sort keys %path ], [ sort keys %released ], 'each released version has a path to this one');

foreach my $version (sort keys %path)
{
	my $dbname = "from_$version";
	my $views = join ';', map { "SELECT * FROM twinset.$_ ORDER BY 1, 2" }
	  qw(deployment_status device_status deployment_device twin deployment report);

	$node->safe_psql('postgres', qq(CREATE DATABASE "$dbname"));
	$node->safe_psql($dbname, qq(CREATE EXTENSION twinset VERSION '$version'));
	$node->safe_psql($dbname, $fleet);
	my $before = $node->safe_psql($dbname, $views);
	$node->safe_psql($dbname, 'ALTER EXTENSION twinset UPDATE');
	is($node->safe_psql($dbname, $views), $before, "$version: every view reads as before");
	is(difference(objects($node, $dbname), $fresh), '', "$version, updated: the objects of a fresh installation");
	is($node->safe_psql($dbname, 'SELECT * FROM twinset.verify()'), '', "$version, updated: verified");
	$node->safe_psql($dbname, '\i ' . test_file('brute_force.sql'));
	is_exact($node, "$version, updated", $dbname);
}

$node->stop;
done_testing();
