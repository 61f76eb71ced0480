/*-------------------------------------------------------------------------
 *
 * matcher_bench.c
 *	  How long a matcher takes, for matcher_bench.sql.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <time.h>

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "matcher_parts.h"

PG_FUNCTION_INFO_V1(matcher_bench);

/* what is asked of each device */
typedef enum Asking
{
	ASK_NOTHING,				/* look its facts up, only */
	ASK_WINNER,
	ASK_ALL,
	ASK_COUNT,				/* to the next device's tags */
	ASKINGS,
} Asking;

typedef struct Devices
{
	Datum	   *ids;			/* text */
	Jsonb	  **tags;
	int			count;
} Devices;

/* µs of the processor's time that this process had: others may be busy too */
static double
processor_time(void)
{
	struct timespec time;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) != 0)
		elog(ERROR, "could not read the clock: %m");
	return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static void
read_devices(Devices *devices, ArrayType *ids, ArrayType *tags)
{
	Datum	   *values;
	int			count;

	deconstruct_array(ids, TEXTOID, -1, false, TYPALIGN_INT, &devices->ids, NULL, &devices->count);
	deconstruct_array(tags, JSONBOID, -1, false, TYPALIGN_INT, &values, NULL, &count);
	if (count != devices->count)
		elog(ERROR, "arrays of different lengths");
	devices->tags = palloc(sizeof(Jsonb *) * Max(count, 1));
	for (int i = 0; i < count; i++)
		devices->tags[i] = DatumGetJsonbP(values[i]);
}

/* µs a device; *answers: how many deployments were found, a device */
static double
ask(Matcher *matcher, const Devices *devices, Asking asking, double *answers)
{
	double		start = processor_time();
	MatcherCount *count = matcher_count_begin(matcher);
	int64		found = 0;

	for (int i = 0; i < devices->count; i++)
	{
		text	   *id = (text *) DatumGetPointer(devices->ids[i]);
		JsonbContainer *tags = &devices->tags[i]->root;
		Device		device = {VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id), tags};
		const int  *slots;

		switch (asking)
		{
			case ASK_WINNER:
				found += matcher_winner(matcher, device.id, device.id_length, tags) >= 0;
				break;
			case ASK_ALL:
				found += matcher_all(matcher, device.id, device.id_length, tags, &slots);
				break;
			case ASK_COUNT:
				found += matcher_count_device(count, device.id, device.id_length, tags, 1) >= 0;
				break;
			default:
				matcher_look_up(matcher, &device);
				found += matcher->cursor_count;
		}
	}
	pfree(matcher_count_end(count));
	*answers = (double) found / devices->count;
	return (processor_time() - start) / devices->count;
}

/* µs to change one deployment's priority, of the matcher as it is */
static double
patch(Matcher *matcher, const MatcherDeployment *deployments, int count, int patches)
{
	double		start = processor_time();

	for (int i = 0; i < patches; i++)
	{
		MatcherDeployment deployment = deployments[(int64) i * 7919 % count];

		deployment.priority++;
		matcher_patch(matcher, &deployment.deployment_id, 1, &deployment, 1);
	}
	return (processor_time() - start) / patches;
}

/*
 * matcher_bench(conditions target_condition[], device_ids text[], tags jsonb[], rounds integer)
 *		-> (build_ms, bytes, look_up_us, lists, winner_us, won, all_us, matches,
 *			count_us, counted, patch_us, patched_all_us)
 *
 * The least of some rounds.  bytes: a deployment.  The conditions' deployments
 * have a hundred priorities.
 */
Datum
matcher_bench(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	int			rounds = PG_GETARG_INT32(3);
	Datum	   *conditions;
	int			count;
	MatcherDeployment *deployments;
	Devices		devices;
	Matcher    *matcher;
	double		start;
	double		results[12] = {0};
	double		least[ASKINGS];
	double		answers[ASKINGS];
	Datum		values[12];
	bool		nulls[12] = {false};
	TupleDesc	desc;

	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT, &conditions, NULL, &count);
	deployments = palloc_extended(sizeof(MatcherDeployment) * Max(count, 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int i = 0; i < count; i++)
	{
		deployments[i].deployment_id = psprintf("deployment-%d", i);
		deployments[i].condition = DatumGetConditionP(conditions[i]);
		deployments[i].priority = (int64) i * 31 % 101;
		deployments[i].created_at = i;
	}
	read_devices(&devices, PG_GETARG_ARRAYTYPE_P(1), PG_GETARG_ARRAYTYPE_P(2));

	start = processor_time();
	matcher = matcher_build(CurrentMemoryContext, deployments, count);
	results[0] = (processor_time() - start) / 1000;
	results[1] = (double) matcher_size(matcher) / Max(count, 1);
	for (int round = 0; round < rounds; round++)
	{
		for (Asking asking = 0; asking < ASKINGS; asking++)
		{
			double		took = ask(matcher, &devices, asking, &answers[asking]);

			CHECK_FOR_INTERRUPTS();
			least[asking] = round == 0 ? took : Min(took, least[asking]);
		}
	}
	for (Asking asking = 0; asking < ASKINGS; asking++)
	{
		results[2 + 2 * asking] = least[asking];
		results[3 + 2 * asking] = answers[asking];
	}
	(void) matcher_find(matcher, "");
	results[10] = patch(matcher, deployments, count, Min(count, 1000));
	results[11] = ask(matcher, &devices, ASK_ALL, &answers[ASK_ALL]);
	matcher_free(matcher);

	(void) get_call_result_type(fcinfo, NULL, &desc);
	for (int i = 0; i < 12; i++)
		values[i] = Float8GetDatum(results[i]);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
