/*-------------------------------------------------------------------------
 *
 * matcher_test.c
 *	  Asks a matcher from SQL, without tables, triggers and what is settled.
 *
 * A module of its own that holds the matcher and the condition; matcher.sql
 * compares what it answers with a recomputation by matches().
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "matcher.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(matcher_test_answers);
PG_FUNCTION_INFO_V1(matcher_test_differences);
PG_FUNCTION_INFO_V1(matcher_test_growth);

/* the elements of an array */
typedef struct Elements
{
	Datum	   *values;
	bool	   *nulls;
	int			count;
} Elements;

static Elements
elements_of(ArrayType *array)
{
	Elements	elements;
	int16		length;
	bool		by_value;
	char		align;

	get_typlenbyvalalign(ARR_ELEMTYPE(array), &length, &by_value, &align);
	deconstruct_array(array, ARR_ELEMTYPE(array), length, by_value, align,
					  &elements.values, &elements.nulls, &elements.count);
	return elements;
}

/*
 * A matcher of the first four arguments: ids, conditions, priorities, times
 * of creation, as many of each.  What it was made of is overwritten: it must
 * have copies.
 */
static Matcher *
build_matcher(FunctionCallInfo fcinfo)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "matcher test",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	Elements	ids = elements_of(PG_GETARG_ARRAYTYPE_P(0));
	Elements	conditions = elements_of(PG_GETARG_ARRAYTYPE_P(1));
	Elements	priorities = elements_of(PG_GETARG_ARRAYTYPE_P(2));
	Elements	created = elements_of(PG_GETARG_ARRAYTYPE_P(3));
	MatcherDeployment *deployments = palloc0(sizeof(MatcherDeployment) * Max(ids.count, 1));
	Matcher    *matcher;

	if (conditions.count != ids.count || priorities.count != ids.count || created.count != ids.count)
		elog(ERROR, "arrays of different lengths");
	for (int i = 0; i < ids.count; i++)
	{
		deployments[i].deployment_id = TextDatumGetCString(ids.values[i]);
		if (!conditions.nulls[i])
		{
			Condition  *condition = DatumGetConditionP(conditions.values[i]);
			Condition  *copy = palloc(VARSIZE(condition));

			deployments[i].condition = memcpy(copy, condition, VARSIZE(condition));
		}
		deployments[i].priority = DatumGetInt32(priorities.values[i]);
		deployments[i].created_at = DatumGetTimestampTz(created.values[i]);
	}
	matcher = matcher_build(caller, deployments, ids.count);

	for (int i = 0; i < ids.count; i++)
	{
		if (deployments[i].condition != NULL)
			memset(unconstify(Condition *, deployments[i].condition), 0x7f,
				   VARSIZE(deployments[i].condition));
		memset(unconstify(char *, deployments[i].deployment_id), 0x7f,
			   strlen(deployments[i].deployment_id));
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return matcher;
}

/* The id of a rank, as text. */
static Datum
id_of(Matcher *matcher, int rank)
{
	if (rank < 0 || rank >= matcher_slots(matcher))
		elog(ERROR, "no such rank: %d", rank);
	return CStringGetTextDatum(matcher_deployment_id(matcher, rank));
}

/* The ids of some ranks, as text[]. */
static Datum
ids_of(Matcher *matcher, const int *ranks, int count)
{
	Datum	   *ids = palloc(sizeof(Datum) * Max(count, 1));

	for (int i = 0; i < count; i++)
		ids[i] = id_of(matcher, ranks[i]);
	return PointerGetDatum(construct_array(ids, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * matcher_test_answers(ids text[], conditions target_condition[], priorities integer[],
 *						created timestamptz[], device_ids text[], tags jsonb[])
 *		-> setof (device integer, winner text, targeting text[])
 *
 * One matcher, asked for each device in turn: its winner, then all.
 */
Datum
matcher_test_answers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Matcher    *matcher = build_matcher(fcinfo);
	Elements	device_ids = elements_of(PG_GETARG_ARRAYTYPE_P(4));
	Elements	tags = elements_of(PG_GETARG_ARRAYTYPE_P(5));

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < device_ids.count; i++)
	{
		text	   *id = DatumGetTextPP(device_ids.values[i]);
		JsonbContainer *container = &DatumGetJsonbP(tags.values[i])->root;
		int			winner = matcher_winner(matcher, VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id), container);
		const int  *ranks;
		int			count = matcher_all(matcher, VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id), container, &ranks);
		Datum		values[3];
		bool		nulls[3] = {false, winner < 0, false};

		values[0] = Int32GetDatum(i + 1);
		if (winner >= 0)
			values[1] = id_of(matcher, winner);
		values[2] = ids_of(matcher, ranks, count);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	matcher_free(matcher);
	return (Datum) 0;
}

