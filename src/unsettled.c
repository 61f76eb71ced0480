/*-------------------------------------------------------------------------
 *
 * unsettled.c
 *	  The devices that the log holds: what they were, and what they are.
 *
 * Settling and reading both go through here: what a settlement would move is
 * what a reader adds to the settled state.
 *
 * One query gives the log's entries by device, each device's in the order of
 * their writing (see change_log.c), beside its twin, its report and its
 * assignment.  Of a device
 *
 *	the first twin's entry and the first report's entry say what it was when
 *	it was settled (the one that is missing: it is as it was);
 *	every further twin's entry says what the one before it had made of it, so
 *	the winners that it had in between are known, and since when it has the
 *	present one.
 *
 * Twins and reports are ordered apart: they are locked apart, so of two
 * transactions one can have written the report first and the other the twin.
 *
 * All of it is one query, and so one snapshot.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "owner.h"
#include "unsettled.h"

/* rows that are fetched at once */
#define FETCH_ROWS	1000

/*
 * Where there are fewer entries than this, each is looked up.  The planner
 * can't be left to choose: the log's size is that of its dead entries, and
 * after a bulk load each reader would go over the whole fleet.  The LIMIT,
 * which cuts off none, keeps it from thinking the plan worth compiling.
 */
#define FEW_ENTRIES		1000
#define FIRST_ENTRIES	"(SELECT * FROM twinset.change LIMIT " CppAsString2(FEW_ENTRIES) ") AS f"

#define UNSETTLED_QUERY(entries, join) \
"SELECT c.device_id, c.live, c.tags, c.revision, c.code, c.changed_at," \
" coalesce(t.iot_edge AND t.retired_at IS NULL, false), t.tags, r.revision, r.code," \
" a.deployment_id, a.assigned_at" \
" FROM (SELECT *, pg_catalog.min(ordinal) OVER" \
"       (PARTITION BY device_id, transaction, live IS NULL) AS first" \
"       FROM " entries ") AS c" \
" LEFT JOIN " join("twin", "t") \
" LEFT JOIN " join("report", "r") \
" LEFT JOIN " join("assignment", "a") \
" ORDER BY c.device_id, c.first, c.statement, c.live DESC, c.ordinal"

/* the planner chooses how to join; or a look-up for each entry (OFFSET 0 sees to that) */
#define JOINED(table, alias) \
	"twinset." table " AS " alias " ON " alias ".device_id = c.device_id"
#define LOOKED_UP(table, alias) \
	"LATERAL (SELECT * FROM twinset." table " AS x WHERE x.device_id = c.device_id OFFSET 0) AS " alias " ON true"

/* the columns of the query */
enum
{
	UNSETTLED_DEVICE_ID = 1,
	UNSETTLED_LIVE,
	UNSETTLED_TAGS,
	UNSETTLED_REVISION,
	UNSETTLED_CODE,
	UNSETTLED_CHANGED_AT,
	UNSETTLED_NOW_LIVE,
	UNSETTLED_NOW_TAGS,
	UNSETTLED_NOW_REVISION,
	UNSETTLED_NOW_CODE,
	UNSETTLED_ASSIGNED,
	UNSETTLED_ASSIGNED_AT,
};

/* what is known of the device whose entries are being read */
typedef struct UnsettledDevice
{
	SettledDevice device;		/* what the visitor is shown */
	DeviceState before;			/* when it was settled */
	bool		twin_logged;	/* has a twin's entry been read? */
	bool		report_logged;	/* has a report's? */
	TimestampTz changed_at;		/* of the last twin's entry; of any, before there is one */
	const char *winner_id;		/* in the order of the entries: the winner so far */
} UnsettledDevice;

typedef struct UnsettledScan
{
	Matcher    *matcher;
	Tally	   *tallies;		/* or NULL */
	DeviceVisitor visitor;		/* or NULL */
	void	   *arg;			/* the visitor's */
	MemoryContext per_device;	/* what current points to */
	UnsettledDevice current;	/* without a device_id: none */
	uint64		devices;		/* that were visited */
} UnsettledScan;

