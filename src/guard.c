/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  The guard against statements that move too many devices.
 *
 * A statement on deployments or on twins fails where it would move more
 * devices than twinset.max_moved_devices says, or leave more without a
 * deployment:
 *
 *	before the statement	after it
 *	a						b			moved from a to b
 *	none					b			moved from none to b
 *	a						none		left without a deployment, deleted and
 *										retired devices too
 *	not live				b			neither: it is provisioned
 *
 * A deployment change settles within its statement, which knows the winner
 * that each device had and the one that it gets (settle_changed.c).  A statement
 * on twins only appends to the log.  Its devices can be moved only if they were
 * there before, so nothing is looked at unless it has logged more of these than
 * the limit.  Then the log tells what they were: each is matched as it was and
 * as it is, with the deployments as they are settled: a change of these that is
 * still to settle counts what it moves when it does.  A query that writes
 * twins in several statements (a MERGE, a user's trigger, a cascade) is counted
 * as a whole, when the last of them closes.
 *
 * It is a guard against mistakes, not a privilege: whoever is stopped by it
 * can raise the limit.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/table.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "change_scan.h"
#include "deployment_change.h"
#include "deployments.h"
#include "guard.h"
#include "key_lookup.h"
#include "owner.h"
#include "settlement.h"
#include "statement.h"
#include "tables.h"
#include "unsettled.h"

/* moves that the error names, the largest first */
#define NAMED_MOVES		10

/* -1: off */
static int	max_moved_devices = -1;

/* a winner that devices had, and the one that they have; an empty id: none */
typedef struct Move
{
	char		from[DEPLOYMENT_ID_SIZE];	/* the key, with what follows */
	char		to[DEPLOYMENT_ID_SIZE];
	int64		devices;
} Move;

struct Guard
{
	HTAB	   *moves;			/* Move */
	int64		moved;			/* to another deployment */
	int64		left;			/* without one */
};

/* the statements on twin that run together: their order, and what they have logged */
static int64 twins_order = 0;
static uint64 twins_changed = 0;

/* What comes by replication, or from a restore in the role replica, was guarded elsewhere. */
static bool
is_on(void)
{
	return max_moved_devices >= 0 && SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA;
}

Guard *
guard_begin(void)
{
	HASHCTL		control = {.keysize = 2 * DEPLOYMENT_ID_SIZE,.entrysize = sizeof(Move),.hcxt = CurrentMemoryContext};
	Guard	   *guard;

	if (!is_on())
		return NULL;
	guard = palloc0(sizeof(Guard));
	guard->moves = hash_create("twinset moves", 128, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return guard;
}

void
guard_moved(Guard *guard, const char *from, const char *to, int64 devices)
{
	Move		key;
	Move	   *move;
	bool		found;

	if (guard == NULL)
		return;
	memset(&key, 0, sizeof(key));
	strlcpy(key.from, from == NULL ? "" : from, sizeof(key.from));
	strlcpy(key.to, to == NULL ? "" : to, sizeof(key.to));
	move = hash_search(guard->moves, &key, HASH_ENTER, &found);
	if (!found)
		move->devices = 0;
	move->devices += devices;
	if (to == NULL)
		guard->left += devices;
	else
		guard->moved += devices;
}

/* The largest first, then by name. */
static int
compare_moves(const void *a, const void *b)
{
	const Move *left = *(Move *const *) a;
	const Move *right = *(Move *const *) b;
	int			order;

	if (left->devices != right->devices)
		return left->devices > right->devices ? -1 : 1;
	order = strcmp(left->from, right->from);
	return order != 0 ? order : strcmp(left->to, right->to);
}

static const char *
named(const char *deployment_id)
{
	return deployment_id[0] == '\0' ? "none" : psprintf("\"%s\"", deployment_id);
}

/* From which deployments to which: a line each. */
static char *
describe_moves(Guard *guard)
{
	long		count = hash_get_num_entries(guard->moves);
	Move	  **moves = palloc(sizeof(Move *) * count);
	StringInfoData lines;
	HASH_SEQ_STATUS sequence;
	Move	   *move;
	int			i = 0;

	hash_seq_init(&sequence, guard->moves);
	while ((move = hash_seq_search(&sequence)) != NULL)
		moves[i++] = move;
	qsort(moves, count, sizeof(Move *), compare_moves);

	initStringInfo(&lines);
	for (i = 0; i < Min(count, NAMED_MOVES); i++)
		appendStringInfo(&lines, "\nfrom %s to %s: " INT64_FORMAT, named(moves[i]->from), named(moves[i]->to),
						 moves[i]->devices);
	if (count > NAMED_MOVES)
		appendStringInfo(&lines, "\nand %ld more", count - NAMED_MOVES);
	return lines.data;
}

void
guard_end(Guard *guard)
{
	if (guard == NULL || (guard->moved <= max_moved_devices && guard->left <= max_moved_devices))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("statement would move " INT64_FORMAT " devices to another deployment and leave " INT64_FORMAT
					" without one, more than twinset.max_moved_devices = %d allows",
					guard->moved, guard->left, max_moved_devices),
			 errdetail("Nothing has changed. It would have moved, from deployment to deployment:%s",
					   describe_moves(guard)),
			 errhint("If it is meant, allow it once: BEGIN; SET LOCAL twinset.max_moved_devices = " INT64_FORMAT
					 "; then the statement, and COMMIT.", Max(guard->moved, guard->left))));
}

