# Five hundred simulated devices (examples/simulator) live through a deployment, a
# module that fails, a rollout, priorities, silence and retirement: whenever they
# stand still, what they have said and what the views count is the same.  The
# simulator compares each device's row and each count; here the numbers must also be
# those that were asked for.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use IPC::Open2;
use Test::More;

use TwinsetTest;

my $node = new_node('simulator', "max_connections = 40");
create_twinset($node);
my $top = test_file('..');

sub rows { return $node->safe_psql('postgres', $_[0]); }

sub deploy
{
	my ($id, $version, $condition, $priority) = @_;
	open my $file, '<', "$top/examples/manifests/sensor-$version.json" or die $!;
	my $content = do { local $/; <$file> };
	rows("INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
		VALUES ('$id', \$content\$$content\$content\$, \$condition\$$condition\$condition\$, $priority)");
	return;
}

my ($out, $in, $pid);

sub simulate
{
	my (@options) = @_;
	$pid = open2($out, $in, "$top/examples/simulator/simulator", @options, $node->connstr('postgres'));
	$in->autoflush(1);
	return;
}

# The lines that answer a command, up to the one that begins with its name.
sub command
{
	my ($line) = @_;
	my ($name) = $line =~ /^(\w+)/;
	my @lines;

	print $in "$line\n";
	while (defined(my $answer = <$out>))
	{
		chomp $answer;
		push @lines, $answer;
		diag($answer) if $answer =~ /^DIFFERENT/;
		last if $answer =~ /^$name:/;
	}
	return @lines;
}

sub still
{
	my ($name, @expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @lines = command('still');
	my $end = pop @lines;
	is_deeply(\@lines, \@expected, $name);
	like($end // '', qr/^still: 500 devices after .*, 0 differences$/, "$name: the same numbers on both sides");
	is_exact($node, $name);
	return;
}

sub ended
{
	close $in;
	1 while <$out>;
	waitpid $pid, 0;
	return $?;
}

simulate(qw(--provision 500 --poll 0.5 --pull 0.1 --late 10% --late-by 0.3 --twice 10%));
is(<$out>, "500 devices\n", 'devices are provisioned');
command('still');
is(rows('SELECT provisioned, without_deployment, target, actual FROM twinset.fleet_overview'), '500|500|0|0', 'none has a deployment');

deploy('first', 1, 'tags.simulated = true', 10);
still('a deployment', 'first: 500 devices, 500 healthy, 0 unhealthy, 0 unknown');
is(rows('SELECT target, actual, healthy, unhealthy, unknown FROM twinset.deployment_status'), '500|500|500|0|0', 'all are healthy');

is((command('fail sensor 3%'))[-1], 'fail: sensor on 15 devices', 'a module fails');
still('3 % fail', 'first: 500 devices, 485 healthy, 15 unhealthy, 0 unknown', 'first, sensor: 15 failed');
is(rows(q(SELECT module, running, failed, missing FROM twinset.module_status ORDER BY module COLLATE "C")),
	"edgeAgent|500|0|0\nedgeHub|500|0|0\nsensor|485|15|0", 'named by module');
is(rows(q(SELECT count(*), min(exit_code), min(description) FROM twinset.device_module JOIN twinset.device_status USING (device_id)
	WHERE module = 'sensor' AND state = 'failed')), '15|1|sensor: exited with code 1', 'and by device');
command('mend');
still('mended', 'first: 500 devices, 500 healthy, 0 unhealthy, 0 unknown');

command('offline 10%');
deploy('second', 2, "tags.environment = 'test'", 20);
my ($second) = rows(q(SELECT actual FROM twinset.deployment_status WHERE deployment_id = 'second'));
is($second, 50, 'a second deployment wins some');
my @lines = command('still');
like($lines[0], qr/^first: 450 devices, 450 healthy, 0 unhealthy, 0 unknown$/, 'those of the first are as they were');
my ($healthy, $unknown) = ($lines[1] // '') =~ /^second: 50 devices, (\d+) healthy, 0 unhealthy, (\d+) unknown$/;
ok($healthy > 0 && $unknown > 0, 'of the second those that are offline are unknown');
like($lines[-1], qr/, 0 differences$/, 'the same numbers on both sides');
is(rows(q(SELECT running, failed, missing, unknown FROM twinset.module_status WHERE deployment_id = 'second' AND module = 'sensor')),
	"$healthy|0|0|$unknown", 'so are their modules');
command('online');
still('all are back', 'first: 450 devices, 450 healthy, 0 unhealthy, 0 unknown', 'second: 50 devices, 50 healthy, 0 unhealthy, 0 unknown');

# while they report: a new revision, other tags, retirement, deletion, a condition taken away
command('fail sensor@1.4.3 10%');
rows(q(UPDATE twinset.deployment SET content = replace(content::text, '1.4.2', '1.4.3') WHERE deployment_id = 'first'));
rows(q(UPDATE twinset.twin SET tags = tags || '{"environment": "test"}' WHERE device_id LIKE '%7'));
rows(q(UPDATE twinset.twin SET retired_at = now() WHERE device_id IN ('sim-000001', 'sim-000002')));
@lines = command('still');
like($lines[-1], qr/, 0 differences$/, 'a new revision, and other tags: the same numbers on both sides');
is_exact($node, 'a new revision, and other tags');
($healthy, my $unhealthy) = $lines[0] =~ /^first: 398 devices, (\d+) healthy, (\d+) unhealthy, 0 unknown$/;
ok($healthy > 300 && $unhealthy > 20, 'the new version fails on some');
is_deeply([ @lines[ 1, 2 ] ], [ 'second: 100 devices, 100 healthy, 0 unhealthy, 0 unknown', "first, sensor: $unhealthy failed" ],
	'and the older one on none');
is(rows(q(SELECT failed FROM twinset.module_status WHERE deployment_id = 'first' AND module = 'sensor')), $unhealthy, 'as the view says');
rows(q(UPDATE twinset.deployment SET target_condition = NULL WHERE deployment_id = 'first'));
still('rolled back to nothing', 'second: 100 devices, 100 healthy, 0 unhealthy, 0 unknown');
is(ended(), 0, 'no difference was found');

# the same with a gateway, which reports for many at once
rows(q(UPDATE twinset.deployment SET target_condition = '*' WHERE deployment_id = 'first'));
rows(q(UPDATE twinset.twin SET retired_at = NULL));
simulate(qw(--poll 0.5 --pull 0.1 --late 10% --late-by 0.3 --twice 10% --batch 50 --seed 2));
<$out>;
still('by a gateway', 'first: 400 devices, 400 healthy, 0 unhealthy, 0 unknown', 'second: 100 devices, 100 healthy, 0 unhealthy, 0 unknown');
command('fail sensor 3%');
my $failed = grep { /^(first|second), sensor: \d+ failed$/ } command('still');
ok($failed > 0, 'a module fails');
is(ended(), 0, 'no difference was found');

# devices that come and go, each when it likes, and a crash: nobody can say the numbers beforehand
simulate(qw(--poll 0.3 --pull 0.1 --late 20% --late-by 0.5 --twice 20% --offline 10% --offline-for 0.5 --seed 3));
<$out>;
for my $version (1 .. 4)
{
	rows("UPDATE twinset.deployment SET content = replace(content::text, 'sensor:', 'sensor:$version.')
		WHERE deployment_id = '" . ($version % 2 ? 'first' : 'second') . "'");
	if ($version == 3)
	{
		# in the middle of it; who has reported and has no answer reports again
		$node->stop('immediate');
		$node->start;
	}
	like((command('still'))[-1], qr/, 0 differences$/, "devices that come and go: the same numbers on both sides, $version");
	is_exact($node, "devices that come and go, $version");
}
is(ended(), 0, 'no difference was found');
is_verified($node, 'at the end');

$node->stop;
done_testing();
