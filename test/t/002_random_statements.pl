# Random statements of every kind in several sessions at once, and after each
# step every view against brute force: in the sessions that ran one, in their
# own transactions, and in an observer.  Each comparison is one statement, so
# one snapshot.
#
# TWINSET_SEED gives the same statements again (how sessions meet can differ a
# little), TWINSET_STEPS says how many.  TWINSET_VERBOSE=1 prints each one.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use List::Util qw(shuffle);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use TwinsetTest;
use TwinsetTest::RandomStatement qw(pick chance random_statement random_device random_deployment
  random_condition random_preview random_probe);

my $seed = $ENV{TWINSET_SEED} // int(time * 1000) % 1_000_000_000;
my $steps = $ENV{TWINSET_STEPS} // 2000;
my $rest_every = 100;     # steps, after which all sessions end their transactions
my $history_length = 60;  # statements that are shown with a failure
my $hang = 60;            # seconds in which something must get done

srand($seed);
note("seed $seed, $steps steps");

my $compare = 'SELECT * FROM brute.difference';
my $retryable = qr/^(?:40001|40P01)$/;
# what random statements may run into: constraints, the same row twice in a statement, a cursor on the table, no lock in time
my $expected_error = qr/^(?:23505|21000|27000|55006|55P03|P0002|22012|25P02)$/;

my $node = new_node('random', 'log_min_messages = warning');
create_twinset($node);
$node->safe_psql('postgres', '\i ' . test_file('user_triggers.sql'));

my @history;
my $step = 0;
my %count = (statements => 0, errors => 0, comparisons => 0, waits => 0, previews => 0, probes => 0);
my @prepared;          # names of prepared transactions
my $prepared_names = 0;
my $cursor_names = 0;
my $exclusive;         # the session whose transaction has truncated a table
my @triggers;          # the users' own that are there now

# A session's transaction: isolation (undef: none is open), failed, savepoints,
# stale (its snapshot is older than a TRUNCATE, which is not for it), truncated,
# cursors (open ones that compare with the snapshot of then; each with the
# number of savepoints that it came after).
my $observer = TwinsetTest::Session->new($node, 'observer');
my @sessions = map { TwinsetTest::Session->new($node, "s$_") } 1 .. 4;
my %of_session = map { $_ => { transaction => {} } } @sessions;

sub transaction { my ($session) = @_; return $of_session{$session}{transaction}; }
sub in_transaction { my ($session) = @_; return defined transaction($session)->{isolation}; }

sub record
{
	my ($who, $text) = @_;
	push @history, "step $step $who: $text";
	shift @history if @history > $history_length;
	note($history[-1]) if $ENV{TWINSET_VERBOSE};
	return;
}

sub wrong
{
	my ($what, $details) = @_;
	diag("seed $seed, step $step: $what\ntriggers: @triggers\n\nlast statements:\n" . join("\n", @history)
		  . "\n\ndifferences:\n$details");
	fail("step $step of seed $seed: $what");
	$node->stop('immediate');
	$_->quit for $observer, @sessions;
	done_testing();
	exit 1;
}

# The views against brute force, as the session sees them.
sub compare
{
	my ($session) = @_;
	my $chance = rand;

	$count{comparisons}++;
	# planned anew, or with a plan that was made before
	$session->send($chance < 0.3 ? $compare : 'EXECUTE compare');
	$session->done($hang) or wrong("$session->{name} hangs in a comparison", '');
	return if note_error($session, 'comparison');
	wrong("the views of $session->{name}", $session->{output}) if $session->{output} ne '';
	return if chance(0.5);

	my $probe = random_probe();
	$count{probes}++;
	$session->send($probe);
	$session->done($hang) or wrong("$session->{name} hangs in $probe", '');
	return if note_error($session, 'probe');
	wrong("a view of $session->{name}: $probe", $session->{output}) if $session->{output} ne '';
	return;
}

