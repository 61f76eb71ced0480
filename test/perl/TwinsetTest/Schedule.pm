# Every schedule of a few sessions' steps.
#
# Two sessions with the steps a1 a2 and b1 b2 have six: a1 a2 b1 b2, a1 b1 a2
# b2, and so on.  Where b1 waits for what a1 holds, b2 can't come before a2, and
# there are fewer: what can come next is seen as the schedule runs.
#
#	run   a1 b1 a2 b2		could have gone on otherwise after a1 b1: with b2
#	run   a1 b1 b2 a2		and so on, until nothing is left to try
#
# A step is a list of statements, run one after the other.  Between two steps
# each session is at rest or waits for another's lock.
package TwinsetTest::Schedule;

use strict;
use warnings;

use Exporter qw(import);
use Time::HiRes qw(time);

our @EXPORT_OK = qw(every_schedule);

my $hang = 60;    # seconds in which something must get done

# The sessions, each with a name and its steps:
#
#	{ session => TwinsetTest::Session, name => 'a', steps => [ $step, ... ] }
#
# (and prepared, where its transaction is), and a step is { name => 'commit', statements => sub { ... } }: it returns a list
# of [$sql, sub { ... }], and the second is called when the first is done (undef: at once); it can
# push more on the session's {todo}.  after => ['b.begin'] says what must have run
# before it.
#
# calls: observer (a session of our own); before and after, called for each
# schedule, the latter with it, as text; waits, called with a session that waits
# and those that it waits for.  Returns how many schedules there were.
sub every_schedule
{
	my ($threads, %calls) = @_;
	my @choices = ();
	my $schedules = 0;

	do
	{
		$calls{before}->();
		my @trace = run($threads, \@choices, \%calls);
		$schedules++;
		$calls{after}->(join ' ', map { $_->{name} } @trace);
		@choices = next_choices(@trace);
	} while (@choices);
	return $schedules;
}

# The last place where another session could have gone on, and that session.
sub next_choices
{
	my (@trace) = @_;

	while (my $last = pop @trace)
	{
		my ($next) = grep { $_ > $last->{choice} } @{ $last->{could} };
		return (map({ $_->{choice} } @trace), $next) if defined $next;
	}
	return;
}

# Run one schedule: the choices given, then always the first session that can go on.
sub run
{
	my ($threads, $choices, $calls) = @_;
	my @trace;
	my %done;

	$_->{next} = 0, $_->{todo} = [], $_->{busy} = 0 for @$threads;
	for (;;)
	{
		my @left = grep { $threads->[$_]{busy} || $threads->[$_]{next} < @{ $threads->[$_]{steps} } } 0 .. $#$threads;
		my @could = grep { can_go_on($threads->[$_], \%done) } @left;

		last unless @left;
		if (!@could)
		{
			# the server ends a deadlock
			settle_down($threads, $calls, undef);
			next;
		}
		my $choice = $choices->[@trace] // $could[0];
		die "not the same again: $threads->[$choice]{name} waits" if $threads->[$choice]{busy};
		my $thread = $threads->[$choice];
		my $step = $thread->{steps}[ $thread->{next}++ ];
		push @trace, { choice => $choice, could => \@could, name => "$thread->{name}.$step->{name}" };
		$done{ $trace[-1]{name} } = 1;
		$thread->{todo} = [ $step->{statements}->() ];
		$thread->{busy} = 1;
		send_next($thread);
		settle_down($threads, $calls, $thread);
	}
	return @trace;
}

sub can_go_on
{
	my ($thread, $done) = @_;
	return !$thread->{busy} && !grep { !$done->{$_} } @{ $thread->{steps}[ $thread->{next} ]{after} // [] };
}

sub send_next
{
	my ($thread) = @_;

	while (my $next = $thread->{todo}[0])
	{
		return $thread->{session}->send($next->[0]) if defined $next->[0];
		shift @{ $thread->{todo} };
		$next->[1]->($thread->{session});
	}
	$thread->{busy} = 0;
	return;
}

# Until all sessions are at rest or wait for one another.  First the one that was given a step: whom it
# has let go, by its commit, comes after it.  None was: until one of those that are in a deadlock goes on.
sub settle_down
{
	my ($threads, $calls, $given) = @_;
	my $until = time + $hang;
	my $patience = 0.005;

	while ($given && $given->{busy})
	{
		next if progress($given, $patience);
		# whoever waits does so at once; asking costs as much as many a statement
		$patience *= 2;
		last if all_blocked($threads, $calls, 0, $given);
		die "hangs: $given->{name}" if time > $until;
	}
	for (;;)
	{
		my @busy = grep { $_->{busy} } @$threads;
		my @waiting = grep { !progress($_, 0) } @busy;

		return if !$given && @waiting < @busy;
		next if @waiting < @busy;
		return if !@busy || ($given && all_blocked($threads, $calls, 1, @waiting));
		die "hangs: " . join(' ', map { $_->{name} } @waiting) if time > $until;
		progress($waiting[0], 0.005);
	}
}

# The session's statement is done, within as many seconds: what comes next?
sub progress
{
	my ($thread, $seconds) = @_;

	return 0 unless $thread->{session}->done($seconds);
	my $finished = shift @{ $thread->{todo} };
	$finished->[1]->($thread->{session});
	send_next($thread);
	return 1;
}

# Does each of these wait for another of the sessions?
sub all_blocked
{
	my ($threads, $calls, $tell, @waiting) = @_;
	# a prepared transaction has no process
	my ($prepared) = grep { $_->{prepared} } @$threads;
	my %of_pid = (0 => $prepared, map { ($_->{session}{pid} => $_) } @$threads);
	my $found = $calls->{observer}->query(
		'SELECT ' . join ', ', map { "pg_catalog.pg_blocking_pids($_->{session}{pid})" } @waiting);
	my @blockers = map { [ grep { defined } map { $of_pid{$_} } /\d+/g ] } split /\|/, $found;

	return 0 if grep { !@$_ } @blockers;
	if ($tell)
	{
		$calls->{waits}->($waiting[$_], @{ $blockers[$_] }) for 0 .. $#waiting;
	}
	return 1;
}

1;
