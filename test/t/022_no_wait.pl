# Nobody waits: tag writers, reporters and pollers beside an endless row of
# deployment changes, and the server's log, which names whoever waits for a lock
# longer than deadlock_timeout (10 ms).
#
# Each client has devices of its own, and one changes the deployments: two on one
# device wait for its row, and two deployment changes for one another, as any two
# UPDATEs of a row do.  Writers and deployment changes now and then stay open for
# 50 ms after what they wrote, so whoever waited for them would be named.
#
# It runs twice: with no settlement at commit, when nobody may wait for anything;
# and with one at nearly every commit.  Then a deployment change may wait for the
# settlement lock that a commit holds, and nobody else for anything.
# TWINSET_SECONDS says how long each run is.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

use TwinsetTest;

my $seconds = $ENV{TWINSET_SECONDS} // 10;
my $others = 1500;    # devices that nobody writes: what a big deployment change moves
my $own = 20;         # devices of each client
my $node = new_node('no_wait', "log_lock_waits = on\ndeadlock_timeout = 10ms\nlog_line_prefix = '%m [%p] %a: '");

sub rows { return $node->safe_psql('postgres', $_[0]); }

# what a client's scripts begin with: one of its devices
sub one_of { return "\\set n random(1, $own)\n" . join '', @_; }
my $device = q('$kind' || :client_id::text || '-' || :n::text);

# of each kind: how many clients, and their scripts with how often each is taken
my %kinds = (
	writer => { clients => 3, scripts => [
		[ 10, one_of("SELECT twinset.set_tags($device, jsonb_build_object('env', CASE WHEN random() < 0.5 THEN 'prod' ELSE 'test' END));\n") ],
		[ 10, one_of("UPDATE twinset.twin SET tags = tags || jsonb_build_object('n', (random() * 5)::integer) WHERE device_id = $device;\n") ],
		[ 2, one_of("UPDATE twinset.twin SET retired_at = CASE WHEN retired_at IS NULL THEN now() END WHERE device_id = $device;\n") ],
		[ 4, one_of("DELETE FROM twinset.twin WHERE device_id = $device;\n",
				"INSERT INTO twinset.twin (device_id, tags) VALUES ($device, jsonb_build_object('env', 'prod', 'n', 1));\n") ],
		[ 1, "UPDATE twinset.twin SET tags = tags || '{\"at\": 1}' WHERE device_id LIKE '\$kind' || :client_id::text || '-%';\n" ],
		[ 1, one_of("BEGIN;\nUPDATE twinset.twin SET tags = '{\"env\": \"prod\"}' WHERE device_id = $device;\n\\sleep 50 ms\nCOMMIT;\n") ] ] },
	reporter => { clients => 2, scripts => [
		[ 10, one_of("SELECT twinset.report_status($device, revision, 200 + 300 * (random() < 0.3)::integer)"
				. " FROM twinset.device_status WHERE device_id = $device;\n") ],
		[ 3, "SELECT count(*) FROM twinset.report_statuses((SELECT jsonb_agg(jsonb_build_object('device_id', device_id, 'revision', revision, 'code', 200))"
				. " FROM twinset.device_status WHERE device_id LIKE '\$kind' || :client_id::text || '-%'));\n" ],
		[ 1, one_of("BEGIN;\nSELECT twinset.report_status($device, 1, 200);\n\\sleep 50 ms\nCOMMIT;\n") ] ] },
	poller => { clients => 1, scripts => [
		[ 10, "\\set n random(1, $others)\nSELECT deployment_id, revision FROM twinset.device_manifest('other' || :n::text);\n" ],
		[ 2, "SELECT * FROM twinset.deployment_status;\n" ],
		[ 1, "SELECT count(*) FROM twinset.device_status WHERE device_id LIKE 'w%';\n" ] ] },
	'deployment change' => { clients => 1, scripts => [
		[ 4, "\\set n random(0, 5)\nUPDATE twinset.deployment SET target_condition = 'tags.n > ' || :n::text WHERE deployment_id = 'few';\n" ],
		[ 4, "\\set n random(1, 9)\nUPDATE twinset.deployment SET priority = :n WHERE deployment_id = 'few';\n" ],
		[ 4, "\\set n random(1, 1000)\nUPDATE twinset.deployment SET content = brute.manifest(:n::text) WHERE deployment_id = 'prod';\n" ],
		[ 4, "INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)"
				. " VALUES ('new', brute.manifest('1'), 'tags.env = ''test'' AND tags.n < 3', 7);\n"
				. "DELETE FROM twinset.deployment WHERE deployment_id = 'new';\n" ],
		# these move every device
		[ 1, "\\set n random(1, 20)\nUPDATE twinset.deployment SET priority = :n WHERE deployment_id = 'all';\n" ],
		[ 1, "INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority) VALUES ('big', brute.manifest('1'), '*', 50);\n"
				. "DELETE FROM twinset.deployment WHERE deployment_id = 'big';\n" ],
		[ 1, "BEGIN;\nUPDATE twinset.deployment SET priority = 30 - priority WHERE deployment_id = 'all';\n\\sleep 50 ms\nCOMMIT;\n" ] ] });

