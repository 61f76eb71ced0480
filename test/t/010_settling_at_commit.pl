# What a settlement at commit says in the server's log: nothing where it is not
# its turn, why where it failed; and the commit is there in any case.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use PostgreSQL::Test::Utils;
use Test::More;

use TwinsetTest;

my $node = new_node('commit', 'twinset.settle_after = 1');
create_twinset($node);
create_fleet($node);

my $failure = qr/twinset could not settle at commit/;

sub rows { return $node->safe_psql('postgres', $_[0]); }

# The log that a statement leaves behind, and the length of twinset's own log.
sub commit
{
	my ($statements) = @_;
	my $start = -s $node->logfile;

	rows($statements);
	return (substr(slurp_file($node->logfile), $start), rows('SELECT changes FROM twinset.unsettled_changes()'));
}

my ($said, $entries) = commit(q(UPDATE twinset.twin SET tags = '{"n": 1}' WHERE device_id = 'dev1'));
is($entries, '0', 'a commit settles');
unlike($said, $failure, 'and says nothing');

($said, $entries) = commit(q(BEGIN; UPDATE twinset.twin SET tags = '{"n": 2}' WHERE device_id = 'dev1';
	SET TRANSACTION READ ONLY; COMMIT));
is($entries, '1', 'a transaction that has become read only leaves it to others');
unlike($said, $failure, 'and does not try');

for my $isolation ('REPEATABLE READ', 'SERIALIZABLE')
{
	rows('SELECT * FROM twinset.reconcile()');
	($said, $entries) = commit(qq(BEGIN ISOLATION LEVEL $isolation;
		UPDATE twinset.twin SET tags = tags || '{"level": "$isolation"}' WHERE device_id = 'dev1'; COMMIT));
	is($entries, '1', "$isolation leaves it to others");
	unlike($said, $failure, 'and does not try');
}

rows('SELECT * FROM twinset.reconcile()');
rows('ALTER TABLE twinset.tally ADD CONSTRAINT broken CHECK (target < 0) NOT VALID');
($said, $entries) = commit(q(UPDATE twinset.twin SET tags = '{"n": 3}' WHERE device_id = 'dev1'));
is($entries, '1', 'a settlement that fails settles nothing');
like($said, $failure, 'it says so');
like($said, qr/violates check constraint "broken"/, 'and why');
is(rows(q(SELECT tags FROM twinset.twin WHERE device_id = 'dev1')), '{"n": 3}', 'the commit is there');
is_exact($node, 'unsettled');
rows('ALTER TABLE twinset.tally DROP CONSTRAINT broken');
($said, $entries) = commit(q(UPDATE twinset.twin SET tags = '{"n": 4}' WHERE device_id = 'dev1'));
is($entries, '0', 'the next commit settles both');
is_exact($node, 'settled');

$node->stop;
done_testing();
