# The guard, and the night that it is for.
#
# twinset.max_moved_devices against counting: each random statement is done once
# without it, and the devices counted whose winner is another afterwards; then
# with limits just at and just below what was counted.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Utils;
use Test::More;

use TwinsetTest;
use TwinsetTest::RandomStatement qw(pick chance random_statement);

my $CASES = $ENV{TWINSET_STEPS} // 2000;
my $seed = $ENV{TWINSET_SEED} // 14;
srand $seed;
note "seed $seed";

my $node = new_node('guard');
create_twinset($node);
$node->safe_psql('postgres', '\i ' . test_file('user_triggers.sql'));

sub rows { return $node->safe_psql('postgres', $_[0]); }

rows(q(
INSERT INTO twinset.twin (device_id, tags)
SELECT format('dev%s', lpad(i::text, 2, '0')), jsonb_build_object('env', (ARRAY['prod', 'test'])[1 + i % 2], 'n', i % 4)
FROM generate_series(0, 23) AS i;
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
SELECT 'p' || i, brute.manifest('1'), (ARRAY['*', 'tags.env = ''prod''', 'tags.n = 1', 'tags.n = 2'])[1 + i], 1 + i FROM generate_series(0, 3) AS i;

-- before a statement: who was live, and what it had
CREATE TABLE had (device_id text, deployment_id text);
CREATE VIEW counted AS
SELECT count(*) FILTER (WHERE s.deployment_id IS NOT NULL) AS moved, count(*) FILTER (WHERE s.deployment_id IS NULL) AS left
FROM had AS h LEFT JOIN twinset.device_status AS s ON s.device_id = h.device_id WHERE s.deployment_id IS DISTINCT FROM h.deployment_id;
CREATE TABLE result (number integer, statement text, failed text, moved bigint, left_without bigint, limits text, problem text);
));

# One statement of a kind that writes twins or deployments, not both, outside a transaction block.
my $kinds = qr/^(update|insert|delete|merge|truncate)/;

sub random_case
{
	my ($kind, $statement);

	# a second part of a query is counted alone, so those of several tables are left out
	do { ($kind, $statement) = random_statement(); }
	  until $kind =~ $kinds && $statement !~ /TRUNCATE.*,/;
	return $statement;
}

# Sent with the limit in :limit; what it raised is in :SQLSTATE.
my $script = "\\set VERBOSITY verbose\n";
for my $number (1 .. $CASES)
{
	my $statement = random_case();
	my $quoted = $statement =~ s/'/''/gr;

	if ($number % 40 == 1)
	{
		# a trigger that fires another statement on twins: the whole is counted
		$script .= sprintf "SELECT usual.use('{%s}');\n", pick('', '', 'row_writes_next_twin', 'row_writes_same_twin', 'row_removes_twin',
			'before_row_replaces_twin', 'row_brings_twin_back');
	}
	$script .= qq(BEGIN;
SET LOCAL twinset.settle_after = @{[pick(0, 1, 1000)]};
SELECT count(*) FROM twinset.deployment \\gset before_
INSERT INTO had SELECT device_id, deployment_id FROM twinset.device_status;
SAVEPOINT s;
$statement;
\\set failed :SQLSTATE
\\if :ERROR
ROLLBACK TO s;
\\endif
SELECT moved, "left" AS left_without, greatest(moved, "left") AS most FROM counted \\gset
ROLLBACK TO s;
SELECT :most - 1 AS below \\gset
SET LOCAL twinset.max_moved_devices = :most;
$statement;
\\set at_limit :SQLSTATE
ROLLBACK TO s;
\\set below_limit -
SELECT :most > 0 AS moves_any \\gset
\\if :moves_any
SET LOCAL twinset.max_moved_devices = :below;
$statement;
\\set below_limit :SQLSTATE
ROLLBACK TO s;
\\endif
SELECT count(*) AS moved_after FROM counted WHERE moved > 0 OR "left" > 0 \\gset
TRUNCATE had;
INSERT INTO result VALUES ($number, '$quoted', :'failed', :moved, :left_without, :'at_limit' || ' ' || :'below_limit',
	CASE WHEN :'at_limit' <> :'failed' OR (:'moves_any' AND :'below_limit' <> '53400') OR :moved_after <> 0 THEN 'wrong' END);
COMMIT;
);
	# go on from what it has done, now and then
	$script .= "$statement;\n" if chance(0.3);
	$script .= "SELECT * FROM twinset.reconcile();\n" if chance(0.05);
	# a fleet that is not empty
	$script .= q(INSERT INTO twinset.twin (device_id, tags) SELECT format('dev%s', lpad(i::text, 2, '0')), '{"env": "prod", "n": 1}'
		FROM generate_series(0, 23) AS i ON CONFLICT (device_id) DO UPDATE SET retired_at = NULL, iot_edge = true;
	INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
	SELECT 'p' || i, brute.manifest('1'), (ARRAY['*', 'tags.env = ''prod''', 'tags.n = 1', 'tags.n = 2'])[1 + i], 1 + i
	FROM generate_series(0, 3) AS i ON CONFLICT (deployment_id) DO UPDATE SET target_condition = excluded.target_condition;
) if $number % 50 == 0;
}
my ($out, $err);
$node->psql('postgres', "$script SELECT 'end';", stdout => \$out, stderr => \$err, on_error_stop => 0);
like($out, qr/^end$/m, 'the cases came to an end');
is(rows('SELECT count(*) FROM result'), $CASES, "all $CASES of them");
is(rows('SELECT count(*) FROM result WHERE problem IS NOT NULL'), '0', 'the guard counts what counting counts')
  or diag(rows('SELECT * FROM result WHERE problem IS NOT NULL LIMIT 5'));
