# Reading.

package Bench::Rows::Read;

use strict;
use warnings;
use utf8;
use Bench::Figures qw(pairs turns);
use Bench::Load;
use Bench::Session qw(quoted);

# microseconds of a query on the server, planned and executed
sub query
{
	my ($session, $query) = @_;
	return sub { return scalar $session->query('SELECT bench.query(' . quoted($query) . ')') };
}

sub change
{
	my ($fleet, $session, $count) = @_;
	$session->query('SET twinset.settle_after = 0');
	$session->query("SELECT bench.inside_twinset(ARRAY(SELECT device_id FROM bench.source ORDER BY sha256(device_id::bytea) DESC LIMIT $count))");
	$session->query('RESET twinset.settle_after');
	return;
}

# all counts: the log empty, and with so many devices in it
sub counts
{
	my ($fleet, $at) = @_;
	my $session = $fleet->session($at);
	my $this = query($session, 'SELECT * FROM twinset.deployment_status');
	$session->query('SELECT * FROM twinset.reconcile()');
	$session->query('VACUUM twinset.change');
	my %empty = pairs($fleet->{rounds}, this => $this);
	my @rival = map { query($session, 'SELECT * FROM rival.deployment_status')->() } 1 .. ($fleet->{scale} eq 'full' ? 1 : 2);
	my ($same) = $session->query('SELECT count(*) FROM twinset.deployment_status AS t JOIN rival.deployment_status AS r USING (deployment_id)
		WHERE (t.target, t.actual, t.healthy, t.unhealthy, t.unknown) = (r.target, r.actual, r.healthy, r.unhealthy, r.unknown)');
	die "the rival counts otherwise: only $same deployments have the same counts\n" if $same != $fleet->deployments($at);
	change($fleet, $session, $fleet->{log});
	my %log = pairs($fleet->{rounds}, this => $this);
	$session->query('SELECT * FROM twinset.reconcile()');
	return ({ what => 'the rival over this', rival => \@rival, this => $empty{this}, ratio => [ 'rival', 'this' ] },
		{ what => 'log empty', this => $empty{this} },
		{ what => "$fleet->{log} devices in the log", this => $log{this} });
}

# the same after as many settled entries as there are devices, which an old snapshot
# keeps from being vacuumed
sub dead_rows
{
	my ($fleet, $at) = @_;
	my $session = $fleet->session($at);
	my $this = query($session, 'SELECT * FROM twinset.deployment_status');
	$session->query('SELECT * FROM twinset.reconcile()');
	$session->query('VACUUM twinset.change');
	my %empty = pairs($fleet->{rounds}, this => $this);
	my $old = $fleet->connect($at);
	$old->query('BEGIN ISOLATION LEVEL REPEATABLE READ');
	$old->query('SELECT count(*) FROM twinset.deployment');
	$session->query('UPDATE twinset.twin SET tags = bench.toggled(tags)');
	$session->query('SELECT * FROM twinset.reconcile()');
	$session->query('VACUUM twinset.change');
	my ($left) = $session->query('SELECT changes FROM twinset.unsettled_changes()');
	die "the log is not empty\n" if $left;
	my %dead = pairs($fleet->{rounds}, this => $this);
	$old->query('ROLLBACK');
	$old->close;
	$session->query('VACUUM twinset.change');
	$session->query('VACUUM twinset.twin');
	return ({ bare => $empty{this}, this => $dead{this}, note => 'under bare: this without dead rows' });
}

my %one = (
	'device_status of one device' => 'SELECT * FROM twinset.device_status WHERE device_id = $1',
	'device_manifest()' => 'SELECT * FROM twinset.device_manifest($1)',
	'explain_device()' => 'SELECT * FROM twinset.explain_device($1)',
);

# server side: planned each time, and a prepared plan
sub one_device
{
	my ($query) = @_;
	return sub {
		my ($fleet, $at) = @_;
		my $session = $fleet->session($at);
		my $some = 'ARRAY(SELECT device_id FROM bench.source ORDER BY sha256(device_id::bytea) LIMIT 200)';
		$session->query("CREATE FUNCTION pg_temp.prepared(ids text[]) RETURNS double precision LANGUAGE plpgsql AS \$\$
			DECLARE
				began timestamptz := clock_timestamp();
				id text;
			BEGIN
				FOREACH id IN ARRAY ids LOOP
					PERFORM count(q) FROM (" . $query =~ s/\$1/id/r . ") AS q;
				END LOOP;
				RETURN extract(epoch FROM clock_timestamp() - began) * 1e6;
			END \$\$");
		my %figures = pairs($fleet->{rounds},
			planned => sub { return $session->answered('SELECT bench.each(' . quoted($query) . ", $some)", 200) },
			prepared => sub { return $session->answered("SELECT pg_temp.prepared($some)", 200) });
		$session->query('DROP FUNCTION pg_temp.prepared');

		# a connection for each: its first query
		my $connect = sub {
			my %took = turns($fleet->{connections}, this => sub {
				my ($round) = @_;
				my $new = $fleet->connect($at);
				my $figure = $new->timed($query =~ s/\$1/"'gw-" . (1000000 + $round) . "'"/er);
				$new->close;
				return $figure;
			});
			return $took{this};
		};
		my $new = $connect->();
		$session->query('SET twinset.settle_after = 0');
		$session->query("UPDATE twinset.twin SET tags = bench.toggled(tags) WHERE device_id <= 'gw-' || 1000000 + $fleet->{log}");
		$session->query('RESET twinset.settle_after');
		my $logged = $connect->();
		$session->query('SELECT * FROM twinset.reconcile()');
		return ({ what => 'planned and executed', this => $figures{planned} }, { what => 'prepared', this => $figures{prepared} },
			{ what => 'in a new connection', this => $new },
			{ what => "in a new connection, $fleet->{log} devices in the log and this one of them", this => $logged });
	};
}

# a device that runs what it should
sub poll
{
	my ($fleet, $at) = @_;
	my $session = $fleet->session($at);
	my @known = map { [ split /\|/ ] } $session->query('SELECT device_id, revision FROM twinset.device_status
		WHERE revision IS NOT NULL ORDER BY sha256(device_id::bytea) LIMIT 50');
	my $i = 0;
	my $cases = join ' ', map { 'WHEN :i = ' . $i++ . ' THEN ' . $_->[0] =~ s/\D//gr } @known;
	$i = 0;
	my $revisions = join ' ', map { 'WHEN :i = ' . $i++ . " THEN $_->[1]" } @known;
	my $draw = "\\set i random(0, $#known)\n\\set n CASE $cases END\n\\set r CASE $revisions END\n";
	my $run = sub {
		my ($statement) = @_;
		return sub {
			my ($round) = @_;
			return Bench::Load->run(database => $fleet->database($at), transactions => 2 * $fleet->{batch}, seed => 1 + $round,
				script => "$draw$statement;\n")->{mean};
		};
	};
	my %figures = pairs($fleet->{rounds}, bare => $run->("SELECT * FROM bare.twin WHERE device_id = 'gw-' || :n::text"),
		this => $run->("SELECT * FROM twinset.device_manifest('gw-' || :n::text, :r)"));
	return ({ %figures });
}

# the fleet in one row, but for silence
sub overview
{
	my ($fleet, $at) = @_;
	my $session = $fleet->session($at);
	my $this = query($session, 'SELECT provisioned, not_edge, retired, without_deployment, target, actual, healthy, unhealthy, unknown
		FROM twinset.fleet_overview');
	$session->query('SELECT * FROM twinset.reconcile()');
	my %empty = pairs($fleet->{rounds}, this => $this);
	change($fleet, $session, $fleet->{log});
	my %log = pairs($fleet->{rounds}, this => $this);
	$session->query('SELECT * FROM twinset.reconcile()');
	return ({ what => 'log empty', this => $empty{this} }, { what => "$fleet->{log} devices in the log", this => $log{this} });
}

# what a deployment of the highest priority would do, and a count of the same devices
sub preview
{
	my ($fleet, $at) = @_;
	my $session = $fleet->session($at);
	my @figures;
	foreach my $condition (q(tags.operator = 'op-26'), q(tags.country = 'IT'), q(tags.environment = 'prod'))
	{
		my $quoted = quoted($condition);
		my $same = "FROM twinset.twin AS t WHERE t.iot_edge AND t.retired_at IS NULL AND twinset.matches(t.device_id, t.tags, $quoted)";
		my ($count) = $session->query("SELECT count(*) $same");
		my ($target) = $session->query("SELECT target FROM twinset.preview($quoted, 1000)");
		die "$target devices were previewed, and there are $count\n" if $target != $count;
		my %figures = pairs($fleet->{rounds},
			bare => query($session, "SELECT count(*) $same"),
			rival => query($session, "SELECT d.deployment_id, count(*) FROM twinset.device_status AS d
				WHERE twinset.matches(d.device_id, d.tags, $quoted) GROUP BY d.deployment_id"),
			this => query($session, "SELECT * FROM twinset.preview($quoted, 1000)"));
		push @figures, { what => "$count devices", %figures,
			note => 'under bare: count(*) of the same devices; under rival: counted by device_status for each winner' };
	}
	return @figures;
}

# device_status of all
sub whole_fleet
{
	my ($fleet, $at) = @_;
	my $session = $fleet->session($at);
	$session->query('SELECT * FROM twinset.reconcile()');
	$session->query("VACUUM twinset.$_") for qw(change assignment twin report);
	my %figures = pairs($fleet->{rounds},
		bare => query($session, 'SELECT t.device_id, t.tags, a.deployment_id, r.revision, r.code, r.description, r.reported_at, a.assigned_at
			FROM twinset.twin AS t LEFT JOIN twinset.assignment AS a ON a.device_id = t.device_id
			LEFT JOIN twinset.report AS r ON r.device_id = t.device_id WHERE t.iot_edge AND t.retired_at IS NULL'),
		rival => query($session, 'SELECT * FROM rival.device_status'),
		this => query($session, 'SELECT * FROM twinset.device_status'));
	return ({ %figures, note => 'under bare: the plain join of twin, assignment and report' });
}

[
	{ name => 'deployment_status', at => 'some', goals => [ '>= 100 ×', '<= 5 ms', '<= 20 ms' ], how => \&counts },
	{ name => 'deployment_status behind as many dead log rows as devices', at => 'some', goals => ['<= 2 ×'], how => \&dead_rows },
	(map { { name => $_, at => 'many', goals => [ '<= 0.5 ms', '<= 0.5 ms', '<= 3 ms', '<= 3 ms' ], how => one_device($one{$_}) } } sort keys %one),
	{ name => 'a poll that changes nothing', at => 'many', goals => ['<= 1.3 ×'], how => \&poll },
	{ name => 'fleet_overview', at => 'many', goals => [ '<= 5 ms', '<= 20 ms' ], how => \&overview },
	{ name => 'preview()', at => 'many', goals => [ ('<= 1.5 ×') x 3 ], how => \&preview },
	{ name => 'device_status of the whole fleet', at => 'many', goals => ['<= 1.5 ×'], how => \&whole_fleet },
];