# All of a kind's clients, for as long as a run is.
sub start_clients
{
	my ($kind, $seed) = @_;
	my $name = substr $kind, 0, 1;
	my $number = 0;
	my @files;

	for my $script (@{ $kinds{$kind}{scripts} })
	{
		my ($weight, $text) = @$script;
		my $file = "$PostgreSQL::Test::Utils::tmp_check/$name" . ++$number . '.sql';

		open my $handle, '>', $file or die "$file: $!";
		print {$handle} $text =~ s/\$kind/$name/gr;
		close $handle or die "$file: $!";
		push @files, '-f', "$file\@$weight";
	}
	local $ENV{PGAPPNAME} = $kind;
	my $run = { kind => $kind, output => '' };
	$run->{process} = IPC::Run::start(
		[ 'pgbench', '--no-vacuum', '--time', $seconds, '--client', $kinds{$kind}{clients}, '--random-seed', $seed,
			'--host', $node->host, '--port', $node->port, @files, 'postgres' ],
		'<', \undef, '>', \$run->{output}, '2>&1');
	return $run;
}

# Who was named since, and for what: [ application, its line with the lines that belong to it ].  Who makes a table
# longer waits for others that do, whatever they write: those are left out.
sub waits
{
	my ($since) = @_;
	my $log = substr slurp_file($node->logfile), $since;
	my @waits;

	while ($log =~ /^\S+ \S+ \S+ \[\d+\] (.*?): LOG:  (process \d+ (?:still waiting for|acquired) .*\n(?:.*?(?:DETAIL|CONTEXT|STATEMENT):.*\n|\t.*\n)*)/mg)
	{
		my ($application, $what) = ($1, $2);
		push @waits, [ $application, $what ] unless $what =~ /on extension of relation/;
	}
	return @waits;
}

# Everybody for a while; what was waited for.
sub run_all
{
	my ($name, $seed) = @_;
	my $since = -s $node->logfile;

	for my $run (map { start_clients($_, $seed++) } sort keys %kinds)
	{
		push @{ $kinds{ $run->{kind} }{runs} }, $run;
	}
	for my $kind (sort keys %kinds)
	{
		my $run = $kinds{$kind}{runs}[-1];
		$run->{process}->finish;
		my ($done) = $run->{output} =~ /^number of transactions actually processed: (\d+)/m;
		is($run->{process}->result(0), 0, "$name: each $kind comes to the end") or diag($run->{output});
		unlike($run->{output}, qr/aborted|ERROR/, "$name: and has no error");
		cmp_ok($done // 0, '>', 20, "$name: a $kind does much");
		note("$name: $done transactions of $kinds{$kind}{clients} clients: $kind") if $done;
	}
	return waits($since);
}

sub told { return join "\n", map { "$_->[0]: $_->[1]" } @_; }

create_twinset($node);
rows(qq(
	INSERT INTO twinset.twin (device_id, tags)
	SELECT 'other' || i, jsonb_build_object('env', (ARRAY['prod', 'test'])[1 + i % 2], 'n', i % 6) FROM generate_series(1, $others) AS i;
	INSERT INTO twinset.twin (device_id, tags) SELECT format('%s%s-%s', kind, client, i), '{"env": "test", "n": 2}'
	FROM (VALUES ('w', 3), ('r', 2)) AS k (kind, clients) CROSS JOIN generate_series(0, clients - 1) AS client CROSS JOIN generate_series(1, $own) AS i;
	INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority) VALUES
		('all', brute.manifest('1'), '*', 1), ('prod', brute.manifest('1'), 'tags.env = ''prod''', 2), ('few', brute.manifest('1'), 'tags.n > 2', 3);
	ANALYZE));

rows('ALTER DATABASE postgres SET twinset.settle_after = 0');
is(told(run_all('nobody settles at commit', 1)), '', 'nobody waits');
is_exact($node, 'after no settlement at commit');

rows('ALTER DATABASE postgres SET twinset.settle_after = 2');
my @waits = run_all('commits settle', 100);
is(told(grep { $_->[0] ne 'deployment change' || $_->[1] !~ /in relation "settlement"/ } @waits), '',
	'nobody waits but a deployment change for a commit that settles');
note(scalar(@waits) . ' waits for a commit that settles');
is_exact($node, 'after settlements at commit');
is_verified($node, 'after both');

is(rows(q(SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres')), '0', 'no deadlock');
unlike(slurp_file($node->logfile), qr/deadlock detected|could not settle at commit|WARNING:.*(?:leak|still referenced)/, 'the log tells of nothing else');

# A wait would have been seen: two are provoked.
my %provoked = (
	writer => [ 'LOCK TABLE twinset.twin IN EXCLUSIVE MODE', q(UPDATE twinset.twin SET tags = '{}' WHERE device_id = 'other1'), 'relation' ],
	'deployment change' => [ 'SELECT FROM twinset.settlement FOR UPDATE', q(UPDATE twinset.deployment SET priority = 5), 'transaction' ]);
for my $kind (sort keys %provoked)
{
	my ($lock, $statement, $what) = @{ $provoked{$kind} };
	my $since = -s $node->logfile;
	my $holder = TwinsetTest::Session->new($node, 'holder');

	$holder->query("BEGIN; $lock");
	my $waiting = TwinsetTest::Session->new($node, 'waiting');
	$waiting->query("SET application_name = '$kind'");
	$waiting->send($statement);
	$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND pid = $waiting->{pid}");
	ok(!$waiting->done(0.2), "control: a $kind waits");
	$holder->query('COMMIT');
	ok($waiting->done(60), 'until it is let go');
	like(told(waits($since)), qr/^\Q$kind\E: process $waiting->{pid} still waiting for \S+ on $what.*^\Q$kind\E: process $waiting->{pid} acquired/ms,
		'and the log names it');
	$_->quit for $holder, $waiting;
}

$node->stop;
done_testing();
