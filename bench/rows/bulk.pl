# Very many devices in one statement.

package Bench::Rows::Bulk;

use strict;
use warnings;
use utf8;
use Bench::Figures qw(pairs);

# COPY of the whole fleet into empty tables; the settlement at its end is in it
sub copy
{
	my ($fleet, $at) = @_;
	my $session = $fleet->session($at);
	my $file = "$ENV{BENCH_FILES}/twins.copy";
	$session->query("COPY bench.source (device_id, tags) TO '$file'");
	my $copy = sub {
		my ($peer) = @_;
		return sub {
			$session->query("TRUNCATE $peer.twin");
			$session->query('VACUUM ANALYZE twinset.assignment');
			$session->query('CHECKPOINT');
			return $session->timed("COPY $peer.twin (device_id, tags) FROM '$file'");
		};
	};
	my %figures = pairs($fleet->{scale} eq 'full' ? 2 : 3, bare => $copy->('bare'), this => $copy->('twinset'));
	my ($left) = $session->query('SELECT changes FROM twinset.unsettled_changes()');
	die "WRONG: $left entries are left in the log\n" if $left;
	$session->query("VACUUM ANALYZE $_") for qw(twinset.twin twinset.assignment bare.twin);
	return ({ %figures });
}

# an UPDATE of all twins' tags; about half of the winners change
sub update
{
	my ($fleet, $at) = @_;
	my $session = $fleet->session($at);
	my $update = sub {
		my ($peer) = @_;
		return sub {
			$session->query("VACUUM $_") for "$peer.twin", 'twinset.assignment', 'twinset.change';
			$session->query('CHECKPOINT');
			return $session->timed("UPDATE $peer.twin SET tags = bench.toggled(tags)");
		};
	};
	my %figures = pairs($fleet->{scale} eq 'full' ? 2 : 3, bare => $update->('bare'), this => $update->('twinset'));
	my ($left) = $session->query('SELECT changes FROM twinset.unsettled_changes()');
	die "WRONG: $left entries are left in the log\n" if $left;
	return ({ %figures });
}

[
	{ name => 'UPDATE of the whole fleet\'s tags, settled', at => 'some_bulk', goals => ['<= 1.5 ×'], how => \&update },
	{ name => 'COPY of the whole fleet, settled', at => 'some_bulk', goals => ['<= 1.5 ×'], how => \&copy },
];
