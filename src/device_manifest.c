/*-------------------------------------------------------------------------
 *
 * device_manifest.c
 *	  What a device is given when it asks what to run.
 *
 *	device_manifest('press-1', NULL)	base, 1795592914002144, {"modulesContent": ...}
 *	device_manifest('press-1', 1795592914002144)	nothing: it knows
 *
 * It reads tables that are granted to nobody, on behalf of whoever may call it.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "funcapi.h"
#include "utils/builtins.h"

#include "device_winner.h"
#include "manifest.h"

PG_FUNCTION_INFO_V1(twinset_device_manifest);

/* what is new for the device; false: nothing */
static bool
news_of(FunctionCallInfo fcinfo, DeviceWinner *winner)
{
	int64		known = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT64(1);
	DeviceWinners *winners;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("null value not allowed"),
				 errdetail("device_manifest() needs a device_id.")));
	winners = device_winners_begin();
	*winner = device_winner(winners, PG_GETARG_DATUM(0), true, PG_ARGISNULL(1) ? NULL : &known);
	device_winners_end(winners);
	return winner->found && DatumGetPointer(winner->content) != NULL;
}

static Datum
row_of_news(FunctionCallInfo fcinfo, const DeviceWinner *winner)
{
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = CStringGetTextDatum(winner->deployment_id);
	values[1] = Int64GetDatum(winner->revision);
	values[2] = JsonbPGetDatum(manifest_delivery(DatumGetManifestPP(winner->content)));
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/*
 * device_manifest(device_id text, known_revision bigint) -> setof
 *	(deployment_id text, revision bigint, content jsonb)
 *
 * One row, or none: the revision is known, no deployment applies, there is no
 * such device.  A null device_id raises 22004.  Stable: it reads with the
 * query's snapshot.  Cost: device_winner(); the manifest is parsed where it is
 * given.
 */
Datum
twinset_device_manifest(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;

	/* most polls end here, before anything is set up for rows */
	if (SRF_IS_FIRSTCALL())
	{
		DeviceWinner winner;
		MemoryContext caller;

		if (!news_of(fcinfo, &winner))
		{
			ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

			if (result == NULL || !IsA(result, ReturnSetInfo))
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("set-valued function called in context that cannot accept a set")));
			result->isDone = ExprEndResult;
			PG_RETURN_NULL();
		}
		call = SRF_FIRSTCALL_INIT();
		caller = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		call->user_fctx = DatumGetPointer(row_of_news(fcinfo, &winner));
		MemoryContextSwitchTo(caller);
	}
	call = SRF_PERCALL_SETUP();
	if (call->call_cntr == 0)
		SRF_RETURN_NEXT(call, PointerGetDatum(call->user_fctx));
	SRF_RETURN_DONE(call);
}