bool
unsettled_moved(Matcher *matcher, const char *assigned, int winner)
{
	int			count;

	if (winner < 0 || assigned == NULL)
		return winner >= 0 || assigned != NULL;
	return strcmp(matcher_deployments(matcher, &count)[winner].deployment_id, assigned) != 0;
}

static int
winner_of_tags(UnsettledScan *scan, JsonbContainer *tags)
{
	text	   *device_id = DatumGetTextPP(scan->current.device.device_id);

	return matcher_winner(scan->matcher, VARDATA_ANY(device_id), VARSIZE_ANY_EXHDR(device_id), tags);
}

/* The device had this winner from then on. */
static void
note_winner(UnsettledScan *scan, int winner, TimestampTz since)
{
	UnsettledDevice *current = &scan->current;
	int			count;

	if (!unsettled_moved(scan->matcher, current->winner_id, winner))
		return;
	current->winner_id = winner < 0 ? NULL :
		matcher_deployments(scan->matcher, &count)[winner].deployment_id;
	current->device.winner_since = since;
}

/* All entries of the device have been read. */
static void
finish_device(UnsettledScan *scan)
{
	UnsettledDevice *current = &scan->current;
	SettledDevice *device = &current->device;
	text	   *device_id;

	if (DatumGetPointer(device->device_id) == NULL)
		return;

	device_id = DatumGetTextPP(device->device_id);
	if (scan->tallies != NULL && current->twin_logged)
	{
		(void) tally_device(scan->tallies, scan->matcher, VARDATA_ANY(device_id),
							VARSIZE_ANY_EXHDR(device_id), &current->before, -1);
		device->winner = tally_device(scan->tallies, scan->matcher, VARDATA_ANY(device_id),
									  VARSIZE_ANY_EXHDR(device_id), &device->now, 1);
	}
	else
	{
		device->winner = device->now.live ? winner_of_tags(scan, device->now.tags) : -1;
		if (scan->tallies != NULL)
		{
			tally_winner(scan->tallies, scan->matcher, device->winner, &current->before, -1);
			tally_winner(scan->tallies, scan->matcher, device->winner, &device->now, 1);
		}
	}
	note_winner(scan, device->winner, current->changed_at);
	scan->devices++;
	if (scan->visitor != NULL)
		scan->visitor(scan->arg, device);

	memset(current, 0, sizeof(*current));
	MemoryContextReset(scan->per_device);
}

static DeviceState
read_report(DeviceState state, HeapTuple row, TupleDesc desc, int revision, int code)
{
	bool		isnull;

	state.revision = DatumGetInt64(SPI_getbinval(row, desc, revision, &isnull));
	state.reported = !isnull;
	state.code = DatumGetInt32(SPI_getbinval(row, desc, code, &isnull));
	return state;
}

static DeviceState
read_twin(DeviceState state, HeapTuple row, TupleDesc desc, int live, int tags)
{
	bool		isnull;

	state.live = DatumGetBool(SPI_getbinval(row, desc, live, &isnull));
	state.tags = state.live ?
		&DatumGetJsonbPCopy(SPI_getbinval(row, desc, tags, &isnull))->root : NULL;
	return state;
}

static void
begin_device(UnsettledScan *scan, HeapTuple row, TupleDesc desc)
{
	UnsettledDevice *current = &scan->current;
	SettledDevice *device = &current->device;
	Datum		value;
	bool		isnull;

	device->device_id = PointerGetDatum(DatumGetTextPCopy(SPI_getbinval(row, desc, UNSETTLED_DEVICE_ID, &isnull)));
	device->now = read_twin(device->now, row, desc, UNSETTLED_NOW_LIVE, UNSETTLED_NOW_TAGS);
	device->now = read_report(device->now, row, desc, UNSETTLED_NOW_REVISION, UNSETTLED_NOW_CODE);
	value = SPI_getbinval(row, desc, UNSETTLED_ASSIGNED, &isnull);
	device->assigned = isnull ? NULL : TextDatumGetCString(value);
	device->assigned_at = DatumGetTimestampTz(SPI_getbinval(row, desc, UNSETTLED_ASSIGNED_AT, &isnull));
	device->winner_since = device->assigned_at;
	current->before = device->now;
	current->winner_id = device->assigned;
}

