# How costs grow: with deployments, with the width of conditions, with tags, with how
# many deployments target a device.  A database of its own, with fewer twins; what
# each point of a curve needs is put into it and taken away again.

package Bench::Rows::Growth;

use strict;
use warnings;
use utf8;
use Bench::Figures qw(less pairs);
use Bench::Session qw(quoted);

my $manifest = do { local (@ARGV, $/) = 'examples/manifests/sensor-1.json'; <> };

# these deployments and no other: a query for (number, condition, priority)
sub deploy
{
	my ($session, $query) = @_;
	$session->query('TRUNCATE twinset.deployment');
	$session->query("INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
		SELECT 'd-' || i, " . quoted($manifest) . ", condition, priority FROM ($query) AS d (i, condition, priority)") if defined $query;
	$session->query("VACUUM ANALYZE $_") for qw(twinset.deployment twinset.assignment twinset.tally twinset.change);
	return;
}

# these twins and no other: a query for (device_id, tags)
sub provision
{
	my ($session, $query) = @_;
	for my $peer (qw(bare twinset))
	{
		$session->query("TRUNCATE $peer.twin");
		$session->query("INSERT INTO $peer.twin (device_id, tags) $query");
		$session->query("VACUUM ANALYZE $peer.twin");
	}
	return;
}

# One point of a curve: a tag change beside bare, an entry settled, a device matched.
sub point
{
	my ($fleet, $session, $what) = @_;
	my $count = $fleet->{updates};
	my $ids = 'ARRAY(SELECT device_id FROM point_device WHERE n > %d ORDER BY n LIMIT %d)';
	# of a table of their own, so that drawing them brings no peer's twins into the processor's caches
	$session->query($_) for 'DROP TABLE IF EXISTS point_device', "CREATE TEMP TABLE point_device AS
		SELECT device_id, row_number() OVER (ORDER BY sha256(device_id::bytea)) AS n FROM bare.twin WHERE tags ? 'environment'",
		'CREATE INDEX ON point_device (n)', 'ANALYZE point_device';
	my ($devices) = $session->query('SELECT count(*) FROM bare.twin');
	$session->query('SET twinset.settle_after = 0');
	my %change = pairs($fleet->{rounds}, map { my $peer = $_; ($peer => sub {
		my ($round) = @_;
		my $offset = $round * $count % ($devices - $count + 1);
		return $session->answered("SELECT bench.inside_" . ($peer eq 'this' ? 'twinset' : $peer) . '(' . sprintf($ids, $offset, $count) . ')', $count);
	}) } qw(bare this));
	$session->query('SELECT * FROM twinset.reconcile()');
	my $batch = $devices < $fleet->{batch} ? $devices : $fleet->{batch};
	my ($one) = $session->query('SELECT ' . sprintf($ids, 0, 1));
	my %settled = pairs(3, this => sub {
		$session->query('SET twinset.settle_after = 0');
		$session->query("SELECT bench.inside_twinset(" . sprintf($ids, 0, $batch) . ')');
		$session->query('SET twinset.settle_after = 1');
		return $session->timed("SELECT bench.inside_twinset('$one')", $batch + 1);
	});
	$session->query('RESET twinset.settle_after');
	my $match = sub {
		my ($query) = @_;
		return sub { return $session->answered('SELECT bench.query(' . quoted($query) . ', false)', $batch) };
	};
	my $some = "(SELECT * FROM twinset.twin LIMIT $batch) AS t";
	my %match = pairs($fleet->{rounds}, nothing => $match->("SELECT device_id, tags FROM $some"),
		winner => $match->("SELECT twinset.winner_of(device_id, tags) FROM $some"));
	my ($deployments) = $session->query('SELECT count(*) FROM twinset.deployment');
	my @at = (devices => $devices, deployments => $deployments);
	return ({ what => "$what: a tag change", %change, @at }, { what => "$what: an entry settled", %settled, @at },
		{ what => "$what: a winner found", @at, this => less($match{winner}, $match{nothing}) });
}

# a curve: of points, each with its deployments (a query, or a number of the mixed ones) and its twins
sub curve
{
	my ($points) = @_;
	return sub {
		my ($fleet, $at) = @_;
		my $session = $fleet->session($at);
		my @lines;
		for my $point ($points->($fleet))
		{
			my ($what, $deployments, $twins) = @$point;
			$session->query('TRUNCATE twinset.deployment');
			provision($session, "SELECT device_id, tags FROM bench.source ORDER BY sha256(device_id::bytea) LIMIT $fleet->{some_twins}");
			if ($deployments =~ /^\d+$/)
			{
				deploy($session, undef);
				Bench::Fleet::file($fleet->database($at), 'examples/fleet/deployments.sql', deployments => $deployments) if $deployments;
			}
			else
			{
				deploy($session, $deployments);
			}
			provision($session, $twins) if defined $twins;
			push @lines, point($fleet, $session, $what);
			my @wrong = $session->query('SELECT * FROM twinset.verify(50)');
			die "WRONG: $what: @wrong\n" if @wrong;
		}
		$session->query('TRUNCATE twinset.deployment');
		return @lines;
	};
}

sub by_deployments { my ($fleet) = @_; return map { [ "$_ deployments", $_ ] } @$fleet{qw(none few some many most)} }

# The terms are those of a device: comparisons with its own values, and beyond its
# twelve tags NOT of another model.
sub by_width
{
	my ($fleet) = @_;
	return map { my $terms = $_; [ "conditions of $terms terms", <<SQL ] } 1, 5, 20;
		SELECT n, (SELECT string_agg(term, ' AND ' ORDER BY no) FROM (
				SELECT no, format('tags.%s = %s', key, CASE jsonb_typeof(value) WHEN 'string' THEN quote_literal(value#>>'{}') ELSE value::text END)
				FROM unnest('{country, environment, model, operator, firmware, cellular, memory_mb, site}'::text[]) WITH ORDINALITY AS k (key, no)
				JOIN LATERAL (SELECT tags->key) AS v (value) ON true
				UNION ALL SELECT 8 + i, format('NOT tags.model = ''EG-%s''', 2000 + i) FROM generate_series(1, 12) AS i
			) AS t (no, term) WHERE no <= $terms), 1 + n % 1000
		FROM (SELECT row_number() OVER (ORDER BY sha256(device_id::bytea)) AS n, tags FROM bench.source LIMIT $fleet->{many}) AS d
SQL
}

sub by_tags
{
	my ($fleet) = @_;
	return map { my $tags = $_; [ "devices of $tags tags", $fleet->{many}, <<SQL ] } 5, 20, 60;
		SELECT device_id, (SELECT jsonb_object_agg(key, value) FROM (
			SELECT * FROM (SELECT key, tags->key AS value
				FROM unnest('{country, environment, operator, site, model, firmware, city_code, memory_mb, cellular}'::text[]) WITH ORDINALITY AS k (key, no)
				WHERE tags ? key ORDER BY no) AS own
			UNION ALL SELECT 'more_' || i, to_jsonb(i * 7) FROM generate_series(1, 60) AS i LIMIT $tags) AS t)
		FROM (SELECT * FROM bench.source ORDER BY sha256(device_id::bytea) LIMIT $fleet->{some_twins}) AS d
SQL
}

sub by_matches
{
	my ($fleet) = @_;
	return map { my $matches = $_; [ "$matches deployments target each device", <<SQL ] } 1, 10, 1000;
		SELECT i, 'tags.environment IN [''prod'', ''stage'', ''dev'', ''test'', ''canary'']', 1 + i % 1000 FROM generate_series(1, $matches) AS i
SQL
}

[
	{ name => 'growth with deployments', at => 'none_growth', how => curve(\&by_deployments) },
	{ name => 'growth with the width of conditions', at => 'none_growth', how => curve(\&by_width) },
	{ name => 'growth with tags', at => 'none_growth', how => curve(\&by_tags) },
	{ name => 'growth with what targets a device', at => 'none_growth', how => curve(\&by_matches) },
];
