# Clients that write all the time, through any fault, and know what must be there.
#
# Each client owns some devices and deployments that nobody else writes, and puts
# the number of its transaction into whatever it writes: a twin's tag "at", a
# report's description, a deployment's label "at".  It keeps a ledger of what was
# committed.  A transaction whose end it has not heard of, since the server went
# away, is in doubt: afterwards all of it must be there, or nothing.
#
#   my $load = TwinsetTest::Load->new($node, clients => 8);
#   $load->run(5);               # seconds
#   … kill the server, start it again …
#   my @wrong = $load->check;    # the ledger, brute force and verify(); none: all is well
#   say $load->figures;
#
# The node needs only a method connstr($dbname).
package TwinsetTest::Load;

use strict;
use warnings;

use IO::Select;
use Time::HiRes qw(sleep time);

use TwinsetTest::Session;

# what a transaction may end with and be tried again: serialization failures, deadlocks
my $retryable = qr/^(?:40001|40P01)$/;
# or end with for good: a lock not got in time, cancelled, a full disk, no memory
my $expected = qr/^(?:55P03|57014|53100|53200|53400)$/;
# what is printed where the server goes away
my $cut_off = qr/^(?:FATAL|WARNING):  57P0|^server closed the connection|^no connection|^connection to server was lost/m;
my $most_tries = 20;
my $hang = 30;    # seconds in which any statement must end

my @kinds = qw(twin report deployment);

