# What sessions do in the race suite: the kinds of action, and what each may run into.
#
# An action is { name, class, sql }, and where need be more:
#
#	class	device: writes twins or reports; deployment: settles, so it holds the
#			settlement lock; truncate: keeps all others away from a table
#	sql		one text for each of its steps; $me in it is the session's name
#	end		what ends its transaction instead of COMMIT
#	finish	what is done after that
#	settles	its COMMIT settles, at READ COMMITTED
#	reports	it writes reports, or deletes them
#	with	the actions that it is tried with; else: all
#
# All are about the device d1 and the deployments that target it; see fleet.sql.
package TwinsetTest::RaceAction;

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(@actions @other_actions @holders action);

# those of which every pair is tried
our @actions = (
	{
		name => 'tag change in',
		class => 'device',
		sql => [q(UPDATE twinset.twin SET tags = tags || '{"env": "prod"}' WHERE device_id = 'd1')],
	},
	{
		name => 'tag change out',
		class => 'device',
		sql => [q(UPDATE twinset.twin SET tags = tags || '{"env": "none"}' WHERE device_id = 'd1')],
	},
	{
		# d1 is there unless others have deleted it; a snapshot can still see it
		name => 'insert',
		class => 'device',
		sql => [
			q(INSERT INTO twinset.twin (device_id, tags) VALUES ('n1', '{"env": "prod"}'), ('d1', '{"env": "prod", "n": 1}') ON CONFLICT DO NOTHING)
		],
	},
	{
		name => 'delete',
		class => 'device',
		reports => 1,
		sql => [q(DELETE FROM twinset.twin WHERE device_id IN ('d1', 'd2'))],
	},
	{
		name => 'delete and insert',
		class => 'device',
		reports => 1,
		sql => [
			q(DELETE FROM twinset.twin WHERE device_id = 'd1'; INSERT INTO twinset.twin (device_id, tags) VALUES ('d1', '{"env": "prod"}'))
		],
	},
	{
		name => 'retire',
		class => 'device',
		sql => [
			q(UPDATE twinset.twin SET retired_at = CASE device_id WHEN 'd1' THEN now() END WHERE device_id IN ('d1', 'd6'))
		],
	},
	{
		name => 'copy',
		class => 'device',
		sql => [qq(COPY twinset.twin (device_id, tags) FROM STDIN;\nn1\t{"env": "test"}\nn2\t{"env": "prod"}\n\\.\n)],
	},
	{
		# one more of d1, the first of d2
		name => 'report',
		class => 'device',
		reports => 1,
		sql => [
			q(DO $$ BEGIN PERFORM twinset.report_status(device_id, coalesce((SELECT revision FROM twinset.deployment WHERE deployment_id = 'test'), 1), 500, '$me') FROM (VALUES ('d1'), ('d2')) AS v (device_id); END $$)
		],
	},
	{
		name => 'set_tags',
		class => 'device',
		sql => [q(DO $$ BEGIN PERFORM twinset.set_tags('d1', '{"rack": 7}'); END $$)],
	},
	{
		# a part of the log, and that if it has entries beside this one
		name => 'settling at commit',
		class => 'device',
		settles => 1,
		sql => [
			q(SET LOCAL twinset.settle_after = 2; UPDATE twinset.twin SET tags = tags || '{"n": 1}' WHERE device_id = 'd1')
		],
	},
	{
		name => 'prepare',
		class => 'device',
		sql => [q(UPDATE twinset.twin SET tags = tags || '{"env": "prod", "n": 1}' WHERE device_id = 'd1')],
		end => q(PREPARE TRANSACTION 'race $me'),
		finish => q(COMMIT PREPARED 'race $me'),
	},
	{
		# of a tag that no other condition asks for
		name => 'deployment insert',
		class => 'deployment',
		sql => [
			q(INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority) VALUES ('new-$me', brute.manifest('1'), 'tags.env = ''prod'' OR tags.rack = 7', 4))
		],
	},
	{
		name => 'condition change',
		class => 'deployment',
		sql => [q(UPDATE twinset.deployment SET target_condition = 'tags.env = ''prod'' OR tags.rack = 7' WHERE deployment_id = 'test')],
	},
	{
		name => 'priority change',
		class => 'deployment',
		sql => [q(UPDATE twinset.deployment SET priority = 9 - priority WHERE deployment_id IN ('all', 'prod'))],
	},
	{
		name => 'content change',
		class => 'deployment',
		sql => [q(UPDATE twinset.deployment SET content = brute.manifest('$me') WHERE deployment_id = 'test')],
	},
	{
		name => 'deployment delete',
		class => 'deployment',
		sql => [q(DELETE FROM twinset.deployment WHERE deployment_id = 'test')],
	},
	{
		name => 'reconcile',
		class => 'deployment',
		sql => [q(SELECT 'repaired ' || repaired FROM twinset.reconcile() WHERE repaired > 0)],
	},
	{
		name => 'truncate twins',
		class => 'truncate',
		sql => [q(TRUNCATE twinset.twin)],
	},
	{
		name => 'truncate deployments',
		class => 'truncate',
		sql => [q(TRUNCATE twinset.deployment)],
	},
	{
		name => 'both in one query',
		class => 'both',
		sql => [
			q(WITH t AS (UPDATE twinset.twin SET tags = tags || '{"env": "prod"}' WHERE device_id = 'd1' RETURNING 1), d AS (UPDATE twinset.deployment SET priority = 5, target_condition = 'tags.env = ''prod''' WHERE deployment_id = 'few' RETURNING 1) SELECT FROM t, d WHERE false)
		],
	},
);

# those that are tried with some
our @other_actions = (
	{
		# has not reported before: a row of report that a snapshot can lack
		name => 'delete of d2',
		class => 'device',
		reports => 1,
		with => ['report'],
		sql => [q(DELETE FROM twinset.twin WHERE device_id = 'd2')],
	},
	{
		name => 'two deployment changes',
		class => 'deployment',
		with => [ 'the two in turn', map { $_->{name} } grep { $_->{class} ne 'device' } @actions ],
		sql => [
			q(UPDATE twinset.deployment SET priority = 4 WHERE deployment_id = 'test'),
			q(UPDATE twinset.deployment SET priority = 5 WHERE deployment_id = 'prod'),
		],
	},
	{
		name => 'the two in turn',
		class => 'deployment',
		with => [ map { $_->{name} } grep { $_->{class} ne 'device' } @actions ],
		sql => [
			q(UPDATE twinset.deployment SET priority = 6 WHERE deployment_id = 'prod'),
			q(UPDATE twinset.deployment SET priority = 7 WHERE deployment_id = 'test'),
		],
	},
);

# who holds up a settlement half-way, at a table that it writes
our @holders = map {
	{ name => $_, class => 'holder', sql => ["LOCK TABLE twinset.$_ IN SHARE MODE"] }
} qw(assignment tally);

sub action
{
	my ($name) = @_;
	my ($action) = grep { $_->{name} eq $name } @actions, @other_actions, @holders;
	return $action // die "no such action: $name";
}

1;
