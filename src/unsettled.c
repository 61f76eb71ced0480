/*-------------------------------------------------------------------------
 *
 * unsettled.c
 *	  The devices that the log holds: what they were, and what they are.
 *
 * Settling and reading both go through here: what a settlement would move is
 * what a reader adds to the settled state.
 *
 * The log's entries are sorted by device.  Of a device
 *
 *	the first twin's entry and the first report's entry say what it was when
 *	it was settled (the one that is missing: it is as it was);
 *	every further twin's entry says what the one before it had made of it, so
 *	the winners that it had in between are known, and since when it has the
 *	present one.
 *
 * Which is the first, change_log.c tells: by transaction, in the order in
 * which they wrote the device's row first; within one by statement; within
 * a query the twin that there was.
 *
 * Twins and reports are ordered apart: they are locked apart, so of two
 * transactions one can have written the report first and the other the twin.
 *
 * Then the device's twin, report and assignment are looked up.  All of it is
 * read with one snapshot.  A device of which the log holds the report alone
 * has the winner that it was settled with, so its twin is not looked at.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "optimizer/plancat.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "break_rules.h"
#include "change_scan.h"
#include "key_lookup.h"
#include "settlement.h"
#include "tables.h"
#include "unsettled.h"

/* of a table of up to so many times as many rows as are looked up, all are read */
#define MANY_DEVICES	3

/* an entry's place among those of its device's twin, or of its report */
typedef struct EntryPlace
{
	FullTransactionId transaction;
	int64		ordinal;		/* drawn for its statement */
	int64		first;			/* the least of its transaction's */
	int64		statement;		/* its order within the transaction */
	TwinKind	kind;			/* of what was, if it is a twin's */
} EntryPlace;

/* an entry of a twin */
typedef struct TwinEntry
{
	EntryPlace	place;
	TimestampTz changed_at;
	const char *winner;			/* of what the twin was before it; not of the first entry */
} TwinEntry;

/* a table that each device is looked up in */
typedef struct DeviceTable
{
	Relation	relation;
	KeyLookup  *rows;
} DeviceTable;

/* what is known of the device whose entries are being read */
typedef struct UnsettledDevice
{
	SettledDevice device;		/* what the visitor is shown */
	DeviceState before;			/* when it was settled, as far as entries say */
	TwinEntry  *twins;			/* its twin's entries */
	int			twin_count;
	int			twin_limit;		/* allocated */
	int			first_twin;		/* the entry that before.tags is of */
	EntryPlace	report;			/* of the report's entry that before's report is of */
	bool		report_logged;	/* is there one? */
} UnsettledDevice;

typedef struct UnsettledScan
{
	DeploymentsAsked *asked;
	TallySum   *sum;			/* or NULL */
	DeviceVisitor visitor;		/* or NULL */
	void	   *arg;			/* the visitor's */
	DeviceTable twins;
	DeviceTable reports;
	DeviceTable assignments;
	MemoryContext per_device;	/* what current points to */
	UnsettledDevice current;	/* without a device_id: none */
	uint64		devices;		/* that were visited */
} UnsettledScan;

