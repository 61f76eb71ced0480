# The history of the deployments: replayed onto an empty table it gives today's
# table, and that of any time before; what a transaction did is undone exactly;
# a dump brings it back as it was, in whatever order it is restored.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Utils;
use Test::More;

use TwinsetTest;
use TwinsetTest::RandomStatement qw(pick chance random_statement);

my $CHANGES = $ENV{TWINSET_STEPS} // 10000;
my $UNDONE = 300;
my $seed = $ENV{TWINSET_SEED} // 14;
srand $seed;
note "seed $seed";

my $node = new_node('history');
create_twinset($node);
$node->safe_psql('postgres', '\i ' . test_file('user_triggers.sql'));
$node->safe_psql('postgres', q(
INSERT INTO twinset.twin (device_id, tags)
SELECT format('dev%s', lpad(i::text, 2, '0')), jsonb_build_object('env', (ARRAY['prod', 'test'])[1 + i % 2], 'n', i % 4)
FROM generate_series(0, 23) AS i;

CREATE TABLE replayed (deployment_id text COLLATE "C" PRIMARY KEY, content text, target_condition text, priority integer, labels jsonb,
	revision bigint, created_at timestamptz);
CREATE VIEW today AS SELECT deployment_id, content::text, target_condition::text, priority, labels, revision, created_at FROM twinset.deployment;

-- one entry after the other, each only onto what it says was there
CREATE PROCEDURE replay(until timestamptz) LANGUAGE plpgsql AS $$
DECLARE
	e twinset.history;
	now replayed;
BEGIN
	TRUNCATE replayed;
	FOR e IN SELECT * FROM twinset.history WHERE at <= until ORDER BY at LOOP
		SELECT * INTO now FROM replayed AS r WHERE r.deployment_id = e.deployment_id;
		IF (now.target_condition, now.priority, now.labels, now.revision, now.created_at) IS DISTINCT FROM
			(e.before_condition::text, e.before_priority, e.before_labels, e.before_revision, e.before_created_at)
			OR now.content <> e.before_content::text THEN
			RAISE 'entry of % at % does not follow: % %', e.deployment_id, e.at, now, e;
		ELSIF e.operation IN ('delete', 'truncate') THEN
			DELETE FROM replayed WHERE deployment_id = e.deployment_id;
		ELSIF e.operation IN ('insert', 'restore') THEN
			INSERT INTO replayed SELECT e.deployment_id, e.after_content::text, e.after_condition::text, e.after_priority, e.after_labels,
				e.after_revision, e.after_created_at;
		ELSE
			UPDATE replayed SET content = coalesce(e.after_content::text, content), target_condition = e.after_condition::text,
				priority = e.after_priority, labels = e.after_labels, revision = e.after_revision, created_at = e.after_created_at
			WHERE deployment_id = e.deployment_id;
		END IF;
	END LOOP;
END $$;
CREATE VIEW difference AS
SELECT 'missing' AS problem, to_jsonb(t) FROM (TABLE today EXCEPT ALL TABLE replayed) AS t
UNION ALL SELECT 'wrong', to_jsonb(t) FROM (TABLE replayed EXCEPT ALL TABLE today) AS t;

CREATE TABLE checkpoint AS SELECT clock_timestamp() AS at, * FROM today WHERE false;
));

sub rows { return $node->safe_psql('postgres', $_[0]); }

# a script of statements that write deployments, and what a session does besides
my @triggers = split /\n/, rows(q(SELECT name FROM usual.trigger WHERE name LIKE '%deployment%' OR name LIKE '%both%' ORDER BY name));

sub random_change
{
	my ($kind, $statement);

	do { ($kind, $statement) = random_statement(); } until $kind =~ /deployment|several|caught|procedure|^truncate$/;
	$statement =~ s/;?\s*\z/;\n/ unless $statement =~ /\\\.\s*\z/;
	# with the deployments that are left there is less to change than with those that come
	return random_change() if $kind eq 'truncate' && chance(0.9);
	return $statement;
}

