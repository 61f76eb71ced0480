# Every way to dump and restore a fleet: each view then reads as it did, revisions
# and statuses included, what was not settled yet too; the next revisions do not
# collide with those that devices hold.
#
# Not dumped is when a device got its winner (assigned_at), and so since when a
# status is unknown; and what users have added to the extension's tables.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Utils;
use Test::More;

use TwinsetTest;

my $node = new_node('dump');
my $directory = $node->basedir . '/dumps';
mkdir $directory;

sub rows { return $node->safe_psql($_[0], $_[1]); }

create_twinset($node);
create_fleet($node);
rows('postgres', <<'SQL');
CREATE ROLE reader;
GRANT USAGE ON SCHEMA twinset TO reader;
GRANT SELECT ON twinset.device_status TO reader;
GRANT UPDATE (tags) ON twinset.twin TO reader;
GRANT EXECUTE ON FUNCTION twinset.set_tags(text, jsonb) TO reader;
SELECT FROM twinset.reconcile();

-- settled or not, live or not, awkward texts, equal ranks, conditions that target none
INSERT INTO twinset.twin (device_id, tags, iot_edge, retired_at, created_at) VALUES
	('-:.+%_#*?!(),=@;$''', '{"env": "prod", "text": "\\ '' \" \t \u00e9 $$ \\N"}', true, NULL, '2020-02-29 12:00:00.123456+00'),
	('retired', '{"env": "prod"}', true, 'infinity', '2020-01-01'),
	('N', '{"n": 1e400, "m": 1.10}', true, NULL, '-infinity'),
	('no_edge', '{"env": "prod"}', false, NULL, now());
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority, labels, created_at) VALUES
	('none', brute.manifest('4'), NULL, 9, '{"a": "\\ '' \" \n"}', now()),
	('empty', brute.manifest('4'), '', 9, '{}', now()),
	('-+%_*!''.', replace(brute.manifest('5'), ':1.5', ':1.5\u002d1'), 'tags.env = ''test'' AND NOT tags.n = 3', 2, '{}', '2024-01-01'),
	('equal', brute.manifest('6'), 'IS_DEFINED(tags.text) OR deviceId IN [''dev1'', ''dev2'']', 2, '{}', '2024-01-01');
UPDATE twinset.deployment SET content = brute.manifest('7') WHERE deployment_id = 'few';
UPDATE twinset.deployment SET labels = '{"later": "label"}' WHERE deployment_id = 'all';
SELECT twinset.report_status(device_id, revision, 200, E'line\n\\.\n''"', '{"m": {"state": "running"}}')
	FROM twinset.device_status WHERE device_id IN ('dev3', 'dev8', '-:.+%_#*?!(),=@;$''', 'N');
SELECT twinset.report_status('retired', 5, 200, reported_at => '2021-01-01');
UPDATE twinset.twin SET tags = tags || '{"n": 3}' WHERE device_id LIKE 'dev1%';
DELETE FROM twinset.twin WHERE device_id = 'dev19';
UPDATE twinset.twin SET retired_at = '2024-05-05' WHERE device_id = 'dev17';
SQL
isnt(rows('postgres', 'SELECT changes FROM twinset.unsettled_changes()'), '0', 'something is unsettled when it is dumped');
is_exact($node, 'what is dumped');

# every view, what devices get, and who may do what
my %reads = (
	(map { $_ => "SELECT * FROM twinset.$_ ORDER BY 1, 2" } qw(deployment_status deployment_device deployment_module twin deployment report)),
	device_status => q(SELECT to_jsonb(s) - 'assigned_at' - 'pending_since', assigned_at IS NULL, pending_since IS NULL
		FROM twinset.device_status AS s ORDER BY device_id),
	device_manifest => 'SELECT m.* FROM twinset.twin AS t, twinset.device_manifest(t.device_id) AS m ORDER BY t.device_id',
	explain_device => 'SELECT e.* FROM twinset.twin AS t, twinset.explain_device(t.device_id) AS e ORDER BY t.device_id, 1',
	grants => q(SELECT relname, relacl FROM pg_class WHERE oid IN ('twinset.device_status'::regclass, 'twinset.report'::regclass)
		UNION ALL SELECT attname, attacl FROM pg_attribute WHERE attrelid = 'twinset.twin'::regclass AND attname = 'tags'
		UNION ALL SELECT proname, proacl FROM pg_proc
		WHERE proname IN ('set_tags', 'reconcile') AND pronamespace = 'twinset'::regnamespace ORDER BY 1));

