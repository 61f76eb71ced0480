# A settlement that is interrupted: cancelled, timed out, terminated, without
# disk or memory.  A deployment change fails as a whole; at a commit that settles
# the user's own change is not lost, and what was not settled is settled later.
# Through all of it every view is right.
#
# TWINSET_SMALL_DISK names an empty folder on a small file system (./check makes it).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Utils;
use Test::More;

use TwinsetTest;

my $disk = $ENV{TWINSET_SMALL_DISK} or die 'TWINSET_SMALL_DISK must name a folder on a small file system; ./check makes one';
my $node = new_node('interrupted', "twinset.settle_after = 100\nrestart_after_crash = on\nmin_wal_size = 2MB\nmax_wal_size = 2MB",
	extra => [ '--wal-segsize=1', '--encoding=UTF8', '--locale=C' ]);
create_twinset($node);
create_fleet($node);
my $failure = qr/twinset could not settle at commit/;

sub rows { return $node->safe_psql('postgres', $_[0], timeout => 120); }

# What is written to the server's log meanwhile.
sub logged
{
	my ($do) = @_;
	my $start = -s $node->logfile;

	$do->();
	return substr(slurp_file($node->logfile), $start);
}

# The SQLSTATE with which statements fail.
sub fails
{
	my ($statements) = @_;
	my ($status, $output, $error) = $node->psql('postgres', "\\set VERBOSITY sqlstate\n$statements", on_error_stop => 1, timeout => 120);
	return $error =~ /ERROR:  (\w{5})/ ? $1 : "none: $error";
}

sub is_right
{
	my ($name) = @_;

	is_exact($node, $name);
	is_verified($node, $name);
	return;
}

rows(q(INSERT INTO twinset.twin (device_id, tags) SELECT 'big' || i, jsonb_build_object('n', i % 9, 'big', true) FROM generate_series(1, 400) AS i;
	INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority) VALUES
		('big', brute.manifest('1'), 'tags.big = true AND tags.n < 5', 5), ('held', brute.manifest('1'), 'tags.held = true', 1000);
	SELECT FROM twinset.reconcile()));

# Held in the middle of a settlement, at the 200th row of assignment that it writes.
rows(q(CREATE SEQUENCE written;
	CREATE FUNCTION wait_here() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF nextval('public.written') = 200 THEN PERFORM pg_catalog.pg_advisory_xact_lock_shared(13); END IF;
		RETURN coalesce(NEW, OLD);
	END $$;
	CREATE TRIGGER wait_here BEFORE INSERT OR UPDATE OR DELETE ON twinset.assignment FOR EACH ROW EXECUTE FUNCTION wait_here()));

my $change = q(UPDATE twinset.deployment SET target_condition = 'tags.big = true AND tags.n >= 5' WHERE deployment_id = 'big');
my $commit = q(UPDATE twinset.twin SET tags = tags || '{"held": true}' WHERE device_id LIKE 'big%');
my $holder = TwinsetTest::Session->new($node, 'holder');
$holder->query('SELECT pg_advisory_lock(13)');

# Run a statement until it is held, and interrupt it, or let a timeout do so; its SQLSTATE.
sub interrupt
{
	my ($statement, $how) = @_;
	my $session = TwinsetTest::Session->new($node, 'settler');

	rows(q(SELECT setval('written', 1)));
	$session->send($statement);
	if ($how)
	{
		$node->poll_query_until('postgres',
			"SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND pid = $session->{pid}");
		$how->($session);
	}
	my $ended = eval { $session->done(60) };
	my $state = !defined $ended ? 'gone' : $ended ? $session->{sqlstate} : 'no end';
	$session->quit;
	return $state;
}

sub cancel { rows("SELECT pg_cancel_backend($_[0]->{pid})"); return; }
sub terminate { rows("SELECT pg_terminate_backend($_[0]->{pid})"); return; }