sub random_session
{
	my ($statements) = @_;
	my $script = '';
	my $open = 0;

	for (1 .. $statements)
	{
		if (!$open && chance(0.02))
		{
			$script .= sprintf "SELECT usual.use('{%s}');\n", chance(0.5) ? '' : join ',', map { pick(@triggers) } 1 .. 2;
		}
		$script .= 'SET twinset.actor = ' . pick("'alice'", "'bob'", "''") . ";\n" if chance(0.05);
		$script .= "INSERT INTO checkpoint SELECT (SELECT clock_timestamp()), * FROM today;\n" if !$open && chance(0.02);
		if (!$open && chance(0.2)) { $script .= 'BEGIN ISOLATION LEVEL ' . pick('READ COMMITTED', 'REPEATABLE READ') . ";\n"; $open = 1; }
		elsif ($open && chance(0.1)) { $script .= "SAVEPOINT s;\n"; $open = 2; }
		elsif ($open == 2 && chance(0.2)) { $script .= pick('ROLLBACK TO', 'RELEASE') . " s;\n"; $open = 1; }
		elsif ($open && chance(0.3)) { $script .= pick('COMMIT', 'COMMIT', 'ROLLBACK') . ";\n"; $open = 0; }
		$script .= random_change();
	}
	return $script . "ROLLBACK;\n";
}

my $entries = 0;
while ($entries < $CHANGES)
{
	my ($out, $err);

	# a statement that fails is none; that one sees the end of the script is what counts
	$node->psql('postgres', random_session(500) . q(SELECT 'end';), stdout => \$out, stderr => \$err, on_error_stop => 0);
	like($out, qr/^end$/m, 'a session has come to its end') or diag($err);
	unlike($err, qr/^(?!.*psql).*(XX000|WRONG|server closed)/m, 'no internal error');
	$entries = rows('SELECT count(*) FROM twinset.history');
}
note "$entries entries";

rows(q(CALL replay('infinity')));
is(rows('SELECT * FROM difference'), '', 'the history replayed onto an empty table gives the table');
is(rows('SELECT count(*) FROM today') > 0, 1, 'which is not empty');
is_exact($node, 'after all changes');

cmp_ok(rows('SELECT count(DISTINCT at) FROM checkpoint'), '>', 3, 'there are some times at which the table was noted');
is(rows(q(
	WITH time AS (SELECT DISTINCT at FROM checkpoint), id AS (SELECT DISTINCT deployment_id FROM twinset.history),
	said AS (SELECT t.at, i.deployment_id, w.content::text, w.target_condition::text, w.priority, w.labels, w.revision, w.created_at
		FROM time AS t CROSS JOIN id AS i CROSS JOIN LATERAL twinset.deployment_as_of(i.deployment_id, t.at) AS w WHERE w.revision IS NOT NULL)
	(TABLE said EXCEPT ALL TABLE checkpoint) UNION ALL (TABLE checkpoint EXCEPT ALL TABLE said))),
	'', 'and says what it was at any of them');

# undo: the table and the winners are as they were before, but for what revisions must be
rows(q(SELECT usual.use('{}');
CREATE TABLE was AS TABLE today;
CREATE TABLE had AS SELECT device_id, deployment_id FROM twinset.device_status;
CREATE VIEW not_undone AS
SELECT to_jsonb(d) FROM (
	(SELECT deployment_id, content, target_condition, priority, labels, created_at FROM was
		EXCEPT ALL SELECT deployment_id, content, target_condition, priority, labels, created_at FROM today)
	UNION ALL (SELECT deployment_id, content, target_condition, priority, labels, created_at FROM today
		EXCEPT ALL SELECT deployment_id, content, target_condition, priority, labels, created_at FROM was)) AS d
UNION ALL SELECT to_jsonb(d) FROM (SELECT device_id, deployment_id FROM twinset.device_status EXCEPT TABLE had) AS d
UNION ALL SELECT jsonb_build_array(w.deployment_id, w.revision, t.revision) FROM was AS w JOIN today AS t USING (deployment_id)
WHERE t.revision < w.revision
));
rows('CREATE TABLE wrong (transaction text, problem jsonb); CREATE TABLE undone (transaction text)');
my $kinds = qr/^(insert|update|delete|merge|copy|truncate).*deployment|^truncate$/;
my $script = '';
for (1 .. $UNDONE)
{
	$script .= 'TRUNCATE was, had; INSERT INTO was TABLE today; INSERT INTO had SELECT device_id, deployment_id FROM twinset.device_status;'
	  . "\nBEGIN;\nSELECT pg_current_xact_id() AS transaction \\gset\n";
	for (1 .. 1 + int rand 3)
	{
		my ($kind, $statement);
		do { ($kind, $statement) = random_statement(); }
		  until $kind =~ $kinds && $kind ne 'copy deployments' && $statement !~ /TRUNCATE.*twin\b/;
		$script .= "SAVEPOINT s;\n$statement;\n\\if :ERROR\nROLLBACK TO s;\n\\endif\n";
	}
	$script .= "COMMIT;\nSELECT count(*) > 0 AS changed FROM twinset.history WHERE transaction = :'transaction' \\gset\n"
	  . "\\if :changed\nSELECT * FROM twinset.undo_transaction(:'transaction');\nINSERT INTO undone VALUES (:'transaction');\n\\endif\n"
	  . "INSERT INTO wrong SELECT :'transaction', * FROM not_undone;\n";
}
$node->psql('postgres', "$script SELECT 'end';", stdout => \my $out, on_error_stop => 0);
like($out, qr/^end$/m, 'transactions and undoing them came to an end');
cmp_ok(rows('SELECT count(*) FROM undone'), '>', $UNDONE / 3, 'transactions were undone');
is(rows('SELECT * FROM wrong LIMIT 5'), '', 'each exactly, with the winners');
is_exact($node, 'after all that was undone');

