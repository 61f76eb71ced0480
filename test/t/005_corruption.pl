# verify() finds what a superuser breaks in the derived data, reconcile() mends
# it and says so, and what was right is not touched.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Utils;
use Test::More;

use TwinsetTest;

my $node = new_node('corruption');
create_twinset($node);

sub rows { return $node->safe_psql('postgres', $_[0]); }

# a change of every kind that the log tells of
my $unsettled = q(
UPDATE twinset.twin SET tags = '{"env": "prod", "n": 3}' WHERE device_id IN ('dev11', 'dev12');
INSERT INTO twinset.twin (device_id, tags) VALUES ('new1', '{"env": "prod"}');
DELETE FROM twinset.twin WHERE device_id = 'dev14';
SELECT twinset.report_status(device_id, revision, 500) FROM twinset.device_status WHERE device_id IN ('dev16', 'dev17');
);

# what is broken, how, and what verify() says of it at least (deployment, device, kind, stored, expected)
my @damages = (
	[ 'a wrong winner', q(UPDATE twinset.assignment SET deployment_id = 'all' WHERE device_id = 'dev3'),
		qr/^all\|dev3\|winner\|all\|few$/m ],
	[ 'a winner that does not exist', q(UPDATE twinset.assignment SET deployment_id = 'gone' WHERE device_id = 'dev2'),
		qr/^gone\|dev2\|winner\|gone\|prod$/m ],
	[ 'a row missing', q(DELETE FROM twinset.assignment WHERE device_id = 'dev5'), qr/\|dev5\|winner\|\|all$/m ],
	[ 'a row too many, of no device', q(INSERT INTO twinset.assignment VALUES ('nobody', 'all', now())),
		qr/\|nobody\|winner\|all\|$/m ],
	[ 'a row too many, of a retired device',
		q(UPDATE twinset.twin SET retired_at = now() WHERE device_id = 'dev1'; SELECT FROM twinset.reconcile();
		INSERT INTO twinset.assignment VALUES ('dev1', 'all', now())), qr/\|dev1\|winner\|all\|$/m ],
	(map { my ($count) = @$_;
			[ "$count too large", "UPDATE twinset.tally SET $count = $count + 1 WHERE deployment_id = 'prod'", qr/^prod\|\|$count\|/m ],
			[ "$count too small", "UPDATE twinset.tally SET $count = $count - 1 WHERE deployment_id = 'prod'", qr/^prod\|\|$count\|/m ] }
		[ 'target' ], [ 'actual' ], [ 'healthy' ], [ 'unhealthy' ]),
	[ 'unknown too large', q(UPDATE twinset.tally SET actual = actual + 1, target = target + 1 WHERE deployment_id = 'prod'),
		qr/^prod\|\|unknown\|/m ],
	[ 'a tally missing', q(DELETE FROM twinset.tally WHERE deployment_id = 'few'), qr/^few\|\|/m ],
	[ 'a tally too many', q(INSERT INTO twinset.tally VALUES ('gone', 1, 1, 0, 0)), qr/^gone\|\|tally\|/m ],
	[ 'the entry of a tag change lost', q(DELETE FROM twinset.change WHERE device_id = 'dev12'), qr/\|dev12\|winner\|/m, 1 ],
	[ 'the entry of a new device lost', q(DELETE FROM twinset.change WHERE device_id = 'new1'), qr/\|new1\|winner\|\|prod$/m, 1 ],
	[ 'the entry of a deleted device lost', q(DELETE FROM twinset.change WHERE device_id = 'dev14' AND live), qr/\|\|target\|/m, 1 ],
	[ 'the entry of a report lost', q(DELETE FROM twinset.change WHERE device_id = 'dev16'), qr/\|\|unhealthy\|/m, 1 ],
	[ 'the log lost', q(TRUNCATE twinset.change), qr/\|dev12\|winner\|/m, 1 ],
	[ 'an entry falsified', q(UPDATE twinset.change SET tags = '{"n": 3}' WHERE device_id = 'dev11'), qr/^few\|\|target\|/m, 1 ],
	[ 'an entry invented',
		q(INSERT INTO twinset.change SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn, pg_current_xact_id(), 0, now(), 'dev20', false), qr/\|\|target\|/m ]);

for my $damage (@damages)
{
	my ($what, $statement, $found, $with_log) = @$damage;

	rows('TRUNCATE twinset.twin, twinset.deployment');
	create_fleet($node);
	rows('SELECT * FROM twinset.reconcile()');
	rows($unsettled) if $with_log;
	is_verified($node, "before: $what");

	rows($statement);
	like(rows('SELECT * FROM twinset.verify()'), $found, "verify() finds $what");

	my ($status, $repaired, $said) = $node->psql('postgres', 'SELECT repaired FROM twinset.reconcile()');
	is($status, 0, "reconcile() runs: $what");
	cmp_ok($repaired, '>', 0, "it repairs $what");
	like($said, qr/WARNING/, "and warns: $what");
	is_verified($node, "mended: $what");
	is_exact($node, "mended: $what");

	($status, $repaired, $said) = $node->psql('postgres', 'SELECT repaired FROM twinset.reconcile()');
	is("$repaired $said", '0 ', "nothing more to repair: $what");
}

# a part of the fleet at random: all of it is enough to find one
rows(q(TRUNCATE twinset.twin, twinset.deployment));
create_fleet($node);
is(rows('SELECT * FROM twinset.verify(10)'), '', 'ten devices are verified');
rows('SELECT * FROM twinset.reconcile()');
rows(q(UPDATE twinset.assignment SET deployment_id = 'all' WHERE device_id = 'dev3'));
like(rows('SELECT * FROM twinset.verify(40)'), qr/\|dev3\|winner\|all\|few/, 'forty devices: the wrong winner is among them');
rows('SELECT * FROM twinset.reconcile()');

# what is unsettled is no damage, and a reconcile() that is rolled back has done nothing
rows($unsettled);
my $log = rows('SELECT changes FROM twinset.unsettled_changes()');
is(rows('BEGIN; SELECT repaired FROM twinset.reconcile(); SELECT changes FROM twinset.unsettled_changes(); SELECT * FROM brute.difference; ROLLBACK'),
	"0\n0", 'reconcile() settles the log without a repair');
is(rows('SELECT changes FROM twinset.unsettled_changes()'), $log, 'the log is back after a rollback');
is_exact($node, 'after a reconcile() that was rolled back');

$node->stop;
done_testing();
