# The clients, the crashes and the checks of bench/soak, which starts the server.
use strict;
use warnings;

use Getopt::Long;
use Time::HiRes qw(sleep time);

use TwinsetTest::Load;

my %option = (minutes => 10, clients => 8, devices => 2000, crash => 60, seed => int(time) % 1_000_000);
GetOptions(\%option, 'minutes=f', 'clients=i', 'devices=i', 'crash=i', 'seed=i') && !@ARGV or die "see bench/soak --help\n";
$| = 1;
srand($option{seed});
print "seed $option{seed}\n";

my $data = "$ENV{SOAK_CLUSTER}/data";
my @as_owner = $ENV{SOAK_OWNER} eq getpwuid($>) ? () : ('runuser', '-u', $ENV{SOAK_OWNER}, '--');

# All that a load needs to know of a server.
package Server
{
	sub new { return bless {}, shift; }
	sub connstr { my (undef, $dbname) = @_; return "dbname=$dbname"; }
}

sub pg_ctl
{
	my @command = (@as_owner, 'pg_ctl', '-D', $data, '-l', "$ENV{SOAK_CLUSTER}/log", '-w', '-s', @_);
	return system(@command) == 0;
}

sub processes
{
	open my $file, '<', "$data/postmaster.pid" or die "no server: $!";
	chomp(my $postmaster = <$file>);
	return ($postmaster, `ps -o pid= --ppid $postmaster` =~ /\d+/g);
}

# No postmaster starts as long as a backend of the last one is there.
sub start_again
{
	my $list = join ',', @_;

	for (1 .. 600)
	{
		last unless `ps -o pid= -p $list`;
		sleep 0.1;
	}
	pg_ctl('start') or die "the server does not start\n";
	return;
}

my $load = TwinsetTest::Load->new(Server->new, clients => $option{clients}, others => $option{devices}, devices => 30);

my @crashes = (
	[ 'a backend killed', sub {
			my ($client) = grep { $_->{session} && $_->{transaction} } sort { rand() <=> 0.5 } @{ $load->{clients} };
			kill 'KILL', $client->{session}{pid} if $client;
		} ],
	[ 'all processes killed', sub { my @all = processes(); kill 'KILL', @all; start_again(@all); } ],
	[ 'the postmaster killed', sub { my @all = processes(); kill 'KILL', $all[0]; start_again(@all); } ],
	[ 'stopped at once', sub { pg_ctl('-m', 'immediate', 'stop') && pg_ctl('start') or die "no restart\n"; } ],
	[ 'the checkpointer killed', sub {
			my ($pid) = grep { `ps -o args= -p $_` =~ /checkpointer/ } processes();
			kill 'KILL', $pid;
		} ]);

my $wrong = 0;
my $crashes = 0;
my $started = time;

sub check
{
	my ($what) = @_;
	my $before = time;
	my @problems = $load->check;

	$wrong += @problems;
	printf "%6d s  %-24s %s  (checked in %.1f s)\n", time - $started, $what, @problems ? 'WRONG' : 'right', time - $before;
	print "$_\n" for @problems;
	return;
}

$load->create_others;
my $until = $started + 60 * $option{minutes};
my $writing = 0;
my $last = 0;
while (time < $until)
{
	my $turn = $option{crash} || 60;
	$turn = $until - time if $turn > $until - time;
	my $before = time;
	$load->run($turn);
	$writing += time - $before;
	if ($option{crash} && time < $until)
	{
		my ($what, $how) = @{ $crashes[ $crashes++ % @crashes ] };
		$how->();
		$load->run(0.5);
		check($what);
	}
	else { check('no crash'); }
}
$load->finish;
check('at the end');
$load->quit;

open my $log, '<', "$ENV{SOAK_CLUSTER}/log" or die "no log: $!";
my @leaks = grep { /WARNING:.*(?:leak|still referenced|not closed)|TRAP|PANIC/ } <$log>;
print @leaks;
my $count = $load->{count};
printf "\n%d s with %d clients, of which %d s writing: %d transactions committed (%.0f a second), %d retries, %d refused,"
  . "\n%d crashes, %d transactions in doubt by them, %d checks: %d wrong or lost, %d leaks\n",
  time - $started, $option{clients}, $writing, $count->{committed}, $count->{committed} / ($writing || 1), $count->{retries}, $count->{failed},
  $crashes, $count->{doubts}, $count->{checks}, $wrong, scalar @leaks;
print 'by kind: ', join(', ', map { "$_ $load->{kind}{$_}" } sort keys %{ $load->{kind} }), "\n";
exit($wrong || @leaks ? 1 : 0);
