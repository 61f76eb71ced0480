/*-------------------------------------------------------------------------
 *
 * settle.c
 *	  Bringing the settled state up to date.
 *
 * Settled state is what brute force gives for the twins and reports of one
 * snapshot, S, and for the deployments: in assignment each device's winner,
 * in tally each deployment's counts.  What changed since S is in the log.
 *
 * A settlement holds the settlement lock, takes one snapshot after it got the
 * lock, and does all with that:
 *
 *	1. the log, for the deployments as they were: each of its devices adds to
 *	   the tally the difference between what it was and what it is, and its
 *	   winner is written where it is another; then its entries are deleted,
 *	   those that the snapshot sees;
 *	2. the deployments that changed: each device that they target or did is
 *	   looked at once.  The counts of the deployments that changed are counted
 *	   anew, those of the others moved by the winners won and lost.
 *
 * So S becomes this snapshot, and the next settlement waits until it can see
 * all of it.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "assignment.h"
#include "deployments.h"
#include "owner.h"
#include "settle.h"
#include "settlement.h"
#include "unsettled.h"

/* rows that are fetched at once */
#define FETCH_ROWS		1000

/* conditions that are looked up each by its own index scan; more: one pass over the fleet */
#define MAX_CONDITIONS	16

typedef struct Settlement
{
	OwnerContext owner;
	MemoryContext context;		/* for the settlement */
	Snapshot	snapshot;		/* S */
	Matcher    *matcher;		/* of the deployments of this step */
	int			count;			/* of them */
	HTAB	   *ranks;			/* their ranks by id, once somebody asked */
	Tally	   *tallies;		/* by rank */
	bool	   *counted_anew;	/* by rank: tallies has the whole count; NULL: nowhere */
	AssignmentWriter *assignments;	/* while winners are written */
	uint64		devices;		/* that were looked at in a pass */
	uint64		moved;			/* whose winner was written */
} Settlement;

