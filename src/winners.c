/*-------------------------------------------------------------------------
 *
 * winners.c
 *	  What views and functions ask of the matcher and of the log.
 *
 * All of it reads with the active snapshot, which for a STABLE function is
 * that of the query that calls it: what is unsettled in that snapshot belongs
 * to the settled state that the query's own tables show.  Nothing is kept
 * from call to call but the compiled deployments (see deployments.c).
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "break_rules.h"
#include "change_scan.h"
#include "deployment_versions.h"
#include "deployments.h"
#include "device_winner.h"
#include "kept_matcher.h"
#include "owner.h"
#include "settle.h"
#include "settlement.h"
#include "statement.h"
#include "unsettled.h"

PG_FUNCTION_INFO_V1(twinset_unsettled_tally);
PG_FUNCTION_INFO_V1(twinset_unsettled_fleet);
PG_FUNCTION_INFO_V1(twinset_winner_of);
PG_FUNCTION_INFO_V1(twinset_targeting);
PG_FUNCTION_INFO_V1(twinset_reconcile);
PG_FUNCTION_INFO_V1(twinset_compiled_deployments);
PG_FUNCTION_INFO_V1(twinset_unsettled_changes);

/* What the devices in the log add to the counts; NULL: the log is empty. */
static TallySum *
unsettled_sum(void)
{
	DeploymentsAsked asked = {.context = CurrentMemoryContext};
	TallySum   *sum;

	if (!change_scan_any())
		return NULL;
	sum = tally_sum_begin(NULL);
	(void) unsettled_visit(&asked, sum, NULL, NULL, NULL);
	return sum;
}