note rows(q(SELECT format('%s cases moved devices, %s left some without', count(*) FILTER (WHERE moved > 0), count(*) FILTER (WHERE left_without > 0)) FROM result));
cmp_ok(rows('SELECT count(*) FROM result WHERE greatest(moved, left_without) > 1'), '>', $CASES / 8, 'many of which moved some');
unlike($err, qr/XX000|server closed/, 'no internal error');
is_exact($node, 'after the cases');

# what it says
rows(q(SELECT usual.use('{}'); TRUNCATE twinset.twin, twinset.deployment;
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
SELECT 'd' || i, brute.manifest('1'), 'tags.n = ' || i, 5 FROM generate_series(1, 12) AS i;
INSERT INTO twinset.twin (device_id, tags) SELECT 'dev' || i || '.' || n, jsonb_build_object('n', i) FROM generate_series(1, 13) AS i, generate_series(1, i) AS n));

sub refused
{
	my ($statement) = @_;

	$node->psql('postgres', "SET twinset.max_moved_devices = 10;\n\\set VERBOSITY verbose\n$statement", stderr => \my $message);
	$message =~ s/^psql:.*?ERROR:/ERROR:/;
	$message =~ s/^LOCATION:.*//m;
	$message =~ s/\s+\z//;
	return $message;
}
is(refused(q(INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority) VALUES ('wrong', brute.manifest('1'), '*', 9))),
	q(ERROR:  53400: statement would move 91 devices to another deployment and leave 0 without one, more than twinset.max_moved_devices = 10 allows
DETAIL:  Nothing has changed. It would have moved, from deployment to deployment:
from none to "wrong": 13
from "d12" to "wrong": 12
from "d11" to "wrong": 11
from "d10" to "wrong": 10
from "d9" to "wrong": 9
from "d8" to "wrong": 8
from "d7" to "wrong": 7
from "d6" to "wrong": 6
from "d5" to "wrong": 5
from "d4" to "wrong": 4
and 3 more
HINT:  If it is meant, allow it once: BEGIN; SET LOCAL twinset.max_moved_devices = 91; then the statement, and COMMIT.), 'it says how many, from where to where, and how to allow it');
is(refused(q(UPDATE twinset.twin SET tags = '{}' WHERE tags->>'n' IN ('1', '12'))),
	q(ERROR:  53400: statement would move 0 devices to another deployment and leave 13 without one, more than twinset.max_moved_devices = 10 allows
DETAIL:  Nothing has changed. It would have moved, from deployment to deployment:
from "d12" to none: 12
from "d1" to none: 1
HINT:  If it is meant, allow it once: BEGIN; SET LOCAL twinset.max_moved_devices = 13; then the statement, and COMMIT.), 'of twins too');
like(refused("UPDATE twinset.twin SET retired_at = now() WHERE tags->>'n' = '12'"), qr/53400: .* leave 12 without/, 'of devices that are retired');
like(refused('DELETE FROM twinset.twin'), qr/53400: .* leave 78 without/, 'of devices that are deleted');
like(refused('TRUNCATE twinset.twin'), qr/53400: .* leave 78 without/, 'of a fleet that is truncated');
rows(q(CREATE FUNCTION wipe() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN TRUNCATE twinset.twin; RETURN NULL; END $$;
	CREATE TRIGGER wipe AFTER DELETE ON twinset.deployment FOR EACH ROW EXECUTE FUNCTION wipe()));
