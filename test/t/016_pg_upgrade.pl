# pg_upgrade takes the fleet with it as it is: settled state and log too, so every
# view reads the same, assigned_at included, and what was not settled is settled later.
#
# From one major version to itself: the next one's server need not be there, and
# the extension goes the same way.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Utils;
use Test::More;

use TwinsetTest;

my $old = new_node('old');
create_twinset($old);
create_fleet($old);
$old->safe_psql('postgres', q(
SELECT FROM twinset.reconcile();
UPDATE twinset.twin SET tags = '{"env": "prod", "n": 3}' WHERE device_id LIKE 'dev1%';
DELETE FROM twinset.twin WHERE device_id = 'dev21';
INSERT INTO twinset.twin (device_id, tags) VALUES ('new', '{"n": 3}');
SELECT count(twinset.report_status(device_id, revision, 500)) FROM twinset.device_status WHERE device_id LIKE 'dev3%'));
isnt($old->safe_psql('postgres', 'SELECT changes FROM twinset.unsettled_changes()'), '0', 'something is unsettled');

my $reads = "SET TimeZone = 'UTC';" . join ';', map { "SELECT * FROM twinset.$_ ORDER BY 1, 2" }
  qw(deployment_status device_status deployment_device deployment_module twin deployment report reconciliation unsettled_changes());
my $before = $old->safe_psql('postgres', $reads);
$old->stop;

my $new = new_node('new');
my $bindir = $new->config_data('--bindir');
$new->stop;
chdir $new->basedir;
$new->command_ok([ 'pg_upgrade', '--no-sync', '--old-datadir' => $old->data_dir, '--new-datadir' => $new->data_dir,
		'--old-bindir' => $bindir, '--new-bindir' => $bindir, '--old-port' => $old->port, '--new-port' => $new->port,
		'--socketdir' => $new->host ], 'pg_upgrade');
$new->start;

is($new->safe_psql('postgres', $reads), $before, 'every view reads as before');
is_exact($new, 'upgraded');
is($new->safe_psql('postgres', 'SELECT * FROM twinset.verify()'), '', 'verified: upgraded');
$new->safe_psql('postgres', q(
UPDATE twinset.twin SET tags = '{"env": "test", "n": 3}' WHERE device_id LIKE 'dev1%';
SELECT count(twinset.report_status(device_id, revision, 200)) FROM twinset.device_status WHERE device_id LIKE 'dev1%'));
is_exact($new, 'it goes on, with changes from before and after in the log');
is($new->safe_psql('postgres', q(UPDATE twinset.deployment SET content = brute.manifest('9') WHERE deployment_id = 'all';
	SELECT revision = max FROM twinset.deployment, (SELECT max(revision) FROM twinset.deployment) AS m WHERE deployment_id = 'all')), 't', 'a new revision is the newest');
is_exact($new, 'a deployment change');
is($new->safe_psql('postgres', 'SELECT repaired FROM twinset.reconcile()'), '0', 'nothing to repair');
$new->safe_psql('postgres', 'SET client_min_messages = warning; DROP SCHEMA brute, shown CASCADE; DROP EXTENSION twinset');
is($new->safe_psql('postgres', q(SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace WHERE nspname = 'twinset')), '0',
	'all of it still belongs to the extension');

$new->stop;
done_testing();
