# Many writers at once, and writers beside something heavy.

package Bench::Rows::Load;

use strict;
use warnings;
use utf8;
use Bench::Figures qw(pairs turns);
use Bench::Load;
use Time::HiRes qw(sleep time);

# any device, but each client has its own: no two wait for one row
sub writers
{
	my ($fleet, $peer, $clients) = @_;
	my $share = int($fleet->{devices} / $clients);
	return "\\set n random(0, $share - 1) * $clients + 1000001 + :client_id\n"
		. "UPDATE $peer.twin SET tags = bench.toggled(tags) WHERE device_id = 'gw-' || :n::text;\n";
}

# Eight writers for a minute, everything on: commits wait for the disk, settlements
# come as they come, autovacuum works.  The log's length is sampled.
sub sustained
{
	my ($fleet, $at) = @_;
	my $session = $fleet->session($at);
	my $longest = 0;
	my $run = sub {
		my ($peer) = @_;
		return sub {
			my ($round) = @_;
			$session->query("VACUUM $peer.twin");
			my $load = Bench::Load->start(database => $fleet->database($at), clients => 8, seed => 1 + $round,
				seconds => $fleet->{sustained}, script => writers($fleet, $peer, 8));
			my $until = time + $fleet->{sustained} - 0.2;
			while ($peer eq 'twinset' && time < $until)
			{
				my ($length) = $session->query('SELECT changes FROM twinset.unsettled_changes()');
				$longest = $length if $length > $longest;
				sleep 0.25;
			}
			return $load->finish;
		};
	};
	$session->query($_) for "ALTER SYSTEM SET autovacuum = on", "ALTER SYSTEM SET autovacuum_naptime = '5s'", 'SELECT pg_reload_conf()';
	my %loads = turns($fleet->{sustained} > 10 ? 2 : 1, bare => $run->('bare'), this => $run->('twinset'));
	my $rival = $run->('rival')->(1);
	$session->query($_) for "ALTER SYSTEM RESET autovacuum", "ALTER SYSTEM RESET autovacuum_naptime", 'SELECT pg_reload_conf()';
	$loads{rival} = [$rival];
	my %p99 = map { my $peer = $_; $peer => [ map { Bench::Load::percentile($_, 0.99) } @{ $loads{$peer} } ] } keys %loads;
	my %rate = map { my $peer = $_; $peer => [ map { $_->{per_second} } @{ $loads{$peer} } ] } keys %loads;
	return ({ what => 'throughput', unit => '/s', %rate }, { what => 'p99', %p99 },
		{ what => "the log's greatest length", unit => 'entries', this => [$longest] });
}

# how much more eight clients do than one
sub clients
{
	my ($fleet, $at) = @_;
	my %rate = turns($fleet->{scale} eq 'small' ? 1 : 3, map {
		my $peer = $_;
		($peer => sub {
			my ($round) = @_;
			my %of = map { $_ => Bench::Load->run(database => $fleet->database($at), clients => $_, seconds => $fleet->{seconds},
				script => writers($fleet, $peer eq 'this' ? 'twinset' : $peer, $_))->{per_second} } 1, 8;
			return $of{8} / $of{1};
		}) } qw(bare this));
	return ({ unit => '×', %rate });
}