sub pick { return $_[ int rand @_ ]; }
sub chance { return rand() < $_[0]; }
sub quote { my ($text) = @_; return "'" . $text =~ s/'/''/gr . "'"; }
sub list { return join ', ', map { quote($_) } @_; }

# clients: how many; devices, deployments: that each owns; others: devices that bulk statements write
sub new
{
	my ($class, $node, %with) = @_;
	my $self = bless {
		node => $node,
		dbname => $with{dbname} // 'postgres',
		others => $with{others} // 300,
		clients => [],
		problems => [],
		count => { map { $_ => 0 } qw(transactions committed retries failed doubts checks) },
		kind => {},
	}, $class;

	for my $number (0 .. ($with{clients} // 8) - 1)
	{
		push @{ $self->{clients} }, {
			number => $number,
			devices => [ map { sprintf 'c%d-%02d', $number, $_ } 1 .. ($with{devices} // 20) ],
			deployments => [ map { "c$number-p$_" } 1 .. ($with{deployments} // 3) ],
			ledger => { map { $_ => {} } @kinds },    # of what is there: the number of the transaction that wrote it
			transactions => 0,
		};
	}
	return $self;
}

# The devices that bulk statements write, and the deployment that changes everything.
sub create_others
{
	my ($self) = @_;
	my $session = TwinsetTest::Session->new($self->{node}, 'setup', $self->{dbname});

	$session->query(qq(INSERT INTO twinset.twin (device_id, tags)
		SELECT 'other' || i, jsonb_build_object('env', (ARRAY['prod', 'test'])[1 + i % 2], 'n', i % 7)
		FROM generate_series(1, $self->{others}) AS i));
	$session->query(q(INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
		VALUES ('big', brute.manifest('0'), '*', 1), ('prod', brute.manifest('0'), 'tags.env = ''prod''', 2)));
	$session->quit;
	return;
}

# What a client may write now: its devices or deployments that are there, or are not.
sub own
{
	my ($client, $kind, $there) = @_;
	my $effects = $client->{prepared} ? $client->{prepared}{effects} : {};
	my %locked = map { $_ ? %$_ : () } @$effects{@kinds};
	my $ledger = $client->{ledger}{ $kind eq 'deployments' ? 'deployment' : 'twin' };

	return grep { defined $ledger->{$_} == $there && !exists $locked{$_} } @{ $client->{$kind} };
}

sub some
{
	my ($most, @all) = @_;
	return unless @all;
	my %some = map { pick(@all) => 1 } 1 .. 1 + int rand $most;
	my @some = sort keys %some;
	return @some;
}

sub tags
{
	my ($at) = @_;
	return sprintf '{"at": %d, "env": %s, "n": %d%s}', $at, pick('"prod"', '"prod"', '"test"', 'null'), int rand 7,
	  pick('', ', "canary": true', ', "hw": {"rev": 2}');
}

sub condition
{
	return pick("tags.env = 'prod'", "tags.env = 'test' AND tags.n > 2", 'tags.n = 3', 'tags.n IN [1, 2, 5]', 'IS_DEFINED(tags.canary)',
		"NOT tags.env = 'prod'", "SAMPLE(30, 'x')", '*', '', "tags.hw.rev = 2 OR tags.n < 2", "STARTSWITH(deviceId, 'c1')");
}

sub twin_effects { my ($at, @devices) = @_; return { twin => { map { $_ => $at } @devices } }; }
sub deployment_effects { my ($at, @deployments) = @_; return { deployment => { map { $_ => $at } @deployments } }; }

# Statements by what they need: SQL and its effects, or nothing where they can't be made now.
my %write = (
	tags_of_one => sub {
		my ($client, $at) = @_;
		my ($device) = some(1, own($client, 'devices', 1)) or return;
		return ("UPDATE twinset.twin SET tags = " . quote(tags($at)) . ' WHERE device_id = ' . quote($device), twin_effects($at, $device));
	},
	tags_of_some => sub {
		my ($client, $at) = @_;
		my @devices = some(6, own($client, 'devices', 1)) or return;
		return ("UPDATE twinset.twin SET tags = tags || " . quote(tags($at)) . ' WHERE device_id IN (' . list(@devices) . ')',
			twin_effects($at, @devices));
	},
	set_tags => sub {
		my ($client, $at) = @_;
		my ($device) = some(1, own($client, 'devices', 1)) or return;
		return ('SELECT twinset.set_tags(' . quote($device) . ", '{\"at\": $at, \"canary\": null}')", twin_effects($at, $device));
	},
	insert => sub {
		my ($client, $at) = @_;
		my @devices = some(6, own($client, 'devices', 0)) or return;
		return ('INSERT INTO twinset.twin (device_id, tags) VALUES '
			  . join(', ', map { '(' . quote($_) . ', ' . quote(tags($at)) . ')' } @devices), twin_effects($at, @devices));
	},
	copy => sub {
		my ($client, $at) = @_;
		my @devices = some(8, own($client, 'devices', 0)) or return;
		return ("COPY twinset.twin (device_id, tags) FROM STDIN;\n" . join('', map { "$_\t" . tags($at) . "\n" } @devices) . "\\.\n",
			twin_effects($at, @devices));
	},
	merge => sub {
		my ($client, $at) = @_;
		my @devices = some(10, own($client, 'devices', 1), own($client, 'devices', 0)) or return;
		return ('MERGE INTO twinset.twin AS t USING (VALUES '
			  . join(', ', map { '(' . quote($_) . ', ' . quote(tags($at)) . '::jsonb)' } @devices)
			  . ') AS s (device_id, tags) ON t.device_id = s.device_id WHEN MATCHED THEN UPDATE SET tags = s.tags, retired_at = NULL'
			  . ' WHEN NOT MATCHED THEN INSERT (device_id, tags) VALUES (s.device_id, s.tags)',
			twin_effects($at, @devices));
	},
	delete => sub {
		my ($client, $at) = @_;
		my @devices = some(3, own($client, 'devices', 1)) or return;
		return ('DELETE FROM twinset.twin WHERE device_id IN (' . list(@devices) . ')',
			{ twin => { map { $_ => undef } @devices }, report => { map { $_ => undef } @devices } });
	},
	delete_and_insert => sub {
		my ($client, $at) = @_;
		my ($device) = some(1, own($client, 'devices', 1)) or return;
		return ('WITH d AS (DELETE FROM twinset.twin WHERE device_id = ' . quote($device) . ' RETURNING device_id)'
			  . ' INSERT INTO twinset.twin (device_id, tags) SELECT device_id, ' . quote(tags($at)) . ' FROM d',
			{ twin => { $device => $at }, report => { $device => undef } });
	},
	retire => sub {
		my ($client, $at) = @_;
		my @devices = some(3, own($client, 'devices', 1)) or return;
		return ('UPDATE twinset.twin SET ' . pick('retired_at = now()', 'retired_at = NULL', 'iot_edge = NOT iot_edge')
			  . ", tags = tags || '{\"at\": $at}' WHERE device_id IN (" . list(@devices) . ')', twin_effects($at, @devices));
	},
	report => sub {
		my ($client, $at) = @_;
		my ($device) = some(1, own($client, 'devices', 1)) or return;
		return ('SELECT twinset.report_status(' . quote($device)
			  . ', coalesce((SELECT revision FROM twinset.device_status WHERE device_id = ' . quote($device) . '), 1), '
			  . pick(200, 200, 200, 500) . ", '$at')", { report => { $device => $at } });
	},
	new_deployment => sub {
		my ($client, $at) = @_;
		my ($deployment) = some(1, own($client, 'deployments', 0)) or return;
		return ('INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority, labels) VALUES ('
			  . quote($deployment) . ', brute.manifest(' . quote($at) . '), ' . quote(condition()) . ', ' . (1 + int rand 9)
			  . ", '{\"at\": \"$at\"}')", deployment_effects($at, $deployment));
	},
	change_deployment => sub {
		my ($client, $at) = @_;
		my @deployments = some(2, own($client, 'deployments', 1)) or return;
		return ('UPDATE twinset.deployment SET ' . pick('target_condition = ' . quote(condition()), 'priority = ' . (1 + int rand 9),
				"content = brute.manifest('$at')", 'target_condition = ' . quote(condition()) . ", priority = 5, content = brute.manifest('$at')")
			  . ", labels = '{\"at\": \"$at\"}' WHERE deployment_id IN (" . list(@deployments) . ')', deployment_effects($at, @deployments));
	},
	delete_deployment => sub {
		my ($client, $at) = @_;
		my ($deployment) = some(1, own($client, 'deployments', 1)) or return;
		return ('DELETE FROM twinset.deployment WHERE deployment_id = ' . quote($deployment), deployment_effects(undef, $deployment));
	},
	# everybody's devices change their winner
	big_deployment => sub {
		return (q(UPDATE twinset.deployment SET priority = ) . pick(1, 20) . ", target_condition = " . pick("'*'", "'tags.n > 1'")
			  . q( WHERE deployment_id = ) . pick("'big'", "'prod'"), {});
	},
	bulk => sub {
		return (q(UPDATE twinset.twin SET tags = tags || '{"env": ) . pick('"prod"', '"test"')
			  . q(}' WHERE device_id LIKE 'other%' AND hashtext(device_id) % 3 = ) . int(rand 3), {});
	},
	truncate_undone => sub {
		return (q(SET LOCAL lock_timeout = '100ms'; TRUNCATE twinset.) . pick('twin', 'deployment') . '; ROLLBACK; BEGIN', {}, 1);
	},
	reconcile => sub { return ('SELECT repaired FROM twinset.reconcile()', {}); },
	verify => sub { return ('SELECT * FROM twinset.verify(5)', {}); },
	read => sub {
		return (pick('SELECT count(*) FROM twinset.device_status', 'SELECT * FROM twinset.deployment_status',
				"SELECT count(*) FROM twinset.deployment_device WHERE deployment_id = 'prod'"), {});
	});

my %weight = (
	tags_of_one => 12, tags_of_some => 6, set_tags => 4, insert => 6, copy => 4, merge => 4, delete => 3, delete_and_insert => 2, retire => 4,
	report => 14, new_deployment => 5, change_deployment => 5, delete_deployment => 2, big_deployment => 1, bulk => 1,
	truncate_undone => 0.3, reconcile => 0.5, verify => 0.5, read => 3);
my @in_transaction = qw(tags_of_one tags_of_some set_tags insert merge delete delete_and_insert retire report new_deployment
  change_deployment delete_deployment);
my @in_prepared = qw(tags_of_one tags_of_some insert delete retire report);

sub weighted
{
	my ($total, %weights) = (0, @_);
	$total += $_ for values %weights;
	my $at = rand $total;
	for my $kind (sort keys %weights)
	{
		return $kind if ($at -= $weights{$kind}) < 0;
	}
	return (sort keys %weights)[0];
}

sub add_effects
{
	my ($to, $more) = @_;
	for my $kind (keys %$more)
	{
		$to->{$kind}{$_} = $more->{$kind}{$_} for keys %{ $more->{$kind} };
	}
	return;
}

# Several statements, each made from what the ones before it leave.
sub several
{
	my ($client, $at, $may_undo, @choice) = @_;
	my $planned = { %$client, ledger => { map { $_ => { %{ $client->{ledger}{$_} } } } @kinds } };
	my %effects;
	my @statements;

	for my $number (1 .. 1 + int rand 4)
	{
		my $kind = pick(@choice);
		my ($sql, $more) = $write{$kind}->($planned, $at) or next;

		if ($may_undo && chance(0.15))
		{
			# each of its own name: else a failed transaction could come back to another's savepoint and commit a part
			push @statements, "SAVEPOINT undone$number; $sql; ROLLBACK TO undone$number";
			next;
		}
		push @statements, chance(0.2) ? "SAVEPOINT kept; $sql; RELEASE kept" : $sql;
		add_effects(\%effects, $more);
		add_effects($planned->{ledger}, $more);
	}
	return (join('; ', @statements), \%effects);
}

# The next transaction of a client.
sub next_transaction
{
	my ($self, $client) = @_;
	my $at = ++$client->{transactions};
	my $begin = 'BEGIN ISOLATION LEVEL ' . pick('READ COMMITTED', 'READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE');

	if ($client->{prepared} && chance(0.15))
	{
		my $end = pick('COMMIT', 'COMMIT', 'ROLLBACK');
		return { kind => "$end prepared", sql => "$end PREPARED '$client->{prepared}{name}'", finishes => $end, effects => {} };
	}
	if (!$client->{prepared} && chance(0.02))
	{
		my ($sql, $effects) = several($client, $at, 0, @in_prepared);
		my $name = "c$client->{number} $at";
		return { kind => 'prepare', sql => "BEGIN; $sql; PREPARE TRANSACTION '$name'", prepares => $name, effects => $effects } if $sql;
	}
	if (chance(0.25))
	{
		my ($sql, $effects) = several($client, $at, 1, @in_transaction);
		my $undone = chance(0.1);
		return { kind => $undone ? 'undone' : 'several', sql => "$begin; $sql; " . ($undone ? 'ROLLBACK' : 'COMMIT'),
			effects => $undone ? {} : $effects } if $sql;
	}
	for (;;)
	{
		my $kind = weighted(%weight);
		my ($sql, $effects, $in_transaction) = $write{$kind}->($client, $at) or next;
		return { kind => $kind, sql => $in_transaction ? "BEGIN; $sql; COMMIT" : $sql, effects => $effects };
	}
}

sub problem
{
	my ($self, $what) = @_;
	push @{ $self->{problems} }, substr($what, 0, 2000);
	return;
}

# An answer, whole: what was cut off in the midst of it is none.
sub ask
{
	my ($session, $query) = @_;
	my $output = $session->query($query);

	die "cut off: $output" if $output =~ $cut_off;
	return $output;
}

# What is there, as the ledger has it: kind => id => number.
sub stored
{
	my ($self, $session) = @_;
	my %stored = map { $_ => {} } @kinds;

	for my $line (split /\n/, ask($session, q(
		SELECT 'twin', device_id, tags->>'at' FROM twinset.twin WHERE device_id LIKE 'c%'
		UNION ALL SELECT 'report', device_id, description FROM twinset.report WHERE device_id LIKE 'c%'
		UNION ALL SELECT 'deployment', deployment_id, labels->>'at' FROM twinset.deployment WHERE deployment_id LIKE 'c%')))
	{
		my ($kind, $id, $at) = split /\|/, $line;
		$stored{$kind}{$id} = $at;
	}
	return \%stored;
}

# Which of a transaction's effects are there: the number of those that are and of those that are not.
sub effects_there
{
	my ($stored, $client, $effects) = @_;
	my ($there, $missing) = (0, 0);

	for my $kind (keys %$effects)
	{
		for my $id (keys %{ $effects->{$kind} })
		{
			my ($old, $new, $is) =
			  map { $_ // '' } $client->{ledger}{$kind}{$id}, $effects->{$kind}{$id}, $stored->{$kind}{$id};
			next if $old eq $new;
			$is eq $new ? $there++ : $missing++;
		}
	}
	return ($there, $missing);
}

# A transaction whose end was not heard of: is it there?
sub resolve
{
	my ($self, $client) = @_;
	my $transaction = $client->{doubt} or return;
	my $session = $client->{session};
	my $prepared = $transaction->{prepares} // ($transaction->{finishes} ? $client->{prepared}{name} : undef);

	if (defined $prepared)
	{
		my $open = ask($session, 'SELECT count(*) FROM pg_prepared_xacts WHERE gid = ' . quote($prepared));

		if ($transaction->{prepares} && $open)
		{
			$client->{prepared} = { name => $prepared, effects => $transaction->{effects} };
		}
		elsif ($transaction->{finishes} && !$open)
		{
			$self->finish_prepared($client, $transaction->{finishes});
		}
	}
	else
	{
		my ($there, $missing) = effects_there($self->stored($session), $client, $transaction->{effects});

		$self->problem("half of a transaction is there ($there of " . ($there + $missing) . "): $transaction->{sql}")
		  if $there && $missing;
		add_effects($client->{ledger}, $transaction->{effects}) if $there;
	}
	delete $client->{doubt};
	$self->{count}{doubts}++;
	return;
}

sub finish_prepared
{
	my ($self, $client, $end) = @_;
	my $prepared = delete $client->{prepared};

	add_effects($client->{ledger}, $prepared->{effects}) if $end eq 'COMMIT';
	return;
}

# Try for as long as the server may need to come back.
sub until_it_works
{
	my ($what, $try) = @_;
	my $until = time + 60;
	my $result;

	until (eval { $result = $try->(); 1 })
	{
		die "$what: $@" if time > $until;
		sleep 0.05;
	}
	return $result;
}

sub open_session
{
	my ($self, $name) = @_;

	return until_it_works($name, sub { TwinsetTest::Session->new($self->{node}, $name, $self->{dbname}) });
}

sub connect_client
{
	my ($self, $client) = @_;

	until_it_works("client $client->{number}", sub { $self->connect_now($client) });
	return;
}

sub connect_now
{
	my ($self, $client) = @_;

	$client->{session} = TwinsetTest::Session->new($self->{node}, "client $client->{number}", $self->{dbname});
	# who was cut off may still be about to abort
	ask($client->{session}, "DO \$\$ BEGIN WHILE EXISTS (SELECT FROM pg_stat_activity WHERE pid = $client->{pid}) LOOP"
		  . ' PERFORM pg_sleep(0.01); PERFORM pg_stat_clear_snapshot(); END LOOP; END $$') if defined $client->{pid};
	$self->resolve($client);
	$client->{pid} = $client->{session}{pid};
	return;
}

sub lost
{
	my ($self, $client) = @_;

	$client->{doubt} = delete $client->{transaction};
	(delete $client->{session})->quit;
	return;
}

sub start
{
	my ($self, $client, $transaction) = @_;

	$transaction->{started} = time;
	$transaction->{tries}++;
	$client->{transaction} = $transaction;
	$self->{count}{transactions}++ if $transaction->{tries} == 1;
	eval { $client->{session}->send($transaction->{sql}); 1 } or $self->lost($client);
	return;
}

# A transaction has ended, one way or another.
sub ended
{
	my ($self, $client) = @_;
	my $session = $client->{session};
	my $transaction = $client->{transaction};
	my ($sqlstate, $output) = @$session{qw(sqlstate output)};
	my $committed = !$session->failed;

	return $self->lost($client) if $output =~ $cut_off;
	# a statement that failed may have been undone by a ROLLBACK TO, and the transaction committed
	if (!$committed && $transaction->{sql} =~ /ROLLBACK TO/)
	{
		my $stored = eval { $self->stored($session) } or return $self->lost($client);
		($committed) = effects_there($stored, $client, $transaction->{effects});
	}
	delete $client->{transaction};
	if ($committed)
	{
		$self->problem("$transaction->{kind}: $output") if $transaction->{kind} eq 'verify' && $output ne '';
		$self->problem("reconcile() repaired: $output") if $transaction->{kind} eq 'reconcile' && $output ne '0';
		$self->{count}{committed}++;
		$self->{kind}{ $transaction->{kind} }++;
		if ($transaction->{prepares})
		{
			$client->{prepared} = { name => $transaction->{prepares}, effects => $transaction->{effects} };
		}
		elsif ($transaction->{finishes})
		{
			$self->finish_prepared($client, $transaction->{finishes});
		}
		else
		{
			add_effects($client->{ledger}, $transaction->{effects});
		}
	}
	elsif ($sqlstate =~ $retryable && $transaction->{tries} < $most_tries)
	{
		$self->{count}{retries}++;
		$self->start($client, $transaction);
	}
	else
	{
		$self->{count}{failed}++;
		$self->problem("$output\nof: $transaction->{sql}") unless $sqlstate =~ $expected || $sqlstate =~ $retryable;
	}
	$self->problem("a warning: $output") if $output =~ /^WARNING/m;
	return;
}

# A statement that does not end: say what everybody is doing.
sub hangs
{
	my ($self, $client) = @_;
	my $session = TwinsetTest::Session->new($self->{node}, 'hang', $self->{dbname});
	my $activity = $session->query(q(SELECT pid, pg_blocking_pids(pid), state, wait_event, left(query, 200) FROM pg_stat_activity
		WHERE backend_type = 'client backend')) . "\n" . $session->query('SELECT * FROM pg_prepared_xacts');

	die "client $client->{number}, backend $session->{pid}, has no end of: $client->{transaction}{sql}\n$activity\n";
}

# Look after a client; true if something happened.
sub attend
{
	my ($self, $client, $go_on) = @_;

	if ($client->{transaction})
	{
		my $done = eval { $client->{session}->done(0) };

		if (!defined $done) { $self->lost($client); }
		elsif ($done) { $self->ended($client); }
		else
		{
			$self->hangs($client) if time > $client->{transaction}{started} + $hang;
			return 0;
		}
		return 1;
	}
	return 0 unless $go_on;
	$self->connect_client($client) unless $client->{session};
	$self->start($client, $self->next_transaction($client));
	return 1;
}

# All clients write for so many seconds.
sub run
{
	my ($self, $seconds) = @_;
	my $until = time + $seconds;

	local $SIG{PIPE} = 'IGNORE';
	while (time < $until)
	{
		my $busy = grep { $self->attend($_, 1) } @{ $self->{clients} };
		next if $busy;
		my @waiting = map { $_->{session}{out} } grep { $_->{session} && $_->{transaction} } @{ $self->{clients} };
		@waiting ? IO::Select->new(@waiting)->can_read(0.02) : sleep 0.02;
	}
	return;
}

# Let what is under way end; who was cut off connects anew.
sub rest
{
	my ($self) = @_;

	local $SIG{PIPE} = 'IGNORE';
	while (grep { $_->{transaction} } @{ $self->{clients} })
	{
		sleep 0.005 unless grep { $self->attend($_, 0) } @{ $self->{clients} };
	}
	for my $client (@{ $self->{clients} })
	{
		$self->connect_client($client) unless $client->{session};
	}
	return;
}

# Everything against the ledger and brute force; what is wrong, as texts.
sub check
{
	my ($self) = @_;

	$self->rest;
	my $session = $self->open_session('check');
	my $stored = $self->stored($session);
	$self->{count}{checks}++;
	for my $kind (@kinds)
	{
		my %expected = map { %{ $_->{ledger}{$kind} } } @{ $self->{clients} };
		for my $id (sort keys %{ { %expected, %{ $stored->{$kind} } } })
		{
			my ($is, $should) = ($stored->{$kind}{$id} // 'nothing', $expected{$id} // 'nothing');
			$self->problem("lost: $kind $id is $is and should be $should") if $is ne $should;
		}
	}
	for my $what ('SELECT * FROM brute.difference', 'SELECT * FROM twinset.verify()')
	{
		my $rows = ask($session, $what);
		$self->problem("$what:\n$rows") if $rows ne '';
	}
	$session->quit;
	return splice @{ $self->{problems} };
}

# Commit what was left prepared.
sub finish
{
	my ($self) = @_;

	$self->rest;
	for my $client (grep { $_->{prepared} } @{ $self->{clients} })
	{
		$client->{session}->query("COMMIT PREPARED '$client->{prepared}{name}'");
		$self->finish_prepared($client, 'COMMIT');
	}
	return;
}

sub quit
{
	my ($self) = @_;

	for my $client (@{ $self->{clients} })
	{
		(delete $client->{session})->quit if $client->{session};
	}
	return;
}

sub figures
{
	my ($self) = @_;
	my $count = $self->{count};

	return join ', ', map { "$count->{$_} $_" } qw(transactions committed retries failed doubts checks);
}

1;
