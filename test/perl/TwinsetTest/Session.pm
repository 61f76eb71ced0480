# A session with the server whose statements need not be waited for.
#
# psql runs as a child; a statement is sent with a marker behind it, and done
# when the marker comes back.  So several sessions can have a statement under
# way, and one can wait for a row that another holds.
package TwinsetTest::Session;

use strict;
use warnings;

use IO::Select;
use IPC::Open2;
use Time::HiRes qw(time);

sub new
{
	my ($class, $node, $name, $dbname) = @_;
	my ($out, $in);
	my $self = bless {
		name => $name,
		buffer => '',
		sent => 0,    # statements so far
		busy => 0,    # is one under way?
	}, $class;

	$self->{child} = open2(
		$out, $in, 'sh', '-c', 'exec "$@" 2>&1', 'sh',
		'psql', '--no-psqlrc', '--no-align', '--tuples-only', '--quiet',
		'--set=VERBOSITY=verbose', '--dbname=' . $node->connstr($dbname // 'postgres'));
	$in->autoflush(1);
	$out->blocking(0);
	$self->{in} = $in;
	$self->{out} = $out;
	$self->{select} = IO::Select->new($out);
	($self->{pid}) = $self->query('SELECT pg_backend_pid()') =~ /(\d+)/;
	return $self;
}

# Send a statement and do not wait.  before and after are sent round it and do
# not count for its result.
sub send
{
	my ($self, $statement, %with) = @_;

	die "$self->{name} is busy" if $self->{busy};
	$self->{busy} = 1;
	$self->{sent}++;
	$statement =~ s/;?\s*\z/;\n/ unless $statement =~ /\\\.\s*\z/;
	my $text = '';
	$text .= "$with{before};\n" if defined $with{before};
	$text .= $statement;
	# an error before COPY reads its rows leaves them to psql, which takes them for a statement
	$text .= "\\r\n";
	# each echo is written on its own, and wakes us
	$text .= defined $with{after} ? "\\echo <result $self->{sent}>\n$with{after};\n\\echo <done $self->{sent}>\n"
	  : "\\echo '<result $self->{sent}>\\n<done $self->{sent}>'\n";
	print { $self->{in} } $text or die "$self->{name} is gone: $!";
	return;
}

# Is the statement done?  Waits for as many seconds at most.  The result is in
# {output} and {sqlstate} (00000: no error).
sub done
{
	my ($self, $seconds) = @_;
	my $until = time + ($seconds // 0);

	return 1 unless $self->{busy};
	for (;;)
	{
		if ($self->{buffer} =~ s/\A(.*?)<result $self->{sent}>\n.*?<done $self->{sent}>\n//s)
		{
			$self->{output} = $1;
			chomp $self->{output};
			# psql's variable SQLSTATE says nothing of an error at the end of COPY
			$self->{sqlstate} = $self->{output} =~ /^(?:ERROR|FATAL|PANIC):  (\w{5}): /m ? $1 : '00000';
			$self->{busy} = 0;
			return 1;
		}
		my $left = $until - time;
		return 0 unless $self->{select}->can_read($left > 0 ? $left : 0);
		my $read = sysread($self->{out}, $self->{buffer}, 65536, length $self->{buffer});
		die "$self->{name}: the server or psql is gone; last output:\n$self->{buffer}" if defined $read && $read == 0;
	}
}

sub failed
{
	my ($self) = @_;
	return $self->{sqlstate} ne '00000';
}

# Run a statement to its end; its output.  An error is fatal.
sub query
{
	my ($self, $statement, %with) = @_;

	$self->send($statement, %with);
	$self->done(180) or die "$self->{name}: no end of: $statement";
	die "$self->{name}: $self->{output}\nof: $statement" if $self->failed;
	return $self->{output};
}

# Run a statement to its end, whatever that is; its SQLSTATE.
sub try
{
	my ($self, $statement, %with) = @_;

	$self->send($statement, %with);
	$self->done(180) or die "$self->{name}: no end of: $statement";
	return $self->{sqlstate};
}

sub quit
{
	my ($self) = @_;

	close $self->{in};
	close $self->{out};
	waitpid $self->{child}, 0;
	return;
}

1;
