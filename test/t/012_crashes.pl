# The server dies under load, in every way, and in the middle of a settlement:
# after recovery nothing committed is missing, no transaction is there by half,
# and every view is right.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use TwinsetTest;
use TwinsetTest::Load;

my $seed = $ENV{TWINSET_SEED} // int(time * 1000) % 1_000_000_000;
srand($seed);
note("seed $seed");

# small enough to be settled often
my $node = new_node('crashes', "restart_after_crash = on\ntwinset.settle_after = 50\nlog_min_messages = warning");
create_twinset($node);
my $load = TwinsetTest::Load->new($node, devices => 8, deployments => 2, others => 80);
$load->create_others;
rows(q(INSERT INTO twinset.twin (device_id) VALUES ('beside')));

sub rows { return $node->safe_psql('postgres', $_[0], timeout => 60); }

sub postmaster
{
	return (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
}

# all processes of the server
sub processes
{
	my $postmaster = postmaster();
	return ($postmaster, `ps -o pid= --ppid $postmaster` =~ /\d+/g);
}

# Kill some processes, the postmaster among them, and start the server again when all are gone: as long as one
# of its backends is there no new postmaster starts.
sub kill_server
{
	my (@killed) = @_;
	my @processes = processes();
	my $list = join ',', @processes;

	kill 'KILL', @killed;
	$node->kill9;
	for (1 .. 600)
	{
		last unless `ps -o pid= -p $list`;
		sleep 0.1;
	}
	$node->start;
	return;
}

sub kill_backend
{
	my $client = $load->{clients}[ rand @{ $load->{clients} } ];
	kill 'KILL', $client->{session}{pid} if $client->{session};
	return;
}

my %faults = (
	'kill -9 of a backend' => \&kill_backend,
	'kill -9 of the postmaster' => sub { kill_server(); },
	'kill -9 of all processes' => sub { kill_server(processes()); },
	'kill -9 of the checkpointer' => sub {
		kill 'KILL', rows(q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'));
	},
	'stop -m immediate' => sub { $node->stop('immediate'); $node->start; },
	'stop -m fast' => sub { $node->stop('fast'); $node->start; });

$load->run(1);
is_deeply([ $load->check ], [], 'before any fault');
for my $fault (sort keys %faults)
{
	$load->run(0.7 + rand 0.8);
	$faults{$fault}->();
	$load->run(0.3);
	is_deeply([ $load->check ], [], $fault);
}

# A transaction that is held in the middle of a settlement, by a lock that a trigger on a derived table asks for.
rows(q(INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
		VALUES ('only', brute.manifest('1'), 'tags.held = true', 1000);
	CREATE FUNCTION wait_here() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN PERFORM pg_catalog.pg_advisory_xact_lock_shared(13); RETURN NEW; END $$;
	CREATE TRIGGER wait_here BEFORE INSERT OR UPDATE ON twinset.assignment FOR EACH ROW EXECUTE FUNCTION wait_here()));
my %settlement = (
	'a deployment change' => q(INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
		VALUES ('held', brute.manifest('1'), '*', 2000)),
	'a commit that settles' => q(SET twinset.settle_after = 1; UPDATE twinset.twin SET tags = '{"held": true}' WHERE device_id LIKE 'other%'),
	'reconcile()' => q(BEGIN; DELETE FROM twinset.assignment; SELECT FROM twinset.reconcile(); COMMIT));
my %end = (
	'kill -9 of its backend' => sub { kill 'KILL', $_[0]->{pid}; },
	'kill -9 of all processes' => sub { kill_server(processes()); },
	'stop -m immediate' => sub { $node->stop('immediate'); $node->start; });
for my $what (sort keys %settlement)
{
	for my $end (sort keys %end)
	{
		my $case = "$end in the settlement of $what";
		local $SIG{PIPE} = 'IGNORE';
		my $holder = TwinsetTest::Session->new($node, 'holder');
		my $settler = TwinsetTest::Session->new($node, 'settler');

		$load->finish;
		rows(q(DELETE FROM twinset.deployment WHERE deployment_id = 'held'; UPDATE twinset.twin SET tags = '{"env": "test"}' WHERE device_id LIKE 'other%'));
		$holder->query('SELECT pg_advisory_lock(13)');
		$settler->send($settlement{$what});
		$node->poll_query_until('postgres',
			"SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND pid = $settler->{pid}");
		# others go on meanwhile
		rows(q(SET twinset.settle_after = 0; UPDATE twinset.twin SET tags = '{"n": 3}' WHERE device_id = 'beside'));
		$end{$end}->($settler);
		$load->rest;
		is_deeply([ $load->check ], [], $case);
		is(rows(q(SELECT count(*) FROM twinset.deployment WHERE deployment_id = 'held')
				. q( UNION ALL SELECT count(*) FROM twinset.twin WHERE tags ? 'held')), "0\n0", "it is undone as a whole: $case");
		is(rows(q(SELECT tags FROM twinset.twin WHERE device_id = 'beside')), '{"n": 3}', "what was committed beside it is there: $case");
		$_->quit for $holder, $settler;
	}
}
rows('DROP TRIGGER wait_here ON twinset.assignment');

$load->run(1);
$load->finish;
is_deeply([ $load->check ], [], 'at the end');
is(rows('SELECT repaired FROM twinset.reconcile()'), '0', 'nothing to repair');
unlike(slurp_file($node->logfile), qr/WARNING:.*(?:leak|still referenced)|TRAP|PANIC/, 'the log tells of no leak');
note($load->figures);
cmp_ok($load->{count}{committed}, '>', 500, 'much was done');

$load->quit;
$node->stop;
done_testing();
