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
#include "common/pg_prng.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "matcher.h"
#include "terms.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(matcher_test_answers);
PG_FUNCTION_INFO_V1(matcher_test_differences);
PG_FUNCTION_INFO_V1(matcher_test_growth);
PG_FUNCTION_INFO_V1(matcher_test_patches);
PG_FUNCTION_INFO_V1(matcher_test_terms);

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

/* The deployments that the first four arguments are: ids, conditions, priorities, times of creation. */
static MatcherDeployment *
read_deployments(FunctionCallInfo fcinfo, int *count)
{
	Elements	ids = elements_of(PG_GETARG_ARRAYTYPE_P(0));
	Elements	conditions = elements_of(PG_GETARG_ARRAYTYPE_P(1));
	Elements	priorities = elements_of(PG_GETARG_ARRAYTYPE_P(2));
	Elements	created = elements_of(PG_GETARG_ARRAYTYPE_P(3));
	MatcherDeployment *deployments = palloc0(sizeof(MatcherDeployment) * Max(ids.count, 1));

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
	*count = ids.count;
	return deployments;
}

/*
 * A matcher of the first four arguments.  What it was made of is overwritten:
 * it must have copies.
 */
static Matcher *
build_matcher(FunctionCallInfo fcinfo)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "matcher test",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	int			count;
	MatcherDeployment *deployments = read_deployments(fcinfo, &count);
	Matcher    *matcher = matcher_build(caller, deployments, count);

	for (int i = 0; i < count; i++)
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

/* The id of a slot's deployment, as text. */
static Datum
id_of(Matcher *matcher, int slot)
{
	if (slot < 0 || slot >= matcher_slots(matcher) || !matcher_has(matcher, slot))
		elog(ERROR, "no such deployment: %d", slot);
	return CStringGetTextDatum(matcher_deployment_id(matcher, slot));
}

/* The ids of some, as text[]. */
static Datum
ids_of(Matcher *matcher, const int *slots, int count)
{
	Datum	   *ids = palloc(sizeof(Datum) * Max(count, 1));

	for (int i = 0; i < count; i++)
		ids[i] = id_of(matcher, slots[i]);
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

/* The slots that so many devices more target than did. */
static Datum
ids_counted(Matcher *matcher, const int64 *targets, int64 devices)
{
	int		   *slots = palloc(sizeof(int) * Max(matcher_slots(matcher), 1));
	int			count = 0;

	for (int slot = 0; slot < matcher_slots(matcher); slot++)
	{
		if (Abs(targets[slot]) > 1)
			elog(ERROR, "one device was counted " INT64_FORMAT " times", targets[slot]);
		if (targets[slot] == devices)
			slots[count++] = slot;
	}
	return ids_of(matcher, slots, count);
}

/*
 * matcher_test_differences(the same but for device_ids text[], before jsonb[], after jsonb[])
 *		-> setof (device integer, winner_before text, winner text, lost text[], gained text[])
 *
 * For each device in turn, with what it was taken from the counts and what it
 * is added; NULL tags: it is not there.  All of them counted at once are the
 * sum.
 */
Datum
matcher_test_differences(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Matcher    *matcher = build_matcher(fcinfo);
	Elements	device_ids = elements_of(PG_GETARG_ARRAYTYPE_P(4));
	Elements	before = elements_of(PG_GETARG_ARRAYTYPE_P(5));
	Elements	after = elements_of(PG_GETARG_ARRAYTYPE_P(6));
	MatcherCount *all = matcher_count_begin(matcher);
	int64	   *sum = palloc0(sizeof(int64) * Max(matcher_slots(matcher), 1));
	int64	   *counted;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < device_ids.count; i++)
	{
		text	   *id = DatumGetTextPP(device_ids.values[i]);
		MatcherCount *count = matcher_count_begin(matcher);
		Datum		values[5];
		bool		nulls[5] = {false, true, true};

		values[0] = Int32GetDatum(i + 1);
		for (int side = 0; side < 2; side++)
		{
			Elements   *tags = side == 0 ? &before : &after;
			JsonbContainer *container;
			int			winner;

			if (tags->nulls[i])
				continue;
			container = &DatumGetJsonbP(tags->values[i])->root;
			winner = matcher_count_device(count, VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id), container,
										  side == 0 ? -1 : 1);
			(void) matcher_count_device(all, VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id), container,
										side == 0 ? -1 : 1);
			nulls[1 + side] = winner < 0;
			if (winner >= 0)
				values[1 + side] = id_of(matcher, winner);
		}
		counted = matcher_count_end(count);
		for (int slot = 0; slot < matcher_slots(matcher); slot++)
			sum[slot] += counted[slot];
		values[3] = ids_counted(matcher, counted, -1);
		values[4] = ids_counted(matcher, counted, 1);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	counted = matcher_count_end(all);
	if (memcmp(counted, sum, sizeof(int64) * matcher_slots(matcher)) != 0)
		elog(ERROR, "the sum over all devices is not that over each");
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
		MatcherCount *count = matcher_count_begin(matcher);

		for (int i = 0; i < device_ids.count; i++)
		{
			text	   *id = (text *) DatumGetPointer(device_ids.values[i]);
			JsonbContainer *container = &((Jsonb *) DatumGetPointer(tags.values[i]))->root;
			const int  *ranks;

			(void) matcher_winner(matcher, VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id), container);
			(void) matcher_all(matcher, VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id), container, &ranks);
			(void) matcher_count_device(count, VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id), container, 1);
		}
		pfree(matcher_count_end(count));
		last = matcher_size(matcher) + MemoryContextMemAllocated(context, true);
		if (round == 0)
			first = last;
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	matcher_free(matcher);
	PG_RETURN_INT64(last - first);
}

