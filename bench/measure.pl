#!/usr/bin/perl
# The rows of bench/run, measured one after the other.  bench/run starts the server.

use strict;
use warnings;
use utf8;
use Getopt::Long;
use POSIX 'strftime';
use Time::HiRes 'time';
use Bench::Fleet;
use Bench::Figures qw(line table json);

binmode $_, ':utf8' for \*STDOUT, \*STDERR;
$| = 1;

my %option = (scale => 'small', rows => '.', json => '.work/bench.json');
GetOptions(\%option, 'scale=s', 'rows=s', 'json=s', 'list') or exit 2;

# A row: group, name, at (the level of deployments), goals (one for each
# measurement, in order), how (what measures it, given the fleet and the level).
# Rows of one level follow one another, so that few databases are there at once.
my @groups = qw(write settle load deployment read match bulk simulator growth worst);
my @rows = map { my $group = $_; map { { group => $group, %$_ } } @{ do "./bench/rows/$group.pl" || die "bench/rows/$group.pl: ", $@ || $!, "\n" } } @groups;
@rows = grep { "$_->{group} $_->{name}" =~ /$option{rows}/ } @rows;
if ($option{list})
{
	printf "%-11s %s\n", $_->{group}, $_->{name} for @rows;
	exit;
}
die "no row matches $option{rows}\n" unless @rows;

sub machine
{
	open my $info, '<', '/proc/cpuinfo' or return {};
	my @models = map { /^model name\s*: (.*)/ ? $1 : () } <$info>;
	open my $memory, '<', '/proc/meminfo' or return {};
	my ($kilobytes) = map { /^MemTotal:\s+(\d+)/ ? $1 : () } <$memory>;
	return { processors => scalar @models, model => $models[0], memory_gb => int($kilobytes / 1e6 + 0.5),
		kernel => (POSIX::uname())[2] };
}

my $began = time;
print "\nMaking the fleet\n";
my $fleet = Bench::Fleet->new($option{scale});
my $machine = machine();
chomp(my $commit = `git rev-parse --short HEAD 2> /dev/null` || '');
my @settings = qw(shared_buffers fsync synchronous_commit max_wal_size work_mem maintenance_work_mem autovacuum jit
	max_parallel_workers_per_gather shared_preload_libraries);
my $postgres = Bench::Session->new('postgres');
my %header = (scale => $option{scale}, devices => $fleet->{devices}, rounds => $fleet->{rounds},
	server => $fleet->{server}, machine => $machine, commit => $commit, at => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime),
	settings => { (map { $_ => scalar $postgres->query("SHOW $_") } @settings), huge_pages => $ENV{BENCH_HUGE_PAGES} });
$postgres->close;

my (@lines, %left);

# what was measured so far, so that a run that is stopped has not been for nothing
sub keep
{
	open my $json, '>', $option{json} or die "$option{json}: $!\n";
	print $json json(\%header, @lines);
	close $json or die "$option{json}: $!\n";
}

$left{ $_->{at} }++ for @rows;
for my $row (sort { $a->{at} cmp $b->{at} || 0 } @rows)
{
	my $at = $row->{at};
	if (!$fleet->{made}{$at})
	{
		my $since = time;
		$fleet->database($at);
		printf "   %6.1f s  made %s: %d deployments\n", time - $since, $at, $fleet->deployments($at);
	}
	my $since = time;
	my @measured = $row->{how}->($fleet, $at);
	my $measured = time;
	$fleet->check($at, --$left{$at} == 0 && $fleet->{devices} * $fleet->deployments($at) <= 2e9);
	printf "ok %6.1f s  %s (checked in %.1f s)\n", $measured - $since, $row->{name}, time - $measured;
	my @goals = @{ $row->{goals} // [] };
	my @row_lines = map { line($row->{name}, $_->{devices} // $fleet->{devices}, $_->{deployments} // $fleet->deployments($at),
		shift @goals, $_) } @measured;
	push @lines, @row_lines;
	print table(@row_lines), "\n";
	keep();
	$fleet->drop($at) if $left{$at} == 0;
}

printf "\nscale %s: %d devices; %s\n%s, %d × %s, %d GB, Linux %s; commit %s\n%s\n\n",
	$option{scale}, $fleet->{devices}, $header{at}, (split / on /, $fleet->{server})[0], $machine->{processors} // 0,
	$machine->{model} // '?', $machine->{memory_gb} // 0, $machine->{kernel} // '?', $commit,
	join ', ', map { "$_ = $header{settings}{$_}" } @settings, 'huge_pages';
print table(@lines);
my @missed = grep { defined $_->{met} && !$_->{met} } @lines;
printf "\n%d lines, %d with a goal, %d not met; every result was right; %.0f s\n",
	scalar @lines, scalar(grep { defined $_->{met} } @lines), scalar @missed, time - $began;