static void
read_entry(UnsettledScan *scan, HeapTuple row, TupleDesc desc)
{
	UnsettledDevice *current = &scan->current;
	bool		isnull;
	Datum		device_id = SPI_getbinval(row, desc, UNSETTLED_DEVICE_ID, &isnull);
	TimestampTz changed_at;

	if (DatumGetPointer(current->device.device_id) == NULL ||
		!DatumGetBool(DirectFunctionCall2Coll(texteq, C_COLLATION_OID,
											  device_id, current->device.device_id)))
	{
		finish_device(scan);
		begin_device(scan, row, desc);
	}

	changed_at = DatumGetTimestampTz(SPI_getbinval(row, desc, UNSETTLED_CHANGED_AT, &isnull));
	(void) SPI_getbinval(row, desc, UNSETTLED_LIVE, &isnull);
	if (isnull)
	{
		if (!current->report_logged)
			current->before = read_report(current->before, row, desc, UNSETTLED_REVISION, UNSETTLED_CODE);
		current->report_logged = true;
		if (!current->twin_logged)
			current->changed_at = changed_at;
		return;
	}
	if (!current->twin_logged)
		current->before = read_twin(current->before, row, desc, UNSETTLED_LIVE, UNSETTLED_TAGS);
	else
	{
		DeviceState between = read_twin(current->before, row, desc, UNSETTLED_LIVE, UNSETTLED_TAGS);

		note_winner(scan, between.live ? winner_of_tags(scan, between.tags) : -1, current->changed_at);
	}
	current->twin_logged = true;
	current->changed_at = changed_at;
}

/* How many entries does the active snapshot see, of this many? */
static uint64
unsettled_count(int limit)
{
	static SPIPlanPtr plan = NULL;
	Datum		argument = Int32GetDatum(limit);

	owner_plan(&plan, "SELECT FROM twinset.change LIMIT $1", 1, (Oid[]) {INT4OID});
	return owner_read(plan, &argument);
}

bool
unsettled_any(void)
{
	return unsettled_count(1) > 0;
}

uint64
unsettled_visit(Matcher *matcher, Tally *tallies, ArrayType *devices,
				DeviceVisitor visitor, void *arg)
{
	static SPIPlanPtr all_plan = NULL;
	static SPIPlanPtr few_plan = NULL;
	static SPIPlanPtr some_plan = NULL;
	UnsettledScan scan = {.matcher = matcher,.tallies = tallies,.visitor = visitor,.arg = arg};
	Datum		ids = PointerGetDatum(devices);
	SPIPlanPtr	plan;
	Portal		portal;
	uint64		rows;

	if (devices != NULL)
		plan = owner_plan(&some_plan,
						  UNSETTLED_QUERY("twinset.change"
										  " WHERE device_id IN (SELECT pg_catalog.unnest($1))", JOINED),
						  1, (Oid[]) {TEXTARRAYOID});
	else if (unsettled_count(FEW_ENTRIES) < FEW_ENTRIES)
		plan = owner_plan(&few_plan, UNSETTLED_QUERY(FIRST_ENTRIES, LOOKED_UP), 0, NULL);
	else
		plan = owner_plan(&all_plan, UNSETTLED_QUERY("twinset.change", JOINED), 0, NULL);
	scan.per_device = AllocSetContextCreate(CurrentMemoryContext, "twinset unsettled device",
											ALLOCSET_DEFAULT_SIZES);

	portal = SPI_cursor_open(NULL, plan, &ids, NULL, true);
	do
	{
		SPITupleTable *fetched;

		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		fetched = SPI_tuptable;
		rows = SPI_processed;
		for (uint64 i = 0; i < rows; i++)
		{
			MemoryContext caller = MemoryContextSwitchTo(scan.per_device);

			CHECK_FOR_INTERRUPTS();
			read_entry(&scan, fetched->vals[i], fetched->tupdesc);
			MemoryContextSwitchTo(caller);
		}
		SPI_freetuptable(fetched);
	} while (rows > 0);
	finish_device(&scan);
	SPI_cursor_close(portal);
	MemoryContextDelete(scan.per_device);
	return scan.devices;
}
