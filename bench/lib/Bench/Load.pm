package Bench::Load;

# A run of pgbench, in the foreground or beside something else.
#
#   my $load = Bench::Load->start(database => 'fleet_many', script => "UPDATE …;\n", clients => 8, seconds => 60);
#   …
#   my $result = $load->finish;
#
# Statements are prepared.  The result: per_second, mean (µs; with connect => 1 a
# connection for each transaction, and what that takes), and of each transaction
# when it ended (epoch seconds) and how long it took (µs, without connecting), from
# pgbench's log.

use strict;
use warnings;
use utf8;

my $number = 0;

sub start
{
	my ($class, %o) = @_;
	my $prefix = "$ENV{BENCH_FILES}/load" . ++$number;
	open my $script, '>:utf8', "$prefix.sql" or die "$prefix.sql: $!\n";
	print $script $o{script};
	close $script or die "$prefix.sql: $!\n";

	my $clients = $o{clients} // 1;
	my @command = ('pgbench', '-n', '-M', 'prepared', '-f', "$prefix.sql", '-c', $clients,
		'-j', ($clients < 2 ? 1 : 2), '--random-seed=' . ($o{seed} // $number), '-l', "--log-prefix=$prefix.log",
		(defined $o{seconds} ? ('-T', $o{seconds}) : ('-t', $o{transactions})),
		($o{connect} ? '-C' : ()), (map { ('-D', "$_=$o{variables}{$_}") } sort keys %{ $o{variables} // {} }),
		$o{database});
	my $pid = fork // die "fork: $!\n";
	if ($pid == 0)
	{
		local $ENV{PGAPPNAME} = 'tag writer';
		open STDOUT, '>', "$prefix.out" or die;
		open STDERR, '>&', \*STDOUT or die;
		exec @command or die;
	}
	return bless { pid => $pid, prefix => $prefix }, $class;
}

sub finish
{
	my ($self) = @_;
	my $prefix = $self->{prefix};
	waitpid $self->{pid}, 0;
	my $status = $?;
	open my $out, '<', "$prefix.out" or die "$prefix.out: $!\n";
	my $text = do { local $/; <$out> };
	die "pgbench failed:\n$text" if $status != 0 || $text =~ /aborted/;

	my %result;
	($result{per_second}) = $text =~ /^tps = ([\d.]+)/m;
	($result{mean}) = map { $_ * 1000 } $text =~ /^latency average = ([\d.]+) ms/m;
	for my $log (glob "$prefix.log*")
	{
		open my $lines, '<', $log or die "$log: $!\n";
		while (my $transaction = <$lines>)
		{
			my (undef, undef, $latency, undef, $second, $micro) = split ' ', $transaction;
			push @{ $result{ended} }, $second + $micro / 1e6;
			push @{ $result{took} }, $latency;
		}
		unlink $log;
	}
	unlink "$prefix.out", "$prefix.sql";
	return \%result;
}

# the whole run, at once
sub run
{
	my ($class, %o) = @_;
	return $class->start(%o)->finish;
}

# percentile(RESULT, 0.99, FROM, TO): of the transactions that ended in between
sub percentile
{
	my ($result, $share, $from, $to) = @_;
	my @took = map { $result->{took}[$_] }
		grep { (!defined $from || $result->{ended}[$_] >= $from) && (!defined $to || $result->{ended}[$_] <= $to) }
		0 .. $#{ $result->{took} };
	@took = sort { $a <=> $b } @took;
	return @took ? $took[int($share * $#took + 0.5)] : undef;
}

1;