# who waits for a lock, sampled
sub watch
{
	my ($session, $seen) = @_;
	my ($samples, $waiting, $what) = split /\|/, scalar $session->query(
		"SELECT count(*), count(*) FILTER (WHERE wait_event_type = 'Lock' AND wait_event <> 'extend'),
			string_agg(DISTINCT wait_event, ' ') FILTER (WHERE wait_event_type = 'Lock')
		FROM pg_stat_activity WHERE application_name = 'tag writer'");
	$seen->{samples} += $samples;
	$seen->{waiting} += $waiting;
	$seen->{what}{$_} = 1 for split ' ', $what // '';
	return;
}

# The writers' load while something heavy is under way, again and again until their
# time is over.  They get time enough for one whole run of it.
sub beside
{
	my ($fleet, $at, $heavy, $seen) = @_;
	my $session = $fleet->connect($at);
	my $eyes = $fleet->connect($at);
	my $alone = time;
	$session->query($_) for @$heavy;
	my $seconds = int(1 + 1.5 * (time - $alone));
	$seconds = $fleet->{seconds} if $seconds < $fleet->{seconds};
	my $load = Bench::Load->start(database => $fleet->database($at), clients => 4, seconds => $seconds + 1,
		script => writers($fleet, 'twinset', 4));
	sleep 0.5;
	my $from = time;
	my $until = $from + $seconds;
	while (time < $until)
	{
		for my $statement (@$heavy)
		{
			$session->start($statement);
			watch($eyes, $seen) until $session->answers(0.02);
			$session->finish;
		}
	}
	$session->close;
	$eyes->close;
	return Bench::Load::percentile($load->finish, 0.99, $from, $until);
}

sub heavy
{
	my ($what) = @_;
	return sub {
		my ($fleet, $at) = @_;
		my $session = $fleet->session($at);
		my %heavy = (
			bare => ["UPDATE bare.narrow SET deployment_id = 'other', assigned_at = now()"],
			'a deployment that wins all is created' => [
				"INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
				SELECT 'all', content, '*', 2000 FROM twinset.deployment LIMIT 1",
				"DELETE FROM twinset.deployment WHERE deployment_id = 'all'" ],
			'reconcile()' => ['SELECT * FROM twinset.reconcile()'],
			'an open transaction that has changed a deployment' => [
				"BEGIN", "UPDATE twinset.deployment SET priority = priority + 1 WHERE deployment_id = 'fleet-1'",
				"SELECT pg_sleep(" . $fleet->{seconds} . ')', 'ROLLBACK' ],
		);
		my %seen = (samples => 0, waiting => 0, what => {});
		my %bare = (samples => 0);
		my $p99 = sub {
			my ($peer, $seen) = @_;
			return sub {
				my $p99 = beside($fleet, $at, $heavy{$peer}, $seen);
				$session->query('SELECT * FROM twinset.reconcile()');
				$session->query('VACUUM bare.narrow');
				$session->query('VACUUM twinset.assignment');
				return $p99;
			};
		};
		my %figures = turns($fleet->{scale} eq 'small' ? 1 : 2, bare => $p99->('bare', \%bare), this => $p99->($what, \%seen));
		my $others = join ', ', sort keys %{ $seen{what} };
		return ({ what => "the writers' p99", %figures, note => "under bare: the same writers' p99 beside the UPDATE of as many rows of a narrow table" },
			{ what => "the writers' waits for a lock", unit => "waits", this => [ $seen{waiting} ],
				note => "in $seen{samples} looks at a writer" . ($others ne '' ? "; kinds seen: $others" : '') });
	};
}

# A deployment change beside a transaction that has changed tags and sits there.
sub beside_idle
{
	my ($fleet, $at) = @_;
	my $session = $fleet->session($at);
	my ($id) = $fleet->chosen($at, 'true', 1);
	my $change = sub {
		my ($idle) = @_;
		return sub {
			my $other = $fleet->connect($at);
			$other->query('BEGIN');
			$other->query("UPDATE twinset.twin SET tags = bench.toggled(tags) WHERE device_id = '$id'") if $idle;
			my $figure = $session->timed("INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
				SELECT 'beside', content, 'tags.environment = ''canary''', 2000 FROM twinset.deployment LIMIT 1");
			$other->query('ROLLBACK');
			$other->close;
			$session->query("DELETE FROM twinset.deployment WHERE deployment_id = 'beside'");
			return $figure;
		};
	};
	my %figures = pairs($fleet->{rounds}, bare => $change->(0), this => $change->(1));
	return ({ %figures, note => 'under bare: the same deployment created beside nobody; a wait would last for ever' });
}

# Eight devices report, each its own
sub reports
{
	my ($fleet, $at) = @_;
	my $run = sub {
		my ($statement) = @_;
		return sub {
			my ($round) = @_;
			my $share = int($fleet->{devices} / 8);
			return Bench::Load->run(database => $fleet->database($at), clients => 8, seconds => $fleet->{seconds}, seed => 1 + $round,
				script => "\\set n random(0, $share - 1) * 8 + 1000001 + :client_id\n\\set revision random(1, 1000000)\n$statement;\n")->{per_second};
		};
	};
	my %figures = turns($fleet->{scale} eq 'small' ? 1 : 3,
		bare => $run->("INSERT INTO bare.report AS r VALUES ('gw-' || :n::text, :revision, 200, NULL, NULL, now())
			ON CONFLICT (device_id) DO UPDATE SET revision = excluded.revision, code = excluded.code,
				description = excluded.description, modules = excluded.modules, reported_at = excluded.reported_at
				WHERE excluded.reported_at >= r.reported_at" =~ s/\s+/ /gr),
		this => $run->("SELECT twinset.report_status('gw-' || :n::text, :revision::bigint, 200)"));
	return ({ unit => '/s', %figures });
}

# Ten thousand reports in one statement, of devices that have reported before, each
# another revision than before; without its commit, which settles them
sub many_reports
{
	my ($fleet, $at) = @_;
	my $session = $fleet->session($at);
	my $count = $fleet->{devices} < 10000 ? $fleet->{devices} : 10000;
	my $run = sub {
		my ($statement) = @_;
		return sub {
			$session->query("SELECT set_config('bench.reports', jsonb_agg(jsonb_build_object('device_id', device_id,
				'revision', (random() * 1000000)::bigint, 'code', 200))::text, false)
				FROM (SELECT r.device_id FROM twinset.report AS r ORDER BY sha256(r.device_id::bytea) LIMIT $count) AS s");
			$session->query('BEGIN');
			my $figure = $session->timed($statement);
			$session->query('ROLLBACK');
			return $figure;
		};
	};
	my %figures = pairs($fleet->{rounds},
		bare => $run->("INSERT INTO bare.report AS r (device_id, revision, code, description, modules, reported_at)
			SELECT device_id, revision, code, description, modules, coalesce(reported_at, now())
			FROM jsonb_to_recordset(current_setting('bench.reports')::jsonb) AS n (device_id text, revision bigint, code integer,
				description text, modules jsonb, reported_at timestamptz)
			ON CONFLICT (device_id) DO UPDATE SET revision = excluded.revision, code = excluded.code,
				description = excluded.description, modules = excluded.modules, reported_at = excluded.reported_at
				WHERE excluded.reported_at >= r.reported_at"),
		this => $run->("SELECT count(*) FROM twinset.report_statuses(current_setting('bench.reports')::jsonb)"));
	$session->query("VACUUM $_") for qw(bare.report twinset.report twinset.change);
	return ({ %figures });
}

[
	{ name => 'sustained, 8 clients', at => 'many', goals => [ '>= 0.8 ×', '<= 3 ×', undef ], how => \&sustained },
	{ name => '8 clients over 1', at => 'many', goals => ['>= 0.95 ×'], how => \&clients },
	(map { { name => "beside $_", at => 'many', goals => [ '<= 2 ×', '= 0 waits' ], how => heavy($_) } }
		'a deployment that wins all is created', 'reconcile()', 'an open transaction that has changed a deployment'),
	{ name => 'a deployment change beside idle tag changes', at => 'many', goals => ['<= 1.5 ×'], how => \&beside_idle },
	{ name => 'report_status(), 8 clients', at => 'many', goals => ['>= 0.8 ×'], how => \&reports },
	{ name => 'report_statuses(), 10,000 at once', at => 'many', goals => ['<= 1.5 ×'], how => \&many_reports },
];