/* deployments, some of which are in a matcher, and a matcher that was patched until they were */
typedef struct Patched
{
	Matcher    *matcher;
	MatcherDeployment *deployments;
	bool	   *in;
	int			count;
	int			failures;		/* patches that failed, as they were meant to */
} Patched;

/* Does patching fail that way, and leave the matcher as it was? */
static void
fail_to_patch(Patched *patched, const char **removed, int removed_count,
			  MatcherDeployment *added, int added_count)
{
	MemoryContext caller = CurrentMemoryContext;
	Condition  *broken = condition_with_room(sizeof(Condition));

	broken->root.kind = 99;
	added[added_count] = (MatcherDeployment) {.deployment_id = "broken", .condition = broken};
	PG_TRY();
	{
		if (added_count % 2 == 1)
			QueryCancelPending = InterruptPending = true;
		matcher_patch(patched->matcher, removed, removed_count, added, added_count + 1);
		elog(PANIC, "a broken condition was filed");
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		FlushErrorState();
		patched->failures++;
	}
	PG_END_TRY();
}

/* Take some away, add some, and some first with another rank. */
static void
patch_at_random(Patched *patched, pg_prng_state *random, bool all)
{
	const char **removed = palloc(sizeof(char *) * (patched->count + 1));
	MatcherDeployment *added = palloc(sizeof(MatcherDeployment) * (patched->count + 2));
	bool	   *in = palloc(patched->count + 1);
	int			removed_count = 0;
	int			added_count = 0;
	double		share = pg_prng_double(random);

	share = share * share * share;
	for (int i = 0; i < patched->count; i++)
	{
		bool		drawn = pg_prng_double(random) < share;

		in[i] = all || (drawn ? pg_prng_bool(random) : patched->in[i]);
		if (patched->in[i] && (drawn || !in[i]))
			removed[removed_count++] = patched->deployments[i].deployment_id;
		if (drawn && pg_prng_double(random) < 0.3)
			patched->deployments[i].revision++;
		if (in[i] && (drawn || !patched->in[i]))
			added[added_count++] = patched->deployments[i];
	}
	if (pg_prng_double(random) < 0.1)
		removed[removed_count++] = "nobody";
	if (pg_prng_double(random) < 0.3)
		fail_to_patch(patched, removed, removed_count, added, added_count);
	matcher_patch(patched->matcher, removed, removed_count, added, added_count);
	memcpy(patched->in, in, patched->count);
}

/* In how much does it count otherwise than these slots, once each? */
static int
count_otherwise(Matcher *matcher, text *id, JsonbContainer *tags, const int *slots, int found)
{
	MatcherCount *count = matcher_count_begin(matcher);
	int			differences = 0;
	int64	   *counted;
	int		   *expected = memcpy(palloc(sizeof(int) * (found + 1)), slots, sizeof(int) * found);

	(void) matcher_count_device(count, VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id), tags, 1);
	counted = matcher_count_end(count);
	for (int i = 0; i < found; i++)
		counted[expected[i]]--;
	for (int slot = 0; slot < matcher_slots(matcher); slot++)
		differences += counted[slot] != 0;
	return differences;
}

/* In how much does the matcher answer otherwise than a new one? */
static int
compare_with_new(Patched *patched, text *id, JsonbContainer *tags)
{
	MatcherDeployment *deployments = palloc(sizeof(MatcherDeployment) * (patched->count + 1));
	int			count = 0;
	int			differences = 0;
	Matcher    *new;
	const int  *slots;
	const int  *new_slots;
	int			found;
	int			new_found;

	for (int i = 0; i < patched->count; i++)
	{
		int			slot = matcher_find(patched->matcher, patched->deployments[i].deployment_id);

		if (patched->in[i])
			deployments[count++] = patched->deployments[i];
		if ((slot >= 0) != patched->in[i] ||
			(slot >= 0 && matcher_revision(patched->matcher, slot) != patched->deployments[i].revision))
			differences++;
	}
	for (int slot = 0; slot < matcher_slots(patched->matcher); slot++)
	{
		if (matcher_has(patched->matcher, slot) &&
			matcher_find(patched->matcher, matcher_deployment_id(patched->matcher, slot)) != slot)
			differences++;
	}
	new = matcher_build(CurrentMemoryContext, deployments, count);
	new_found = matcher_all(new, VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id), tags, &new_slots);
	if (matcher_winner(patched->matcher, VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id), tags) !=
		(new_found == 0 ? -1 :
		 matcher_find(patched->matcher, matcher_deployment_id(new, new_slots[0]))))
		differences++;
	found = matcher_all(patched->matcher, VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id), tags, &slots);
	differences += found != new_found;
	for (int i = 0; i < Min(found, new_found); i++)
		differences += strcmp(matcher_deployment_id(patched->matcher, slots[i]),
							  matcher_deployment_id(new, new_slots[i])) != 0;
	differences += count_otherwise(patched->matcher, id, tags, slots, found);
	matcher_free(new);
	return differences;
}

