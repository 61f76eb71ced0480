package Bench::Session;

# A psql that stays open: one backend.
#
#   my $session = Bench::Session->new('fleet_many');
#   my @lines = $session->query('SELECT 1, 2');     # ("1|2")
#   my $ms = $session->milliseconds('UPDATE …');    # as psql's \timing sees it, commit and all
#   $session->start('UPDATE …'); …; $session->finish;
#
# An error of a statement ends the run: nothing here is expected to fail.

use strict;
use warnings;
use utf8;
use Exporter 'import';
use IPC::Open2;

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

sub milliseconds
{
	my ($self, $statement) = @_;
	$self->start("\\timing on\n$statement;\n\\timing off\n\\echo");
	my ($time) = map { /^Time: ([\d.]+) ms/ ? $1 : () } $self->finish;
	die "no time of: $statement\n" unless defined $time;
	return $time;
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
