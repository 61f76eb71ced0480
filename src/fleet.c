/*-------------------------------------------------------------------------
 *
 * fleet.c
 *	  The live devices, as they are settled.
 *
 * How a condition's devices are found is the planner's to say: matches() with
 * a constant becomes index conditions on tags and the key.  But it is told that
 * pages are cached: for one device in a hundred it would else read all
 * assignments and all reports, which takes twenty times as long.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "fleet.h"

/* rows that are fetched at once */
#define FETCH_ROWS		1000

/* random_page_cost, where it is not set lower still */
#define CACHED_PAGE_COST	1.1

/* who waits is told each so many milliseconds how far it is */
#define NOTICE_EACH		5000

#define FLEET_QUERY \
"SELECT t.device_id, t.tags, r.revision, r.code, a.deployment_id, a.assigned_at, a.ctid" \
" FROM twinset.twin AS t" \
" LEFT JOIN twinset.report AS r ON r.device_id = t.device_id" \
" LEFT JOIN twinset.assignment AS a ON a.device_id = t.device_id" \
" WHERE t.iot_edge AND t.retired_at IS NULL"

/* its columns */
enum
{
	FLEET_DEVICE_ID = 1,
	FLEET_TAGS,
	FLEET_REVISION,
	FLEET_CODE,
	FLEET_ASSIGNED,
	FLEET_ASSIGNED_AT,
	FLEET_ASSIGNMENT,
};

static SettledDevice
read_device(HeapTuple row, TupleDesc desc)
{
	SettledDevice device;
	Datum		value;
	bool		isnull;

	memset(&device, 0, sizeof(device));
	device.device_id = SPI_getbinval(row, desc, FLEET_DEVICE_ID, &isnull);
	device.now.kind = TWIN_LIVE;
	device.now.tags = &DatumGetJsonbP(SPI_getbinval(row, desc, FLEET_TAGS, &isnull))->root;
	device.now.revision = DatumGetInt64(SPI_getbinval(row, desc, FLEET_REVISION, &isnull));
	device.now.reported = !isnull;
	device.now.code = DatumGetInt32(SPI_getbinval(row, desc, FLEET_CODE, &isnull));
	value = SPI_getbinval(row, desc, FLEET_ASSIGNED, &isnull);
	if (!isnull)
	{
		device.assignment.deployment_id = TextDatumGetCString(value);
		device.assignment.assigned_at =
			DatumGetTimestampTz(SPI_getbinval(row, desc, FLEET_ASSIGNED_AT, &isnull));
		device.assignment.row =
			*(ItemPointer) DatumGetPointer(SPI_getbinval(row, desc, FLEET_ASSIGNMENT, &isnull));
	}
	return device;
}

static char *
fleet_query(List *conditions)
{
	StringInfoData query;
	ListCell   *cell;

	initStringInfo(&query);
	appendStringInfoString(&query, FLEET_QUERY);
	if (conditions == NIL || list_length(conditions) > FLEET_MAX_CONDITIONS)
		return query.data;
	foreach(cell, conditions)
	{
		size_t		length;

		appendStringInfo(&query, " %s twinset.matches(t.device_id, t.tags, %s)",
						 foreach_current_index(cell) == 0 ? "AND (" : "OR",
						 quote_literal_cstr(condition_to_text(lfirst(cell), &length)));
	}
	appendStringInfoChar(&query, ')');
	return query.data;
}

static Portal
open_cursor(SPIPlanPtr plan)
{
	int			level = NewGUCNestLevel();
	char		cost[32];
	Portal		portal;

	snprintf(cost, sizeof(cost), "%g", Min(random_page_cost, CACHED_PAGE_COST));
	(void) set_config_option("random_page_cost", cost, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	AtEOXact_GUC(true, level);
	return portal;
}

uint64
fleet_visit(List *conditions, DeviceVisitor visitor, void *arg)
{
	MemoryContext per_device = AllocSetContextCreate(CurrentMemoryContext, "twinset fleet device",
													 ALLOCSET_DEFAULT_SIZES);
	SPIPlanPtr	plan = SPI_prepare(fleet_query(conditions), 0, NULL);
	Portal		portal;
	TimestampTz told_at = GetCurrentTimestamp();
	uint64		devices = 0;
	uint64		rows;

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	portal = open_cursor(plan);
	do
	{
		SPITupleTable *fetched;

		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		fetched = SPI_tuptable;
		rows = SPI_processed;
		for (uint64 i = 0; i < rows; i++)
		{
			MemoryContext caller = MemoryContextSwitchTo(per_device);
			SettledDevice device = read_device(fetched->vals[i], fetched->tupdesc);

			CHECK_FOR_INTERRUPTS();
			visitor(arg, &device);
			MemoryContextSwitchTo(caller);
			MemoryContextReset(per_device);
		}
		devices += rows;
		SPI_freetuptable(fetched);
		if (TimestampDifferenceExceeds(told_at, GetCurrentTimestamp(), NOTICE_EACH))
		{
			ereport(NOTICE,
					(errmsg("twinset has looked at " UINT64_FORMAT " devices so far", devices)));
			told_at = GetCurrentTimestamp();
		}
	} while (rows > 0);
	SPI_cursor_close(portal);
	SPI_freeplan(plan);
	MemoryContextDelete(per_device);
	return devices;
}