DeviceSet *
device_set(long limit)
{
	DeviceSet  *set = palloc(sizeof(DeviceSet));
	HASHCTL		control;

	memset(&control, 0, sizeof(control));
	control.keysize = control.entrysize = DEVICE_ID_SIZE;
	control.hcxt = CurrentMemoryContext;
	set->devices = hash_create("twinset devices", Min(limit, 1024), &control,
							   HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	set->limit = limit;
	return set;
}

DeviceSet *
device_set_of(const char *device_id)
{
	DeviceSet  *set = device_set(1);

	(void) hash_search(set->devices, device_id, HASH_ENTER, NULL);
	set->limit = 0;
	return set;
}

/* Is the entry's device in the set?  Where that may, it takes it in. */
static bool
in_set(void *arg, TupleTableSlot *entry)
{
	DeviceSet  *set = arg;
	char		device_id[DEVICE_ID_SIZE];
	bool		isnull;
	bool		found;

	text_to_cstring_buffer(DatumGetTextPP(slot_getattr(entry, Anum_change_device_id, &isnull)),
						   device_id, sizeof(device_id));
	if (set->limit == 0)
		return hash_search(set->devices, device_id, HASH_FIND, NULL) != NULL;
	(void) hash_search(set->devices, device_id, HASH_ENTER, &found);
	if (!found)
		set->limit--;
	return true;
}

/* Only the first of a device's entries: a part of the log that is not whole devices. */
static bool
in_set_once(void *arg, TupleTableSlot *entry)
{
	DeviceSet  *set = arg;
	char		device_id[DEVICE_ID_SIZE];
	bool		isnull;

	text_to_cstring_buffer(DatumGetTextPP(slot_getattr(entry, Anum_change_device_id, &isnull)),
						   device_id, sizeof(device_id));
	return hash_search(set->devices, device_id, HASH_REMOVE, NULL) != NULL;
}

static const char *
winner_of_tags(UnsettledScan *scan, JsonbContainer *tags)
{
	text	   *device_id = DatumGetTextPP(scan->current.device.device_id);

	return deployments_winner(scan->asked, VARDATA_ANY(device_id), VARSIZE_ANY_EXHDR(device_id), tags);
}

/* The device had this winner from then on. */
static void
note_winner(SettledDevice *device, const char **noted, const char *winner, TimestampTz since)
{
	if (same_winner(*noted, winner))
		return;
	*noted = winner;
	device->winner_since = since;
}

static int
compare_int64(int64 a, int64 b)
{
	return a < b ? -1 : a > b;
}

/* Within a transaction: by statement; then the twin that there was; then as they were written. */
static int
compare_in_transaction(const EntryPlace *a, const EntryPlace *b)
{
	if (a->statement != b->statement)
		return compare_int64(a->statement, b->statement);
	if ((a->kind == TWIN_NONE) != (b->kind == TWIN_NONE) && !RULE_IS_BROKEN(live_before_not))
		return b->kind == TWIN_NONE ? -1 : 1;
	return compare_int64(a->ordinal, b->ordinal);
}

static int
compare_transactions(const void *a, const void *b)
{
	const EntryPlace *left = &((const TwinEntry *) a)->place;
	const EntryPlace *right = &((const TwinEntry *) b)->place;

	if (!FullTransactionIdEquals(left->transaction, right->transaction))
		return FullTransactionIdPrecedes(left->transaction, right->transaction) ? -1 : 1;
	return compare_int64(left->ordinal, right->ordinal);
}

static int
compare_entries(const void *a, const void *b)
{
	const EntryPlace *left = &((const TwinEntry *) a)->place;
	const EntryPlace *right = &((const TwinEntry *) b)->place;

	if (left->first != right->first)
		return compare_int64(left->first, right->first);
	return compare_in_transaction(left, right);
}

/* Put the twin's entries in the order in which they were written. */
static void
order_entries(UnsettledDevice *current)
{
	if (current->twin_count < 2)
		return;
	qsort(current->twins, current->twin_count, sizeof(TwinEntry), compare_transactions);
	for (int i = 0; i < current->twin_count; i++)
	{
		EntryPlace *place = &current->twins[i].place;
		EntryPlace *previous = i == 0 ? NULL : &current->twins[i - 1].place;

		place->first = previous != NULL &&
			FullTransactionIdEquals(place->transaction, previous->transaction) ?
			previous->first : place->ordinal;
	}
	qsort(current->twins, current->twin_count, sizeof(TwinEntry), compare_entries);
}

/*
 * Look up what the device is now, and what it was assigned.  Its twin only
 * where the log holds it: else all that it was is what it was settled for.
 */
static void
look_up(UnsettledScan *scan)
{
	SettledDevice *device = &scan->current.device;
	TupleTableSlot *twin = scan->current.twin_count == 0 ? NULL :
		key_lookup(scan->twins.rows, device->device_id);
	TupleTableSlot *report = key_lookup(scan->reports.rows, device->device_id);
	TupleTableSlot *assignment = key_lookup(scan->assignments.rows, device->device_id);
	bool		isnull;

	device->now.kind = twin_kind(twin);
	if (device->now.kind == TWIN_LIVE)
		device->now.tags = &DatumGetJsonbP(slot_getattr(twin, Anum_twin_tags, &isnull))->root;
	if (report != NULL)
	{
		device->now.reported = true;
		device->now.revision = DatumGetInt64(slot_getattr(report, Anum_report_revision, &isnull));
		device->now.code = DatumGetInt32(slot_getattr(report, Anum_report_code, &isnull));
	}
	if (assignment != NULL)
	{
		device->assignment.deployment_id =
			TextDatumGetCString(slot_getattr(assignment, Anum_assignment_deployment_id, &isnull));
		device->assignment.assigned_at =
			DatumGetTimestampTz(slot_getattr(assignment, Anum_assignment_assigned_at, &isnull));
		device->assignment.row = assignment->tts_tid;
	}
}

/* What no entry says is as it was. */
static void
complete_before(UnsettledDevice *current)
{
	DeviceState *now = &current->device.now;

	if (!current->report_logged)
	{
		current->before.reported = now->reported;
		current->before.revision = now->revision;
		current->before.code = now->code;
	}
}

/* Only the report is another: the winner is the settled one, whose healthy and unhealthy move. */
static void
keep_winner(UnsettledScan *scan)
{
	SettledDevice *device = &scan->current.device;

	device->winner = device->assignment.deployment_id;
	if (scan->sum != NULL && device->winner != NULL)
		tally_sum_kept(scan->sum, device->winner, &scan->current.before, &device->now);
}

/* Its winner now; and what it has added to the counts. */
static void
match(UnsettledScan *scan)
{
	UnsettledDevice *current = &scan->current;
	SettledDevice *device = &current->device;
	text	   *id = DatumGetTextPP(device->device_id);
	int			slot;

	if (scan->sum == NULL)
	{
		device->winner = device->now.kind == TWIN_LIVE ? winner_of_tags(scan, device->now.tags) : NULL;
		return;
	}
	slot = tally_sum_changed(scan->sum, VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id), &current->before, &device->now);
	device->winner = slot < 0 ? NULL : matcher_deployment_id(scan->asked->matcher, slot);
}

