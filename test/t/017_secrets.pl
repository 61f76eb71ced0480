# A manifest's secrets are in no line of the server's log, however much it logs, and
# in nothing that a dashboard can read.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Utils;
use Test::More;

use TwinsetTest;

my $secret = 'xyzzy-secret';
my $node = new_node('secrets', qq(
log_min_messages = debug5
log_min_error_statement = panic
log_parameter_max_length_on_error = 0
));
create_twinset($node);
create_fleet($node);

# with a secret in each of the three places
sub manifest
{
	my ($change) = @_;
	return 'replace(brute.manifest(' . "'1'), '\"modules\": {}', '\"modules\": {\"m\": {\"type\": \"docker\", \"status\": \"running\",
		\"restartPolicy\": \"always\", \"env\": {\"A\": {\"value\": \"$secret\"}}, \"settings\": {\"image\": \"m:1\",
		\"createOptions\": \"{\\\"A\\\": \\\"$secret\\\"}\"}}}')$change";
}

my $good = manifest('');
is($node->safe_psql('postgres', "SELECT count(*) FROM twinset.check_manifest($good)"), 0, 'the manifest is valid');
$node->safe_psql('postgres', qq(
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority) VALUES ('secret', $good, '*', 9);
UPDATE twinset.deployment SET content = replace(content::text, 'm:1', 'm:2') WHERE deployment_id = 'secret';
SELECT * FROM twinset.take_pending(3);
SELECT twinset.report_status(device_id, revision, 500, 'failed', '{"m": {"state": "failed"}}') FROM twinset.device_status;
SELECT count(*) FROM twinset.manifest_difference($good, NULL);
SELECT * FROM twinset.preview('*', 10, 'secret');
SELECT * FROM twinset.reconcile();
ANALYZE;
));

# what fails, fails without a word of it
my @bad = (
	"INSERT INTO twinset.deployment (deployment_id, content) VALUES ('secret', $good)",
	"INSERT INTO twinset.deployment (deployment_id, content) VALUES ('SECRET', $good)",
	"INSERT INTO twinset.deployment (deployment_id, content, priority) VALUES ('other', $good, 0)",
	"INSERT INTO twinset.deployment (deployment_id, content, priority) VALUES ('other', $good, NULL)",
	"INSERT INTO twinset.deployment (deployment_id, content, labels) VALUES ('other', $good, '[]')",
	"INSERT INTO twinset.deployment (deployment_id, content, revision) VALUES ('other', $good, -1)",
	"INSERT INTO twinset.deployment (deployment_id, content) VALUES ('other', " . manifest(" || '$secret'") . ')',
	"INSERT INTO twinset.deployment (deployment_id, content) VALUES ('other', replace($good, 'm:1', 'M:1'))",
	"UPDATE twinset.deployment SET content = replace(content::text, 'docker', 'podman')",
	"UPDATE twinset.deployment SET deployment_id = 'other' WHERE deployment_id = 'secret'",
	"UPDATE twinset.deployment SET priority = 0");
for my $statement (@bad)
{
	my ($status, $out, $error) = $node->psql('postgres', $statement);
	isnt($status, 0, 'refused: ' . substr($statement, 0, 60) =~ s/\s+/ /gr);
	# the client that is told where its own statement failed sees that statement
	unlike($error =~ s/^LINE \d+:.*//mrs, qr/$secret/, '… without the secret');
}
my ($status, $out, $error) = $node->psql('postgres', "COPY twinset.deployment (deployment_id, content) FROM STDIN;
other	{\"modulesContent\": \"$secret\"}
\\.
");
isnt($error, '', 'refused: COPY');
unlike($error, qr/$secret/, '… without the secret');

my $log = slurp_file($node->logfile);
cmp_ok(length $log, '>', 50_000, 'the log is full of what debug5 brings');
unlike($log, qr/$secret/, '… but not of the secret');

# a dashboard
my $grants = slurp_file(test_file('../README.md'));
my ($role) = $grants =~ /(CREATE ROLE twinset_dashboard;.*?TO twinset_dashboard;\nGRANT EXECUTE.*?;)\n/s;
$node->safe_psql('postgres', $role);
my @readable = split /\n/, $node->safe_psql('postgres', q(
	SELECT oid::regclass FROM pg_class WHERE relkind IN ('r', 'v') AND has_schema_privilege('twinset_dashboard', relnamespace, 'USAGE')
	AND has_table_privilege('twinset_dashboard', oid, 'SELECT') AND oid::regclass::text NOT LIKE 'information_schema.%'));
cmp_ok(scalar @readable, '>', 50, 'a dashboard reads the catalogs and the views');
my $shown = $node->safe_psql('postgres', join "\n", 'SET ROLE twinset_dashboard;',
	map { "SELECT * FROM $_;" } grep { !/pg_stat_activity/ } @readable);
cmp_ok(length $shown, '>', 100_000, '… which show much');
unlike($shown, qr/$secret/, '… but not the secret');

done_testing();