/*
 * matcher_test_differences(the same but for device_ids text[], before jsonb[], after jsonb[])
 *		-> setof (device integer, winner_before text, winner text, lost text[], gained text[])
 *
 * For each device in turn; NULL tags: it is not there.
 */
Datum
matcher_test_differences(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Matcher    *matcher = build_matcher(fcinfo);
	Elements	device_ids = elements_of(PG_GETARG_ARRAYTYPE_P(4));
	Elements	before = elements_of(PG_GETARG_ARRAYTYPE_P(5));
	Elements	after = elements_of(PG_GETARG_ARRAYTYPE_P(6));

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < device_ids.count; i++)
	{
		text	   *id = DatumGetTextPP(device_ids.values[i]);
		MatcherDifference difference;
		Datum		values[5];
		bool		nulls[5] = {false};

		matcher_difference(matcher, VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id),
						   before.nulls[i] ? NULL : &DatumGetJsonbP(before.values[i])->root,
						   after.nulls[i] ? NULL : &DatumGetJsonbP(after.values[i])->root,
						   &difference);
		values[0] = Int32GetDatum(i + 1);
		nulls[1] = difference.winner_before < 0;
		if (!nulls[1])
			values[1] = id_of(matcher, difference.winner_before);
		nulls[2] = difference.winner < 0;
		if (!nulls[2])
			values[2] = id_of(matcher, difference.winner);
		values[3] = ids_of(matcher, difference.lost, difference.lost_count);
		values[4] = ids_of(matcher, difference.gained, difference.gained_count);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	matcher_free(matcher);
	return (Datum) 0;
}

/*
 * matcher_test_growth(those of matcher_test_answers) -> bigint
 *
 * The bytes that the matcher and the caller's memory grow by while the same
 * devices are asked for again and again.
 */
Datum
matcher_test_growth(PG_FUNCTION_ARGS)
{
	Matcher    *matcher = build_matcher(fcinfo);
	Elements	device_ids = elements_of(PG_GETARG_ARRAYTYPE_P(4));
	Elements	tags = elements_of(PG_GETARG_ARRAYTYPE_P(5));
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "matcher test asking",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext caller;
	int64		first = 0;
	int64		last = 0;

	for (int i = 0; i < device_ids.count; i++)
		tags.values[i] = PointerGetDatum(DatumGetJsonbP(tags.values[i]));

	caller = MemoryContextSwitchTo(context);
	for (int round = 0; round < 10; round++)
	{
		for (int i = 0; i < device_ids.count; i++)
		{
			text	   *id = (text *) DatumGetPointer(device_ids.values[i]);
			JsonbContainer *container = &((Jsonb *) DatumGetPointer(tags.values[i]))->root;
			const int  *ranks;
			MatcherDifference difference;

			(void) matcher_winner(matcher, VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id), container);
			(void) matcher_all(matcher, VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id), container, &ranks);
			matcher_difference(matcher, VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id), container,
							   &((Jsonb *) DatumGetPointer(tags.values[(i + 1) % tags.count]))->root,
							   &difference);
		}
		last = matcher_size(matcher) + MemoryContextMemAllocated(context, true);
		if (round == 0)
			first = last;
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	matcher_free(matcher);
	PG_RETURN_INT64(last - first);
}