/* All entries of the device have been read. */
static void
finish_device(UnsettledScan *scan)
{
	UnsettledDevice *current = &scan->current;
	SettledDevice *device = &current->device;
	const char *winner;

	if (DatumGetPointer(device->device_id) == NULL)
		return;

	look_up(scan);
	complete_before(current);
	if (current->twin_count == 0)
		keep_winner(scan);
	else
		match(scan);

	/* the winners that it had, one entry after the other */
	winner = device->assignment.deployment_id;
	device->winner_since = device->assignment.assigned_at;
	order_entries(current);
	for (int i = 1; i < current->twin_count; i++)
		note_winner(device, &winner, current->twins[i].winner, current->twins[i - 1].changed_at);
	note_winner(device, &winner, device->winner,
				current->twin_count > 0 ? current->twins[current->twin_count - 1].changed_at :
				GetCurrentTransactionStartTimestamp());

	scan->devices++;
	if (scan->visitor != NULL)
		scan->visitor(scan->arg, device);

	memset(current, 0, sizeof(*current));
	MemoryContextReset(scan->per_device);
}

/*
 * An entry of the device's report.  Entries come in the order of their
 * ordinals, so the first one read is of the transaction that was first; but
 * not of its first statement, perhaps.
 */
static void
read_report_entry(UnsettledDevice *current, const EntryPlace *place, TupleTableSlot *entry)
{
	DeviceState *before = &current->before;
	bool		isnull;

	if (current->report_logged && !RULE_IS_BROKEN(first_image) &&
		(!FullTransactionIdEquals(place->transaction, current->report.transaction) ||
		 compare_in_transaction(place, &current->report) > 0))
		return;
	current->report_logged = true;
	current->report = *place;
	before->revision = DatumGetInt64(slot_getattr(entry, Anum_change_revision, &isnull));
	before->reported = !isnull;
	before->code = DatumGetInt32(slot_getattr(entry, Anum_change_code, &isnull));
}

/*
 * An entry of the device's twin, likewise.  Of all but the first no more is
 * kept than who won, so that a device that was changed very often fits in
 * memory.
 */
static void
read_twin_entry(UnsettledScan *scan, const EntryPlace *place, TupleTableSlot *entry)
{
	UnsettledDevice *current = &scan->current;
	DeviceState *before = &current->before;
	TwinEntry  *added;
	TwinEntry  *first;
	bool		isnull;

	if (scan->sum != NULL)
		scan->asked->matcher = tally_sum_matcher(scan->sum);
	if (current->twin_count == current->twin_limit)
	{
		current->twin_limit = Max(current->twin_limit * 2, 4);
		current->twins = current->twins == NULL ?
			palloc(sizeof(TwinEntry) * current->twin_limit) :
			repalloc_huge(current->twins, sizeof(TwinEntry) * current->twin_limit);
	}
	added = &current->twins[current->twin_count++];
	added->place = *place;
	added->winner = NULL;
	added->changed_at = DatumGetTimestampTz(slot_getattr(entry, Anum_change_changed_at, &isnull));

	first = &current->twins[current->first_twin];
	if (added == first || RULE_IS_BROKEN(first_image) ||
		(FullTransactionIdEquals(place->transaction, first->place.transaction) &&
		 compare_in_transaction(place, &first->place) < 0))
	{
		if (added != first)
			first->winner = before->kind == TWIN_LIVE ? winner_of_tags(scan, before->tags) : NULL;
		current->first_twin = current->twin_count - 1;
		before->kind = place->kind;
		before->tags = before->kind == TWIN_LIVE ?
			&DatumGetJsonbPCopy(slot_getattr(entry, Anum_change_tags, &isnull))->root : NULL;
	}
	else if (place->kind == TWIN_LIVE)
	{
		Datum		stored = slot_getattr(entry, Anum_change_tags, &isnull);
		Jsonb	   *tags = DatumGetJsonbP(stored);

		added->winner = winner_of_tags(scan, &tags->root);
		if ((Pointer) tags != DatumGetPointer(stored))
			pfree(tags);
	}
}

