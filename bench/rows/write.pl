# One device's tags changed.

package Bench::Rows::Write;

use strict;
use warnings;
use utf8;
use Bench::Figures qw(less pairs turns);
use Bench::Load;
use Bench::Session qw(array);

# a round's devices: other ones each round, so that no row is written over and over
sub slice
{
	my ($ids, $round, $count) = @_;
	return map { $ids->[($round * $count + $_) % @$ids] } 0 .. $count - 1;
}

# Prepared UPDATEs in a loop, in one transaction; what its COMMIT costs is left out, and
# nothing is settled.  Short turns, so that what else the machine does meets all alike.
sub inside
{
	my ($changes) = @_;
	return sub {
		my ($fleet, $at) = @_;
		my $session = $fleet->session($at);
		my ($count, $turns) = @$fleet{qw(updates turns)};
		my @ids = $fleet->chosen($at, $changes, $count * ($turns + 1));
		my $loop = sub {
			my ($peer, $part) = @_;
			return sub {
				my ($round) = @_;
				my @slice = slice(\@ids, $round, int($count / $part));
				return $session->answered("SELECT bench.inside_$peer(" . array(@slice) . ')', scalar @slice);
			};
		};
		$session->query('SET twinset.settle_after = 0');
		my %figures = pairs($turns, bare => $loop->('bare', 1), rival => $loop->('rival', 5), this => $loop->('twinset', 1));
		$session->query('RESET twinset.settle_after');
		return ({ %figures }, { what => 'the rival over this', ratio => [ 'rival', 'this' ], rival => $figures{rival}, this => $figures{this} });
	};
}

# The same with its commit, which settles all of them
sub inside_settled
{
	my ($fleet, $at) = @_;
	my $session = $fleet->session($at);
	my $batch = $fleet->{batch};
	my @ids = $fleet->chosen($at, 'true', $batch * ($fleet->{rounds} + 1));
	my $loop = sub {
		my ($peer) = @_;
		return sub {
			my ($round) = @_;
			return $session->timed("SELECT bench.inside_$peer(" . array(slice(\@ids, $round, $batch)) . ')', $batch);
		};
	};
	$session->query("SET twinset.settle_after = $batch");
	my %figures = pairs($fleet->{rounds}, bare => $loop->('bare'), this => $loop->('twinset'));
	my ($left) = $session->query('SELECT changes FROM twinset.unsettled_changes()');
	die "WRONG: $left entries are left in the log\n" if $left;
	$session->query('RESET twinset.settle_after');
	return ({ %figures, note => "an UPDATE of $batch in one transaction, its commit in it" });
}

sub choice
{
	my (@ids) = @_;
	my $i = 0;
	my $cases = join ' ', map { /(\d+)$/; 'WHEN :i = ' . $i++ . " THEN $1" } @ids;
	return '\set i random(0, ' . $#ids . ")\n\\set n CASE $cases END\n";
}

# pgbench, one client, each UPDATE a transaction that waits for the disk
sub durable
{
	my ($changes) = @_;
	return sub {
		my ($fleet, $at) = @_;
		my @ids = $fleet->chosen($at, $changes, 200);
		my $commits = sub {
			my ($peer, $part) = @_;
			return sub {
				my ($round) = @_;
				return Bench::Load->run(database => $fleet->database($at), transactions => int($fleet->{commits} / $part), seed => 1 + $round,
					script => choice(@ids) . "UPDATE $peer.twin SET tags = bench.toggled(tags) WHERE device_id = 'gw-' || :n::text;\n")->{mean};
			};
		};
		my %figures = pairs($fleet->{rounds}, bare => $commits->('bare', 1), rival => $commits->('rival', 5), this => $commits->('twinset', 1));
		return ({ %figures });
	};
}

# the same loop in two databases, in turn
sub flat
{
	my ($fleet, $at) = @_;
	my ($count, $turns) = @$fleet{qw(updates turns)};
	my @ids = $fleet->session($at)->query('SELECT device_id FROM bench.source ORDER BY sha256(device_id::bytea) LIMIT ' . $count * ($turns + 1));
	my $loop = sub {
		my ($level) = @_;
		my $session = $fleet->session($level);
		return sub {
			my ($round) = @_;
			return $session->answered('SELECT bench.inside_twinset(' . array(slice(\@ids, $round, $count)) . ')', $count);
		};
	};
	$fleet->session($_)->query('SET twinset.settle_after = 0') for 'none', $at;
	my %figures = pairs($turns, none => $loop->('none'), this => $loop->($at));
	$fleet->session($_)->query('RESET twinset.settle_after') for 'none', $at;
	$fleet->check('none');
	return ({ bare => $figures{none}, this => $figures{this}, note => 'under bare: this with no deployment' });
}

# A connection for each transaction: the UPDATE and its commit, once connected.
sub first
{
	my ($fleet, $at) = @_;
	my $connect = sub {
		my ($peer) = @_;
		return sub {
			my ($round) = @_;
			my $load = Bench::Load->run(database => $fleet->database($at), transactions => $fleet->{connections}, connect => 1, seed => 1 + $round,
				script => "\\set n random(1000001, 1000000 + $fleet->{devices})\n"
					. "UPDATE $peer.twin SET tags = bench.toggled(tags) WHERE device_id = 'gw-' || :n::text;\n");
			return Bench::Load::percentile($load, 0.5);
		};
	};
	my %figures = pairs($fleet->{rounds}, bare => $connect->('bare'), this => $connect->('twinset'));
	my $new = sub {
		my ($peer) = @_;
		return sub {
			my ($round) = @_;
			my $session = $fleet->connect($at);
			my $figure = $session->timed("UPDATE $peer.twin SET tags = bench.toggled(tags) WHERE device_id = 'gw-" . (1000000 + $round) . "'");
			$session->close;
			return $figure;
		};
	};
	my %new = turns($fleet->{connections}, bare => $new->('bare'), this => $new->('twinset'));
	return ({ what => 'by pgbench -C', %figures }, { what => 'by pgbench -C, more than bare', this => less(@figures{qw(this bare)}) },
		{ what => 'by psql, more than bare', this => less(@new{qw(this bare)}) });
}

[
	{ name => 'tags changed, inside, the winner changes', at => 'many', goals => [ '<= 1.35 ×', '>= 20 ×' ], how => inside('true') },
	{ name => 'tags changed, inside, the winner stays', at => 'many', goals => [ '<= 1.35 ×', '>= 20 ×' ], how => inside('false') },
	{ name => 'tags changed, inside, and settled by the commit', at => 'many', how => \&inside_settled },
	{ name => 'tags changed, durable, the winner changes', at => 'many', goals => ['<= 1.05 ×'], how => durable('true') },
	{ name => 'tags changed, durable, the winner stays', at => 'many', goals => ['<= 1.05 ×'], how => durable('false') },
	{ name => 'tags changed, inside, most deployments over none', at => 'most', goals => ['<= 1.03 ×'], how => \&flat },
	{ name => 'first write of a new connection', at => 'most', goals => [ undef, '<= 0.3 ms', '<= 0.3 ms' ], how => \&first },
];
