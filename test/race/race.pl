# Every schedule of two, and of some three, transactions that write twins,
# reports and deployments, at the three isolation levels.
#
#	race.pl                      all, in half as many databases more than there are processors
#	race.pl --only PATTERN       those whose name matches (a regular expression of Perl's)
#	race.pl --list               names them
#	race.pl --jobs N             in N databases at once
#	race.pl --stop-after N       no more after N tests that found something wrong
#	race.pl --quiet              prints no test that passes
#
# A server is where PGHOST and the like say; databases race1, race2, … are
# dropped and created.  TWINSET_MODULE names another module to load, and
# TWINSET_BREAK_RULE the rule that it shall break (see rules).  Every schedule begins with the same small fleet
# (fleet.sql).  In it
#
#	each session compares all views with brute force, and asks verify(), after its
#	action and, where another has acted since, again before it commits;
#	an observer does after each commit; and at the end again, once what was deleted
#	is there again and all is settled.
#
# Besides, nobody waits but writers of a device for one another, those who settle
# for one another, and TRUNCATE; nobody deadlocks; at READ COMMITTED nothing fails
# for others' sake; and above it a deployment change fails with 40001 where
# another settlement was committed since its snapshot was taken, and only there.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use Getopt::Long;
use IO::Handle;
use IO::Select;
use Time::HiRes qw(time);

use TwinsetTest::RaceAction qw(@actions @other_actions @holders action);
use TwinsetTest::Schedule qw(every_schedule);
use TwinsetTest::Session;

my @levels = ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE');

my $compare = 'SELECT race.difference()';
my $verify = 'SELECT race.verify()';

# three at once: where the order of three matters, or who waits behind whom
my @triples = (
	[ 'tag change in', 'tag change out', 'condition change' ],
	[ 'delete', 'insert', 'priority change' ],
	[ 'report', 'content change', 'deployment delete' ],
	[ 'content change', 'deployment insert', 'truncate twins' ],
	[ 'tag change in', 'report', 'reconcile' ],
	[ 'tag change out', 'settling at commit', 'deployment insert' ],
	[ 'prepare', 'set_tags', 'deployment insert' ],
	[ 'condition change', 'priority change', 'deployment delete' ],
);

# connstr, as PostgreSQL::Test::Cluster has it: the environment says the rest
sub Database::connstr { my ($self, $dbname) = @_; return "dbname=$dbname"; }

my %option = (only => '.', jobs => 0, 'stop-after' => 0);
GetOptions(\%option, 'only=s', 'list', 'jobs=i', 'stop-after=i', 'quiet')
  or die "usage: race.pl [--only PATTERN] [--list] [--jobs N] [--stop-after N] [--quiet]\n";
# a worker's sessions take turns, and between them a processor is idle for a moment
$option{jobs} ||= int(1.5 * qx(nproc)) || 1;

my $server = bless {}, 'Database';
my $observer;
my @sessions;
my $number;        # of the worker, and of its database
my $clock;         # counts what has happened in the schedule
my @settled;       # when settlements were committed, by the clock
my @truncated;     # when TRUNCATEs were
my @reported;      # when reports were written or deleted
my %count;
my @wrong;         # of the test at hand