my $before = rows('SELECT * FROM twinset.deployment ORDER BY 1');
is(interrupt($change, \&cancel), '57014', 'a deployment change is cancelled');
is_right('a deployment change was cancelled');
is(interrupt("SET statement_timeout = '1s'; $change"), '57014', 'statement_timeout ends a deployment change');
is_right('a deployment change was timed out');
is(interrupt("SET lock_timeout = '1s'; $change"), '55P03', 'lock_timeout ends a deployment change that waits');
is_right('a deployment change had no lock');
is(interrupt($change, \&terminate), 'gone', 'a deployment change is terminated');
is_right('a deployment change was terminated');
is(rows('SELECT * FROM twinset.deployment ORDER BY 1'), $before, 'none of them has changed a deployment');
is(interrupt("BEGIN; SAVEPOINT s; $change; ROLLBACK TO s; UPDATE twinset.twin SET tags = '{\"n\": 8}' WHERE device_id = 'dev1'; COMMIT", \&cancel),
	'57014', 'a deployment change is cancelled within a savepoint');
is(rows(q(SELECT tags FROM twinset.twin WHERE device_id = 'dev1')), '{"n": 8}', 'and its transaction goes on');
is_right('a deployment change was cancelled within a savepoint');

# the user's change is not lost to what interrupts the settlement at its commit
my %end = (
	'pg_cancel_backend()' => [ '', \&cancel ],
	'lock_timeout' => [q(SET lock_timeout = '1s';)]);
for my $end (sort keys %end)
{
	my ($set, $how) = @{ $end{$end} };
	my $state;
	rows(q(UPDATE twinset.twin SET tags = tags - 'held'; SELECT FROM twinset.reconcile()));
	my $said = logged(sub { $state = interrupt("$set $commit", $how) });

	is($state, '00000', "the commit succeeds: $end");
	like($said, $failure, "the log says that it has not settled: $end");
	is(rows(q(SELECT count(*) FROM twinset.twin WHERE tags ? 'held')), '400', "the change is there: $end");
	is(rows('SELECT changes FROM twinset.unsettled_changes()'), '400', "not settled: $end");
	is_right("a commit was interrupted by $end");
}

# no timeout for statements fires at a commit: it goes on when it can
rows(q(UPDATE twinset.twin SET tags = tags - 'held'; SELECT FROM twinset.reconcile()));
is(interrupt("SET statement_timeout = '5s'; $commit", sub { sleep 6; $holder->query('SELECT pg_advisory_unlock(13), pg_sleep(0.1), pg_advisory_lock(13)') }),
	'00000', 'statement_timeout does not end a commit');
is(rows('SELECT changes FROM twinset.unsettled_changes()'), '0', 'it has settled');
is_right('a commit outlived statement_timeout');

# who is terminated before the commit is not committed, and the client is told so by the end of the connection
rows(q(UPDATE twinset.twin SET tags = tags - 'held'; SELECT FROM twinset.reconcile()));
is(interrupt($commit, \&terminate), 'gone', 'a backend is terminated while its commit settles');
is(rows(q(SELECT count(*) FROM twinset.twin WHERE tags ? 'held')), '0', 'its change is undone');
is_right('a backend was terminated while its commit settled');
$holder->quit;
rows('DROP TRIGGER wait_here ON twinset.assignment');

# Out of disk: the log and the winners on a file system that is full.
rows("CREATE TABLESPACE small LOCATION '$disk'");
for my $table ('change', 'assignment', 'tally', 'posting')
{
	rows("ALTER TABLE twinset.$table SET TABLESPACE small");
}

sub fill
{
	open my $file, '>', "$disk/filler" or die $!;
	$file->autoflush(1);
	1 while print {$file} 'x' x 8192;
	close $file;
	return;
}

my $large = q(SELECT 'full' || i, jsonb_build_object('n', i % 9, 'pad', repeat('x', 300)) FROM generate_series(1, 2000) AS i);
rows(qq(INSERT INTO twinset.twin (device_id, tags) $large; SELECT FROM twinset.reconcile(); VACUUM twinset.change, twinset.assignment));
fill();
is(fails(q(UPDATE twinset.twin SET tags = tags || '{"pad": "y"}')), '53100', 'a tag change of many fails where the log has no room');
is_right('the log had no room');
is(fails(q(UPDATE twinset.deployment SET target_condition = '*', priority = 9 WHERE deployment_id = 'big')), '53100',
	'a deployment change fails where the winners have no room');