/* Is the log's row of the statements with this order? */
static bool
is_of_statements(void *arg, TupleTableSlot *row)
{
	int64		order = *(int64 *) arg;
	bool		isnull;
	Datum		transaction = slot_getattr(row, Anum_change_transaction, &isnull);

	return FullTransactionIdEquals(GetTopFullTransactionId(), DatumGetFullTransactionId(transaction)) &&
		DatumGetInt64(slot_getattr(row, Anum_change_statement, &isnull)) == order;
}

/* Is the entry a twin's, which was live?  Of one that was not live none is moved. */
static bool
was_live(void *arg, TupleTableSlot *entry)
{
	bool		isnull;
	Datum		live = slot_getattr(entry, Anum_change_live, &isnull);

	return !isnull && DatumGetBool(live);
}

static const char *
winner_of(DeploymentsAsked *asked, Datum device_id, Datum tags)
{
	text	   *id = DatumGetTextPP(device_id);

	return deployments_winner(asked, VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id), &DatumGetJsonbP(tags)->root);
}

/* A device that was live: what it was, and its twin now. */
static void
count_device(Guard *guard, DeploymentsAsked *asked, TupleTableSlot *was, TupleTableSlot *is)
{
	bool		isnull;
	Datum		device_id = slot_getattr(was, Anum_change_device_id, &isnull);
	const char *before = winner_of(asked, device_id, slot_getattr(was, Anum_change_tags, &isnull));
	const char *after = twin_kind(is) == TWIN_LIVE ?
		winner_of(asked, device_id, slot_getattr(is, Anum_twin_tags, &isnull)) : NULL;

	if (!same_winner(before, after))
		guard_moved(guard, before, after, 1);
}

/*
 * The active snapshot is this one, or one that sees the deployments as they are
 * settled, where a change of them is still to settle.
 */
static void
push_settled_snapshot(Snapshot snapshot)
{
	CommandId	first = deployment_change_first();

	if (first == InvalidCommandId)
		PushActiveSnapshot(snapshot);
	else
	{
		PushCopiedSnapshot(GetLatestSnapshot());
		GetActiveSnapshot()->curcid = first;
	}
}

static void
count_twins(Guard *guard, Relation twin, int64 order)
{
	Relation	log = table_open(settlement_table("change"), AccessShareLock);
	TupleTableSlot *entry = MakeSingleTupleTableSlot(RelationGetDescr(log), &TTSOpsMinimalTuple);
	MemoryContext per_device = AllocSetContextCreate(CurrentMemoryContext, "twinset guarded device",
													 ALLOCSET_DEFAULT_SIZES);
	DeploymentsAsked asked;
	char		last[DEVICE_ID_SIZE] = "";
	Tuplesortstate *sort;
	uint64		count;
	Snapshot	snapshot;
	KeyLookup  *twins;

	/* what the statement has written is to be seen too */
	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	sort = change_scan_sorted(snapshot, is_of_statements, was_live, &order, &count);
	twins = key_lookup_begin(twin, snapshot);
	push_settled_snapshot(GetActiveSnapshot());
	asked = deployments_ask();
	while (tuplesort_gettupleslot(sort, true, false, entry, NULL))
	{
		MemoryContext caller = MemoryContextSwitchTo(per_device);
		bool		isnull;
		Datum		device_id = slot_getattr(entry, Anum_change_device_id, &isnull);
		char	   *id = TextDatumGetCString(device_id);

		CHECK_FOR_INTERRUPTS();
		if (strcmp(id, last) != 0)
			count_device(guard, &asked, entry, key_lookup(twins, device_id));
		strlcpy(last, id, sizeof(last));
		MemoryContextSwitchTo(caller);
		MemoryContextReset(per_device);
	}
	PopActiveSnapshot();
	key_lookup_end(twins);
	tuplesort_end(sort);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(entry);
	table_close(log, NoLock);
}

void
guard_twins(Relation twin, int64 order, uint64 changed)
{
	OwnerContext owner;
	Guard	   *guard;

	if (!is_on())
		return;
	if (order != twins_order)
	{
		twins_order = order;
		twins_changed = 0;
	}
	twins_changed += changed;
	if (twins_changed <= (uint64) max_moved_devices || statement_is_open_on(RelationGetRelid(twin)))
		return;

	owner_begin(&owner, RelationGetRelid(twin));
	guard = guard_begin();
	count_twins(guard, twin, order);
	guard_end(guard);
	owner_end(&owner);
}

void
guard_truncated_twins(void)
{
	static SPIPlanPtr plan = NULL;
	OwnerContext owner;
	Guard	   *guard;
	uint64		count;

	if (!is_on())
		return;
	owner_begin(&owner, settlement_table("settlement"));
	guard = guard_begin();
	owner_plan(&plan, "SELECT deployment_id, actual FROM twinset.deployment_status WHERE actual > 0", 0, NULL);
	push_settled_snapshot(GetLatestSnapshot());
	count = owner_read(plan, NULL);
	PopActiveSnapshot();
	for (uint64 i = 0; i < count; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		bool		isnull;

		guard_moved(guard, SPI_getvalue(row, SPI_tuptable->tupdesc, 1), NULL,
					DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull)));
	}
	guard_end(guard);
	owner_end(&owner);
}

void
guard_init(void)
{
	DefineCustomIntVariable("twinset.max_moved_devices",
							"Devices that one statement may move to another deployment, or leave without one.",
							"A statement that would do so to more of them fails. -1: no limit.",
							&max_moved_devices, -1, -1, INT_MAX,
							PGC_USERSET, 0, NULL, NULL, NULL);
}