like(refused("DELETE FROM twinset.deployment WHERE deployment_id <> 'd1'"), qr/53400: .* leave 78 without/, 'of one that a trigger truncates');
rows('DROP TRIGGER wipe ON twinset.deployment');
like(refused('TRUNCATE twinset.deployment'), qr/53400: .* leave 78 without/, 'of deployments that are');
like(refused('DELETE FROM twinset.deployment'), qr/53400: .* leave 78 without/, 'of deployments that are deleted');
is(refused(q(INSERT INTO twinset.twin (device_id, tags) SELECT 'new' || i, '{"n": 3}' FROM generate_series(1, 100) AS i)), '', 'new devices are not moved');
rows(q(CREATE FUNCTION toggle() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN UPDATE twinset.twin SET tags = CASE WHEN tags = '{}' THEN '{"n": 12}'::jsonb ELSE '{}' END WHERE device_id LIKE 'dev12.%'; RETURN NULL; END $$;
	CREATE TRIGGER toggle AFTER UPDATE ON twinset.twin FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION toggle()));
is(refused(q(UPDATE twinset.twin SET tags = tags || '{"x": 1}' WHERE device_id IN ('dev1.1', 'dev2.1'))), '',
	'what a trigger moves there and back within the statement is not moved');
like(refused(q(UPDATE twinset.twin SET tags = tags || '{"x": 1}' WHERE device_id = 'dev1.1')), qr/53400: .* leave 12 without/,
	'what it moves is');
rows('DROP TRIGGER toggle ON twinset.twin');

# a deployment takes what a trigger of its own change moves to it: neither of the two is let off for the other
rows(q(CREATE FUNCTION follow() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN UPDATE twinset.twin SET tags = '{"n": 11}' WHERE device_id LIKE 'dev12.%'; RETURN NULL; END $$;
	CREATE TRIGGER follow AFTER UPDATE ON twinset.deployment FOR EACH ROW EXECUTE FUNCTION follow()));
like(refused("SET twinset.match_by = $_; UPDATE twinset.deployment SET target_condition = 'tags.n IN [11, 12]', priority = 9 WHERE deployment_id = 'd11'"),
	qr/53400: .* move 12 devices/, "a trigger's twins are counted with the deployments as they were, by $_") for qw(cost postings matcher);
rows(q(DROP TRIGGER follow ON twinset.deployment;
	SELECT twinset.report_status('dev1.1', 1, 200);
	CREATE TRIGGER follow AFTER UPDATE ON twinset.report FOR EACH ROW EXECUTE FUNCTION follow()));
like(refused("SET twinset.match_by = $_; WITH d AS (UPDATE twinset.deployment SET target_condition = 'tags.n IN [11, 12]', priority = 9 WHERE deployment_id = 'd11' RETURNING 1)
		UPDATE twinset.report SET code = code + 1 FROM (SELECT count(*) FROM d) AS done"),
	qr/53400: .* move 12 devices/, "so are those beside a change that is still to settle, by $_") for qw(cost postings matcher);
rows('DROP TRIGGER follow ON twinset.report');
is(refused(q(SET session_replication_role = replica; UPDATE twinset.deployment SET target_condition = NULL WHERE deployment_id = 'd3')), '',
	'in the role replica there is no guard');
is(rows(q(SELECT count(*) FROM twinset.device_status WHERE deployment_id IS NOT NULL)), '75', 'only that has changed anything');
is_exact($node, 'after what was refused');
is(rows(q(CREATE ROLE operator; GRANT USAGE ON SCHEMA twinset TO operator; GRANT SELECT, UPDATE ON twinset.deployment TO operator;
	ALTER ROLE operator SET twinset.max_moved_devices = 10;
	SELECT array_to_string(rolconfig, ',') FROM pg_roles WHERE rolname = 'operator')), 'twinset.max_moved_devices=10', 'a role can have it');
# who is no superuser sets it for a database only once the server knows it
rows('CREATE ROLE fleet_owner; GRANT USAGE ON SCHEMA twinset TO fleet_owner; CREATE DATABASE fleet OWNER fleet_owner');
my $alter = 'ALTER DATABASE fleet SET twinset.max_moved_devices = 100';
$node->psql('postgres', "SET ROLE fleet_owner; $alter", stderr => \my $unknown);
like($unknown, qr/permission denied to set parameter/, 'the owner of a database is refused before the module is loaded');
rows("SET ROLE fleet_owner; SELECT twinset.matches('a', '{}', '*'); $alter");
is(rows(q(SELECT setconfig FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = 'fleet'))),
	'{twinset.max_moved_devices=100}', 'and not after that');

