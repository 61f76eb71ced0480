# Matching, and finding the devices of a condition.

package Bench::Rows::Match;

use strict;
use warnings;
use utf8;
use Bench::Figures qw(less pairs);
use Bench::Session qw(quoted);

# A device from its tags as they are stored, through SQL's function call: a fleet's
# scan with the function, less the same scan without.
sub matching
{
	my ($fleet, $at) = @_;
	my $session = $fleet->session($at);
	my $count = $fleet->{devices} > 1e5 ? 100000 : $fleet->{devices};
	$session->query("CREATE TEMP TABLE sample AS SELECT device_id, tags FROM twinset.twin ORDER BY sha256(device_id::bytea) LIMIT $count");
	my $run = sub {
		my ($query) = @_;
		return sub { return $session->answered('SELECT bench.query(' . quoted($query) . ', false)', $count) };
	};
	my %figures = pairs($fleet->{rounds},
		nothing => $run->('SELECT device_id, tags FROM sample'),
		winner => $run->('SELECT twinset.winner_of(device_id, tags) FROM sample'),
		all => $run->('SELECT m.* FROM sample, LATERAL twinset.targeting(device_id, tags) AS m'));
	my ($matches) = $session->query('SELECT avg((SELECT count(*) FROM twinset.targeting(device_id, tags))) FROM sample');
	$session->query('DROP TABLE sample');
	my %less = map { my $what = $_; $what => less($figures{$what}, $figures{nothing}) } qw(winner all);
	return ({ what => 'the winner', this => $less{winner} },
		{ what => 'all that target it', this => $less{all}, note => sprintf '%.1f a device', $matches });
}

# Each condition against the query that one would write by hand, on the same table.
sub shape
{
	my ($session, $query) = @_;
	return join ' ', map { /(?:->|^)\s*([A-Z][A-Za-z ]+?)(?: on| using|$)/ ? $1 : () } $session->query("EXPLAIN (COSTS OFF) $query");
}

sub devices_of
{
	my ($fleet, $at) = @_;
	my $session = $fleet->session($at);
	my ($operator, $id, $site) = split /\|/, scalar $session->query("SELECT tags->>'operator', device_id, tags->>'site'
		FROM bench.source ORDER BY device_id OFFSET $fleet->{devices} / 2 LIMIT 1");
	my @cases = (
		[ '=', "tags.operator = '$operator'", qq(tags @> '{"operator": "$operator"}') ],
		[ 'AND', "tags.operator = '$operator' AND tags.environment = 'prod'", qq(tags @> '{"operator": "$operator"}' AND tags @> '{"environment": "prod"}') ],
		[ 'OR', "tags.operator = '$operator' OR tags.site = '$site'", qq(tags @> '{"operator": "$operator"}' OR tags @> '{"site": "$site"}') ],
		[ 'IN', "tags.site IN ['$site', 'site-70', 'site-71']", qq(tags @> '{"site": "$site"}' OR tags @> '{"site": "site-70"}' OR tags @> '{"site": "site-71"}') ],
		[ 'AND NOT', "tags.operator = '$operator' AND NOT tags.environment = 'prod'",
			qq(tags @> '{"operator": "$operator"}' AND tags ? 'environment' AND NOT tags @> '{"environment": "prod"}') ],
		[ 'deviceId =', "deviceId = '$id'", "device_id = '$id'" ]);
	$session->query('VACUUM ANALYZE twinset.twin');
	return map {
		my ($what, $condition, $by_hand) = @$_;
		my %of = (bare => "SELECT device_id FROM twinset.twin WHERE $by_hand",
			this => "SELECT device_id FROM twinset.twin WHERE twinset.matches(device_id, tags, " . quoted($condition) . ')');
		my ($differ) = $session->query("SELECT count(*) FROM (($of{bare}) EXCEPT ($of{this}) UNION ALL ($of{this}) EXCEPT ($of{bare})) AS d");
		die "WRONG: $condition finds other devices than $by_hand\n" if $differ;
		my %shape = map { $_ => shape($session, $of{$_}) } keys %of;
		my %figures = pairs(3 * $fleet->{rounds}, map { my $query = $of{$_}; ($_ => sub {
			return scalar $session->query('SELECT bench.query(' . quoted($query) . ')') }) } qw(bare this));
		{ what => $what, %figures, note => $shape{bare} eq $shape{this} ? undef : "the plans differ: $shape{bare} / $shape{this}" };
	} @cases;
}

[
	{ name => 'a device matched', at => 'most', how => \&matching },
	{ name => 'devices of a condition', at => 'some', goals => [ ('<= 1.1 ×') x 6 ], how => \&devices_of },
];