/*
 * matcher_test_patches(those of matcher_test_answers, seed bigint)
 *		-> (differences integer, failures integer)
 *
 * A matcher is patched at random, for each device, and compared with one that
 * is built anew.  Some patches fail on the way, of a broken condition or of a
 * cancel.
 */
Datum
matcher_test_patches(PG_FUNCTION_ARGS)
{
	Patched		patched = {0};
	Elements	device_ids = elements_of(PG_GETARG_ARRAYTYPE_P(4));
	Elements	tags = elements_of(PG_GETARG_ARRAYTYPE_P(5));
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "matcher test patching",
												  ALLOCSET_SMALL_SIZES);
	pg_prng_state random;
	int			differences = 0;
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {false};

	pg_prng_seed(&random, PG_GETARG_INT64(6));
	patched.deployments = read_deployments(fcinfo, &patched.count);
	patched.in = palloc0(patched.count + 1);
	patched.matcher = matcher_build(CurrentMemoryContext, NULL, 0);
	for (int i = 0; i < device_ids.count; i++)
	{
		MemoryContext caller = MemoryContextSwitchTo(context);

		if (i % 20 == 10)
		{
			MatcherDeployment *in = palloc(sizeof(MatcherDeployment) * (patched.count + 1));
			int			count = 0;

			for (int j = 0; j < patched.count; j++)
			{
				if (patched.in[j])
					in[count++] = patched.deployments[j];
			}
			matcher_free(patched.matcher);
			patched.matcher = matcher_build(caller, in, count);
		}
		patch_at_random(&patched, &random, i == device_ids.count - 1);
		differences += compare_with_new(&patched, DatumGetTextPP(device_ids.values[i]),
										&DatumGetJsonbP(tags.values[i])->root);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	matcher_free(patched.matcher);
	(void) get_call_result_type(fcinfo, NULL, &desc);
	values[0] = Int32GetDatum(differences);
	values[1] = Int32GetDatum(patched.failures);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* what one condition is stored under, and the terms that a device has */
typedef struct Stored
{
	TermList	condition;
	bool		residual;
	bool		met;			/* the device has one of the condition's */
	uint64		seed;			/* of the weights */
} Stored;

static uint32
weigh_at_random(void *arg, uint64 term)
{
	return (term ^ ((Stored *) arg)->seed) * UINT64CONST(0x9E3779B97F4A7C15) >> 52;
}

static bool
is_stored(void *arg, uint64 term)
{
	Stored	   *stored = arg;

	for (int i = 0; i < stored->condition.count; i++)
	{
		if (stored->condition.terms[i] == term)
			return true;
	}
	return false;
}

static void
meet(void *arg, uint64 term)
{
	((Stored *) arg)->met |= is_stored(arg, term);
}

/*
 * matcher_test_terms(those of matcher_test_patches)
 *		-> (missed integer, found integer, candidates integer, residual integer)
 *
 * Of all pairs of a deployment and a device: how often a condition that is
 * true is not found by the terms that it is stored under, how often it is, how
 * often one is found, true or not; and how many are residual.
 */
Datum
matcher_test_terms(PG_FUNCTION_ARGS)
{
	int			count;
	MatcherDeployment *deployments = read_deployments(fcinfo, &count);
	Elements	device_ids = elements_of(PG_GETARG_ARRAYTYPE_P(4));
	Elements	tags = elements_of(PG_GETARG_ARRAYTYPE_P(5));
	Stored		stored = {.seed = PG_GETARG_INT64(6)};
	int			counts[4] = {0};
	TupleDesc	desc;
	Datum		values[4];
	bool		nulls[4] = {false};

	for (int i = 0; i < count; i++)
	{
		if (deployments[i].condition == NULL)
			continue;
		stored.residual = !terms_of_condition(deployments[i].condition, weigh_at_random, &stored,
											  &stored.condition);
		counts[3] += stored.residual;
		for (int device = 0; device < device_ids.count; device++)
		{
			text	   *id = DatumGetTextPP(device_ids.values[device]);
			JsonbContainer *container = &DatumGetJsonbP(tags.values[device])->root;
			bool		holds = condition_evaluate(deployments[i].condition, VARDATA_ANY(id),
												   VARSIZE_ANY_EXHDR(id), container) == CONDITION_RESULT_TRUE;

			stored.met = false;
			terms_of_device(VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id), container, is_stored, meet, &stored);
			counts[0] += holds && !stored.met && !stored.residual;
			counts[1] += holds && stored.met;
			counts[2] += stored.met;
		}
	}
	(void) get_call_result_type(fcinfo, NULL, &desc);
	for (int i = 0; i < 4; i++)
		values[i] = Int32GetDatum(counts[i]);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