static void
put_tally(void *arg, const char *deployment_id, const Tally *by)
{
	ReturnSetInfo *result = arg;
	Datum		values[5];
	bool		nulls[5] = {false};

	values[0] = CStringGetTextDatum(deployment_id);
	values[1] = Int64GetDatum(by->target);
	values[2] = Int64GetDatum(by->actual);
	values[3] = Int64GetDatum(by->healthy);
	values[4] = Int64GetDatum(by->unhealthy);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * unsettled_tally() -> setof (deployment_id, target, actual, healthy, unhealthy)
 */
Datum
twinset_unsettled_tally(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	OwnerContext owner;
	TallySum   *sum;

	InitMaterializedSRF(fcinfo, 0);
	owner_begin(&owner, settlement_table("settlement"));
	if (RULE_IS_BROKEN(snapshot_of_query))
		PushActiveSnapshot(GetLatestSnapshot());
	sum = unsettled_sum();
	if (sum != NULL)
		tally_sum_each(sum, put_tally, result);
	if (RULE_IS_BROKEN(snapshot_of_query))
		PopActiveSnapshot();
	owner_end(&owner);
	return (Datum) 0;
}

static void
add_tally(void *arg, const char *deployment_id, const Tally *by)
{
	tally_add(arg, by);
}

/*
 * unsettled_fleet() -> (provisioned, live, not_edge, retired, target, actual,
 *	healthy, unhealthy)
 */
Datum
twinset_unsettled_fleet(PG_FUNCTION_ARGS)
{
	FleetTally	fleet = {0};
	Tally		all = {0};
	OwnerContext owner;
	TallySum   *sum;
	TupleDesc	desc;
	Datum		values[8];
	bool		nulls[8] = {false};

	owner_begin(&owner, settlement_table("settlement"));
	sum = unsettled_sum();
	if (sum != NULL)
	{
		fleet = *tally_sum_fleet(sum);
		tally_sum_each(sum, add_tally, &all);
	}
	owner_end(&owner);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = Int64GetDatum(fleet.provisioned);
	values[1] = Int64GetDatum(fleet.live);
	values[2] = Int64GetDatum(fleet.not_edge);
	values[3] = Int64GetDatum(fleet.retired);
	values[4] = Int64GetDatum(all.target);
	values[5] = Int64GetDatum(all.actual);
	values[6] = Int64GetDatum(all.healthy);
	values[7] = Int64GetDatum(all.unhealthy);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/*
 * winner_of(device_id text, tags jsonb) -> text
 */
Datum
twinset_winner_of(PG_FUNCTION_ARGS)
{
	text	   *device_id = PG_GETARG_TEXT_PP(0);
	Jsonb	   *tags = PG_GETARG_JSONB_P(1);
	char	   *winner = match_device(device_id, &tags->root);

	if (winner == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(winner));
}

/*
 * targeting(device_id text, tags jsonb) -> setof (rank, deployment_id)
 */
Datum
twinset_targeting(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	text	   *device_id = PG_GETARG_TEXT_PP(0);
	Jsonb	   *tags = PG_GETARG_JSONB_P(1);
	OwnerContext owner;
	DeploymentsAsked asked;
	List	   *targeting;
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	owner_begin(&owner, settlement_table("settlement"));
	asked = deployments_ask();
	targeting = deployments_targeting(&asked, VARDATA_ANY(device_id), VARSIZE_ANY_EXHDR(device_id),
									  &tags->root);
	foreach(cell, targeting)
	{
		Datum		values[2];
		bool		nulls[2] = {false};

		values[0] = Int32GetDatum(foreach_current_index(cell) + 1);
		values[1] = CStringGetTextDatum(lfirst(cell));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	owner_end(&owner);
	return (Datum) 0;
}

/*
 * Let the extension's triggers fire as they must, where somebody has switched
 * them.  Before the settlement lock: it waits for those who write the tables.
 */
static uint64
repair_triggers(void)
{
	static SPIPlanPtr plan = NULL;
	OwnerContext owner;
	SPITupleTable *switched;
	uint64		count;

	owner_begin(&owner, settlement_table("settlement"));
	owner_plan(&plan, "SELECT pg_catalog.format('ALTER TABLE twinset.%I %s TRIGGER %I',"
			   " table_name, expected, trigger_name) FROM twinset.switched_triggers()", 0, NULL);
	count = owner_execute(plan, NULL, NULL, NULL);
	switched = SPI_tuptable;
	for (uint64 i = 0; i < count; i++)
	{
		int			result = SPI_execute(SPI_getvalue(switched->vals[i], switched->tupdesc, 1), false, 0);

		if (result < 0)
			elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
	}
	owner_end(&owner);
	return count;
}

/* Note a run where the view reconciliation shows it; the last thousand are kept. */
static void
note_run(TimestampTz started, uint64 checked, uint64 repaired)
{
	static SPIPlanPtr insert_plan = NULL;
	static SPIPlanPtr delete_plan = NULL;
	OwnerContext owner;
	Datum		values[3] = {TimestampTzGetDatum(started), Int64GetDatum((int64) checked), Int64GetDatum((int64) repaired)};

	owner_begin(&owner, settlement_table("settlement"));
	owner_plan(&insert_plan, "INSERT INTO twinset.reconciliation_run (started, finished, checked, repaired)"
			   " VALUES ($1, pg_catalog.clock_timestamp(), $2, $3)", 3, (Oid[]) {TIMESTAMPTZOID, INT8OID, INT8OID});
	owner_execute(insert_plan, values, NULL, NULL);
	owner_plan(&delete_plan, "DELETE FROM twinset.reconciliation_run WHERE finished <="
			   " (SELECT r.finished FROM twinset.reconciliation_run AS r ORDER BY r.finished DESC OFFSET 1000 LIMIT 1)",
			   0, NULL);
	owner_execute(delete_plan, NULL, NULL, NULL);
	owner_end(&owner);
}

static Datum
two_numbers(FunctionCallInfo fcinfo, int64 first, int64 second)
{
	TupleDesc	desc;
	Datum		values[2] = {Int64GetDatum(first), Int64GetDatum(second)};
	bool		nulls[2] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/*
 * reconcile() -> (checked bigint, repaired bigint)
 */
Datum
twinset_reconcile(PG_FUNCTION_ARGS)
{
	TimestampTz started = GetCurrentTimestamp();
	uint64		checked;
	uint64		repaired;
	uint64		triggers;

	if (statement_any_open())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("can't reconcile within a statement that writes twins, deployments or reports"),
				 errhint("Call reconcile() as a statement of its own.")));

	triggers = repair_triggers();
	if (triggers > 0)
		ereport(WARNING,
				(errmsg("reconcile() has switched " UINT64_FORMAT " triggers back to how they must fire", triggers),
				 errhint("ALTER TABLE ... ENABLE TRIGGER ALL forgets ALWAYS and REPLICA.")));
	settlement_lock(SETTLEMENT_OF_ALL);
	/* who has compiled what was changed past the triggers compiles it anew */
	deployment_versions_note(NIL);
	repaired = settle_everything(&checked);
	note_run(started, checked, repaired);
	if (repaired > 0)
		ereport(WARNING,
				(errmsg("reconcile() has repaired " UINT64_FORMAT " rows of derived data", repaired),
				 errhint("They are wrong where triggers did not fire, or derived tables were written by hand.")));
	PG_RETURN_DATUM(two_numbers(fcinfo, (int64) checked, (int64) repaired));
}

/*
 * compiled_deployments() -> (deployments bigint, bytes bigint)
 */
Datum
twinset_compiled_deployments(PG_FUNCTION_ARGS)
{
	int			deployments;
	Size		bytes = kept_matcher_size(&deployments);

	PG_RETURN_DATUM(two_numbers(fcinfo, deployments, (int64) bytes));
}

/*
 * unsettled_changes() -> (changes bigint, devices bigint)
 */
Datum
twinset_unsettled_changes(PG_FUNCTION_ARGS)
{
	uint64		devices;
	uint64		changes = unsettled_changes(&devices);

	PG_RETURN_DATUM(two_numbers(fcinfo, (int64) changes, (int64) devices));
}
