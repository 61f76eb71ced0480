# Devices that live: examples/simulator plays them, and says whether what they have
# reported is what the views show.

package Bench::Rows::Simulator;

use strict;
use warnings;
use utf8;
use IPC::Open2;
use Time::HiRes qw(sleep time);

# the lines that answer a command; the last begins with its name
sub command
{
	my ($simulator, $command) = @_;
	my ($name) = $command =~ /^(\w+)/;
	my @lines;
	print { $simulator->{in} } "$command\n";
	while (defined(my $line = readline $simulator->{out}))
	{
		push @lines, $line;
		return @lines if $line =~ /^$name:/;
	}
	die "the simulator is gone\n", @lines;
}

sub still
{
	my ($simulator) = @_;
	my @lines = command($simulator, 'still');
	die "WRONG: the simulator's devices and the views differ\n", @lines unless $lines[-1] =~ /, 0 differences$/;
	return @lines;
}

# what was done since this was last asked: how many of each, and a poll's p99 in µs
sub counted
{
	my ($simulator) = @_;
	my ($line) = command($simulator, 'count');
	my %count = map { /^(\d+) (\w+)$/ ? ($2 => $1) : () } split /[,;] /, $line;
	die "WRONG: $line" if $count{errors};
	($count{seconds}) = $line =~ /^count: ([\d.]+) s/;
	($count{p99}) = map { $_ * 1000 } $line =~ /within ([\d.]+) ms/;
	return \%count;
}

sub rollout
{
	my ($fleet, $at) = @_;
	my ($devices, $poll, $rounds) = $fleet->{scale} eq 'small' ? (300, 1, 1) : (10000, 10, 2);
	my $session = $fleet->session($at);
	my %simulator;
	my $pid = open2(@simulator{ 'out', 'in' }, 'sh', '-c', 'exec "$@" 2> "$BENCH_FILES/simulator.log"', 'sh',
		'examples/simulator/simulator', '--provision', $devices, '--poll', $poll, '--pull', 0, 'dbname=' . $fleet->database($at));
	$simulator{in}->autoflush(1);
	readline $simulator{out};
	still(\%simulator);

	my (@quiet, @busy, @until, @reports);
	for my $round (1 .. $rounds)
	{
		counted(\%simulator);
		sleep $poll;
		push @quiet, counted(\%simulator)->{p99};
		my $since = time;
		$session->query("INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
			SELECT 'simulated', content, 'tags.simulated = true', 2000 FROM twinset.deployment LIMIT 1");
		my $healthy = 0;
		while ($healthy < $devices)
		{
			sleep 0.1;
			die "the devices do not get healthy\n" if time - $since > 300;
			($healthy) = $session->query("SELECT healthy FROM twinset.deployment_status WHERE deployment_id = 'simulated'");
		}
		push @until, (time - $since) * 1e6;
		my $count = counted(\%simulator);
		push @busy, $count->{p99};
		push @reports, $count->{reports} / $count->{seconds};
		my @lines = still(\%simulator);
		die "WRONG:\n", @lines unless grep { /^simulated: $devices devices, $devices healthy, / } @lines;
		$session->query("DELETE FROM twinset.deployment WHERE deployment_id = 'simulated'");
		still(\%simulator);
	}
	close $simulator{in};
	waitpid $pid, 0;
	die "the simulator failed\n" if $?;
	$session->query("DELETE FROM twinset.twin WHERE device_id LIKE 'sim-%'");
	return (
		{ what => 'p99 of a poll', bare => \@quiet, this => \@busy, devices => $devices, note => 'under bare: before it' },
		{ what => 'until all are healthy', this => \@until, devices => $devices, note => "a device polls every $poll s" },
		{ what => 'reports', unit => '/s', this => \@reports, devices => $devices });
}

[
	{ name => 'simulated devices go over to a deployment', at => 'some_simulated', how => \&rollout },
];
