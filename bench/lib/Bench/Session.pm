package Bench::Session;

# A psql that stays open: one backend.
#
#   my $session = Bench::Session->new('fleet_many');
#   my @lines = $session->query('SELECT 1, 2');     # ("1|2")
#   my $figure = $session->timed('UPDATE …');       # as psql's \timing sees it, commit and all
#   $figure = $session->answered('SELECT …');       # the answer is the time, in microseconds
#   $session->start('UPDATE …'); …; $session->finish;
#
# A figure is [ microseconds, microseconds of its backend's CPU time ]: on a machine
# that does other things too the second says more.  Of so many units, if told: a unit's.
#
# An error of a statement ends the run: nothing here is expected to fail.

use strict;
use warnings;
use utf8;
use Exporter 'import';
use IPC::Open2;
use Time::HiRes;

our @EXPORT_OK = qw(quoted array);

my $end = '-- end of the answer --';

# a text as SQL's literal, texts as an array of them
sub quoted
{
	my ($text) = @_;
	return "'" . $text =~ s/'/''/gr . "'";
}

sub array
{
	return 'ARRAY[' . join(', ', map { quoted($_) } @_) . ']';
}

sub new
{
	my ($class, $database) = @_;
	my $self = bless { database => $database }, $class;
	local $ENV{PGAPPNAME} = 'bench';
	$self->{pid} = open2($self->{out}, $self->{in},
		'sh', '-c', 'exec psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$0" 2>&1', $database);
	binmode $self->{$_}, ':utf8' for qw(in out);
	$self->query('SET client_min_messages = warning');
	my ($pid) = $self->query('SELECT pg_backend_pid()');
	$self->{clock} = 2 - 8 * ($pid + 1);		# Linux' clock of that process's CPU time
	return $self;
}

sub start
{
	my ($self, $statement) = @_;
	local $SIG{PIPE} = 'IGNORE';
	print { $self->{in} } "$statement\n;\n\\echo $end\n";
	$self->{in}->flush;
	$self->{statement} = $statement;
	return;
}

# is there something to read, or is there within so many seconds?
sub answers
{
	my ($self, $seconds) = @_;
	my $bits = '';
	vec($bits, fileno $self->{out}, 1) = 1;
	return select $bits, undef, undef, $seconds;
}

sub finish
{
	my ($self) = @_;
	my @lines;
	my $out = $self->{out};
	while (my $line = <$out>)
	{
		chomp $line;
		return wantarray ? @lines : $lines[0] if $line eq $end;
		push @lines, $line;
	}
	die "psql on $self->{database} ended:\n" . join("\n", @lines) . "\nit was told: $self->{statement}\n";
}

sub query
{
	my ($self, $statement) = @_;
	$self->start($statement);
	return $self->finish;
}

sub cpu
{
	my ($self) = @_;
	return 1e6 * Time::HiRes::clock_gettime($self->{clock});
}

sub timed
{
	my ($self, $statement, $units) = @_;
	$units //= 1;
	my $cpu = $self->cpu;
	$self->start("\\timing on\n$statement;\n\\timing off\n\\echo");
	my ($time) = map { /^Time: ([\d.]+) ms/ ? $1 : () } $self->finish;
	die "no time of: $statement\n" unless defined $time;
	return [ 1000 * $time / $units, ($self->cpu - $cpu) / $units ];
}

sub answered
{
	my ($self, $query, $units) = @_;
	$units //= 1;
	my $cpu = $self->cpu;
	my ($time) = $self->query($query);
	return [ $time / $units, ($self->cpu - $cpu) / $units ];
}

sub close
{
	my ($self) = @_;
	close $self->{in};
	close $self->{out};
	waitpid $self->{pid}, 0;
	return;
}

1;