# Statements on both tables, beside and within one another.  Each is counted alone, so with a limit of none
# the first that moves a device is refused; where none is refused, no device has moved.
rows(q(TRUNCATE twinset.twin, twinset.deployment;
INSERT INTO twinset.twin (device_id, tags) SELECT 'dev' || i, jsonb_build_object('n', 1 + i % 2) FROM generate_series(1, 4) AS i;
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
VALUES ('p1', brute.manifest('1'), 'tags.n = 1', 1), ('p2', brute.manifest('1'), 'tags.n = 2', 2);
SELECT twinset.report_status(device_id, 1, 200) FROM twinset.twin;
CREATE TABLE escaped (statement text, nested text, devices text);
CREATE FUNCTION nest() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN EXECUTE current_setting('test.nested'); RETURN CASE WHEN TG_WHEN = 'BEFORE' THEN NEW END; END $$));

sub change_deployment
{
	# one too long to be stored with its terms, too
	return sprintf "UPDATE twinset.deployment SET target_condition = %s, priority = %d WHERE deployment_id = '%s'",
	  pick('target_condition', 'NULL', "'*'", "'tags.n = 1'", "'tags.n = 2'", "'tags.n IN [1, 2]'", '$c$deviceId IN [' . join(', ', map { "'dev$_'" } 1 .. 200) . ']$c$'),
	  1 + int rand 3, pick('p1', 'p2');
}
sub change_twins { return sprintf q(UPDATE twinset.twin SET tags = '{"n": %d}' WHERE device_id <= '%s'), pick(1, 2), pick('dev2', 'dev9'); }
sub change_reports { return 'UPDATE twinset.report SET code = code + 1'; }

$script = '';
for (1 .. $CASES / 2)
{
	my ($statement, $nested, $table) = pick(
		sub { return (change_deployment(), change_twins(), 'deployment'); },
		sub { return (change_twins(), change_deployment(), 'twin'); },
		sub { return ('WITH d AS (' . change_deployment() . ' RETURNING 1) ' . change_twins(), 'SELECT', 'twin'); },
		sub { return ('WITH t AS (' . change_twins() . ' RETURNING 1) ' . change_deployment(), pick(change_twins(), change_deployment()), pick('twin', 'deployment')); },
		sub { return ('WITH d AS (' . change_deployment() . ' RETURNING 1) ' . change_reports() . pick('', ' FROM (SELECT count(*) FROM d) AS done'), change_twins(), 'report'); })->();

	$script .= sprintf "BEGIN; CREATE TRIGGER nested %s UPDATE ON twinset.%s FOR EACH %s WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION nest();\n",
	  pick('BEFORE', 'AFTER'), $table, pick('ROW', 'STATEMENT');
	$script .= sprintf "SET LOCAL twinset.match_by = %s; TRUNCATE had; INSERT INTO had SELECT device_id, deployment_id FROM twinset.device_status;\n",
	  pick('cost', 'matcher', 'postings');
	$script .= qq(SET LOCAL test.nested = \$n\$$nested\$n\$; SAVEPOINT s; SET LOCAL twinset.max_moved_devices = 0;
$statement;
\\if :ERROR
ROLLBACK TO s;
\\endif
INSERT INTO escaped SELECT \$s\$$statement\$s\$, \$n\$$nested\$n\$, string_agg(format('%s: %s to %s', device_id, h.deployment_id, s.deployment_id), ', ')
FROM had AS h LEFT JOIN twinset.device_status AS s USING (device_id) WHERE s.deployment_id IS DISTINCT FROM h.deployment_id HAVING count(*) > 0;
DROP TRIGGER nested ON twinset.$table; COMMIT;
);
	$script .= "$statement;\n" if chance(0.5);
}
$node->psql('postgres', "$script SELECT 'end';", stdout => \$out, stderr => \$err, on_error_stop => 0);
like($out, qr/^end$/m, 'statements within one another came to an end');
is(rows('SELECT count(*) FROM escaped'), '0', 'none of their moves escapes the guard') or diag(rows('SELECT * FROM escaped LIMIT 5'));
my $refused = () = $err =~ /would move/g;
cmp_ok($refused, '>', $CASES / 8, 'many of them are refused');
is_exact($node, 'after statements within one another');

