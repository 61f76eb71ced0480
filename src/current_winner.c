/*-------------------------------------------------------------------------
 *
 * current_winner.c
 *	  A device's winner now: the settled one, unless the log holds the device.
 *
 * Views call these functions for each device that they show, mostly for one,
 * sometimes for the whole fleet.  The first call of a query reads which
 * devices the log holds; for each device that it doesn't hold the answer is
 * then a look into a hash table, and none where the log is empty.  A device
 * that the log holds is looked at when it is asked for, all of them once some
 * were.
 *
 * What was read is kept until a call comes with another snapshot, or the
 * transaction ends.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "break_rules.h"
#include "change_scan.h"
#include "current_winner.h"
#include "deployments.h"
#include "owner.h"
#include "settlement.h"
#include "tables.h"
#include "unsettled.h"

PG_FUNCTION_INFO_V1(twinset_current_winner);
PG_FUNCTION_INFO_V1(twinset_current_assigned_at);

/* devices that are looked at one by one, each with a scan of the log */
#define ONE_BY_ONE	4

/* a device that the log holds */
typedef struct CurrentDevice
{
	char		device_id[DEVICE_ID_SIZE];	/* the key */
	bool		looked_at;		/* is what follows known? */
	char	   *winner;			/* NULL: none */
	TimestampTz since;
} CurrentDevice;

typedef struct CurrentWinners
{
	MemoryContext context;		/* of all that follows */
	Snapshot	snapshot;		/* with which the log was read */
	SubTransactionId subtransaction;	/* in which; its rollback leaves the snapshot as it is */
	HTAB	   *devices;		/* CurrentDevice, by id; NULL: the log is empty */
	int			looked_at;		/* how many, one by one */
} CurrentWinners;

/* of the query that asked last; in TopTransactionContext */
static CurrentWinners *kept = NULL;

/* Do two snapshots see the same? */
static bool
same_snapshot(Snapshot one, Snapshot other)
{
	return one->xmin == other->xmin && one->xmax == other->xmax && one->curcid == other->curcid &&
		one->xcnt == other->xcnt && one->subxcnt == other->subxcnt &&
		one->suboverflowed == other->suboverflowed &&
		one->takenDuringRecovery == other->takenDuringRecovery &&
		memcmp(one->xip, other->xip, sizeof(TransactionId) * one->xcnt) == 0 &&
		(one->subxcnt <= 0 || memcmp(one->subxip, other->subxip, sizeof(TransactionId) * one->subxcnt) == 0);
}

/* What is compared of a snapshot, to be kept. */
static Snapshot
copy_snapshot(Snapshot snapshot)
{
	Snapshot	copy = palloc(sizeof(SnapshotData));
	Size		xip_size = sizeof(TransactionId) * snapshot->xcnt;
	Size		subxip_size = sizeof(TransactionId) * Max(snapshot->subxcnt, 0);

	*copy = *snapshot;
	copy->xip = memcpy(palloc(xip_size + 1), snapshot->xip, xip_size);
	copy->subxip = palloc(subxip_size + 1);
	if (subxip_size > 0)
		memcpy(copy->subxip, snapshot->subxip, subxip_size);
	return copy;
}