# dumps
my $shown = 'SELECT * FROM twinset.deployment_history ORDER BY at, deployment_id';
my $restored = 0;
my $dump = PostgreSQL::Test::Utils::tempdir;
my $uri = $node->connstr('postgres');

sub is_restored
{
	my ($name) = @_;
	my $database = "restored$restored";

	is($node->safe_psql($database, $_), rows($_), "$name: $_") for "SELECT md5(string_agg(h::text, E'\\n')) FROM ($shown) AS h", 'SELECT md5(string_agg(h::text, E\'\n\' ORDER BY at, deployment_id)) FROM twinset.history AS h',
	  'SELECT deployment_id, revision, created_at, updated_at, md5(d::text) FROM twinset.deployment AS d ORDER BY deployment_id';
	is($node->safe_psql($database, 'SELECT * FROM twinset.verify()'), '', "$name: verified");
	$restored++;
	return;
}
sub new_database
{
	rows("CREATE DATABASE restored$restored");
	return $node->connstr("restored$restored");
}

# with more history than deployments, and the other way about
rows(q(INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
	SELECT 'many' || i, brute.manifest(i::text), 'tags.n = ' || i % 7, 1 + i % 3 FROM generate_series(1, 300) AS i;
	ALTER DATABASE postgres SET twinset.max_moved_devices = 2));
