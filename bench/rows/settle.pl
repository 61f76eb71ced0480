# Settling, recomputing, and what is stored.

package Bench::Rows::Settle;

use strict;
use warnings;
use utf8;
use Bench::Figures qw(pairs);

# A batch of changed devices that nobody has settled; then one device more, whose
# commit settles all.  What is in the figure: that one UPDATE and its commit, its
# look at the log's length, reading and sorting the log, both states matched, the
# tally and the winners written, the entries deleted.
sub entry
{
	my ($fleet, $at) = @_;
	my $session = $fleet->session($at);
	my $batch = $fleet->{batch};
	my @ids = $session->query('SELECT device_id FROM bench.source ORDER BY sha256(device_id::bytea) LIMIT ' . ($batch + 1));
	my $last = pop @ids;
	my @figures;
	for my $round (0 .. $fleet->{rounds})
	{
		$session->query('SET twinset.settle_after = 0');
		$session->query("SELECT bench.inside_twinset(ARRAY(SELECT device_id FROM bench.source ORDER BY sha256(device_id::bytea) LIMIT $batch))");
		$session->query('SET twinset.settle_after = 1');
		my $figure = $session->timed("UPDATE twinset.twin SET tags = bench.toggled(tags) WHERE device_id = '$last'", $batch + 1);
		my ($left) = $session->query('SELECT changes FROM twinset.unsettled_changes()');
		die "$left entries are left in the log\n" if $left > 0;
		push @figures, $figure if $round > 0;
	}
	$session->query('RESET twinset.settle_after');
	$session->query('VACUUM twinset.change');
	return ({ this => \@figures, note => "a batch of $batch; the UPDATE and the commit that settle it are in it" });
}

# Winners of all devices recomputed, nothing wrong; the rival's query for some of them
sub recompute
{
	my ($fleet, $at) = @_;
	my $session = $fleet->session($at);
	my ($some, $sample) = ($fleet->{batch}, 'rival_sample');
	$session->query("CREATE TEMP TABLE $sample AS SELECT device_id, tags FROM rival.twin ORDER BY sha256(device_id::bytea) LIMIT $some");
	my %figures = pairs(3,
		rival => sub { return $session->answered("SELECT bench.query('SELECT rival.winner(device_id, tags) FROM $sample')", $some) },
		this => sub { return $session->timed('SELECT * FROM twinset.reconcile()', $fleet->{devices}) });
	$session->query("DROP TABLE $sample");
	return ({ %figures, what => 'a device', ratios => [], note => "the rival's query for $some devices"},
		{ %figures, what => 'the rival over this', ratio => [ 'rival', 'this' ] });
}

sub space
{
	my ($fleet, $at) = @_;
	my $session = $fleet->session($at);
	my @derived = $session->query("SELECT c.oid::regclass, count(a.attname) FROM pg_class AS c
		LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'device_id'
		WHERE c.relnamespace = 'twinset'::regnamespace AND c.relkind = 'r' AND c.relname NOT IN ('twin', 'deployment', 'report') GROUP BY c.oid");
	my ($own, $all) = (0, 0);
	for (@derived)
	{
		my ($table, $of_devices) = split /\|/;
		$session->query("VACUUM FULL $table");
		my ($bytes) = $session->query("SELECT pg_total_relation_size('$table')");
		$all += $bytes;
		$own += $bytes if $of_devices;
	}
	my ($rows) = $session->query('SELECT count(*) FROM twinset.assignment');
	return ({ what => 'what is kept of devices', unit => 'bytes', this => [ $own / $fleet->{devices} ], note => "just rewritten; $rows devices have a winner" },
		{ what => 'all derived tables', unit => 'bytes', this => [ $all / $fleet->{devices} ] });
}

my $memory = q{SELECT coalesce(sum(total_bytes), 0) FROM pg_backend_memory_contexts WHERE name ^@ 'twinset'};

# private memory of a session's process
sub private
{
	my ($session) = @_;
	my ($pid) = $session->query('SELECT pg_backend_pid()');
	open my $rollup, '<', "/proc/$pid/smaps_rollup" or die "smaps_rollup of $pid: $!\n";
	my ($kilobytes) = map { /^Anonymous:\s+(\d+)/ ? $1 : () } <$rollup>;
	return 1024 * $kilobytes;
}

sub memory
{
	my ($fleet, $at) = @_;
	my $session = $fleet->connect($at);
	my $match = 'SELECT count(twinset.winner_of(device_id, tags)) FROM (SELECT * FROM twinset.twin LIMIT %d) AS t';
	# compiled, and in the groups that counts are added up by
	$session->query("SET twinset.match_by = matcher");
	$session->query('BEGIN');
	$session->query('UPDATE twinset.twin SET tags = bench.toggled(tags) WHERE device_id = (SELECT min(device_id) FROM twinset.twin)');
	$session->query('SELECT count(*) FROM twinset.unsettled_tally()');
	$session->query('ROLLBACK');
	$session->query(sprintf $match, 1000);
	my ($bytes) = $session->query($memory);
	my $before = private($session);
	$session->query(sprintf $match, $fleet->{devices}) for 1 .. 2;
	my ($after) = $session->query($memory);
	my $private = private($session);
	$session->close;
	my $deployments = $fleet->deployments($at);
	return ({ what => 'a deployment', unit => 'bytes', this => [ $bytes / $deployments ] },
		{ what => 'after matching the fleet twice over after 1,000 devices', unit => 'bytes', bare => [$bytes], this => [$after],
			note => 'under bare: after 1,000 devices' },
		{ what => '… all private memory of the backend', unit => 'bytes', bare => [$before], this => [$private] });
}

[
	{ name => 'space of derived data a device', at => 'many', goals => ['<= 140 bytes'], how => \&space },
	{ name => 'one entry settled', at => 'many', goals => ['<= 12 µs'], how => \&entry },
	(map { { name => 'winners recomputed', at => $_, goals => [ '<= 3 µs', '>= 50 ×' ], how => \&recompute } } 'many', 'most'),
	{ name => "memory of a backend's compiled deployments", at => 'most', goals => [ '<= 100 bytes', '<= 1.05 ×', '<= 1.05 ×' ], how => \&memory },
];