# The night.
rows(q(TRUNCATE twinset.twin, twinset.deployment;
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
SELECT 'd' || i, brute.manifest(i::text), 'tags.n = ' || i, 5 + i % 3 FROM generate_series(0, 9) AS i;
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority) VALUES ('pilot', brute.manifest('p'), 'tags.pilot = TRUE', 20);
INSERT INTO twinset.twin (device_id, tags) SELECT 'dev' || i, jsonb_build_object('n', i % 11, 'pilot', i % 1000 = 0) FROM generate_series(1, 101000) AS i;
INSERT INTO twinset.report (device_id, revision, code, reported_at)
SELECT device_id, revision, CASE WHEN hashtext(device_id) % 10 = 0 THEN 500 ELSE 200 END, now() FROM twinset.device_status WHERE revision IS NOT NULL;
CREATE TABLE status_before AS SELECT device_id, deployment_id, revision, status FROM twinset.device_status;
CREATE TABLE count_before AS SELECT deployment_id, target, actual, healthy, unhealthy, unknown, revised_at FROM twinset.deployment_status;
CREATE VIEW night_difference AS
SELECT to_jsonb(d) FROM (SELECT device_id, deployment_id, revision, status FROM twinset.device_status EXCEPT TABLE status_before) AS d
UNION ALL SELECT to_jsonb(d) FROM (SELECT deployment_id, target, actual, healthy, unhealthy, unknown, revised_at FROM twinset.deployment_status EXCEPT TABLE count_before) AS d));
my $wrong = q(SET twinset.actor = 'robin'; SET twinset.reason = 'the pilot for hall north'; UPDATE twinset.deployment SET target_condition = '*' WHERE deployment_id = 'pilot');

$node->psql('postgres', "SET twinset.max_moved_devices = 1000; $wrong", stderr => \my $message);
like($message, qr/would move 100899 devices to another deployment and leave 0 without/, 'with the guard on: refused');
is(rows('SELECT count(*) FROM night_difference'), '0', 'and nothing has changed');
is(rows(q(SELECT count(*) FROM twinset.deployment_history WHERE actor = 'robin')), '0', 'not in the history either');

rows($wrong);
is(rows(q(SELECT actual FROM twinset.deployment_status WHERE deployment_id = 'pilot')), '101000', 'without it the wrong hand moves 100,000 devices');
is(rows(q(SELECT actor, reason, operation, deployment_id, before, after FROM twinset.deployment_history ORDER BY at DESC LIMIT 1)),
	q(robin|the pilot for hall north|update|pilot|{"target_condition": "tags.pilot = TRUE"}|{"target_condition": "*"}), 'the history tells who and what');
my $transaction = rows('SELECT transaction FROM twinset.deployment_history ORDER BY at DESC LIMIT 1');
is(rows("SELECT deployment_id, operation FROM twinset.undo_transaction('$transaction')"), 'pilot|update', 'one call undoes it');
is(rows('SELECT count(*) FROM night_difference'), '0', 'every winner and every count is as before, row by row, and reports still count');
is(rows('SELECT count(*) FROM twinset.verify(200)'), '0', 'verified');

rows('DELETE FROM twinset.deployment');
is(rows(q(SELECT count(*) FROM twinset.device_status WHERE deployment_id IS NOT NULL)), '0', 'or all deployments are deleted');
rows('SELECT * FROM twinset.undo_transaction((SELECT transaction FROM twinset.deployment_history ORDER BY at DESC LIMIT 1))');
is(rows('SELECT count(*) FROM night_difference'), '0', 'one call brings them back, and reports still count');

$node->stop;
done_testing();