/* Read which devices the log holds. */
static void
read_log(CurrentWinners *winners)
{
	ChangeScan *entries = change_scan_begin(GetActiveSnapshot());
	TupleTableSlot *entry;

	while ((entry = change_scan_next(entries)) != NULL)
	{
		char		device_id[DEVICE_ID_SIZE];
		bool		isnull;
		bool		found;
		CurrentDevice *device;

		if (winners->devices == NULL)
		{
			HASHCTL		control = {.keysize = DEVICE_ID_SIZE,.entrysize = sizeof(CurrentDevice),.hcxt = CurrentMemoryContext};

			winners->devices = hash_create("twinset unsettled devices", 1024, &control,
										   HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
		}
		text_to_cstring_buffer(DatumGetTextPP(slot_getattr(entry, Anum_change_device_id, &isnull)),
							   device_id, sizeof(device_id));
		device = hash_search(winners->devices, device_id, HASH_ENTER, &found);
		if (!found)
			device->looked_at = false;
	}
	change_scan_end(entries);
}

/* What is kept, as of the active snapshot. */
static CurrentWinners *
current_winners(void)
{
	CurrentWinners *winners;
	MemoryContext caller;
	MemoryContext context;

	if (kept != NULL && kept->subtransaction == GetCurrentSubTransactionId() &&
		(same_snapshot(kept->snapshot, GetActiveSnapshot()) || RULE_IS_BROKEN(whole_snapshot)))
		return kept;
	if (kept != NULL)
	{
		context = kept->context;
		kept = NULL;
		MemoryContextDelete(context);
	}
	context = AllocSetContextCreate(TopTransactionContext, "twinset current winners",
									ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(context);
	winners = palloc0(sizeof(CurrentWinners));
	winners->context = context;
	winners->snapshot = copy_snapshot(GetActiveSnapshot());
	winners->subtransaction = GetCurrentSubTransactionId();
	read_log(winners);
	MemoryContextSwitchTo(caller);
	return kept = winners;
}

static void
note_device(void *arg, const SettledDevice *device)
{
	CurrentWinners *winners = arg;
	char		device_id[DEVICE_ID_SIZE];
	CurrentDevice *current;

	text_to_cstring_buffer(DatumGetTextPP(device->device_id), device_id, sizeof(device_id));
	current = hash_search(winners->devices, device_id, HASH_FIND, NULL);
	if (current == NULL)
		elog(ERROR, "device \"%s\" was not in the log", device_id);
	current->winner = device->winner == NULL ? NULL :
		MemoryContextStrdup(winners->context, device->winner);
	current->since = device->winner_since;
	current->looked_at = true;
}

/* The device where the log holds it, else NULL. */
static CurrentDevice *
current_device(CurrentWinners *winners, text *device_id)
{
	char		key[DEVICE_ID_SIZE];
	CurrentDevice *device;

	if (winners->devices == NULL || VARSIZE_ANY_EXHDR(device_id) >= DEVICE_ID_SIZE)
		return NULL;
	text_to_cstring_buffer(device_id, key, sizeof(key));
	device = hash_search(winners->devices, key, HASH_FIND, NULL);
	if (device != NULL && !device->looked_at)
	{
		OwnerContext owner;
		DeploymentsAsked asked;

		owner_begin(&owner, settlement_table("settlement"));
		asked = deployments_ask();
		(void) unsettled_visit(&asked, NULL,
							   winners->looked_at++ < ONE_BY_ONE ? device_set_of(key) : NULL,
							   note_device, winners);
		owner_end(&owner);
	}
	return device;
}

/*
 * current_winner(device_id text, settled text) -> text
 */
Datum
twinset_current_winner(PG_FUNCTION_ARGS)
{
	CurrentDevice *device;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	device = current_device(current_winners(), PG_GETARG_TEXT_PP(0));
	if (device == NULL)
	{
		if (PG_ARGISNULL(1))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(1));
	}
	if (device->winner == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(device->winner));
}

/*
 * current_assigned_at(device_id text, settled timestamptz) -> timestamptz
 */
Datum
twinset_current_assigned_at(PG_FUNCTION_ARGS)
{
	CurrentDevice *device;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	device = current_device(current_winners(), PG_GETARG_TEXT_PP(0));
	if (device == NULL)
	{
		if (PG_ARGISNULL(1))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(1));
	}
	if (device->winner == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(device->since);
}

static void
current_winner_at_transaction_end(XactEvent event, void *arg)
{
	/* it goes with TopTransactionContext */
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		kept = NULL;
}

void
current_winner_init(void)
{
	RegisterXactCallback(current_winner_at_transaction_end, NULL);
}