# Answers to named queries, all of one session.
sub answers
{
	my ($name, %queries) = @_;
	my @order = sort keys %queries;
	my (undef, @answers) = split /^=+\n?/m,
	  rows($name, "SET TimeZone = 'UTC';" . join('', map { "\n\\echo ===\n$queries{$_};" } @order) . "\n");
	my %answers;

	chomp @answers;
	@answers{@order} = map { $_ // '' } @answers[ 0 .. $#order ];
	return %answers;
}

my %dumped = answers('postgres', %reads);
is(scalar(grep { $_ eq '' } values %dumped), 0, 'each view has something to dump');

# with the extension and the brute force, and nothing in it
rows('template1', 'CREATE DATABASE ready TEMPLATE template0');
create_twinset($node, 'ready');

my $databases = 0;

# a database, with the extension or without
sub new_database
{
	my ($with_extension) = @_;
	my $name = 'restored' . ++$databases;

	rows('template1', "CREATE DATABASE $name TEMPLATE " . ($with_extension ? 'ready' : 'template0'));
	return $name;
}

# the lines of one text that are not in another
sub lines_but
{
	my ($one, $other) = @_;
	my %in = map { $_ => 1 } split /\n/, $other;
	return join "\n", grep { !$in{$_} } split /\n/, $one;
}

# Does a database read as the one that was dumped?
sub is_the_same
{
	my ($name, $form, @but) = @_;
	my %restored = answers($name, %reads);

	for my $read (sort keys %reads)
	{
		next if grep { $_ eq $read } @but;
		ok($restored{$read} eq $dumped{$read}, "the same $read: $form")
		  or diag("restored:\n" . lines_but($restored{$read}, $dumped{$read}) . "\ndumped:\n" . lines_but($dumped{$read}, $restored{$read}));
	}
	return;
}

# Is a database right, and does it go on right?
sub is_right
{
	my ($name, $form) = @_;
	my %before = answers($name,
		verified => 'SELECT * FROM twinset.verify()',
		exact => 'SELECT * FROM brute.difference',
		newest => 'SELECT newest_revision >= (SELECT max(revision) FROM twinset.deployment) FROM twinset.settlement');
	my %after = answers($name,
		a_change => q(CREATE TEMPORARY TABLE old AS SELECT revision FROM twinset.deployment UNION SELECT revision FROM twinset.report;
			UPDATE twinset.deployment SET content = brute.manifest('new') WHERE deployment_id IN ('all', 'none');
			INSERT INTO twinset.deployment (deployment_id, content, target_condition) VALUES ('next', brute.manifest('1'), 'tags.n = 1');
			UPDATE twinset.twin SET tags = '{"env": "test", "n": 1}' WHERE device_id LIKE 'dev2%';
			DO $$ BEGIN PERFORM twinset.report_status(device_id, revision, 200) FROM twinset.device_status WHERE deployment_id = 'next'; END $$),
		exact => 'SELECT * FROM brute.difference',
		new => q(SELECT count(*) FROM twinset.deployment
			WHERE deployment_id IN ('all', 'none', 'next') AND revision > (SELECT max(revision) FROM old)),
		repaired => 'SELECT repaired FROM twinset.reconcile()');

	is_deeply(\%before, { verified => '', exact => '', newest => 't' }, "right: $form");
	is_deeply(\%after, { a_change => '', exact => '', new => '3', repaired => '0' }, "goes on right, with new revisions: $form");
	return;
}

sub is_restored
{
	my ($name, $form, @but) = @_;

	is_the_same($name, $form, @but);
	is_right($name, $form);
	return;
}

sub dump_as
{
	my ($file, @options) = @_;
	my $path = "$directory/$file";

	$node->command_ok([ 'pg_dump', '--dbname' => $node->connstr('postgres'), '--file' => $path, @options ], "pg_dump @options");
	return $path;
}

sub load
{
	my ($name, $path) = @_;

	$node->command_ok([ 'psql', '--no-psqlrc', '--quiet', '--set=ON_ERROR_STOP=1', '--dbname' => $node->connstr($name), '--file' => $path,
			'--output' => '/dev/null' ], "psql loads it");
	return;
}

sub restore
{
	my ($name, $path, @options) = @_;

	$node->command_ok([ 'pg_restore', '--exit-on-error', '--dbname' => $node->connstr($name), @options, $path ], "pg_restore @options");
	return;
}

# the whole database, as a script
my %plain = (
	'plain' => [],
	'--inserts' => ['--inserts'],
	'--column-inserts' => [ '--column-inserts', '--rows-per-insert=7' ],
	'--clean --if-exists' => [ '--clean', '--if-exists' ]);
for my $form (sort keys %plain)
{
	my $name = new_database($form =~ /clean/);

	load($name, dump_as('plain.sql', @{ $plain{$form} }));
	is_restored($name, $form);
}

# as an archive
my $custom = dump_as('fleet.dump', '--format=custom');
my $folder = dump_as('fleet.dir', '--format=directory', '--jobs=2');
my $tar = dump_as('fleet.tar', '--format=tar');
my %archive = (
	'custom' => [ $custom, [] ],
	'custom, -j 4' => [ $custom, ['--jobs=4'] ],
	'custom, in one transaction' => [ $custom, ['--single-transaction'] ],
	'directory, -j 4' => [ $folder, ['--jobs=4'] ],
	'tar' => [ $tar, [] ],
	'sections' => [ $custom, [ '--section=pre-data', ], [ '--section=data', '--jobs=4' ], ['--section=post-data'] ],
	'sections, data from the last to the first table' => [ $custom, ['--section=pre-data'],
		map(['--section=data', '--schema=twinset', "--table=$_" ], qw(report deployment twin)), ['--section=post-data'] ]);
for my $form (sort keys %archive)
{
	my ($path, @steps) = @{ $archive{$form} };
	my $name = new_database(0);

	restore($name, $path, @$_) for @steps;
	is_restored($name, $form);
}

# the data alone, into a database that has the extension; then reconcile() where the triggers were off
my $data = dump_as('data.sql', '--data-only');
my %data = (
	'data only' => [ sub { load($_[0], $data); } ],
	'data only, --inserts' => [ sub { load($_[0], dump_as('inserts.sql', '--data-only', '--inserts')); } ],
	'data only, --disable-triggers' => [ sub { load($_[0], dump_as('off.sql', '--data-only', '--disable-triggers')); }, 1 ],
	'data only of an archive, --disable-triggers -j 4' =>
	  [ sub { restore($_[0], $custom, '--data-only', '--disable-triggers', '--jobs=4'); }, 1 ],
	'data only of a single schema' => [ sub { load($_[0], dump_as('schema.sql', '--data-only', '--schema=twinset')); } ],
	# it creates the schema, which is there
	'a single schema' => [ sub {
			my ($status, $output, $error) = $node->psql($_[0], '\i ' . dump_as('schema.sql', '--schema=twinset'), on_error_stop => 0);
			unlike($error =~ s/.*ERROR:  schema "twinset" already exists//r, qr/ERROR/, 'a single schema: nothing else fails');
		} ],
	'three tables' => [ sub { load($_[0], dump_as('tables.sql', map("--table=twinset.$_", qw(twin deployment report)))); } ],
	'in the role replica' => [ sub { rows($_[0], "SET session_replication_role = replica; \\i $data"); } ]);
for my $form (sort keys %data)
{
	my ($how, $reconcile) = @{ $data{$form} };
	my $name = new_database(1);

	$how->($name);
	if ($reconcile)
	{
		isnt(rows($name, 'SELECT * FROM twinset.verify()'), '', "verify() asks for reconcile(): $form");
		rows($name, 'SELECT FROM twinset.reconcile()');
	}
	is_restored($name, $form, 'grants');
}

# the extension and the schema alone
{
	my $name = new_database(0);

	load($name, dump_as('extension.sql', '--extension=twinset', '--schema=twinset'));
	$node->safe_psql($name, '\i ' . test_file('brute_force.sql'));
	is_restored($name, 'an extension and its schema', 'grants');
}

# to devices and deployments that are there already, settled or not
for my $settled (1, 0)
{
	my $form = 'beside others, ' . ($settled ? 'settled' : 'unsettled');
	my $name = new_database(1);

	rows($name, q(INSERT INTO twinset.twin (device_id, tags) SELECT 'other' || i, '{"env": "prod"}' FROM generate_series(1, 20) AS i;
		INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
			VALUES ('own', brute.manifest('1'), '*', 2), ('own_prod', brute.manifest('1'), 'tags.env = ''prod''', 5);
		SELECT twinset.report_status(device_id, revision, 200) FROM twinset.device_status));
	rows($name, 'SELECT FROM twinset.reconcile()') if $settled;
	load($name, $data);
	is_exact($node, $form, $name);
	is(rows($name, 'SELECT count(*), count(DISTINCT revision) FROM twinset.deployment'), '9|9', "all are there: $form");
	is_right($name, $form);
}

# what was restored is an hour old: devices have later revisions, and the clock lags behind them
{
	my $form = 'an earlier point in time';
	my $lost = rows('postgres', q(BEGIN; UPDATE twinset.deployment SET content = brute.manifest('lost') WHERE deployment_id = 'all';
		SELECT revision FROM twinset.deployment WHERE deployment_id = 'all'; ROLLBACK));

	for my $off (0, 1)
	{
		my $name = new_database(1);

		load($name, $off ? dump_as('off.sql', '--data-only', '--disable-triggers') : $data);
		rows($name, 'SELECT FROM twinset.reconcile()') if $off;
		rows($name, "SELECT twinset.report_status(device_id, $lost, 200) FROM twinset.device_status WHERE deployment_id = 'all'");
		is(rows($name, q(SELECT DISTINCT status FROM twinset.device_status WHERE deployment_id = 'all')), 'unknown', "unknown to it: $form");
		is(rows($name, qq(SELECT count(*) FROM twinset.device_status AS s, twinset.device_manifest(s.device_id, $lost) AS m
			WHERE s.deployment_id = 'all')), rows($name, q(SELECT count(*) FROM twinset.device_status WHERE deployment_id = 'all')),
			"who has a lost revision gets the one that is there: $form");
		is_right($name, $form);
	}

	# a dump whose revisions lie in the future, as the clock of another machine had it
	my $name = new_database(1);
	my $future = rows('postgres', q(SELECT (extract(epoch FROM now()) * 1000000)::bigint + 3600000000));
	rows($name, "INSERT INTO twinset.deployment (deployment_id, content, target_condition, revision) VALUES ('ahead', brute.manifest('1'), '*', $future)");
	my $copy = "$directory/future.sql";
	$node->command_ok([ 'pg_dump', '--dbname' => $node->connstr($name), '--data-only', '--schema=twinset', '--file' => $copy ], 'pg_dump of it');
	for my $off (0, 1)
	{
		my $next = new_database(1);

		rows($next, ($off ? 'ALTER TABLE twinset.deployment DISABLE TRIGGER ALL;' : '') . "\\i $copy");
		rows($next, 'ALTER TABLE twinset.deployment ENABLE TRIGGER ALL; SELECT FROM twinset.reconcile()') if $off;
		rows($next, q(INSERT INTO twinset.deployment (deployment_id, content, target_condition) VALUES ('next', brute.manifest('2'), '*')));
		cmp_ok(rows($next, q(SELECT revision FROM twinset.deployment WHERE deployment_id = 'next')), '>', $future,
			'a revision that was drawn ahead of the clock is not drawn again' . ($off ? ', the triggers off' : ''));
		is_exact($node, 'ahead of the clock', $next);
	}
}

# What users add to the tables is not in a dump; verify() names it, and what they took away.
my %additions = (
	'column address' => 'ALTER TABLE twinset.deployment ADD COLUMN address text',
	'index own_index' => 'CREATE INDEX own_index ON twinset.deployment (priority)',
	'constraint own_constraint' => 'ALTER TABLE twinset.deployment ADD CONSTRAINT own_constraint CHECK (priority < 100)',
	'trigger own_trigger' => 'CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;'
	  . 'CREATE TRIGGER own_trigger AFTER DELETE ON twinset.deployment EXECUTE FUNCTION own()',
	'policy own_policy' => 'CREATE POLICY own_policy ON twinset.deployment USING (true)',
	'rule own_rule' => 'CREATE RULE own_rule AS ON DELETE TO twinset.deployment WHERE false DO NOTHING',
	'statistics own_statistics' => 'CREATE STATISTICS own_statistics ON priority, created_at FROM twinset.deployment',
	'setting fillfactor=70' => 'ALTER TABLE twinset.deployment SET (fillfactor = 70)',
	'setting row level security' => 'ALTER TABLE twinset.deployment ENABLE ROW LEVEL SECURITY',
	'setting forced row level security' => 'ALTER TABLE twinset.deployment FORCE ROW LEVEL SECURITY',
	'setting replica identity' => 'ALTER TABLE twinset.deployment REPLICA IDENTITY FULL',
	'setting of column labels: statistics' => 'ALTER TABLE twinset.deployment ALTER COLUMN labels SET STATISTICS 10',
	'setting of column priority: n_distinct=5' => 'ALTER TABLE twinset.deployment ALTER COLUMN priority SET (n_distinct = 5)');
my $added = new_database(1);
load($added, $data);
rows($added, join ';', values %additions, 'DROP INDEX twinset.twin_tags_idx');
is(rows($added, q(SELECT kind, stored, expected FROM twinset.verify() ORDER BY stored COLLATE "C")),
	join("\n", map({ "part|deployment: $_|" } sort keys %additions), 'part||twin: index twin_tags_idx'), 'verify() names what was added and what is missing');

# an added column makes the restore of its table fail; the rest is restored (from an archive: of a script psql takes the
# rows of the COPY that failed for statements)
my $archive = "$directory/added.dump";
$node->command_ok([ 'pg_dump', '--dbname' => $node->connstr($added), '--format=custom', '--file' => $archive ], 'pg_dump of it');
my $without = new_database(0);
my ($output, $error) = run_command([ 'pg_restore', '--dbname' => $node->connstr($without), $archive ]);
like($error, qr/column "address" of relation "deployment" does not exist/, 'an added column makes the restore fail');
is(rows($without, 'SELECT count(*) FROM twinset.deployment'), '0', 'of that table');
is(rows($without, 'SELECT count(*) FROM twinset.twin'), rows('postgres', 'SELECT count(*) FROM twinset.twin'), 'the others are there');
is(rows($without, 'SELECT * FROM twinset.verify()'), '', 'and right, without what was added');

# a table of one's own that references the devices, as docs/guarantees.md has it, is dumped and restored with them
my ($site) = slurp_file(test_file('../docs/guarantees.md')) =~ /^\s*(CREATE TABLE site .*;)$/m;
my $kept = new_database(1);
load($kept, $data);
rows($kept, "$site INSERT INTO site SELECT device_id, 'at ' || device_id FROM twinset.twin");
$node->command_ok([ 'pg_dump', '--dbname' => $node->connstr($kept), '--format=custom', '--file' => "$directory/site.dump" ], 'pg_dump with a table of one\'s own');
my $with_site = new_database(0);
restore($with_site, "$directory/site.dump", '--jobs=2');
is(rows($with_site, 'SELECT count(*) FROM site JOIN twinset.twin USING (device_id)'), rows($kept, 'SELECT count(*) FROM twinset.twin'),
	'a table of one\'s own is restored');
is_restored($with_site, 'a table of one\'s own', 'grants');

$node->stop;
done_testing();
