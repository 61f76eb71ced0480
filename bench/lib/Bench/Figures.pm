package Bench::Figures;

# Pairs, medians, goals, the table and its JSON.
#
# A measurement, as a row's function returns it:
#   what      the end of its line's name, where a row has several lines
#   unit      µs (the default), /s, bytes, × or anything; how the figures are shown
#   bare, rival, this    lists of figures, one a round: numbers, or pairs of one and
#             its CPU time
#   ratio     which over which (default: this over bare): [ 'this', 'bare' ]
#   ratios    or the ratios themselves; an empty list: none
#   note      what one must know to read it
# A goal: "<= 1.35 ×" is about the median ratio, "<= 12 µs" about the median of
# this, "= 0 waits" likewise.

use strict;
use warnings;
use utf8;
use Exporter 'import';
use JSON::PP ();
use List::Util qw(max min);

our @EXPORT_OK = qw(less pairs turns median line cells table json);

my %micro = ('µs' => 1, 'ms' => 1e3, 's' => 1e6);

sub median
{
	my @sorted = sort { $a <=> $b } @_;
	return unless @sorted;
	return @sorted % 2 ? $sorted[$#sorted / 2] : ($sorted[@sorted / 2 - 1] + $sorted[@sorted / 2]) / 2;
}

# less(LIST, LIST): figures less others, round by round
sub less
{
	my ($more, $less) = @_;
	return [ map { my $i = $_; ref $more->[$i] ? [ map { $more->[$i][$_] - $less->[$i][$_] } 0, 1 ] : $more->[$i] - $less->[$i] }
		0 .. min($#$more, $#$less) ];
}

# turns(ROUNDS, NAME => SUB, …): each in turn, the order reversed every other round;
# a round's number is its argument, from 1
sub turns
{
	my ($rounds, @subs) = @_;
	my (%of, @names, %figures);
	while (my ($name, $sub) = splice @subs, 0, 2)
	{
		push @names, $name;
		$of{$name} = $sub;
	}
	for my $round (1 .. $rounds)
	{
		push @{ $figures{$_} }, scalar $of{$_}->($round) for $round % 2 ? @names : reverse @names;
	}
	return %figures;
}

# the same after one round, number 0, that does not count
sub pairs
{
	my ($rounds, %subs) = @_;
	my (undef, @subs) = @_;
	$_->(0) for values %subs;
	return turns($rounds, @subs);
}

sub met
{
	my ($goal, $line) = @_;
	return unless defined $goal;
	my ($sign, $limit, $unit) = $goal =~ /^(<=|>=|=) ([\d.]+) (\S.*)$/ or die "not a goal: $goal\n";
	my $figure = $unit eq '×' ? $line->{ratio}{median} : $line->{this}{median};
	return unless defined $figure;
	$figure /= $micro{$unit} if exists $micro{$unit};
	return $sign eq '<=' ? $figure <= $limit : $sign eq '>=' ? $figure >= $limit : $figure == $limit;
}

sub spread
{
	my @figures = grep { defined } @_;
	return unless @figures;
	return { median => median(@figures), min => min(@figures), max => max(@figures), rounds => scalar @figures };
}

sub by_round
{
	my ($over, $under) = @_;
	return map { $under->[$_] ? $over->[$_] / $under->[$_] : () } 0 .. min($#$over, $#$under);
}

# line(NAME, DEVICES, DEPLOYMENTS, GOAL, MEASUREMENT)
sub line
{
	my ($name, $devices, $deployments, $goal, $m) = @_;
	my %line = (measure => $m->{what} ? "$name: $m->{what}" : $name, devices => $devices, deployments => $deployments,
		unit => $m->{unit} // 'µs', goal => $goal, note => $m->{note});
	my (%wall, %cpu);
	for my $peer (qw(bare rival this))
	{
		$wall{$peer} = [ map { ref ? $_->[0] : $_ } @{ $m->{$peer} // [] } ];
		$cpu{$peer} = [ map { ref ? $_->[1] : () } @{ $m->{$peer} // [] } ];
		$line{$peer} = spread(@{ $wall{$peer} });
		$line{cpu}{$peer} = spread(@{ $cpu{$peer} });
	}
	my ($over, $under) = @{ $m->{ratio} // [ 'this', 'bare' ] };
	my @ratios = @{ $m->{ratios} // [] };
	if (!$m->{ratios} && $line{$over} && $line{$under})
	{
		@ratios = by_round($wall{$over}, $wall{$under});
		$line{ratio_of} = "$over over $under";
	}
	$line{cpu}{ratio} = spread(by_round($cpu{$over}, $cpu{$under})) if @ratios;
	$line{ratio} = spread(@ratios);
	$line{ratio}{of_minima} = $line{$over}{min} / $line{$under}{min} if $line{ratio_of} && $line{$under}{min};
	my $met = met($goal, \%line);
	$line{met} = defined $met ? ($met ? JSON::PP::true : JSON::PP::false) : undef;
	return \%line;
}

sub short
{
	my ($figure) = @_;
	return $figure >= 100 ? sprintf('%.0f', $figure) : $figure >= 10 ? sprintf('%.1f', $figure) : sprintf('%.2f', $figure);
}

sub commas
{
	my ($number) = @_;
	1 while $number =~ s/^(\d+)(\d{3})/$1,$2/;
	return $number;
}

sub shown
{
	my ($spread, $unit) = @_;
	return '' unless $spread;
	my $figure = $spread->{median};
	if ($unit eq 'µs')
	{
		return $figure >= 1e6 ? short($figure / 1e6) . ' s' : $figure >= 1e3 ? short($figure / 1e3) . ' ms' : short($figure) . ' µs';
	}
	return commas($figure == int $figure ? $figure : $figure >= 100 ? sprintf('%.0f', $figure) : short($figure)) . ($unit eq '/s' ? '/s' : " $unit");
}

sub cells
{
	my ($line) = @_;
	my $ratio = '';
	if (my $r = $line->{ratio})
	{
		$ratio = short($r->{median}) . ($r->{rounds} > 1 ? ' (' . short($r->{min}) . '–' . short($r->{max}) . ')' : '');
	}
	my $minima = $line->{ratio} && defined $line->{ratio}{of_minima} && $line->{ratio}{rounds} > 1 ? short($line->{ratio}{of_minima}) : '';
	my $cpu = $line->{cpu}{ratio} ? short($line->{cpu}{ratio}{median}) : $line->{cpu}{this} ? shown($line->{cpu}{this}, 'µs') : '';
	my $goal = $line->{goal} // '';
	$goal =~ s/<=/≤/;
	$goal =~ s/>=/≥/;
	return ($line->{measure}, commas($line->{devices}) . ' / ' . commas($line->{deployments}),
		(map { shown($line->{$_}, $line->{unit}) } qw(bare rival this)), $ratio, $minima, $cpu, $goal,
		!defined $line->{met} ? '' : $line->{met} ? 'met' : 'NOT met');
}

my @head = ('measure', 'devices / deployments', 'bare', 'rival', 'this', 'ratio (spread)', 'of minima', 'CPU', 'goal', '');

sub table
{
	my @rows = (\@head, map { [ cells($_) ] } @_);
	my @width = map { my $i = $_; max map { length $_->[$i] } @rows } 0 .. $#head;
	my @text = map { my $row = $_; my $text = join '  ', map { $_ < 1 || $_ > 4
		? $row->[$_] . ' ' x ($width[$_] - length $row->[$_])
		: ' ' x ($width[$_] - length $row->[$_]) . $row->[$_] } 0 .. $#head; $text =~ s/ +$//; $text } @rows;
	splice @text, 1, 0, '-' x max(map { length } @text);
	return join("\n", @text) . "\n" . join('', map { "$_->{measure}: $_->{note}\n" } grep { defined $_->{note} } @_);
}

sub json
{
	my ($header, @lines) = @_;
	return JSON::PP->new->utf8->pretty->canonical->encode({ %$header, lines => \@lines });
}

1;