my @client = ('--exclude-schema=public', '--exclude-schema=brute', '--exclude-schema=shown', '--exclude-schema=usual');
for my $way ([ 'a script', ], [ 'a script of INSERTs', '--rows-per-insert=7' ])
{
	my ($name, @options) = @$way;
	my $target = new_database();

	system_or_bail('pg_dump', @client, @options, "--file=$dump/script", "--dbname=$uri");
	$node->safe_psql('postgres', "ALTER DATABASE restored$restored SET twinset.max_moved_devices = 2");
	system_or_bail('psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $target, '-f', "$dump/script", '-o', '/dev/null');
	is_restored($name);
}
system_or_bail('pg_dump', @client, '--format=directory', "--file=$dump/directory", "--dbname=$uri");
for my $way ([ 'in parallel', '--jobs=3' ], [ 'at once', '--single-transaction' ])
{
	my ($name, @options) = @$way;
	my $target = new_database();

	system_or_bail('pg_restore', @options, "--dbname=$target", "$dump/directory");
	is_restored("restored $name");
}
for my $way ([ 'data only', '--data-only' ], [ 'data only, triggers off', '--data-only', '--disable-triggers' ])
{
	my ($name, @options) = @$way;
	my $target = new_database();

	$node->safe_psql("restored$restored", 'CREATE EXTENSION twinset');
	system_or_bail('pg_restore', @options, "--dbname=$target", "$dump/directory");
	$node->safe_psql("restored$restored", 'SELECT * FROM twinset.reconcile()');
	is_restored("restored $name");
}
# the history behind the deployments, before them, and both at a time: whoever is later finds the other's
for my $order ([ 'deployment', 'history' ], [ 'history', 'deployment' ])
{
	my $target = new_database();

	$node->safe_psql("restored$restored", 'CREATE EXTENSION twinset');
	system_or_bail('pg_restore', '--data-only', "--table=$_", "--dbname=$target", "$dump/directory") for @$order, 'report', 'twin';
	is_restored(join ' before ', @$order);
}
rows('ALTER DATABASE postgres RESET twinset.max_moved_devices');

# a restored history goes on, and numbers of transactions that come again are told apart
is($node->safe_psql('restored0', q(UPDATE twinset.deployment SET priority = 1 + priority WHERE deployment_id = 'many2';
	UPDATE twinset.deployment SET priority = 1 + priority WHERE deployment_id = 'many1';
	UPDATE twinset.history SET transaction = (SELECT transaction FROM twinset.history WHERE deployment_id = 'many1' AND operation = 'update')
		WHERE operation = 'insert' AND deployment_id LIKE 'many%';
	SELECT u.deployment_id, u.operation FROM twinset.history AS h, twinset.undo_transaction(h.transaction) AS u
	WHERE h.deployment_id = 'many1' AND h.operation = 'update')), 'many1|update', 'of two transactions with one number the latest is undone');

# a superuser who brings one row back by hand is in the history
is(rows(q(CREATE TABLE kept AS SELECT * FROM twinset.deployment WHERE deployment_id = 'many2';
	DELETE FROM twinset.deployment WHERE deployment_id = 'many2';
	INSERT INTO twinset.deployment TABLE kept;
	SELECT string_agg(operation, ' ' ORDER BY at) FROM twinset.history WHERE deployment_id = 'many2')), 'insert delete restore',
	'what is inserted again as it was is a change');

# a trigger that was switched off half-way: the commit writes what is left
is(rows(q(CREATE FUNCTION switch_off() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN UPDATE twinset.deployment SET labels = '{"by": "trigger"}' WHERE deployment_id = 'many3'; RETURN NEW; END $$;
	CREATE TRIGGER switch_off BEFORE UPDATE ON twinset.deployment FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION switch_off();
	UPDATE twinset.deployment SET labels = '{"by": "hand"}' WHERE deployment_id = 'many4';
	DROP TRIGGER switch_off ON twinset.deployment;
	SELECT string_agg(deployment_id || ' ' || after_labels::text, ', ' ORDER BY deployment_id)
	FROM twinset.history WHERE operation = 'update' AND deployment_id LIKE 'many_')), 'many3 {"by": "trigger"}, many4 {"by": "hand"}',
	'what a trigger has changed is in the history, and what fired it');

# retention
is(rows(q(SELECT twinset.forget_history('-infinity'))), '0', 'nothing is forgotten before all time');
is(rows(q(SELECT count(*) FROM twinset.deployment_history WHERE operation = 'forget')), '0', 'and nothing said about it');
my $half = rows('SELECT at FROM twinset.history ORDER BY at OFFSET (SELECT count(*) / 2 FROM twinset.history) LIMIT 1');
rows(qq(SET twinset.actor = 'carol'; SELECT twinset.forget_history('$half')));
is(rows(q(SELECT operation, actor FROM twinset.deployment_history WHERE at = (SELECT min(at) FROM twinset.deployment_history) AND deployment_id = '')), 'forget|carol', 'half of it forgotten: so it says');
is(rows(qq(SELECT count(*) FROM twinset.history WHERE at < '$half' AND operation <> 'forget'
	AND transaction <> (SELECT transaction FROM twinset.history WHERE at = '$half' ORDER BY deployment_id LIMIT 1))), '0', 'and is gone');
is(rows(q(SELECT min(at) < max(at) FROM twinset.deployment_history)), 't', 'the other half is there');
is(rows(qq(
	WITH time AS (SELECT DISTINCT at FROM checkpoint WHERE at >= '$half'), id AS (SELECT DISTINCT deployment_id FROM checkpoint),
	said AS (SELECT t.at, i.deployment_id, w.content::text, w.target_condition::text, w.priority, w.labels, w.revision, w.created_at
		FROM time AS t CROSS JOIN id AS i CROSS JOIN LATERAL twinset.deployment_as_of(i.deployment_id, t.at) AS w WHERE w.revision IS NOT NULL)
	(TABLE said EXCEPT ALL SELECT * FROM checkpoint WHERE at >= '$half')
	UNION ALL (SELECT * FROM checkpoint WHERE at >= '$half' EXCEPT ALL TABLE said))), '', 'and still says what the table was then');

# a planted password: in no row that is shown, no message, no line of the log
my $logged = -s $node->logfile;
my $secrets = q(
CREATE FUNCTION secret_manifest(secret text) RETURNS text LANGUAGE sql AS $$
SELECT jsonb_set(jsonb_set(brute.manifest('1')::text::jsonb, '{modulesContent,$edgeAgent,properties.desired,systemModules,edgeHub,env}',
	jsonb_build_object('PASSWORD', jsonb_build_object('value', secret))),
	'{modulesContent,$edgeAgent,properties.desired,runtime,settings,registryCredentials}',
	jsonb_build_object('r', jsonb_build_object('address', 'r.example.com', 'username', 'u', 'password', secret)))::text $$;
SET log_min_error_statement = panic;
SET client_min_messages = debug1;
SET log_min_messages = debug1;
\set VERBOSITY verbose
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority) VALUES ('secret', secret_manifest('hunter2-old'), '*', 90);
SELECT clock_timestamp() AS evening \gset
UPDATE twinset.deployment SET content = secret_manifest('hunter2-new') WHERE deployment_id = 'secret';
UPDATE twinset.deployment SET content = secret_manifest('hunter2-bad'), priority = -1 WHERE deployment_id = 'secret';
UPDATE twinset.deployment SET content = secret_manifest('hunter2-bad'), revision = 5 WHERE deployment_id = 'secret';
UPDATE twinset.deployment SET content = secret_manifest('hunter2-bad') || '}' WHERE deployment_id = 'secret';
INSERT INTO twinset.deployment (deployment_id, content) VALUES ('secret', secret_manifest('hunter2-bad'));
SET twinset.max_moved_devices = 0;
UPDATE twinset.deployment SET content = secret_manifest('hunter2-bad'), target_condition = NULL WHERE deployment_id = 'secret';
DELETE FROM twinset.deployment WHERE deployment_id = 'secret';
TRUNCATE twinset.deployment;
RESET twinset.max_moved_devices;
SELECT * FROM twinset.restore_deployment('secret', :'evening');
SELECT * FROM twinset.restore_deployment('secret', :'evening', true);
UPDATE twinset.deployment SET labels = '{"a": "b"}' WHERE deployment_id = 'secret';
SELECT * FROM twinset.undo_transaction((SELECT min(transaction::text::bigint)::text FROM twinset.deployment_history WHERE deployment_id = 'secret'));
SELECT * FROM twinset.restore_deployment('secret', '2020-01-01');
DELETE FROM twinset.deployment WHERE deployment_id = 'secret';
SELECT * FROM twinset.undo_transaction((SELECT transaction FROM twinset.deployment_history ORDER BY at DESC LIMIT 1));
SELECT * FROM twinset.undo_transaction((SELECT transaction FROM twinset.deployment_history ORDER BY at DESC LIMIT 1), true);
SELECT * FROM twinset.deployment_history;
SELECT * FROM twinset.deployment_history WHERE before::text LIKE '%' || after::text;
SELECT * FROM twinset.deployment_status;
SELECT * FROM twinset.verify();
SELECT twinset.forget_history(now());
ANALYZE twinset.history;
SELECT * FROM pg_stats WHERE schemaname = 'twinset';
SELECT 'end';
);
$node->psql('postgres', $secrets, stdout => \$out, stderr => \my $messages, on_error_stop => 0);
like($out, qr/^end$/m, 'what was done with a password came to its end');
is(scalar(() = $messages =~ /ERROR:  \w{5}/g), 9, 'with the errors that were meant') or diag($messages);
like($out, qr/"password": "\*\*\*"|"r": "\*\*\*"/, 'the history shows that there is one');
unlike($out, qr/hunter2/, 'but not what it is');
unlike($messages, qr/hunter2/, 'nor does any message');
unlike(slurp_file($node->logfile, $logged), qr/hunter2/, 'nor the log');
is(rows(q(SELECT count(*) FROM twinset.deployment WHERE content::text LIKE '%hunter2-old%')), '0', 'what was created is undone at last');

$node->stop;
done_testing();
