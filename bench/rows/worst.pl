# Cases made to hurt.

package Bench::Rows::Worst;

use strict;
use warnings;
use utf8;
use Bench::Figures qw(pairs turns);
use Bench::Session qw(quoted);

# conditions of which none holds and none can be passed over by a selective equality
sub crowd
{
	my ($condition) = @_;
	return sub {
		my ($fleet, $at) = @_;
		my $session = $fleet->session($at);
		Bench::Rows::Growth::provision($session, "SELECT device_id, tags FROM bench.source ORDER BY sha256(device_id::bytea) LIMIT $fleet->{few_twins}");
		my $created = $session->timed("INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
			SELECT 'd-' || i, (SELECT content FROM bench.manifest), format($condition, i), 1 + i % 1000 FROM generate_series(1, $fleet->{most}) AS i", $fleet->{most});
		my @lines = Bench::Rows::Growth::point($fleet, $session, 'then');
		$session->query('TRUNCATE twinset.deployment');
		return ({ what => 'all of them created, a deployment', this => [$created], deployments => $fleet->{most},
			devices => $fleet->{few_twins} }, @lines);
	};
}

# one UPDATE after which each device has another winner
sub all_change
{
	my ($fleet, $at) = @_;
	my $session = $fleet->session($at);
	Bench::Rows::Growth::provision($session, q(SELECT device_id, tags || '{"phase": 0}' FROM bench.source));
	$session->query("INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
		SELECT 'd-' || i, (SELECT content FROM bench.manifest), 'tags.phase = ' || i, 1 FROM generate_series(0, 1) AS i");
	my $update = sub {
		my ($peer) = @_;
		return sub {
			$session->query("VACUUM $_") for "$peer.twin", 'twinset.assignment', 'twinset.change';
			$session->query('CHECKPOINT');
			return $session->timed("UPDATE $peer.twin SET tags = jsonb_set(tags, '{phase}', to_jsonb(1 - (tags->'phase')::integer))");
		};
	};
	my %figures = turns($fleet->{scale} eq 'small' ? 2 : 3, bare => $update->('bare'), this => $update->('twinset'));
	$session->query('TRUNCATE twinset.deployment');
	return ({ %figures, deployments => 2 });
}

# An open transaction that has changed a deployment keeps the settlement lock; all
# devices change meanwhile, one by one and each in its own transaction.
sub unsettled
{
	my ($fleet, $at) = @_;
	my $session = $fleet->session($at);
	Bench::Rows::Growth::provision($session, 'SELECT device_id, tags FROM bench.source');
	Bench::Fleet::file($fleet->database($at), 'examples/fleet/deployments.sql', deployments => $fleet->{some});
	$session->query('VACUUM ANALYZE twinset.assignment');
	my $counts = sub { return scalar $session->query("SELECT bench.query('SELECT * FROM twinset.deployment_status')") };
	my $device = sub { return scalar $session->query("SELECT bench.query('SELECT * FROM twinset.device_status WHERE device_id = ''gw-1000007''')") };
	my %before = turns(3, counts => $counts, device => $device);
	my $open = $fleet->connect($at);
	$open->query('BEGIN');
	$open->query("UPDATE twinset.deployment SET priority = priority + 1 WHERE deployment_id = 'fleet-1'");
	my $change = sub {
		my ($first) = @_;
		return $session->answered("SELECT bench.inside_twinset(ARRAY(SELECT device_id FROM bench.source WHERE tags ? 'environment'
			ORDER BY sha256(device_id::bytea) OFFSET $first LIMIT $fleet->{batch}))", $fleet->{batch});
	};
	my $first = $change->(0);
	$session->query('UPDATE twinset.twin SET tags = bench.toggled(tags)');
	my ($length) = $session->query('SELECT changes FROM twinset.unsettled_changes()');
	my $last = $change->($fleet->{devices} > 3 * $fleet->{batch} ? 2 * $fleet->{batch} : 0);
	my %during = turns(2, counts => $counts, device => $device);
	$open->query('ROLLBACK');
	$open->close;
	my $settle = $session->timed('SELECT * FROM twinset.reconcile()', $length);
	$session->query('TRUNCATE twinset.deployment');
	my @at = (deployments => $fleet->{some});
	return ({ what => "a tag change once the log has $length entries", bare => [$first], this => [$last], @at, note => 'under bare: this with an empty log' },
		{ what => 'deployment_status meanwhile', bare => $before{counts}, this => $during{counts}, @at, note => 'under bare: this with an empty log' },
		{ what => 'device_status of one device meanwhile', bare => $before{device}, this => $during{device}, @at, note => 'under bare: this with an empty log' },
		{ what => 'settled afterwards, an entry', this => [$settle], @at });
}

sub with_manifest
{
	my ($how) = @_;
	return sub {
		my ($fleet, $at) = @_;
		my $manifest = do { local (@ARGV, $/) = 'examples/manifests/sensor-1.json'; <> };
		$fleet->session($at)->query('CREATE TABLE IF NOT EXISTS bench.manifest AS SELECT ' . quoted($manifest) . '::twinset.manifest AS content');
		return $how->($fleet, $at);
	};
}

[
	{ name => 'most deployments share their only equality', at => 'none_worst', how => with_manifest(crowd(q('tags.environment = ''prod'' AND tags.memory_mb > 1000%s'))) },
	{ name => 'most deployments have no equality', at => 'none_worst', how => with_manifest(crowd(q('tags.memory_mb > 1000%s'))) },
	{ name => 'an UPDATE after which every device has another winner', at => 'none_worst', how => with_manifest(\&all_change) },
	{ name => 'a log that nobody can settle', at => 'none_worst', how => with_manifest(\&unsettled) },
];