is_right('the winners had no room');
rows('ALTER TABLE twinset.change SET TABLESPACE pg_default');
my $said = logged(sub { rows(q(UPDATE twinset.twin SET tags = tags || '{"n": 3}' WHERE device_id LIKE 'full%')) });
like($said, $failure, 'a commit that can not settle for want of room says so');
like($said, qr/No space left on device/, 'and why');
is(rows(q(SELECT count(*) FROM twinset.twin WHERE device_id LIKE 'full%' AND tags @> '{"n": 3}')), '2000', 'and it is committed');
is_right('a commit had no room to settle');
unlink "$disk/filler";
is(rows('SELECT repaired FROM twinset.reconcile()'), '0', 'with room again all is settled, nothing to repair');
is_right('there is room again');
rows("ALTER TABLE twinset.$_ SET TABLESPACE pg_default") for qw(assignment tally posting);
rows('DROP TABLESPACE small');

# Out of disk for the write-ahead log: the server ends itself, and recovers when there is room.
$node->stop;
rename $node->data_dir . '/pg_wal', "$disk/pg_wal" or system_or_bail('mv', $node->data_dir . '/pg_wal', "$disk/pg_wal");
symlink "$disk/pg_wal", $node->data_dir . '/pg_wal' or die $!;
$node->start;
my $committed = 0;
fill();
for my $i (1 .. 200)
{
	my ($status) = $node->psql('postgres', qq(UPDATE twinset.twin SET tags = tags || '{"pad": "$i"}' WHERE device_id LIKE 'full%';
		UPDATE twinset.deployment SET labels = '{"i": "$i"}', priority = 5 + $i % 5 WHERE deployment_id = 'big'));
	last if $status != 0;
	$committed = $i;
}
like(slurp_file($node->logfile), qr/PANIC:  .*No space left on device/, 'the server has no room for its write-ahead log');
unlink "$disk/filler";
$node->_update_pid(-1);
$node->stop('immediate', fail_ok => 1);
$node->start;
is_right('after no room for the write-ahead log');
cmp_ok(rows(q(SELECT max((tags->>'pad')::integer) FROM twinset.twin WHERE tags->>'pad' ~ '^\d+$')) // 0, '>=', $committed, 'what was committed is there');
is(rows('SELECT repaired FROM twinset.reconcile()'), '0', 'nothing to repair');

# Out of memory: the limit of one backend's address space.
sub limited
{
	my ($megabytes, $statement) = @_;
	my $session = TwinsetTest::Session->new($node, 'limited');

	$session->query(q(SELECT twinset.matches('a', '{}', '*')));
	my ($size) = slurp_file("/proc/$session->{pid}/status") =~ /^VmSize:\s+(\d+) kB/m;
	system_or_bail('prlimit', '--pid', $session->{pid}, '--as=' . ($size + $megabytes * 1024) * 1024);
	my $state = $session->try($statement);
	my $exact = $session->try('SELECT 1');
	$session->quit;
	return "$state $exact";
}

rows(q(INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
	SELECT 'many' || i, brute.manifest('1'), format('tags.n = %s AND tags.m%s IN [%s]', i % 9, i, (SELECT string_agg(j::text, ', ') FROM generate_series(1, 50) AS j)), 2
	FROM generate_series(1, 3000) AS i));
rows(q(SET twinset.settle_after = 0; UPDATE twinset.twin SET tags = tags || '{"n": 5}' WHERE device_id = 'big1'));
is(limited(1, 'SELECT sum(target) FROM twinset.deployment_status'),
	'53200 00000', 'a read without memory fails, and the session goes on');
is(limited(1, q(UPDATE twinset.deployment SET priority = 3 WHERE deployment_id LIKE 'many%')), '53200 00000',
	'a deployment change without memory fails, and the session goes on');
is(rows(q(SELECT count(*) FROM twinset.deployment WHERE priority = 3 AND deployment_id LIKE 'many%')), '0', 'it is undone');
is_verified($node, 'a deployment change had no memory');
rows('SELECT FROM twinset.reconcile()');
$said = logged(sub { is(limited(1, q(UPDATE twinset.twin SET tags = tags || '{"n": 4}' WHERE device_id < 'big3')), '00000 00000',
			'a commit without the memory to settle succeeds') });
like($said, $failure, 'it says so in the log');
like($said, qr/out of memory/, 'and why');
is_verified($node, 'a commit had no memory to settle');
is(rows('SELECT repaired FROM twinset.reconcile()'), '0', 'nothing to repair');
unlike(slurp_file($node->logfile), qr/WARNING:.*leak|TRAP/, 'the log tells of no leak');

$node->stop;
done_testing();