static void
read_entry(UnsettledScan *scan, TupleTableSlot *entry)
{
	UnsettledDevice *current = &scan->current;
	EntryPlace	place;
	bool		live;
	bool		isnull;
	Datum		device_id = slot_getattr(entry, Anum_change_device_id, &isnull);

	if (DatumGetPointer(current->device.device_id) == NULL ||
		!DatumGetBool(DirectFunctionCall2Coll(texteq, C_COLLATION_OID,
											  device_id, current->device.device_id)))
	{
		finish_device(scan);
		current->device.device_id = PointerGetDatum(DatumGetTextPCopy(device_id));
	}

	place.ordinal = place.first = DatumGetInt64(slot_getattr(entry, Anum_change_ordinal, &isnull));
	place.transaction = DatumGetFullTransactionId(slot_getattr(entry, Anum_change_transaction, &isnull));
	place.statement = DatumGetInt64(slot_getattr(entry, Anum_change_statement, &isnull));
	place.kind = TWIN_NONE;
	live = DatumGetBool(slot_getattr(entry, Anum_change_live, &isnull));
	if (isnull)
		read_report_entry(current, &place, entry);
	else
	{
		place.kind = live ? TWIN_LIVE : DatumGetInt32(slot_getattr(entry, Anum_change_code, &isnull));
		read_twin_entry(scan, &place, entry);
	}
}

uint64
unsettled_changes(uint64 *devices)
{
	DeviceSet  *set = device_set(LONG_MAX);
	ChangeScan *entries = change_scan_begin(GetActiveSnapshot());
	TupleTableSlot *entry;
	uint64		changes = 0;

	while ((entry = change_scan_next(entries)) != NULL)
	{
		(void) in_set(set, entry);
		changes++;
	}
	change_scan_end(entries);
	*devices = hash_get_num_entries(set->devices);
	hash_destroy(set->devices);
	return changes;
}

/* Open a table in which so many devices are looked up, in the order of their ids. */
static DeviceTable
open_table(const char *name, Snapshot snapshot, uint64 devices)
{
	DeviceTable table;
	BlockNumber pages;
	double		rows;
	double		all_visible;

	table.relation = table_open(settlement_table(name), AccessShareLock);
	estimate_rel_size(table.relation, NULL, &pages, &rows, &all_visible);
	table.rows = rows < (double) devices * MANY_DEVICES ?
		key_lookup_begin_ascending(table.relation, snapshot) :
		key_lookup_begin(table.relation, snapshot);
	return table;
}

static void
close_table(DeviceTable *table)
{
	key_lookup_end(table->rows);
	table_close(table->relation, NoLock);
}

uint64
unsettled_visit(DeploymentsAsked *asked, TallySum *sum, DeviceSet *set,
				DeviceVisitor visitor, void *arg)
{
	UnsettledScan scan = {.asked = asked,.sum = sum,.visitor = visitor,.arg = arg};
	Snapshot	snapshot = GetActiveSnapshot();
	Relation	log = table_open(settlement_table("change"), AccessShareLock);
	uint64		count;
	Tuplesortstate *sort = change_scan_sorted(snapshot, NULL, set == NULL ? NULL : in_set, set, &count);
	TupleTableSlot *entry = MakeSingleTupleTableSlot(RelationGetDescr(log), &TTSOpsMinimalTuple);
	MemoryContext caller;

	scan.twins = open_table("twin", snapshot, count);
	scan.reports = open_table("report", snapshot, count);
	scan.assignments = open_table("assignment", snapshot, count);
	scan.per_device = AllocSetContextCreate(CurrentMemoryContext, "twinset unsettled device",
											ALLOCSET_DEFAULT_SIZES);

	caller = MemoryContextSwitchTo(scan.per_device);
	while (tuplesort_gettupleslot(sort, true, false, entry, NULL))
	{
		CHECK_FOR_INTERRUPTS();
		read_entry(&scan, entry);
	}
	finish_device(&scan);
	MemoryContextSwitchTo(caller);

	MemoryContextDelete(scan.per_device);
	close_table(&scan.twins);
	close_table(&scan.reports);
	close_table(&scan.assignments);
	ExecDropSingleTupleTableSlot(entry);
	tuplesort_end(sort);
	table_close(log, NoLock);
	return scan.devices;
}

void
unsettled_delete(Snapshot snapshot, DeviceSet *set)
{
	/* it has all that it shall have */
	if (set != NULL)
		set->limit = 0;
	change_delete(snapshot, set == NULL ? NULL : RULE_IS_BROKEN(whole_devices) ? in_set_once : in_set, set);
}
