package Bench::Fleet;

# The databases of a run: one for each number of deployments, made when a row first
# wants it, all with the same twins.
#
#   my $fleet = Bench::Fleet->new('medium');
#   $fleet->session('many')->query('…');      # one that stays
#   my $session = $fleet->connect('many');    # a new one
#   $fleet->check('many');                    # dies where twinset or the rival is wrong
#   $fleet->drop('many');

use strict;
use warnings;
use utf8;
use Bench::Session;

# rounds: pairs of a measure; turns: of a short one, of so many updates.  seconds: a
# load's; sustained: a long load's.  commits: of a round of durable ones.
# connections: of a round of new ones.  batch: entries settled at once.  log: devices
# in the log of a reader.  some_twins, few_twins: those of the growth and the worst
# cases.
my %scales = (
	small => { places => 46, none => 0, few => 20, some => 50, many => 200, most => 1000, rounds => 3, turns => 9, updates => 100,
		seconds => 1, sustained => 2, commits => 50, connections => 3, batch => 500, log => 200,
		some_twins => 2000, few_twins => 200 },
	medium => { devices => 138398, none => 0, few => 100, some => 1000, many => 10000, most => 100000, rounds => 5, turns => 25,
		updates => 200, seconds => 3, sustained => 15, commits => 2000, connections => 25, batch => 1000, log => 1000,
		some_twins => 20000, few_twins => 1000 },
	full => { devices => 1000000, none => 0, few => 100, some => 1000, many => 10000, most => 100000, rounds => 7, turns => 41,
		updates => 300, seconds => 10, sustained => 60, commits => 4000, connections => 50, batch => 1000, log => 1000,
		some_twins => 50000, few_twins => 1000 },
);

sub new
{
	my ($class, $scale) = @_;
	my $self = bless { scale => $scale, %{ $scales{$scale} }, sessions => {}, made => {} }, $class;
	my $psql = Bench::Session->new('postgres');
	($self->{server}) = $psql->query('SELECT version()');
	$psql->query('CREATE DATABASE fleet');
	$psql->close;
	file('fleet', 'bench/fleet.sql',
		$self->{devices} ? (devices => $self->{devices}) : (only => "id % $self->{places} = 0"));
	$psql = Bench::Session->new('fleet');
	($self->{devices}) = $psql->query('SELECT count(*) FROM bench.source');
	$psql->close;
	return $self;
}

sub file
{
	my ($database, $path, %variables) = @_;
	my @command = ('psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $database,
		(map { ('-v', "$_=$variables{$_}") } sort keys %variables), '-f', $path);
	open my $out, '-|', @command or die "psql: $!\n";
	my @text = <$out>;
	close $out or die "$path failed in $database\n@text";
	return;
}

sub database
{
	my ($self, $level) = @_;
	return "fleet_$level" if $self->{made}{$level}++;
	my $psql = Bench::Session->new('postgres');
	$psql->query("CREATE DATABASE fleet_$level TEMPLATE fleet STRATEGY file_copy");
	$psql->close;
	file("fleet_$level", 'bench/level.sql', deployments => $self->deployments($level));
	return "fleet_$level";
}

# a level may be named twice, as in some_bulk: a database of its own
sub deployments
{
	my ($self, $level) = @_;
	my ($count) = $level =~ /^([a-z]+)/;
	return $self->{$count} // die "no such level: $level\n";
}

sub connect
{
	my ($self, $level) = @_;
	return Bench::Session->new($self->database($level));
}

sub session
{
	my ($self, $level) = @_;
	return $self->{sessions}{$level} //= $self->connect($level);
}

sub drop
{
	my ($self, $level) = @_;
	return unless delete $self->{made}{$level};
	(delete $self->{sessions}{$level})->close if $self->{sessions}{$level};
	my $psql = Bench::Session->new('postgres');
	$psql->query("DROP DATABASE fleet_$level WITH (FORCE)");
	$psql->close;
	return;
}

sub none
{
	my ($what, @rows) = @_;
	die "WRONG: $what\n", map { "$_\n" } @rows[0 .. ($#rows < 20 ? $#rows : 19)] if @rows;
	return;
}

# After each row: what is derived, as it stands, by verify(); then by the matcher,
# for the whole fleet; and the rival's winners, of all devices whose tags are still
# the same for both, and by its own query for some.
sub check
{
	my ($self, $level, $whole) = @_;
	my $session = $self->session($level);
	my $count = $self->deployments($level);
	my $sample = int(3e6 / ($count + 1000));
	$sample = 1000 if $sample > 1000;

	none("verify() in fleet_$level", $session->query('SELECT * FROM twinset.verify(' . ($whole ? '' : $sample) . ')'));
	none("reconcile() in fleet_$level", $session->query(
		'SELECT * FROM twinset.reconcile() WHERE repaired <> 0'));
	none("the rival's deployments in fleet_$level", $session->query(
		'SELECT coalesce(d.deployment_id, r.deployment_id) FROM twinset.deployment AS d
		FULL JOIN rival.deployment AS r ON r.deployment_id = d.deployment_id AND r.priority = d.priority
			AND r.target_condition IS NOT DISTINCT FROM d.target_condition::text
		WHERE d.deployment_id IS NULL OR r.deployment_id IS NULL'));
	none("the rival's winners in fleet_$level", $session->query(
		'SELECT r.device_id, r.deployment_id, a.deployment_id
		FROM rival.twin AS r JOIN twinset.twin AS t ON t.device_id = r.device_id AND t.tags = r.tags
		LEFT JOIN twinset.assignment AS a ON a.device_id = t.device_id
		WHERE r.deployment_id IS DISTINCT FROM a.deployment_id'));
	none("the rival's query in fleet_$level", $session->query(
		"SELECT r.device_id, r.deployment_id, rival.winner(r.device_id, r.tags)
		FROM (SELECT * FROM rival.twin WHERE random() < 100.0 / $self->{devices}) AS r
		WHERE r.deployment_id IS DISTINCT FROM rival.winner(r.device_id, r.tags)"));
	return;
}

# so many devices whose winner changes with their environment, or does not
sub chosen
{
	my ($self, $level, $changes, $count) = @_;
	my @ids = $self->session($level)->query(
		"SELECT device_id FROM bench.chosen WHERE changes = $changes ORDER BY n LIMIT $count");
	die "no device of fleet_$level whose winner changes: $changes\n" unless @ids;
	return @ids;
}

1;
