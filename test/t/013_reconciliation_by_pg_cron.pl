# reconcile() as real pg_cron calls it, by the README's own lines: it runs, mends
# what was broken and says so, goes on after a restart and a crash, and two at
# once do no harm.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Utils;
use Test::More;

use TwinsetTest;

my $readme = slurp_file(test_file('../README.md'));

# The README's indented lines from one that matches to the next empty one.
sub readme_lines
{
	my ($first) = @_;
	my ($lines) = $readme =~ /^ {4}($first.*?)\n\n/ms or die "the README has nothing like $first";
	return $lines;
}

my ($role) = $readme =~ /^(CREATE ROLE twinset_cron.*?)^```/ms;
my $settings = readme_lines('shared_preload_libraries') =~ s/^ {4}//mgr;
my $schedule = readme_lines(q(SELECT cron\.schedule_in_database));
my $look = readme_lines('SELECT started, finished') =~ s/;//r;
like($schedule, qr/'17 3 \* \* \*'/, 'the README schedules it at night');

my $node = new_node('cron', "$settings\nmax_worker_processes = 20");
$node->safe_psql('postgres', 'CREATE EXTENSION pg_cron; CREATE DATABASE fleet');
create_twinset($node, 'fleet');
create_fleet($node, 'fleet');

sub rows { return $node->safe_psql('fleet', $_[0]); }
sub runs { return rows('SELECT count(*) FROM twinset.reconciliation'); }

sub repaired
{
	my ($runs, $name) = @_;

	ok($node->poll_query_until('fleet', "SELECT count(*) >= $runs FROM twinset.reconciliation"), "it runs: $name");
	is_verified($node, $name, 'fleet');
	is_exact($node, $name, 'fleet');
	return;
}

my $damage = q(UPDATE twinset.assignment SET deployment_id = 'all' WHERE device_id = 'dev3'; UPDATE twinset.tally SET target = target + 1);

rows($role);
is(runs(), '0', 'nothing has run yet');

# by the clock; each minute instead of each night, so that the test need not wait until three
rows('SELECT FROM twinset.reconcile()');
rows($damage);
isnt(rows('SELECT * FROM twinset.verify()'), '', 'something is broken');
my $said = -s $node->logfile;
$node->safe_psql('postgres', $schedule =~ s/'17 3 \* \* \*'/'* * * * *'/r);
repaired(2, 'by the clock');
like(substr(slurp_file($node->logfile), $said), qr/WARNING:  reconcile\(\) has repaired \d+ rows/, 'it says so in the log');
my $run = rows($look);
like($run, qr/^\S+ \S+\|\S+ \S+\|40\|[1-9]\d*$/m, 'and in the view reconciliation');
is(rows('SELECT count(*) FROM twinset.reconciliation WHERE started > finished OR finished > clock_timestamp()'), '0', 'its times are in order');
like($node->safe_psql('postgres', 'SELECT status, username, database FROM cron.job_run_details'), qr/^succeeded\|twinset_cron\|fleet$/m,
	'pg_cron says that the job succeeded');

# after a restart and a crash pg_cron has its jobs, and runs those that are to be run at the start: two at once
$node->safe_psql('postgres', 'SELECT cron.unschedule(jobid) FROM cron.job');
$node->safe_psql('postgres', $schedule =~ s/'twinset', '17 3 \* \* \*'/'$_', '\@reboot'/r) for qw(one two);
for my $mode ('fast', 'immediate')
{
	my $before = runs();

	rows($damage);
	$node->stop($mode);
	$node->start;
	repaired($before + 2, "two at once after a stop with mode $mode");
	is(rows("SELECT count(*) FILTER (WHERE repaired > 0) FROM (SELECT repaired FROM twinset.reconciliation ORDER BY finished DESC LIMIT 2) AS r"),
		'1', "one of the two had something to repair: $mode");
}

# a run that is undone is not among them, and no more than a thousand are kept
my $before = runs();
is(rows('BEGIN; SELECT FROM twinset.reconcile(); SELECT count(*) FROM twinset.reconciliation; ROLLBACK') - $before, 1, 'a run is seen at once');
is(runs(), $before, 'one that was rolled back has not been');
rows(q(INSERT INTO twinset.reconciliation_run SELECT t, t, 0, 0 FROM generate_series(1, 1500) AS i, LATERAL (SELECT now() - i * interval '1 day') AS x (t);
	SELECT FROM twinset.reconcile()));
is(rows('SELECT count(*), max(finished) > now() - interval \'1 hour\' FROM twinset.reconciliation'), '1000|t', 'the last thousand are kept');
unlike(slurp_file($node->logfile), qr/WARNING:.*leak|PANIC|TRAP/, 'the log tells of no leak');

$node->stop;
done_testing();