# What a finished statement's error does to its session's transaction; true if there was one.
sub note_error
{
	my ($session, $kind) = @_;
	my $transaction = transaction($session);

	return 0 unless $session->failed;
	$count{errors}++;
	$count{"errors $session->{sqlstate}"}++;
	record($session->{name}, "  -> $session->{sqlstate} $session->{output}");
	wrong("unexpected error of $session->{name} ($kind)", "$session->{sqlstate} $session->{output}")
	  unless $session->{sqlstate} =~ $retryable || $session->{sqlstate} =~ $expected_error;
	# serializable transactions alone may be stopped when they only read or commit
	wrong("$kind in $session->{name}", $session->{output})
	  if $kind =~ /^(?:comparison|probe)$/ && ($transaction->{isolation} // '') ne 'SERIALIZABLE';
	$transaction->{failed} = 1 if in_transaction($session);
	return 1;
}

sub end_transaction
{
	my ($session, $committed) = @_;
	my $transaction = transaction($session);

	if ($transaction->{truncated} && $committed)
	{
		$_->{stale} = 1 for grep { ($_->{isolation} // 'READ COMMITTED') ne 'READ COMMITTED' || $_->{cursors} }
		  map { transaction($_) } @sessions;
	}
	undef $exclusive if defined $exclusive && $exclusive == $session;
	$of_session{$session}{transaction} = {};
	return;
}

# Choose the session's next statement.
sub next_statement
{
	my ($session, $alone) = @_;
	my $transaction = transaction($session);
	my ($kind, $text);

	if ($transaction->{failed})
	{
		my @savepoints = ($transaction->{savepoints} // [])->@*;
		return ('rollback to', 'ROLLBACK TO SAVEPOINT ' . pick(@savepoints))
		  if @savepoints && chance(0.6) && $session->{sqlstate} ne '40001';
		return ('rollback', 'ROLLBACK');
	}
	if (in_transaction($session))
	{
		my $chance = rand;
		return ('commit', 'COMMIT') if $chance < 0.12 || (defined $exclusive && $chance < 0.5);
		return ('rollback', 'ROLLBACK') if $chance < 0.16 || $transaction->{stale};
		return ('prepare transaction', "PREPARE TRANSACTION 'p" . $prepared_names++ . q(')) if $chance < 0.18 && @prepared < 2;
		return ('savepoint', 'SAVEPOINT ' . pick('a', 'b', 'c')) if $chance < 0.26;
		if (my @savepoints = ($transaction->{savepoints} // [])->@*)
		{
			return ('rollback to', 'ROLLBACK TO SAVEPOINT ' . pick(@savepoints)) if $chance < 0.36;
			return ('release', 'RELEASE SAVEPOINT ' . pick(@savepoints)) if $chance < 0.39;
		}
		return ('set constraints', 'SET CONSTRAINTS ALL ' . pick('IMMEDIATE', 'DEFERRED')) if $chance < 0.40;
		return ('cursor', 'DECLARE probe' . $cursor_names++ . " CURSOR FOR $compare") if $chance < 0.43;
		if (my @cursors = sort keys(($transaction->{cursors} // {})->%*))
		{
			return ('fetch', 'FETCH ALL FROM ' . pick(@cursors)) if $chance < 0.55;
		}
	}
	else
	{
		my $chance = rand;
		return ('begin', 'BEGIN ISOLATION LEVEL ' . pick('READ COMMITTED', 'READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'))
		  if $chance < 0.35;
		return ('set', 'SET twinset.settle_after = ' . pick(0, 0, 1, 2, 5, 1000)) if $chance < 0.42;
		return ('set', 'SET force_parallel_mode = ' . pick('off', 'on')) if $chance < 0.43;
		return ('discard', 'DISCARD PLANS') if $chance < 0.435;
		return ('set', 'SET twinset.match_by = ' . pick('cost', 'postings', 'matcher')) if $chance < 0.44;
		return ('set', 'SET ' . pick('enable_nestloop', 'enable_hashjoin', 'enable_mergejoin', 'enable_bitmapscan')
			  . ' = ' . pick('off', 'on')) if $chance < 0.45;
	}
	# what a preview foretells is not what comes of it where a user's trigger changes the deployment again
	if ($alone && chance(0.06) && !grep { /deployment_row|replaces_deployment/ } @triggers)
	{
		my $existing = chance(0.6) ? random_deployment() : undef;
		return ('preview', random_preview($existing), $existing);
	}
	do
	{
		($kind, $text) = random_statement();
	} while ($kind eq 'procedure with commits' && in_transaction($session)
		|| $kind eq 'verify' && @triggers
		|| $kind eq 'truncate' && !$alone);
	return ($kind, $text);
}

sub start_statement
{
	my ($session, $alone) = @_;
	my ($kind, $text, $existing) = next_statement($session, $alone);
	my %with;

	# preview() is asked about what is there
	if ($kind eq 'preview' && defined $existing
		&& $session->query(qq(SELECT count(*) FROM twinset.deployment WHERE deployment_id = '$existing')) eq '0')
	{
		$text = random_preview(undef);
	}
	# it waits for everybody, and everybody for it
	%with = (before => q(SET lock_timeout = '30ms'), after => 'RESET lock_timeout') if $kind eq 'truncate';
	record($session->{name}, $text);
	$count{statements}++;
	$of_session{$session}{kind} = $kind;
	$of_session{$session}{waited} = 0;
	$of_session{$session}{text} = $text;
	$session->send($text, %with);
	return;
}

# A statement is done: what it means for the session's transaction, and what its output must be.
sub finish_statement
{
	my ($session) = @_;
	my ($kind, $text) = $of_session{$session}->@{qw(kind text)};
	my $transaction = transaction($session);

	if (note_error($session, $kind))
	{
		# an error at commit ends the transaction
		end_transaction($session, 0) if $kind =~ /^(?:commit|prepare transaction)$/;
		return;
	}
	if ($kind eq 'begin')
	{
		$transaction->{isolation} = $text =~ s/BEGIN ISOLATION LEVEL //r;
	}
	elsif ($kind eq 'commit' || $kind eq 'rollback')
	{
		end_transaction($session, $kind eq 'commit');
	}
	elsif ($kind eq 'prepare transaction')
	{
		push @prepared, $text =~ /'(\w+)'/;
		end_transaction($session, 1);
	}
	elsif ($kind eq 'savepoint')
	{
		push $transaction->{savepoints}->@*, $text =~ /(\w)$/;
	}
	elsif ($kind eq 'rollback to' || $kind eq 'release')
	{
		my ($name) = $text =~ /(\w)$/;
		my $savepoints = $transaction->{savepoints};
		pop @$savepoints while $savepoints->[-1] ne $name;
		pop @$savepoints if $kind eq 'release';
		delete $transaction->{failed};
		my $cursors = $transaction->{cursors} // {};
		for my $cursor (grep { $cursors->{$_} >= @$savepoints } keys %$cursors)
		{
			delete $cursors->{$cursor} if $kind eq 'rollback to';
			$cursors->{$cursor} = @$savepoints if $kind eq 'release';
		}
	}
	elsif ($kind eq 'cursor')
	{
		my ($name) = $text =~ /(probe\d+)/;
		$transaction->{cursors}{$name} = ($transaction->{savepoints} // [])->@*;
	}
	elsif ($kind eq 'fetch')
	{
		my ($name) = $text =~ /(probe\d+)/;
		delete $transaction->{cursors}{$name};
		wrong("$session->{name}: a cursor's views", $session->{output}) if $session->{output} ne '' && !$transaction->{stale};
	}
	elsif ($kind eq 'preview')
	{
		$count{previews}++;
		# it used several snapshots
		wrong("$session->{name}: preview", $session->{output}) if $session->{output} ne '' && !$of_session{$session}{waited};
	}
	elsif ($kind eq 'reconcile')
	{
		wrong("$session->{name}: reconcile() repaired", $session->{output}) unless $session->{output} =~ /^\d+\|0$/m;
	}
	elsif ($kind eq 'verify')
	{
		wrong("$session->{name}: verify()", $session->{output}) if $session->{output} ne '' && !$transaction->{stale};
	}
	elsif ($kind eq 'truncate')
	{
		$transaction->{truncated} = 1;
		$exclusive = $session if in_transaction($session);
		end_transaction($session, 1) unless in_transaction($session);
	}
	return;
}

# Wait until each session is idle or waits for a lock.  Those that got done are finished.
sub await
{
	my @done;
	my $start = time;

	for (;;)
	{
		my @busy;
		for my $session (grep { $_->{busy} } @sessions)
		{
			if ($session->done(0.003))
			{
				finish_statement($session);
				push @done, $session;
			}
			else
			{
				push @busy, $session;
			}
		}
		return @done unless @busy;
		wrong('nothing gets done', join("\n", map { "$_->{name}: $of_session{$_}{text}" } @busy)) if time - $start > $hang;
		my $pids = join ', ', map { $_->{pid} } @busy;
		my $blocked = $observer->query(
			"SELECT count(*) FROM unnest(ARRAY[$pids]) AS pid WHERE pg_blocking_pids(pid) <> '{}'");
		next if $blocked < @busy;

		for my $session (grep { !$of_session{$_}{waited} } @busy)
		{
			$of_session{$session}{waited} = 1;
			$count{waits}++;
			record($session->{name}, '  waits');
			waits_for_a_row($session);
		}
		return @done if @busy < @sessions;
		# all wait: for a deadlock to be found, or for what is prepared
		end_prepared() if @prepared && time - $start > 0.5;
	}
}

# Who writes twins or reports does not wait for a deployment change.
sub waits_for_a_row
{
	my ($session) = @_;

	return if grep { /deployment|both|fails_half_way|replace/ } @triggers;
	return unless $of_session{$session}{kind} =~ /twin|^(?:report|set tags)$/;
	my $lock = $observer->query(
		"SELECT locktype, relation::regclass, mode FROM pg_locks WHERE pid = $session->{pid}"
		  . q( AND (relation = 'twinset.settlement'::regclass AND locktype = 'tuple' AND mode <> 'SIReadLock' OR locktype = 'relation' AND NOT granted)));
	wrong("$session->{name} writes twins and waits for a settlement", $lock) if $lock ne '' && !defined $exclusive;
	return;
}

sub end_prepared
{
	@prepared = shuffle(@prepared);
	my $name = shift @prepared;
	my $statement = pick('COMMIT', 'COMMIT', 'ROLLBACK') . " PREPARED '$name'";
	record('observer', $statement);
	$observer->query($statement);
	return;
}

# All transactions end, and everything must be right in itself.
sub rest
{
	for my $session (@sessions)
	{
		next if $session->{busy} || !in_transaction($session);
		my $kind = transaction($session)->{failed} || chance(0.3) ? 'rollback' : 'commit';
		record($session->{name}, uc $kind);
		$of_session{$session}->@{qw(kind text waited)} = ($kind, uc $kind, 0);
		$session->send(uc $kind);
		await();
	}
	end_prepared() while @prepared;
	while (grep { $_->{busy} || in_transaction($_) } @sessions)
	{
		await();
		return rest() if grep { !$_->{busy} && in_transaction($_) } @sessions;
	}
	compare($observer);

	record('observer', 'no triggers');
	$observer->query(q(SELECT usual.use('{}')));
	my $verified = $observer->query('SELECT * FROM twinset.verify()');
	wrong('verify() at rest', $verified) if $verified ne '';
	$observer->query('VACUUM (ANALYZE)') if chance(0.2);
	return;
}

sub choose_triggers
{
	my @all = split /\n/, $observer->query('SELECT name FROM usual.trigger ORDER BY name');
	@triggers = chance(0.4) ? () : sort((shuffle(@all))[ 0 .. int rand 3 ]);
	record('observer', "triggers: @triggers");
	$observer->query("SELECT usual.use('{" . join(',', @triggers) . "}')");
	return;
}

$_->query("PREPARE compare AS $compare") for $observer, @sessions;
$observer->query("SELECT set_config('log_min_error_statement', 'panic', false)");

my $start = time;
for ($step = 1; $step <= $steps; $step++)
{
	if ($step % $rest_every == 1)
	{
		rest();
		choose_triggers();
	}
	end_prepared() if @prepared && chance(0.1);

	my @free = defined $exclusive && !$exclusive->{busy} ? ($exclusive) : grep { !$_->{busy} } @sessions;
	# mostly one statement at a time, sometimes several at the same moment
	my $number = chance(0.8) ? 1 : 1 + int rand @free;
	my @chosen = (shuffle(@free))[ 0 .. $number - 1 ];
	my $alone = $number == 1 && !grep { $_->{busy} } @sessions;
	start_statement($_, $alone) for @chosen;
	my @done = await();

	for my $session (@done)
	{
		my $transaction = transaction($session);
		next if $session->{busy} || $transaction->{failed} || $transaction->{stale};
		next if defined $exclusive && $exclusive != $session;
		compare($session);
	}
	compare($observer) unless defined $exclusive;
}

$step = $steps;
rest();
is($observer->query('SELECT repaired FROM twinset.reconcile()'), '0', 'reconcile() has nothing to repair');
is($observer->query($compare), '', 'every view is what brute force gives');
is($observer->query('SELECT * FROM twinset.verify()'), '', 'verify() finds nothing');

note(sprintf '%d steps in %.0f s', $steps, time - $start);
note(join ', ', map { "$count{$_} $_" } sort keys %count);
$_->quit for $observer, @sessions;
$node->stop;
done_testing();