# What is to be run: { name, levels, actions, together, held }.  together: a
# session's action comes with its BEGIN; held: the table at which the first
# session's settlement is held up.
sub all_tests
{
	my @tests;

	for my $level (@levels)
	{
		for my $i (0 .. $#actions)
		{
			push @tests, test($level, $actions[$i], $actions[$_]) for $i .. $#actions;
		}
		for my $other (@other_actions)
		{
			push @tests, test($level, $other, action($_)) for @{ $other->{with} };
		}
		push @tests, { %{ test($level, map { action($_) } @$_) }, together => 1 } for @triples;
		next if $level eq 'SERIALIZABLE';
		for my $holder (@holders)
		{
			for my $settler (grep { $_->{class} eq 'deployment' } @actions)
			{
				push @tests, { %{ test($level, $settler, $_) }, name => "$settler->{name} held at $holder->{name} x $_->{name}, $level",
					held => $holder }
				  for grep { $_->{class} eq 'device' } @actions;
			}
		}
	}
	# whoever settles at commit does so at READ COMMITTED, others can be above it
	push @tests, { %{ test('REPEATABLE READ', $_, action('settling at commit')) }, levels => [ 'REPEATABLE READ', 'READ COMMITTED' ],
		name => "$_->{name} x settling at commit, REPEATABLE READ x READ COMMITTED" } for @actions;
	return grep { $_->{name} =~ /$option{only}/ } @tests;
}

sub test
{
	my ($level, @of) = @_;
	# at READ COMMITTED a transaction's BEGIN takes no snapshot: it only matters whose id is the lesser, to writers of a device
	return { name => join(' x ', map { $_->{name} } @of) . ", $level", levels => [ ($level) x @of ], actions => \@of,
		together => $level eq 'READ COMMITTED' && !!grep { $_->{class} ne 'device' } @of };
}

sub wrong
{
	my ($what) = @_;
	push @wrong, $what;
	return;
}

# What a session was told: nothing is right, but for an error that may come.
sub judge
{
	my ($thread, $session, $what) = @_;

	if ($session->failed)
	{
		$thread->{failed} = 1;
		$count{errors}++;
		wrong("$thread->{name}, $what: $session->{sqlstate} $session->{output}") unless may_fail($thread, $session->{sqlstate}, $what);
		return;
	}
	wrong("$thread->{name}, $what: $session->{output}") if $session->{output} =~ /\S/;
	return;
}

# An id that is taken, and a device that is not there; and what docs/concurrency.md says of 40001.
sub may_fail
{
	my ($thread, $sqlstate, $what) = @_;

	return 1 if $what eq 'action' && $thread->{action}{class} =~ /device/ && $sqlstate =~ /^(?:23505|P0002)$/;
	return 1 if $sqlstate eq '40001' && $thread->{level} eq 'SERIALIZABLE';
	return $sqlstate eq '40001' && $thread->{level} eq 'REPEATABLE READ' && $what eq 'action'
	  && ($thread->{action}{class} =~ /device|both/ || others_settled($thread)
		|| ($thread->{action}{name} eq 'truncate twins' && since($thread, @reported)));
}

# What was committed since the session's snapshot was taken.
sub since
{
	my ($thread, @when) = @_;
	return scalar grep { $_ > $thread->{snapshot_at} } @when;
}

sub others_settled
{
	my ($thread) = @_;
	return since($thread, @settled);
}

# TRUNCATE is not for older snapshots
sub sees_nothing_truncated
{
	my ($thread) = @_;
	return $thread->{level} ne 'READ COMMITTED' && since($thread, @truncated);
}

# All views against brute force, or verify(), as the session sees them.
sub checks
{
	my ($thread, $ask) = @_;

	$thread->{checked_at} = $clock;
	return () if $thread->{failed} || sees_nothing_truncated($thread);
	$count{comparisons}++;
	$thread->{waited} = 0;
	return [ $ask, sub {
		# a snapshot that was taken before TRUNCATE let it go on is not for looking
		if ($thread->{waited} && !$_[0]->failed) { push @{ $thread->{todo} }, checks($thread, $ask); }
		else { judge($thread, $_[0], 'comparison'); }
	} ];
}

# Takes the snapshot, and draws the id, so the order of ids need not be that of the writes.
sub begin
{
	my ($thread) = @_;

	return [ "BEGIN ISOLATION LEVEL $thread->{level}; DO \$\$ BEGIN PERFORM pg_current_xact_id(); END \$\$", sub {
		$thread->{snapshot_at} = $thread->{checked_at} = $clock;
		$thread->{failed} = $thread->{prepared} = 0;
		judge($thread, $_[0], 'beginning');
	} ];
}

sub act
{
	my ($thread, $sql) = @_;

	return () if $thread->{failed};
	return [ own($thread, $sql), sub {
		judge($thread, $_[0], 'action');
		return if $thread->{failed};
		$clock++;
		$thread->{excludes} = $thread->{action}{class} eq 'truncate';
		wrong("$thread->{name} settles from a snapshot that is older than another settlement")
		  if holds_settlement_lock($thread) && $thread->{level} ne 'READ COMMITTED' && others_settled($thread);
		push @{ $thread->{todo} }, checks($thread, "$compare; $verify");
	} ];
}

sub end
{
	my ($thread) = @_;
	my $action = $thread->{action};

	return ($clock > $thread->{checked_at} ? checks($thread, $compare) : ()), [ undef, sub {
		push @{ $thread->{todo} }, [ $thread->{failed} ? 'ROLLBACK' : own($thread, $action->{end} // 'COMMIT'), sub {
			judge($thread, $_[0], 'commit') unless $thread->{failed};
			if ($action->{finish} && !$thread->{failed}) { $thread->{prepared} = 1; }
			else { ended($thread); }
		} ];
	} ];
}

sub finish
{
	my ($thread) = @_;

	return () unless $thread->{prepared};
	return [ own($thread, $thread->{action}{finish}), sub {
		judge($thread, $_[0], 'second commit');
		$thread->{prepared} = 0;
		ended($thread);
	} ];
}

sub own
{
	my ($thread, $sql) = @_;
	$sql =~ s/\$me\b/$thread->{me}/g;
	return $sql;
}

sub holds_settlement_lock
{
	my ($thread) = @_;
	return $thread->{action}{class} =~ /^(?:deployment|both|truncate)$/;
}

# Its transaction is over.
sub ended
{
	my ($thread) = @_;

	$thread->{excludes} = 0;
	$thread->{ended} = 1;
	return if $thread->{failed};
	$clock++;
	push @settled, $clock
	  if holds_settlement_lock($thread) || ($thread->{action}{settles} && $thread->{level} eq 'READ COMMITTED');
	push @truncated, $clock if $thread->{action}{class} eq 'truncate';
	push @reported, $clock if $thread->{action}{reports};
	return unless grep { !$_->{ended} } @{ $thread->{all} };
	# who waits for a table to be his alone keeps others waiting behind him
	observe('after a commit', $compare)
	  unless grep { $_->{excludes} || ($_->{busy} && $_->{action}{class} eq 'truncate' && $_ != $thread) } @{ $thread->{all} };
	return;
}

sub observe
{
	my ($when, $statement) = @_;

	$count{comparisons}++;
	wrong("observer, $when: $observer->{output}") if $observer->try($statement) ne '00000' || $observer->{output} =~ /\S/;
	return;
}

# The steps of a session's transaction.
sub steps
{
	my ($thread, $test) = @_;
	my @acts = @{ $thread->{action}{sql} };
	my @steps;

	if ($test->{together})
	{
		my $first = shift @acts;
		push @steps, { name => 'act', statements => sub { (begin($thread), [ undef, sub { push @{ $thread->{todo} }, act($thread, $first) } ]) } };
	}
	else
	{
		push @steps, { name => 'begin', statements => sub { begin($thread) } };
	}
	for my $sql (@acts)
	{
		push @steps, { name => 'act', statements => sub { act($thread, $sql) } };
	}
	push @steps, { name => 'end', statements => sub { end($thread) } };
	push @steps, { name => 'finish', statements => sub { finish($thread) } } if $thread->{action}{finish};
	return \@steps;
}

# Who holds up the settlement of a half-way, by a lock on a table that it writes.  b commits meanwhile.
sub hold
{
	my ($holder, $all) = @_;
	my $thread = { name => 'h', session => $sessions[2], action => $holder, level => 'READ COMMITTED', all => $all };
	my ($settler, $writer) = @$all;

	$thread->{steps} = [
		{ name => 'hold', statements => sub { [ "BEGIN; $holder->{sql}[0]", sub { judge($thread, $_[0], 'hold') } ] } },
		{ name => 'release', statements => sub { [ 'COMMIT', sub { judge($thread, $_[0], 'release') } ] }, after => ['b.end'] } ];
	$_->{steps}[0]{after} = ['h.hold'] for $settler, $writer;
	my ($end) = grep { $_->{name} eq 'end' } @{ $writer->{steps} };
	push @{ $end->{after} }, 'a.act';
	push @{ $settler->{steps}[-1]{after} }, 'h.release';
	return $thread;
}

# Of two who met on a lock: may the one wait for the other?
sub may_wait
{
	my ($waiting, $for) = map { $_->{action}{class} } @_;

	return 1 if $waiting eq 'truncate' || $for eq 'truncate';
	return $waiting ne 'device' if $for eq 'holder';
	return 1 if $waiting eq 'both' || $for eq 'both';
	return $waiting eq $for;
}

sub run_test
{
	my ($test) = @_;
	my @names = ('a' .. 'c');
	my @threads;
	my @found;

	for my $action (@{ $test->{actions} })
	{
		my $thread = { name => $names[@threads], me => "$names[@threads]$number", session => $sessions[@threads],
			action => $action, level => $test->{levels}[@threads], all => \@threads };
		push @threads, $thread;
	}
	$_->{steps} = steps($_, $test) for @threads;
	push @threads, hold($test->{held}, \@threads) if $test->{held};

	@wrong = ();
	my $schedules = every_schedule(
		\@threads,
		observer => $observer,
		before => sub {
			$clock = 0;
			@settled = @truncated = @reported = ();
			$_->{failed} = $_->{excludes} = $_->{ended} = 0 for @threads;
			$observer->query('SELECT race.reset()');
		},
		waits => sub {
			my ($waiting, @for) = @_;
			$count{waits}++;
			$waiting->{waited} ||= grep { $_->{action}{class} eq 'truncate' } @for;
			wrong("$waiting->{name} waits for $_->{name}") for grep { !may_wait($waiting, $_) } @for;
		},
		after => sub {
			my ($schedule) = @_;

			observe('at the end', "$compare; $verify; SELECT race.settle(); $compare");
			return unless @wrong;
			push @found, join "\n", "schedule $schedule", map { "  $_" } @wrong;
			@wrong = ();
			# so that the next schedule does not find what this one has left
			$observer->query('TRUNCATE twinset.twin, twinset.deployment; SELECT FROM twinset.reconcile() WHERE false');
		});
	return ($schedules, @found);
}

sub open_sessions
{
	$observer = TwinsetTest::Session->new($server, 'observer', "race$number");
	@sessions = map { TwinsetTest::Session->new($server, $_, "race$number") } 'a' .. 'c';
	$sessions[0]->query('SET twinset.match_by = matcher');
	$sessions[1]->query('SET twinset.match_by = postings');
	return;
}

# After a crash the server is not there at once.
sub first_session
{
	for (1 .. 100)
	{
		my $first = eval { TwinsetTest::Session->new($server, 'first', 'postgres') };
		return $first if $first;
		select undef, undef, undef, 0.1;
	}
	die $@;
}

# A database of its own, as empty as any.
sub prepare_database
{
	my $first = first_session();
	my $directory = "$FindBin::RealBin/..";

	for my $left (split /\n/, $first->query("SELECT gid FROM pg_prepared_xacts WHERE database = 'race$number'"))
	{
		my $second = TwinsetTest::Session->new($server, 'second', "race$number");
		$second->query("ROLLBACK PREPARED '$left'");
		$second->quit;
	}
	$first->query("DROP DATABASE IF EXISTS race$number WITH (FORCE)");
	$first->query("CREATE DATABASE race$number");
	$first->query("ALTER DATABASE race$number SET twinset.break_rule = '$ENV{TWINSET_BREAK_RULE}'") if $ENV{TWINSET_BREAK_RULE};
	$first->quit;
	$first = TwinsetTest::Session->new($server, 'first', "race$number");
	$first->query('CREATE EXTENSION twinset');
	$first->query("UPDATE pg_proc SET probin = '$ENV{TWINSET_MODULE}' WHERE probin = '\$libdir/twinset'") if $ENV{TWINSET_MODULE};
	$first->quit;
	$first = TwinsetTest::Session->new($server, 'first', "race$number");
	$first->query("\\i $directory/brute_force.sql\n\\i $directory/race/fleet.sql\n");
	$first->quit;
	return;
}

# Gets numbers of tests, and tells what was found.
sub work
{
	my ($in, $out, @tests) = @_;

	prepare_database();
	open_sessions();
	print {$out} "ready\n";
	while ((my $index = <$in>) ne "end\n")
	{
		%count = map { $_ => 0 } qw(comparisons waits errors);
		my ($schedules, @found) = eval { run_test($tests[$index]) };
		if ($@)
		{
			# who is gone, or hangs, takes his session with him
			($schedules, @found) = (0, $@, @wrong);
			kill 'TERM', map { $_->{child} } $observer, @sessions;
			$_->quit for $observer, @sessions;
			prepare_database();
			open_sessions();
		}
		my @lines = map { split /\n/ } @found;
		print {$out} join(' ', $schedules, scalar @found, scalar @lines, @count{qw(comparisons waits errors)}), "\n",
		  map { "$_\n" } @lines;
	}
	$_->quit for $observer, @sessions;
	return;
}

sub start_worker
{
	my (@tests) = @_;

	pipe(my $from_parent, my $to_worker) && pipe(my $from_worker, my $to_parent) or die "pipe: $!";
	$_->autoflush(1) for $to_worker, $to_parent;
	my $child = fork // die "fork: $!";
	if ($child == 0)
	{
		close $_ for $to_worker, $from_worker;
		work($from_parent, $to_parent, @tests);
		exit 0;
	}
	close $_ for $from_parent, $to_parent;
	return { child => $child, to => $to_worker, from => $from_worker };
}

STDOUT->autoflush(1);
my @tests = all_tests();
if ($option{list})
{
	print "$_->{name}\n" for @tests;
	exit 0;
}
die "no test has such a name\n" unless @tests;

my $started = time;
my %total = (schedules => 0, comparisons => 0, waits => 0, errors => 0, wrong => 0);
my ($next, $done, $bad) = (0, 0, 0);
my %worker;

for (1 .. $option{jobs})
{
	$number = $_;
	my $worker = start_worker(@tests);
	$worker{ $worker->{from} } = $worker;
}
my $select = IO::Select->new(map { $_->{from} } values %worker);
while (my @ready = $select->can_read)
{
	for my $from (@ready)
	{
		my $worker = $worker{$from};
		my $line = <$from> // die "a worker is gone\n";

		if ($line ne "ready\n")
		{
			my ($schedules, $found, $lines, @counts) = split ' ', $line;
			my @lines = map { scalar <$from> } 1 .. $lines;
			my $test = $tests[ $worker->{at} ];

			$done++;
			$bad++ if $found;
			$total{schedules} += $schedules;
			$total{wrong} += $found;
			$total{$_} += shift @counts for qw(comparisons waits errors);
			printf "%s %d - %s: %d schedules%s\n", $found ? 'not ok' : 'ok', $done, $test->{name}, $schedules,
			  $found ? ", $found of them wrong" : '' unless $option{quiet} && !$found;
			splice @lines, 40, @lines, "...\n" if @lines > 40;
			print map { "# $_" } @lines;
		}
		if ($next < @tests && !($option{'stop-after'} && $bad >= $option{'stop-after'}))
		{
			$worker->{at} = $next;
			print { $worker->{to} } $next++, "\n";
		}
		else
		{
			$select->remove($from);
			print { $worker->{to} } "end\n";
			waitpid $worker->{child}, 0;
		}
	}
}
print "1..$done\n";
printf "# %d tests, %d schedules, %d comparisons, %d waits, %d errors that may come; %d wrong; %.0f s\n",
  $done, @total{qw(schedules comparisons waits errors wrong)}, time - $started;
exit($bad > 0);
