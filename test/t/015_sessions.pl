# What lives in a session: plans, compiled deployments, references.  The extension
# goes and comes again under a session that has used it, DISCARD ALL, two
# databases, many sessions' transactions on one connection, errors caught in
# subtransactions: nothing stale is used, and the server warns of no leak.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Utils;
use Test::More;

use TwinsetTest;

my $node = new_node('sessions', 'twinset.settle_after = 10');
create_twinset($node);
create_fleet($node);

sub rows { return $node->safe_psql('postgres', $_[0]); }

sub exact
{
	my ($session, $name) = @_;
	return is($session->query('SELECT * FROM brute.difference'), '', "exact: $name");
}

# every kind of write and read once, so that every plan and cache is there
my $use = q(
UPDATE twinset.twin SET tags = tags || '{"n": 3}' WHERE device_id LIKE 'dev1%';
UPDATE twinset.twin SET tags = tags || '{"n": 4}' WHERE device_id = 'dev2';
SELECT count(twinset.report_status(device_id, revision, 200)) FROM twinset.device_status WHERE device_id LIKE 'dev2%';
DELETE FROM twinset.twin WHERE device_id = 'dev39';
INSERT INTO twinset.twin (device_id, tags) VALUES ('dev39', '{"env": "test"}');
UPDATE twinset.deployment SET target_condition = 'tags.n = 3 OR tags.n = 4', priority = 7 WHERE deployment_id = 'few';
UPDATE twinset.deployment SET content = brute.manifest('s') WHERE deployment_id = 'all';
DELETE FROM twinset.deployment WHERE deployment_id = 'few';
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority) VALUES ('few', brute.manifest('1'), 'tags.n = 3', 3);
SELECT count(*) FROM twinset.device_manifest('dev3');
SELECT twinset.set_tags('dev3', '{"n": 3}');
SELECT target FROM twinset.preview('tags.n = 3', 5);
SELECT * FROM twinset.verify();
SELECT count(*) FROM twinset.device_status;
SELECT count(*) FROM twinset.deployment_device;
SELECT count(*) FROM twinset.explain_device('dev3');
);
sub drop_and_create
{
	rows('DROP SCHEMA brute, shown CASCADE; DROP EXTENSION twinset');
	create_twinset($node);
	create_fleet($node);
	return;
}

my $session = TwinsetTest::Session->new($node, 'session');
$session->query($use);
exact($session, 'used');

$session->query('DISCARD ALL');
$session->query($use);
exact($session, 'after DISCARD ALL');
$session->query('DISCARD PLANS');
exact($session, 'after DISCARD PLANS');

# the extension goes and comes again, in another session and in this one
drop_and_create();
exact($session, 'the extension was created again by another session');
$session->query($use);
exact($session, 'and used');
$session->query('DROP SCHEMA brute, shown CASCADE; DROP EXTENSION twinset');
is($session->try('SELECT * FROM twinset.device_status'), '42P01', 'without the extension there is nothing to read');
$session->query('CREATE TABLE other (a integer); INSERT INTO other VALUES (1)');
is($session->query('SELECT a FROM other'), '1', 'and the session goes on');
create_twinset($node);
create_fleet($node);
$session->query($use);
exact($session, 'the extension was dropped by this session and created by another');
$session->query('BEGIN; DROP SCHEMA brute, shown CASCADE; DROP EXTENSION twinset; ROLLBACK');
$session->query($use);
exact($session, 'it was dropped, and that undone');
is($session->try('BEGIN; DROP SCHEMA brute, shown CASCADE; DROP EXTENSION twinset; CREATE EXTENSION twinset;'
	  . q(INSERT INTO twinset.twin (device_id) VALUES ('a'); SELECT count(*) FROM twinset.device_status; ROLLBACK)), '00000', 'dropped, created and used in a transaction');
$session->query($use);
exact($session, 'and that undone');

# tables rewritten, their indexes too
rows('REINDEX TABLE twinset.assignment; VACUUM FULL twinset.assignment, twinset.tally, twinset.twin; ALTER TABLE twinset.twin ALTER COLUMN tags SET STATISTICS 50; ANALYZE twinset.twin');
$session->query($use);
exact($session, 'after tables were rewritten by another session');
$session->quit;

# two databases: each its own fleet, and none sees or waits for the other's
rows('CREATE DATABASE two');
create_twinset($node, 'two');
create_fleet($node, 'two');
my $one = TwinsetTest::Session->new($node, 'one');
my $two = TwinsetTest::Session->new($node, 'two', 'two');
$one->query(q(BEGIN; UPDATE twinset.deployment SET priority = 8 WHERE deployment_id = 'all'));
is($two->try(q(SET lock_timeout = '5s'; UPDATE twinset.deployment SET target_condition = 'tags.n = 1' WHERE deployment_id = 'all')), '00000',
	'deployment changes in two databases do not wait for one another');
$one->query('COMMIT');
exact($one, 'one of two databases');
exact($two, 'the other of two databases');
$_->quit for $one, $two;

