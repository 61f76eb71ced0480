# Random statements of every kind on twins, deployments and reports.
#
# All randomness is Perl's rand(), so a seed gives the same statements again.
# The fleet is small, so that sessions meet on its rows.
package TwinsetTest::RandomStatement;

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(pick chance random_statement random_device random_deployment random_condition
  random_preview random_probe);

my $DEVICES = 24;
my $DEPLOYMENTS = 7;

sub pick { return $_[ int rand @_ ]; }
sub chance { return rand() < $_[0]; }
sub quote { my ($text) = @_; $text =~ s/'/''/g; return "'$text'"; }

sub random_device { return sprintf 'dev%02d', int rand $DEVICES; }
sub random_deployment { return 'p' . int rand $DEPLOYMENTS; }

sub some
{
	my ($most, $one) = @_;
	my %distinct = map { $one->() => 1 } 1 .. 1 + int rand $most;
	my @some = sort keys %distinct;
	return @some;
}

sub list { return join ', ', map { quote($_) } @_; }

sub random_tags
{
	my @tags;
	push @tags, '"env": ' . pick('"prod"', '"prod"', '"test"', '"dev"', 'null') if chance(0.8);
	push @tags, '"city": ' . pick('"nyc"', '"sea"', '"new_york"') if chance(0.6);
	push @tags, '"n": ' . pick(1, 2, 3, '2.0', '"2"', 'true') if chance(0.8);
	push @tags, '"hw": {"rev": ' . pick(1, 2) . '}' if chance(0.3);
	push @tags, '"canary": ' . pick('true', 'false') if chance(0.2);
	return '{' . join(', ', @tags) . '}';
}

sub random_term
{
	my $term = pick(
		"tags.env = 'prod'", "tags.env = 'test'", "tags.env != 'prod'", "tags.env = NULL",
		"tags.city = 'nyc'", "tags.city IN ['nyc', 'sea']", "tags.city NOT IN ['sea']",
		'tags.n = 1', 'tags.n = 2', 'tags.n > 1', 'tags.n <= 2', "tags.n = '2'",
		'tags.hw.rev = 2', 'IS_DEFINED(tags.hw)', 'IS_DEFINED(tags.city)', 'tags.canary = TRUE',
		"STARTSWITH(tags.city, 'n')", "SAMPLE(50, 'x')", 'SAMPLE(30)',
		sprintf("deviceId = '%s'", random_device()),
		sprintf('deviceId IN [%s]', list(some(3, \&random_device))));
	return chance(0.2) ? "NOT $term" : $term;
}

sub random_condition
{
	my $kind = rand;
	return undef if $kind < 0.03;
	return '' if $kind < 0.05;
	return '*' if $kind < 0.15;
	return random_term() if $kind < 0.5;
	return random_term() . pick(' AND ', ' OR ') . random_term() if $kind < 0.8;
	return 'NOT (' . random_term() . ' OR ' . random_term() . ')' if $kind < 0.9;
	return '(' . random_term() . ' OR ' . random_term() . ') AND ' . random_term();
}

sub sql_condition
{
	my $condition = random_condition();
	return defined $condition ? quote($condition) : 'NULL';
}

sub sql_content { return "brute.manifest('" . int(rand 4) . "')"; }

# which twins
sub some_twins
{
	my $kind = rand;
	return 'device_id = ' . quote(random_device()) if $kind < 0.4;
	return 'device_id IN (' . list(some(5, \&random_device)) . ')' if $kind < 0.75;
	return sprintf 'hashtext(device_id) %% 5 = %d', int rand 5 if $kind < 0.85;
	return pick(q(tags @> '{"env": "prod"}'), q(tags @> '{"n": 1}')) if $kind < 0.9;
	return 'twinset.matches(device_id, tags, ' . quote(random_term()) . ')' if $kind < 0.98;
	return 'true';
}

sub some_deployments
{
	return 'deployment_id = ' . quote(random_deployment()) if chance(0.7);
	return 'deployment_id IN (' . list(some(3, \&random_deployment)) . ')' if chance(0.8);
	return 'true';
}

sub set_twin
{
	return pick(
		sub { 'tags = ' . quote(random_tags()) },
		sub { 'tags = ' . quote(random_tags()) },
		sub { 'tags = tags || ' . quote(random_tags()) },
		sub { 'tags = tags - ' . quote(pick('env', 'city', 'n')) },
		sub { q{tags = jsonb_set(tags, '{n}', to_jsonb(hashtext(device_id || '} . int(rand 9) . q{') & 3))} },
		sub { 'iot_edge = NOT iot_edge' },
		sub { 'retired_at = now()' },
		sub { 'retired_at = NULL' },
		sub { 'retired_at = NULL, iot_edge = true, tags = ' . quote(random_tags()) },
		sub { 'tags = tags' })->();
}

sub set_deployment
{
	return pick(
		sub { 'target_condition = ' . sql_condition() },
		sub { 'target_condition = ' . sql_condition() },
		sub { 'priority = ' . (1 + int rand 4) },
		sub { 'priority = 1 + priority % 4' },
		sub { 'content = ' . sql_content() },
		sub { q{content = replace(content::text, ': ', } . pick(q{':   '}, q{E':\n'}, q{': '}) . ')' },
		sub { 'labels = ' . quote(pick('{}', '{"a": "b"}', '{"team": "x"}')) },
		sub { 'priority = ' . (1 + int rand 3) . ', content = ' . sql_content() . ', target_condition = ' . sql_condition() })->();
}

sub twin_row
{
	my ($device) = @_;
	return sprintf '(%s, %s, %s)', quote($device), quote(random_tags()), chance(0.9) ? 'true' : 'false';
}

sub deployment_row
{
	my ($deployment) = @_;
	return sprintf '(%s, %s, %s, %d, %s)', quote($deployment), sql_content(), sql_condition(), 1 + int rand 3,
	  pick('now()', q('2024-01-01'), q('2024-01-01'), q('2025-01-01'), 'NULL');
}

sub insert_twins
{
	my (@devices) = @_;
	return 'INSERT INTO twinset.twin (device_id, tags, iot_edge) VALUES ' . join(', ', map { twin_row($_) } @devices);
}

sub insert_deployments
{
	my (@deployments) = @_;
	return 'INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority, created_at) VALUES '
	  . join(', ', map { deployment_row($_) } @deployments);
}

sub update_twins { return 'UPDATE twinset.twin SET ' . set_twin() . ' WHERE ' . some_twins(); }
sub update_deployments { return 'UPDATE twinset.deployment SET ' . set_deployment() . ' WHERE ' . some_deployments(); }
sub delete_twins { return 'DELETE FROM twinset.twin WHERE device_id IN (' . list(some(3, \&random_device)) . ')'; }
sub delete_deployment { return 'DELETE FROM twinset.deployment WHERE deployment_id = ' . quote(random_deployment()); }

sub merge_twins
{
	my $matched = pick(
		'WHEN MATCHED AND s.device_id > ' . quote(random_device()) . ' THEN DELETE WHEN MATCHED THEN UPDATE SET tags = s.tags',
		'WHEN MATCHED THEN UPDATE SET tags = t.tags || s.tags',
		'WHEN MATCHED THEN DO NOTHING');
	return 'MERGE INTO twinset.twin AS t USING (VALUES '
	  . join(', ', map { sprintf '(%s, %s::jsonb)', quote($_), quote(random_tags()) } some(4, \&random_device))
	  . ") AS s (device_id, tags) ON t.device_id = s.device_id $matched"
	  . ' WHEN NOT MATCHED THEN INSERT (device_id, tags) VALUES (s.device_id, s.tags)';
}

sub merge_deployments
{
	return 'MERGE INTO twinset.deployment AS t USING (VALUES '
	  . join(', ', map { sprintf '(%s, %s, %s, %d)', quote($_), sql_content(), sql_condition(), 1 + int rand 3 }
		  some(3, \&random_deployment))
	  . ') AS s (deployment_id, content, target_condition, priority) ON t.deployment_id = s.deployment_id '
	  . pick('WHEN MATCHED AND t.priority = 1 THEN DELETE', '')
	  . ' WHEN MATCHED THEN UPDATE SET target_condition = s.target_condition, priority = s.priority'
	  . ' WHEN NOT MATCHED THEN INSERT (deployment_id, content, target_condition, priority)'
	  . ' VALUES (s.deployment_id, s.content, s.target_condition, s.priority)';
}

sub copy_twins
{
	return "COPY twinset.twin (device_id, tags, iot_edge) FROM STDIN;\n"
	  . join('', map { join("\t", $_, random_tags(), chance(0.9) ? 't' : 'f') . "\n" } some(4, \&random_device)) . "\\.\n";
}

sub copy_deployments
{
	my $minimal = '{"modulesContent": {"$edgeAgent": {"properties.desired": {"schemaVersion": "1.1",'
	  . ' "runtime": {"type": "docker"}, "systemModules": {"edgeAgent": {"type": "docker", "settings": {"image": "agent:1"}},'
	  . ' "edgeHub": {"type": "docker", "status": "running", "settings": {"image": "hub:1"}}}, "modules": {}}},'
	  . ' "$edgeHub": {"properties.desired": {"schemaVersion": "1.1", "routes": {},'
	  . ' "storeAndForwardConfiguration": {"timeToLiveSecs": 7200}}}}}';
	return "COPY twinset.deployment (deployment_id, content, target_condition, priority) FROM STDIN;\n"
	  . join('', map { join("\t", $_, $minimal, random_condition() // '\N', 1 + int rand 3) . "\n" } some(3, \&random_deployment))
	  . "\\.\n";
}

# the revision that is reported: of the device's winner, of any deployment, or one that never was
sub some_revision
{
	my ($device) = @_;
	my $kind = rand;
	return "(SELECT revision FROM twinset.device_status AS s WHERE s.device_id = $device)" if $kind < 0.6;
	return sprintf '(SELECT min(revision) FROM twinset.deployment WHERE deployment_id >= %s)', quote(random_deployment())
	  if $kind < 0.85;
	return sprintf '(SELECT min(reported_revision) FROM twinset.device_status WHERE device_id >= %s)', quote(random_device())
	  if $kind < 0.95;
	return '5';
}

sub reported
{
	my ($device) = @_;
	return sprintf 'twinset.report_status(%s, coalesce(%s, 1), %s%s)', $device, some_revision($device),
	  pick(200, 200, 200, 500, 404, 0),
	  pick('', '', ", 'text'", q(, 'text', '{"m": {}}'), ', reported_at => NULL', q(, reported_at => now() + interval '1 hour'),
		  q(, reported_at => now() - interval '1 second'), q(, reported_at => now() - interval '1 hour'));
}

sub report_some { return 'SELECT ' . reported('twin.device_id') . ' FROM twinset.twin WHERE ' . some_twins(); }

sub set_tags_call
{
	return 'twinset.set_tags(device_id, '
	  . quote(pick('{"env": null}', '{"env": "prod"}', '{"n": 2}', '{"hw": {"rev": 2}}', random_tags())) . ')';
}

# several tables in one statement
sub several_tables
{
	return pick(
		sub {
			'WITH a AS (' . update_twins() . ' RETURNING 1), b AS (' . update_deployments() . ' RETURNING 1) SELECT count(*) FROM a, b';
		},
		sub {
			'WITH b AS (' . update_deployments() . ' RETURNING 1), a AS (' . update_twins() . ' RETURNING 1) SELECT count(*) FROM b';
		},
		sub {
			'WITH a AS (' . insert_twins(some(2, \&random_device)) . ' ON CONFLICT DO NOTHING RETURNING device_id), b AS ('
			  . update_twins() . ' RETURNING device_id) ' . insert_deployments(random_deployment())
			  . ' ON CONFLICT (deployment_id) DO UPDATE SET target_condition = excluded.target_condition';
		},
		sub {
			'WITH d AS (' . delete_twins() . ' RETURNING device_id, tags) INSERT INTO twinset.twin (device_id, tags)'
			  . ' SELECT device_id, tags || ' . quote(random_tags()) . ' FROM d';
		},
		sub {
			'WITH d AS (' . delete_deployment()
			  . ' RETURNING deployment_id, content, priority) INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)'
			  . ' SELECT deployment_id, content, ' . sql_condition() . ', priority FROM d';
		},
		sub { 'WITH d AS (' . delete_deployment() . ' RETURNING 1) ' . update_twins(); },
		sub { 'WITH u AS (' . update_twins() . ' RETURNING device_id) SELECT ' . reported('u.device_id') . ' FROM u'; },
		sub { 'WITH u AS (' . update_deployments() . ' RETURNING 1) SELECT ' . set_tags_call() . ' FROM twinset.twin WHERE '
			  . some_twins(); },
		sub { 'WITH a AS (' . update_twins() . ' RETURNING 1), b AS (' . delete_twins() . ' RETURNING 1) ' . update_twins(); },
		sub {
			my $device = quote(random_device());
			"INSERT INTO twinset.twin (device_id, tags) SELECT $device, coalesce(usual.take_twin($device), '{}') || " . quote(random_tags());
		})->();
}

# statements that fail half-way, the error caught
sub caught_errors
{
	return 'DO $$ BEGIN BEGIN ' . update_twins() . '; ' . pick(
		'UPDATE twinset.twin SET tags = jsonb_build_object(' . q('n', 1 / (hashtext(device_id) % 3)) . ')',
		update_deployments() . q(; RAISE EXCEPTION 'undo'),
		insert_twins(map { random_device() } 1 .. 2) . '; RAISE division_by_zero')
	  . '; EXCEPTION WHEN division_by_zero OR raise_exception OR unique_violation THEN NULL; END; '
	  . pick(update_twins(), update_deployments(), 'NULL') . '; END $$';
}

sub procedure_with_commits
{
	return 'DO $$ BEGIN ' . update_twins() . '; COMMIT; ' . pick(update_deployments(), update_twins()) . '; '
	  . pick('COMMIT', 'ROLLBACK') . '; ' . update_twins() . '; END $$';
}

# Weight, kind, how it is made.  Of those marked alone none has been sent in the
# transaction before or after: they are not allowed in a block.
my @KINDS = (
	[ 20, 'update twins', \&update_twins ],
	[ 5, 'update twin of others', sub {
		'UPDATE twinset.twin AS t SET tags = t.tags || o.tags FROM twinset.twin AS o WHERE t.device_id IN ('
		  . list(some(3, \&random_device)) . ') AND o.device_id = ' . quote(random_device()) } ],
	[ 6, 'insert twins', sub { insert_twins(some(3, \&random_device)) } ],
	[ 6, 'insert twins on conflict', sub {
		insert_twins(some(4, \&random_device)) . ' ON CONFLICT (device_id) DO '
		  . pick('NOTHING', 'UPDATE SET tags = excluded.tags', 'UPDATE SET tags = twin.tags || excluded.tags, retired_at = NULL') } ],
	[ 6, 'delete twins', \&delete_twins ],
	[ 4, 'merge twins', \&merge_twins ],
	[ 4, 'copy twins', \&copy_twins ],
	[ 5, 'set tags', sub { 'SELECT ' . set_tags_call() . ' FROM twinset.twin WHERE ' . some_twins() } ],
	[ 8, 'several tables', \&several_tables ],
	[ 14, 'report', \&report_some ],
	[ 5, 'insert deployments', sub { insert_deployments(some(2, \&random_deployment)) } ],
	[ 3, 'insert deployments on conflict', sub {
		insert_deployments(some(2, \&random_deployment)) . ' ON CONFLICT (deployment_id) DO '
		  . pick('NOTHING', 'UPDATE SET target_condition = excluded.target_condition, content = excluded.content') } ],
	[ 12, 'update deployments', \&update_deployments ],
	[ 3, 'delete deployment', \&delete_deployment ],
	[ 2, 'merge deployments', \&merge_deployments ],
	[ 2, 'copy deployments', \&copy_deployments ],
	[ 3, 'caught errors', \&caught_errors ],
	[ 2, 'procedure with commits', \&procedure_with_commits ],
	[ 1, 'truncate', sub { 'TRUNCATE ' . pick('twinset.twin', 'twinset.deployment', 'twinset.twin, twinset.deployment') } ],
	[ 3, 'reconcile', sub { 'SELECT * FROM twinset.reconcile()' } ],
	[ 3, 'verify', sub { 'SELECT * FROM twinset.verify(' . pick('', '', 5) . q{) WHERE kind <> 'part'} } ],
);

# A kind and its text.
sub random_statement
{
	my $total = 0;
	$total += $_->[0] for @KINDS;
	my $at = rand $total;
	for my $kind (@KINDS)
	{
		return ($kind->[1], $kind->[2]->()) if ($at -= $kind->[0]) < 0;
	}
	die 'unreachable';
}

# What preview() is asked: a new deployment, or one of those that are there.
sub random_preview
{
	my ($existing) = @_;
	return sprintf 'SELECT brute.preview_difference(%s, %d, NULL)', sql_condition(), 1 + int rand 4 unless defined $existing;
	return sprintf 'SELECT brute.preview_difference(%s, %d, %s)', sql_condition(), 1 + int rand 4, quote($existing);
}

# The views by one device or one deployment, as an index would find them,
# against brute force: no row means that they are the same.
sub random_probe
{
	my ($view, $restriction) = pick(
		[ 'device_status', 'device_id = ' . quote(random_device()) ],
		[ 'device_status', 'device_id IN (' . list(some(4, \&random_device)) . ')' ],
		[ 'device_status', 'deployment_id = ' . quote(random_deployment()) ],
		[ 'device_status', q(status = 'unknown') ],
		[ 'deployment_status', 'deployment_id = ' . quote(random_deployment()) ],
		[ 'deployment_device', 'device_id = ' . quote(random_device()) ],
		[ 'deployment_device', 'deployment_id = ' . quote(random_deployment()) ],
		[ 'deployment_device', 'deployment_id = ' . quote(random_deployment()) . q( AND status = 'unhealthy') ],
		[ 'explain_device', 'device_id = ' . quote(random_device()) ])->@*;
	my $brute = "SELECT * FROM brute.$view WHERE $restriction";
	my $shown = "SELECT * FROM shown.$view WHERE $restriction";
	return "SELECT 'missing', x FROM ($brute EXCEPT ALL $shown) AS x UNION ALL SELECT 'wrong', x FROM ($shown EXCEPT ALL $brute) AS x";
}

1;
