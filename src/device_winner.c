/*-------------------------------------------------------------------------
 *
 * device_winner.c
 *	  What one device should run: its winner now, and that one's revision.
 *
 * A device polls all day, mostly for nothing, so this is made of look-ups by
 * key, without a plan.  The settled winner is the winner unless the log holds
 * the device's twin.  The log has no index and is not read here: the twin's
 * row tells.  Whoever wrote to the log has written the row too, in the same
 * transaction, so the row as it is now is of that transaction or of a later
 * one.  The settlement's row keeps settled_before, such that all transactions
 * before it are settled:
 *
 *	the row was written by a transaction before settled_before
 *						the log does not hold the twin: the settled winner it is
 *	by another			it may be in the log, or not; the device is matched
 *
 * The place in the order of transactions is that of the row's own xmin, which
 * stays in it when it is frozen.  Long behind, transactions come to look as if
 * they were in front; that costs a match and is not wrong.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/snapmgr.h"

#include "device_winner.h"
#include "key_lookup.h"
#include "owner.h"
#include "settlement.h"
#include "statement.h"
#include "tables.h"

/* a settlement further back than this says nothing: transactions are compared on a circle */
#define SETTLED_REACH	(UINT64CONST(1) << 30)

typedef struct LookedUp
{
	Relation	table;
	KeyLookup  *rows;
} LookedUp;

struct DeviceWinners
{
	LookedUp	twins;
	LookedUp	assignments;
	LookedUp	deployments;
	bool		any_settled;	/* does settled_before say anything? */
	TransactionId settled_before;
};

static void
open_table(LookedUp *looked_up, const char *name)
{
	looked_up->table = table_open(settlement_table(name), AccessShareLock);
	looked_up->rows = key_lookup_begin(looked_up->table, GetActiveSnapshot());
}

static TupleTableSlot *
row_of(LookedUp *looked_up, const char *name, Datum key)
{
	if (looked_up->table == NULL)
		open_table(looked_up, name);
	return key_lookup(looked_up->rows, key);
}

static void
close_table(LookedUp *looked_up)
{
	if (looked_up->table == NULL)
		return;
	key_lookup_end(looked_up->rows);
	table_close(looked_up->table, NoLock);
}

/* Read settled_before, as the active snapshot sees it. */
static void
read_settled_before(DeviceWinners *winners)
{
	FullTransactionId settled = settlement_read().settled_before;
	uint64		next = U64FromFullTransactionId(ReadNextFullTransactionId());

	winners->any_settled = U64FromFullTransactionId(settled) <= next &&
		next - U64FromFullTransactionId(settled) < SETTLED_REACH;
	winners->settled_before = XidFromFullTransactionId(settled);
}

DeviceWinners *
device_winners_begin(void)
{
	DeviceWinners *winners = palloc0(sizeof(DeviceWinners));

	open_table(&winners->twins, "twin");
	/* within an open statement settled state is not yet that of the deployments */
	if (!statement_any_open())
		read_settled_before(winners);
	return winners;
}

void
device_winners_end(DeviceWinners *winners)
{
	close_table(&winners->twins);
	close_table(&winners->assignments);
	close_table(&winners->deployments);
	pfree(winners);
}

/* Is all that the log could say of this twin settled? */
static bool
is_settled(DeviceWinners *winners, TupleTableSlot *twin)
{
	HeapTuple	tuple = ((HeapTupleTableSlot *) twin)->tuple;
	TransactionId writer = HeapTupleHeaderGetRawXmin(tuple->t_data);

	return winners->any_settled && TransactionIdIsNormal(writer) &&
		TransactionIdPrecedes(writer, winners->settled_before);
}

char *
match_device(text *device_id, JsonbContainer *tags)
{
	MemoryContext caller = CurrentMemoryContext;
	OwnerContext owner;
	DeploymentsAsked asked;
	const char *winner;

	owner_begin(&owner, settlement_table("settlement"));
	asked = deployments_ask();
	winner = deployments_winner(&asked, VARDATA_ANY(device_id), VARSIZE_ANY_EXHDR(device_id), tags);
	if (winner != NULL)
		winner = MemoryContextStrdup(caller, winner);
	owner_end(&owner);
	return (char *) winner;
}

/* The key of the winner's row in deployment; 0: the device has none. */
static Datum
winner_key(DeviceWinners *winners, TupleTableSlot *twin, Datum device_id)
{
	TupleTableSlot *assignment;
	char	   *matched;
	bool		isnull;

	if (is_settled(winners, twin))
	{
		assignment = row_of(&winners->assignments, "assignment", device_id);
		return assignment == NULL ? (Datum) 0 :
			slot_getattr(assignment, Anum_assignment_deployment_id, &isnull);
	}
	matched = match_device(DatumGetTextPP(device_id),
						   &DatumGetJsonbP(slot_getattr(twin, Anum_twin_tags, &isnull))->root);
	return matched == NULL ? (Datum) 0 : CStringGetTextDatum(matched);
}

DeviceWinner
device_winner(DeviceWinners *winners, Datum device_id, bool with_content, const int64 *known)
{
	DeviceWinner winner = {0};
	TupleTableSlot *twin = row_of(&winners->twins, "twin", device_id);
	TupleTableSlot *deployment;
	Datum		key;
	bool		isnull;

	winner.exists = twin != NULL;
	if (twin_kind(twin) != TWIN_LIVE)
		return winner;
	key = winner_key(winners, twin, device_id);
	if (DatumGetPointer(key) == NULL)
		return winner;
	deployment = row_of(&winners->deployments, "deployment", key);
	if (deployment == NULL)
		return winner;

	winner.found = true;
	winner.revision = DatumGetInt64(slot_getattr(deployment, Anum_deployment_revision, &isnull));
	text_to_cstring_buffer(DatumGetTextPP(key), winner.deployment_id, sizeof(winner.deployment_id));
	if (with_content && (known == NULL || *known != winner.revision))
		winner.content = datumCopy(slot_getattr(deployment, Anum_deployment_content, &isnull), false, -1);
	return winner;
}