# as a pooler does: one connection for the transactions of many, prepared statements, settings and errors of others left behind
rows(q(UPDATE twinset.deployment SET priority = 1 WHERE deployment_id = 'all'));
my $pool = TwinsetTest::Session->new($node, 'pool');
$pool->query(q(PREPARE tags (text, jsonb) AS UPDATE twinset.twin SET tags = $2 WHERE device_id = $1;
	PREPARE report (text, integer) AS SELECT twinset.report_status($1, (SELECT revision FROM twinset.device_status WHERE device_id = $1), $2);
	PREPARE look (text) AS SELECT deployment_id, status FROM twinset.device_status WHERE device_id = $1;
	PREPARE condition (text, text) AS UPDATE twinset.deployment SET target_condition = $2::twinset.target_condition WHERE deployment_id = $1));
for my $round (1 .. 12)
{
	my $isolation = ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')[ $round % 3 ];

	$pool->query("BEGIN ISOLATION LEVEL $isolation; EXECUTE tags ('dev$round', '{\"n\": $round, \"env\": \"prod\"}'); EXECUTE report ('dev$round', 200); COMMIT");
	is($pool->try(q(BEGIN; EXECUTE tags ('dev20', '[]'); COMMIT)), '23514', 'somebody\'s error') if $round == 5;
	$pool->query("BEGIN; EXECUTE condition ('few', 'tags.n = $round'); EXECUTE look ('dev$round'); " . ($round % 2 ? 'COMMIT' : 'ROLLBACK'));
	is($pool->query("EXECUTE look ('dev$round')"), $round % 2 ? 'few|unknown' : 'prod|healthy', "what the others see: $round");
	$node->safe_psql('postgres', "UPDATE twinset.deployment SET priority = 3 + $round % 2 WHERE deployment_id = 'few'");
	exact($pool, "a pooler's connection, $round");
	rows('DROP ROLE IF EXISTS pooled; CREATE ROLE pooled') if $round == 6;
	$pool->query('DISCARD TEMP; RESET ALL; SET SESSION AUTHORIZATION DEFAULT') if $round == 8;
}
$pool->quit;

# errors caught in subtransactions, on every way into the module, many times on one connection
my $caught = TwinsetTest::Session->new($node, 'caught');
for my $statement (
	q(UPDATE twinset.twin SET tags = '[]' WHERE device_id = 'dev5'),
	q(UPDATE twinset.twin SET tags = jsonb_build_object('n', 1 / (hashtext(device_id) % 3))),
	q(UPDATE twinset.deployment SET priority = 0),
	q(UPDATE twinset.deployment SET target_condition = 'tags.n ='),
	q(UPDATE twinset.deployment SET priority = 1 / (priority - 3)),
	q(INSERT INTO twinset.deployment (deployment_id, content) VALUES ('bad', '{}')),
	q(INSERT INTO twinset.deployment (deployment_id, content, target_condition) SELECT deployment_id, content, '*' FROM twinset.deployment),
	q(PERFORM twinset.report_status('nobody', 1, 200)),
	q(PERFORM twinset.report_status(device_id, 9007199254740991, 200) FROM twinset.twin),
	q(PERFORM twinset.preview('tags.', 1)),
	q(PERFORM 1 / (length(deployment_id) - 3) FROM twinset.device_status),
	q(PERFORM 1 / (target - target) FROM twinset.deployment_status),
	q(PERFORM twinset.matches(device_id, tags, 'tags.n = ' || device_id) FROM twinset.twin),
	q(UPDATE twinset.twin SET tags = '{"n": 1}'; UPDATE twinset.deployment SET priority = 2 + priority; RAISE EXCEPTION 'undo'),
	q(PERFORM twinset.reconcile(); RAISE EXCEPTION 'undo'),
	q(DELETE FROM twinset.twin; TRUNCATE twinset.deployment; RAISE EXCEPTION 'undo'))
{
	is($caught->try("DO \$\$ DECLARE caught integer := 0; BEGIN FOR i IN 1 .. 20 LOOP BEGIN $statement;"
		  . ' EXCEPTION WHEN OTHERS THEN caught := caught + 1; END; END LOOP; ASSERT caught = 20; END $$'), '00000', "caught twenty times: $statement");
}
exact($caught, 'after errors that were caught');
$caught->query($use);
exact($caught, 'and in use');
$caught->quit;

# what a connection keeps does not grow with what it has done
my $long = TwinsetTest::Session->new($node, 'long');
my $size = q(SELECT sum(total_bytes) FROM pg_backend_memory_contexts);
my $work = q(DO $$ BEGIN FOR i IN 1 .. 100 LOOP
		UPDATE twinset.twin SET tags = jsonb_build_object('n', i % 7, 'env', 'prod') WHERE device_id = 'dev' || (1 + i % 40);
		IF i % 10 = 0 THEN UPDATE twinset.deployment SET priority = 1 + i % 9, target_condition = 'tags.n < ' || i % 7 WHERE deployment_id = 'few'; END IF;
		PERFORM twinset.report_status('dev3', 1, 200);
		PERFORM count(*) FROM twinset.device_status;
		COMMIT;
	END LOOP; END $$);
$long->query($work);
my $after_one = $long->query($size);
$long->query($work) for 1 .. 3;
cmp_ok($long->query($size), '<', $after_one + 300_000, 'a connection has not grown by three hundred transactions more');
$long->quit;

unlike(slurp_file($node->logfile), qr/WARNING:.*(?:leak|not closed|still referenced|AbortSubTransaction)|TRAP|PANIC/, 'the log tells of no leak');

$node->stop;
done_testing();