static void
begin_settlement(Settlement *settlement)
{
	memset(settlement, 0, sizeof(*settlement));
	owner_begin(&settlement->owner, settlement_table("settlement"));
	settlement->context = AllocSetContextCreate(CurrentMemoryContext, "twinset settlement",
												ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(settlement->context);

	/* rule: one snapshot a settlement, taken after the lock was got */
	CommandCounterIncrement();
	settlement->snapshot = RegisterSnapshot(GetTransactionSnapshot());
	PushActiveSnapshot(settlement->snapshot);
}

/* What the settlement has written is seen by its next step. */
static void
next_step(Settlement *settlement)
{
	PopActiveSnapshot();
	CommandCounterIncrement();
	PushCopiedSnapshot(settlement->snapshot);
	UpdateActiveSnapshotCommandId();
}

static void
end_settlement(Settlement *settlement)
{
	PopActiveSnapshot();
	UnregisterSnapshot(settlement->snapshot);
	/* the context goes with SPI's */
	owner_end(&settlement->owner);
}

static void
use_matcher(Settlement *settlement, Matcher *matcher)
{
	settlement->matcher = matcher;
	(void) matcher_deployments(matcher, &settlement->count);
	settlement->tallies = MemoryContextAllocExtended(settlement->context,
													 sizeof(Tally) * Max(settlement->count, 1),
													 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	settlement->counted_anew = NULL;
	settlement->ranks = NULL;
}

static Datum
array_of(Datum *values, int count, Oid type)
{
	ArrayType  *array = type == TEXTOID ?
		construct_array(values, count, TEXTOID, -1, false, TYPALIGN_INT) :
		construct_array(values, count, type, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);

	return PointerGetDatum(array);
}

/* Write the device's winner, where it is not the one that it had. */
static void
assign(void *arg, const SettledDevice *device)
{
	Settlement *settlement = arg;
	int			count;

	if (unsettled_moved(settlement->matcher, device->assignment.deployment_id, device->winner) ||
		(device->winner >= 0 && device->winner_since != device->assignment.assigned_at))
		assignment_write(settlement->assignments, device->device_id, &device->assignment,
						 device->winner < 0 ? NULL :
						 matcher_deployments(settlement->matcher, &count)[device->winner].deployment_id,
						 device->winner_since);
}

/* counted_anew: those deployments' rows are replaced; otherwise the others' are moved. */
static void
write_tallies(Settlement *settlement, bool counted_anew)
{
	static SPIPlanPtr move_plan = NULL;
	static SPIPlanPtr replace_plan = NULL;
	static const Oid types[] = {TEXTARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID};
	MatcherDeployment *deployments = matcher_deployments(settlement->matcher, &settlement->count);
	Size		size = sizeof(Datum) * Max(settlement->count, 1);
	Datum	   *columns[5];
	Datum		values[5];
	int			rows = 0;

	for (int i = 0; i < (int) lengthof(columns); i++)
		columns[i] = MemoryContextAllocHuge(CurrentMemoryContext, size);
	for (int rank = 0; rank < settlement->count; rank++)
	{
		Tally	   *tally = &settlement->tallies[rank];
		bool		anew = settlement->counted_anew != NULL && settlement->counted_anew[rank];

		if (anew != counted_anew ||
			(!anew && tally->target == 0 && tally->actual == 0 &&
			 tally->healthy == 0 && tally->unhealthy == 0))
			continue;
		columns[0][rows] = CStringGetTextDatum(deployments[rank].deployment_id);
		columns[1][rows] = Int64GetDatum(tally->target);
		columns[2][rows] = Int64GetDatum(tally->actual);
		columns[3][rows] = Int64GetDatum(tally->healthy);
		columns[4][rows] = Int64GetDatum(tally->unhealthy);
		rows++;
	}
	if (rows == 0)
		return;

	values[0] = array_of(columns[0], rows, TEXTOID);
	for (int i = 1; i < (int) lengthof(columns); i++)
		values[i] = array_of(columns[i], rows, INT8OID);
	if (counted_anew)
		owner_plan(&replace_plan,
				   "INSERT INTO twinset.tally AS t (deployment_id, target, actual, healthy, unhealthy)"
				   " SELECT * FROM unnest($1, $2, $3, $4, $5)"
				   " ON CONFLICT (deployment_id) DO UPDATE SET target = excluded.target,"
				   " actual = excluded.actual, healthy = excluded.healthy, unhealthy = excluded.unhealthy"
				   " WHERE (t.target, t.actual, t.healthy, t.unhealthy) IS DISTINCT FROM"
				   " (excluded.target, excluded.actual, excluded.healthy, excluded.unhealthy)",
				   lengthof(types), types);
	else
		owner_plan(&move_plan,
				   "UPDATE twinset.tally AS t SET target = t.target + d.target,"
				   " actual = t.actual + d.actual, healthy = t.healthy + d.healthy,"
				   " unhealthy = t.unhealthy + d.unhealthy"
				   " FROM unnest($1, $2, $3, $4, $5)"
				   " AS d (deployment_id, target, actual, healthy, unhealthy)"
				   " WHERE t.deployment_id = d.deployment_id",
				   lengthof(types), types);
	settlement->moved += owner_execute(counted_anew ? replace_plan : move_plan, values, NULL, NULL);
}

/* Settle the log's devices, or those of them that a set takes in. */
static void
settle_entries(Settlement *settlement, Matcher *matcher, DeviceSet *set)
{
	use_matcher(settlement, matcher);
	settlement->assignments = assignment_writer_begin();
	settlement->devices += unsettled_visit(matcher, settlement->tallies, set, assign, settlement);
	settlement->moved += assignment_writer_end(settlement->assignments);
	write_tallies(settlement, false);
	unsettled_delete(settlement->snapshot, set);
}

void
settle_log(int limit)
{
	Settlement	settlement;

	begin_settlement(&settlement);
	if (unsettled_any())
		settle_entries(&settlement, deployments_matcher(), limit > 0 ? device_set(limit) : NULL);
	end_settlement(&settlement);
}

/* The rank of a deployment by its id, -1 where it is gone. */
static int
rank_of(Settlement *settlement, const char *deployment_id)
{
	DeploymentEntry *entry;

	if (settlement->ranks == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(settlement->context);
		MatcherDeployment *deployments = matcher_deployments(settlement->matcher, &settlement->count);

		settlement->ranks = deployment_table(settlement->count);
		for (int rank = 0; rank < settlement->count; rank++)
		{
			entry = hash_search(settlement->ranks, deployments[rank].deployment_id, HASH_ENTER, NULL);
			entry->rank = rank;
		}
		MemoryContextSwitchTo(caller);
	}
	entry = hash_search(settlement->ranks, deployment_id, HASH_FIND, NULL);
	return entry == NULL ? -1 : entry->rank;
}

/* A device's winner moves: so do the counts of those that are not counted anew. */
static void
move_winner(Settlement *settlement, const SettledDevice *device)
{
	const char *assigned = device->assignment.deployment_id;
	int			before = assigned == NULL ? -1 : rank_of(settlement, assigned);

	if (before >= 0 && !settlement->counted_anew[before])
		tally_winner(settlement->tallies, settlement->matcher, before, &device->now, -1);
	if (device->winner >= 0 && !settlement->counted_anew[device->winner])
		tally_winner(settlement->tallies, settlement->matcher, device->winner, &device->now, 1);
}

/* One device of a pass: the columns of visit_devices(). */
static void
visit_device(Settlement *settlement, HeapTuple row, TupleDesc desc)
{
	SettledDevice device;
	text	   *device_id;
	const int  *ranks;
	int			count;
	Datum		value;
	bool		isnull;

	memset(&device, 0, sizeof(device));
	device.device_id = SPI_getbinval(row, desc, 1, &isnull);
	device.now.live = true;
	device.now.tags = &DatumGetJsonbP(SPI_getbinval(row, desc, 2, &isnull))->root;
	device.now.revision = DatumGetInt64(SPI_getbinval(row, desc, 3, &isnull));
	device.now.reported = !isnull;
	device.now.code = DatumGetInt32(SPI_getbinval(row, desc, 4, &isnull));
	value = SPI_getbinval(row, desc, 5, &isnull);
	if (!isnull)
	{
		device.assignment.deployment_id = TextDatumGetCString(value);
		device.assignment.assigned_at = DatumGetTimestampTz(SPI_getbinval(row, desc, 6, &isnull));
		device.assignment.row = *(ItemPointer) DatumGetPointer(SPI_getbinval(row, desc, 7, &isnull));
	}
	device.winner_since = device.assignment.assigned_at;

	device_id = DatumGetTextPP(device.device_id);
	count = matcher_all(settlement->matcher, VARDATA_ANY(device_id), VARSIZE_ANY_EXHDR(device_id),
						device.now.tags, &ranks);
	device.winner = count > 0 ? ranks[0] : -1;
	for (int i = 0; i < count; i++)
	{
		if (settlement->counted_anew[ranks[i]])
			settlement->tallies[ranks[i]].target++;
	}
	if (device.winner >= 0 && settlement->counted_anew[device.winner])
		tally_winner(settlement->tallies, settlement->matcher, device.winner, &device.now, 1);
	if (unsettled_moved(settlement->matcher, device.assignment.deployment_id, device.winner))
	{
		device.winner_since = GetCurrentTransactionStartTimestamp();
		move_winner(settlement, &device);
		assign(settlement, &device);
	}
}

/* Look at each live device for which this holds (SQL that begins with AND, or nothing). */
static void
visit_devices(Settlement *settlement, const char *restriction)
{
	MemoryContext per_device = AllocSetContextCreate(settlement->context, "twinset settled device",
													 ALLOCSET_DEFAULT_SIZES);
	Portal		portal;
	SPIPlanPtr	plan;
	uint64		rows;

	plan = SPI_prepare(psprintf("SELECT t.device_id, t.tags, r.revision, r.code,"
								" a.deployment_id, a.assigned_at, a.ctid"
								" FROM twinset.twin AS t"
								" LEFT JOIN twinset.report AS r ON r.device_id = t.device_id"
								" LEFT JOIN twinset.assignment AS a ON a.device_id = t.device_id"
								" WHERE t.iot_edge AND t.retired_at IS NULL%s", restriction),
					   0, NULL);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	settlement->assignments = assignment_writer_begin();
	portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	do
	{
		SPITupleTable *fetched;

		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		fetched = SPI_tuptable;
		rows = SPI_processed;
		for (uint64 i = 0; i < rows; i++)
		{
			MemoryContext caller = MemoryContextSwitchTo(per_device);

			CHECK_FOR_INTERRUPTS();
			visit_device(settlement, fetched->vals[i], fetched->tupdesc);
			MemoryContextSwitchTo(caller);
			MemoryContextReset(per_device);
		}
		settlement->devices += rows;
		SPI_freetuptable(fetched);
	} while (rows > 0);
	SPI_cursor_close(portal);
	SPI_freeplan(plan);
	settlement->moved += assignment_writer_end(settlement->assignments);
}

/* Add a condition to those that are looked up, unless it is there already. */
static List *
add_condition(List *conditions, const Condition *condition)
{
	char	   *literal;
	size_t		length;
	ListCell   *cell;

	if (condition == NULL || condition->root.kind == CONDITION_NOTHING ||
		list_length(conditions) > MAX_CONDITIONS)
		return conditions;
	literal = quote_literal_cstr(condition_to_text(condition, &length));
	foreach(cell, conditions)
	{
		if (strcmp(lfirst(cell), literal) == 0)
			return conditions;
	}
	return lappend(conditions, literal);
}

/*
 * The devices that the changed deployments target or did: by an index scan
 * for each condition where they are few, by a pass over the fleet otherwise.
 */
static void
visit_targeted(Settlement *settlement, List *conditions)
{
	StringInfoData restriction;
	ListCell   *cell;

	if (conditions == NIL)
		return;
	initStringInfo(&restriction);
	if (list_length(conditions) <= MAX_CONDITIONS)
	{
		foreach(cell, conditions)
			appendStringInfo(&restriction, "%s twinset.matches(t.device_id, t.tags, %s)",
							 restriction.len == 0 ? " AND (" : " OR", (char *) lfirst(cell));
		appendStringInfoChar(&restriction, ')');
	}
	visit_devices(settlement, restriction.data);
}

/* The counts of deployments that are gone go too. */
static void
remove_tallies(Settlement *settlement)
{
	static SPIPlanPtr plan = NULL;

	owner_plan(&plan, "DELETE FROM twinset.tally AS t WHERE NOT EXISTS"
			   " (SELECT FROM twinset.deployment AS d WHERE d.deployment_id = t.deployment_id)",
			   0, NULL);
	settlement->moved += owner_execute(plan, NULL, settlement->snapshot, InvalidSnapshot);
}

/* Winners that belong to no live device go too. */
static void
remove_assignments(Settlement *settlement)
{
	static SPIPlanPtr plan = NULL;

	owner_plan(&plan, "DELETE FROM twinset.assignment AS a WHERE NOT EXISTS"
			   " (SELECT FROM twinset.twin AS t WHERE t.device_id = a.device_id"
			   " AND t.iot_edge AND t.retired_at IS NULL)", 0, NULL);
	settlement->moved += owner_execute(plan, NULL, settlement->snapshot, InvalidSnapshot);
}

static void
settle_changed(Settlement *settlement, List *images)
{
	HTAB	   *changed = deployment_table(list_length(images));
	List	   *conditions = NIL;
	MatcherDeployment *deployments;
	ListCell   *cell;

	foreach(cell, images)
	{
		DeploymentImage *image = lfirst(cell);

		(void) hash_search(changed, image->was.deployment_id, HASH_ENTER, NULL);
		if (image->existed)
			conditions = add_condition(conditions, image->was.condition);
	}

	use_matcher(settlement, deployments_matcher());
	deployments = matcher_deployments(settlement->matcher, &settlement->count);
	settlement->counted_anew = MemoryContextAllocExtended(settlement->context,
														  Max(settlement->count, 1),
														  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int rank = 0; rank < settlement->count; rank++)
	{
		if (hash_search(changed, deployments[rank].deployment_id, HASH_FIND, NULL) == NULL)
			continue;
		settlement->counted_anew[rank] = true;
		settlement_note_revision(deployments[rank].revision);
		conditions = add_condition(conditions, deployments[rank].condition);
	}

	visit_targeted(settlement, conditions);
	write_tallies(settlement, false);
	write_tallies(settlement, true);
	remove_tallies(settlement);
}

void
settle_deployments(List *images)
{
	Settlement	settlement;

	begin_settlement(&settlement);
	if (unsettled_any())
	{
		settle_entries(&settlement, deployments_matcher_before(settlement.context, images), NULL);
		next_step(&settlement);
	}
	settle_changed(&settlement, images);
	end_settlement(&settlement);
	settlement_keep_revision();
}

uint64
settle_everything(uint64 *devices)
{
	Settlement	settlement;

	begin_settlement(&settlement);
	if (unsettled_any())
	{
		settle_entries(&settlement, deployments_matcher(), NULL);
		next_step(&settlement);
	}

	settlement.devices = settlement.moved = 0;
	use_matcher(&settlement, deployments_matcher());
	settlement.counted_anew = MemoryContextAllocExtended(settlement.context,
														 Max(settlement.count, 1), MCXT_ALLOC_HUGE);
	memset(settlement.counted_anew, true, settlement.count);
	for (int rank = 0; rank < settlement.count; rank++)
		settlement_note_revision(matcher_deployments(settlement.matcher, &settlement.count)[rank].revision);
	visit_devices(&settlement, "");
	write_tallies(&settlement, true);
	remove_tallies(&settlement);
	remove_assignments(&settlement);
	end_settlement(&settlement);
	settlement_keep_revision();
	*devices = settlement.devices;
	return settlement.moved;
}

void
settle_without_twins(void)
{
	static SPIPlanPtr report_plan = NULL;
	static SPIPlanPtr change_plan = NULL;
	static SPIPlanPtr assignment_plan = NULL;
	static SPIPlanPtr tally_plan = NULL;
	OwnerContext owner;

	owner_begin(&owner, settlement_table("settlement"));
	owner_plan(&report_plan, "DELETE FROM twinset.report", 0, NULL);
	owner_execute(report_plan, NULL, GetLatestSnapshot(), InvalidSnapshot);
	owner_plan(&change_plan, "DELETE FROM twinset.change", 0, NULL);
	owner_execute(change_plan, NULL, GetLatestSnapshot(), InvalidSnapshot);
	owner_plan(&assignment_plan, "DELETE FROM twinset.assignment", 0, NULL);
	owner_execute(assignment_plan, NULL, NULL, NULL);
	owner_plan(&tally_plan, "UPDATE twinset.tally SET target = 0, actual = 0, healthy = 0, unhealthy = 0",
			   0, NULL);
	owner_execute(tally_plan, NULL, NULL, NULL);
	owner_end(&owner);
}
