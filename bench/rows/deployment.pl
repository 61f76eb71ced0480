# A deployment created or changed.

package Bench::Rows::Deployment;

use strict;
use warnings;
use utf8;
use Bench::Figures qw(pairs);
use List::Util qw(max);

# A condition that about so many devices meet.
sub condition
{
	my ($fleet, $session, $wanted) = @_;
	return ("tags.environment = ''prod''", 'tags @> \'{"environment": "prod"}\'') if $wanted > 0.3 * $fleet->{devices};
	my $terms;
	my $off;
	for my $keys ("'country'", "'operator'", "'country', 'environment'", "'model', 'environment'", "'site'", "'site', 'environment', 'model'")
	{
		my ($differs, $found) = split /\|/, scalar($session->query("SELECT abs(count(*) - $wanted), terms
			FROM (SELECT jsonb_object_agg(key, tags->key) AS terms FROM bench.source CROSS JOIN unnest(ARRAY[$keys]) AS key
				WHERE tags ?& ARRAY[$keys] GROUP BY device_id) AS t
			GROUP BY terms ORDER BY 1, 2 LIMIT 1")), 2;
		($off, $terms) = ($differs, $found) if !defined $off || $differs < $off;
	}
	my ($text) = $session->query("SELECT string_agg(format('tags.%s = ''''%s''''', key, value), ' AND ' ORDER BY key) FROM jsonb_each_text('$terms')");
	return ($text, "tags @> '$terms'");
}

sub wins
{
	my ($share) = @_;
	return sub {
		my ($fleet, $at) = @_;
		my $session = $fleet->session($at);
		my $wanted = max(3, int($share * $fleet->{devices} + 0.5));
		my ($condition, $predicate) = condition($fleet, $session, $wanted);
		$session->query("CREATE TEMP TABLE won AS SELECT device_id FROM twinset.twin WHERE $predicate");
		$session->query('ANALYZE won');
		my ($count) = $session->query('SELECT count(*) FROM won');
		my $vacuum = sub {
			return if $count < 1000;
			$session->query("VACUUM $_") for 'bare.narrow', 'twinset.assignment';
		};
		my $no = 0;
		my %this;
		my $new = "INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
			SELECT 'wins', content, '$condition', 2000 FROM twinset.deployment LIMIT 1";
		my %figures = pairs($fleet->{rounds} > 3 && $count > 1000 ? 3 : $fleet->{rounds},
			bare => sub {
				$vacuum->();
				return $session->timed("UPDATE bare.narrow AS n SET deployment_id = 'other-" . ++$no . "', assigned_at = now()
					FROM won WHERE won.device_id = n.device_id");
			},
			this => sub {
				my ($round) = @_;
				my @steps = (
					[ 'is created', $new ],
					[ undef, "UPDATE twinset.deployment SET target_condition = NULL WHERE deployment_id = 'wins'" ],
					[ 'gets its condition', "UPDATE twinset.deployment SET target_condition = '$condition' WHERE deployment_id = 'wins'" ],
					[ undef, "UPDATE twinset.deployment SET priority = 1 WHERE deployment_id = 'wins'" ],
					[ 'gets its priority', "UPDATE twinset.deployment SET priority = 2000 WHERE deployment_id = 'wins'" ],
					[ undef, "DELETE FROM twinset.deployment WHERE deployment_id = 'wins'" ]);
				for my $step (@steps)
				{
					my ($what, $statement) = @$step;
					$vacuum->();
					my $figure = $session->timed($statement);
					push @{ $this{$what} }, $figure if defined $what && $round > 0;
				}
				return 0;
			});
		$session->query('DROP TABLE won');
		# the rival's, rolled back: to find winners again for those that it loses would take it long
		my @rival = map {
			$session->query('BEGIN');
			my $figure = $session->timed("INSERT INTO rival.deployment (deployment_id, target_condition, priority, revision)
				VALUES ('wins', '$condition', 2000, 1)");
			$session->query('ROLLBACK');
			$figure;
		} 1 .. 2;
		$session->query('VACUUM rival.twin');
		return map {
			my $what = $_;
			{ what => "$what; $count devices", rival => $what eq 'is created' ? \@rival : [], bare => $figures{bare}, this => $this{$what},
				ratios => [ map { max(0, $this{$what}[$_][0] - 5000) / $figures{bare}[$_][0] } 0 .. $#{ $this{$what} } ] }
		} 'is created', 'gets its condition', 'gets its priority';
	};
}

# k = 10 beside the most deployments: by a session that has them compiled, by a new one
sub few_devices
{
	my ($fleet, $at) = @_;
	my ($condition) = condition($fleet, $fleet->session($at), 10);
	my $new = "INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
		SELECT 'wins', content, '$condition', 2000 FROM (SELECT content FROM twinset.deployment LIMIT 1) AS d";
	my $create = sub {
		my ($session) = @_;
		my $figure = $session->timed($new);
		$fleet->session($at)->query("DELETE FROM twinset.deployment WHERE deployment_id = 'wins'");
		return $figure;
	};
	my %figures = pairs($fleet->{rounds},
		old => sub { return $create->($fleet->session($at)) },
		new => sub {
			my $session = $fleet->connect($at);
			my $us = $create->($session);
			$session->close;
			return $us;
		});
	return ({ what => 'in a session that did so before', this => $figures{old} }, { what => 'in a new connection', this => $figures{new} });
}

# what a restore does
sub restore
{
	my ($fleet, $at) = @_;
	my $file = "$ENV{BENCH_FILES}/deployments.copy";
	my $columns = 'deployment_id, content, target_condition, priority, labels, revision, created_at';
	$fleet->session('many')->query("COPY twinset.deployment ($columns) TO '$file'");
	my $session = $fleet->session($at);
	$session->query("CREATE TABLE bare.deployment (LIKE twinset.deployment INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)");
	my $copy = sub {
		my ($table) = @_;
		return sub {
			$session->query("DELETE FROM $table");
			$session->query("VACUUM $table");
			$session->query('VACUUM twinset.assignment');
			$session->query('CHECKPOINT');
			return $session->timed("COPY $table ($columns) FROM '$file'");
		};
	};
	my %figures = pairs(1, bare => $copy->('bare.deployment'), this => $copy->('twinset.deployment'));
	my ($count) = $session->query('SELECT count(*) FROM twinset.deployment');
	my @wrong = $session->query('SELECT * FROM twinset.verify(200)');
	die "WRONG: @wrong\n" if @wrong;
	$session->query('DELETE FROM twinset.deployment');
	$session->query('DROP TABLE bare.deployment');
	return ({ %figures, deployments => $count, ratios => [], note => 'under bare: the same COPY into a table of the same columns and checks' });
}

[
	(map { my ($k, $share) = @$_; { name => "a deployment that wins $k", at => 'many', goals => [ ('<= 1.5 ×') x 3 ], how => wins($share) } }
		[ 'a few devices, less 5 ms', 10 / 1e6 ], [ '1 % of the devices, less 5 ms', 0.01 ], [ '60 % of the devices, less 5 ms', 0.6 ]),
	{ name => 'a deployment that wins a few devices', at => 'most', goals => [ '<= 10 ms', '<= 10 ms' ], how => \&few_devices },
	{ name => 'COPY of deployments beside the fleet', at => 'none', goals => ['<= 20 s'], how => \&restore },
];
