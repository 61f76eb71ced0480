/*-------------------------------------------------------------------------
 *
 * fleet_survey.c
 *	  What the fleet says of the conditions: the facts behind
 *	  deployment_advice, of one pass over the live devices.
 *
 *	fleet		138398 live devices
 *	tag			tags.site, string, on 138398 devices
 *	shadow		of the devices that fleet-7 targets, fleet-9 wins 12
 *	left out	fleet-3 would target 40 devices more, if a NOT were true of a
 *				device that has not the tag
 *
 * Each device's tags are counted.  It is matched with all deployments only
 * where somebody asks who shadows some; and with the conditions as they would
 * be with missing tags (condition_terms.c) only where it has not one of the
 * tags that these miss.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/varlena.h"

#include "deployments.h"
#include "kept_matcher.h"
#include "owner.h"
#include "row_visit.h"
#include "settlement.h"
#include "tag_census.h"

PG_FUNCTION_INFO_V1(twinset_fleet_survey);
PG_FUNCTION_INFO_V1(twinset_tag_distance);

/* what the server's Levenshtein takes */
#define MAX_DISTANCE_BYTES	255

/* of who shadows a deployment, so many are named */
#define MOST_SHADOWS		3

/* devices that one deployment targets and another wins */
typedef struct Shadow
{
	uint64		key;			/* slots of the matcher of all: the deployment's, the winner's */
	int64		devices;
	char		status;			/* simplehash's */
} Shadow;

#define SHADOW_KEY(deployment, winner)	((uint64) (deployment) << 32 | (uint32) (winner))
#define SHADOW_DEPLOYMENT(key)	((int) ((key) >> 32))
#define SHADOW_WINNER(key)		((int) (uint32) (key))

#define SH_PREFIX shadows
#define SH_ELEMENT_TYPE Shadow
#define SH_KEY_TYPE uint64
#define SH_KEY key
#define SH_HASH_KEY(table, key) murmurhash32((uint32) (key) ^ murmurhash32((uint32) ((key) >> 32)))
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* who shadows a deployment */
typedef struct Shadowed
{
	bool		asked;			/* is that asked? */
	int			winners;
	int64		devices;		/* of all */
	const Shadow *most[MOST_SHADOWS];	/* those that win most, in order; NULL: no more */
} Shadowed;

typedef struct Survey
{
	ReturnSetInfo *rows;		/* where the facts go */
	TagCensus  *census;

	Matcher    *all;			/* all deployments; NULL: nobody asks who shadows any */
	Shadowed   *shadowed;		/* by slot */
	shadows_hash *shadows;

	MatcherDeployment *deployments; /* those whose NOT may miss devices, as they are */
	int			count;
	Matcher    *missing;		/* the same with missing tags; NULL: there are none */
	int		   *deployment_of;	/* by its slots: which of these */
	int64	   *left_out;		/* devices, of each */
	List	   *tags;			/* CensusTag: those that they miss */
} Survey;

static void find_shadowed(Survey *survey, ArrayType *ids);
static void expect_tag(void *arg, const ConditionNode *leaf, bool misses);
static void find_missing(Survey *survey);
static void visit_device(void *arg, TupleTableSlot *row);
static void count_shadows(Survey *survey, text *device_id, JsonbContainer *tags);
static void put_shadows(Survey *survey);
static void count_left_out(Survey *survey, text *device_id, JsonbContainer *tags);
static void put_tag(void *arg, const char *path, const CensusTag *tag);
static void put_fact(Survey *survey, const char *fact, const char *deployment_id, const char *path,
					 const char *detail, int64 devices);

static const char *const tag_type_names[] = {
	[TAG_NULL] = "null",
	[TAG_STRING] = "string",
	[TAG_NUMBER] = "number",
	[TAG_BOOLEAN] = "boolean",
	[TAG_OBJECT] = "object",
	[TAG_ARRAY] = "array",
};

/*
 * fleet_survey(shadowed text[]) -> setof (fact text, deployment_id text,
 *	path text, detail text, devices bigint)
 *
 * fact 'fleet': how many devices; 'tag': path, and detail a type; 'shadow': a deployment of those given,
 * and detail the winner of some of its devices, for the three that win most;
 * 'other shadows': detail how many more there are; 'left out': a deployment, and
 * the devices that it leaves out because they have not a tag.
 *
 * Stable: it reads with the query's snapshot.  Cost: one pass over the fleet;
 * a device costs its tags, what targets it, where some deployments are given,
 * and what would, where it lacks a tag.
 */
Datum
twinset_fleet_survey(PG_FUNCTION_ARGS)
{
	ArrayType  *ids = PG_ARGISNULL(0) ? NULL : PG_GETARG_ARRAYTYPE_P(0);
	Survey		survey = {.rows = (ReturnSetInfo *) fcinfo->resultinfo};
	OwnerContext owner;

	InitMaterializedSRF(fcinfo, 0);
	owner_begin(&owner, settlement_table("settlement"));
	survey.census = tag_census_begin();
	if (ids != NULL)
		find_shadowed(&survey, ids);
	find_missing(&survey);

	row_visit("SELECT t.device_id, t.tags FROM twinset.twin AS t WHERE t.iot_edge AND t.retired_at IS NULL", NULL,
			  visit_device, &survey);

	put_fact(&survey, "fleet", NULL, NULL, NULL, tag_census_devices(survey.census));
	tag_census_visit(survey.census, put_tag, &survey);
	if (survey.all != NULL)
		put_shadows(&survey);
	for (int i = 0; i < survey.count; i++)
	{
		if (survey.left_out[i] > 0)
			put_fact(&survey, "left out", survey.deployments[i].deployment_id, NULL, NULL, survey.left_out[i]);
	}
	owner_end(&owner);
	return (Datum) 0;
}

/*
 * tag_distance(one text, other text) -> integer
 *
 * How many characters to insert, delete or replace to get from one path to the
 * other; NULL where they are too long to be looked at.
 */
Datum
twinset_tag_distance(PG_FUNCTION_ARGS)
{
	text	   *one = PG_GETARG_TEXT_PP(0);
	text	   *other = PG_GETARG_TEXT_PP(1);

	if (VARSIZE_ANY_EXHDR(one) > MAX_DISTANCE_BYTES || VARSIZE_ANY_EXHDR(other) > MAX_DISTANCE_BYTES)
		PG_RETURN_NULL();
	PG_RETURN_INT32(varstr_levenshtein(VARDATA_ANY(one), VARSIZE_ANY_EXHDR(one),
									   VARDATA_ANY(other), VARSIZE_ANY_EXHDR(other), 1, 1, 1, false));
}

/* Whose winners are asked for. */
static void
find_shadowed(Survey *survey, ArrayType *ids)
{
	Datum	   *values;
	bool	   *nulls;
	int			count;

	deconstruct_array(ids, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
	if (count == 0)
		return;
	survey->all = kept_matcher();
	survey->shadowed = palloc_extended(sizeof(Shadowed) * Max(matcher_slots(survey->all), 1),
									   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	survey->shadows = shadows_create(CurrentMemoryContext, 1024, NULL);
	for (int i = 0; i < count; i++)
	{
		int			slot = nulls[i] ? -1 : matcher_find(survey->all, TextDatumGetCString(values[i]));

		if (slot >= 0)
			survey->shadowed[slot].asked = true;
	}
}

/* A tag that a condition names is counted whatever else there is. */
static void
expect_tag(void *arg, const ConditionNode *leaf, bool misses)
{
	Survey	   *survey = arg;
	const CensusTag *tag = tag_census_expect(survey->census, condition_path(leaf));

	if (misses)
		survey->tags = list_append_unique_ptr(survey->tags, (void *) tag);
}

/* The deployments whose NOT may leave out a device that has not the tag. */
static void
find_missing(Survey *survey)
{
	int			count;
	MatcherDeployment *deployments = deployments_read_all(&count);
	MatcherDeployment *with_missing = palloc_extended(sizeof(MatcherDeployment) * Max(count, 1), MCXT_ALLOC_HUGE);

	survey->deployments = deployments;
	for (int i = 0; i < count; i++)
	{
		Condition  *condition;

		CHECK_FOR_INTERRUPTS();
		if (deployments[i].condition == NULL)
			continue;
		condition_visit_leaves(deployments[i].condition, expect_tag, survey);
		condition = condition_with_missing(deployments[i].condition);
		if (condition == NULL)
			continue;
		with_missing[survey->count] = deployments[i];
		with_missing[survey->count].condition = condition;
		deployments[survey->count++] = deployments[i];
	}
	if (survey->count == 0)
		return;
	survey->missing = matcher_build(CurrentMemoryContext, with_missing, survey->count);
	survey->deployment_of = palloc(sizeof(int) * matcher_slots(survey->missing));
	survey->left_out = palloc0(sizeof(int64) * survey->count);
	for (int i = 0; i < survey->count; i++)
		survey->deployment_of[matcher_find(survey->missing, deployments[i].deployment_id)] = i;
}

/* device_id, tags */
static void
visit_device(void *arg, TupleTableSlot *row)
{
	Survey	   *survey = arg;
	ListCell   *cell;
	bool		isnull;
	text	   *device_id = DatumGetTextPP(slot_getattr(row, 1, &isnull));
	JsonbContainer *tags = &DatumGetJsonbP(slot_getattr(row, 2, &isnull))->root;

	tag_census_add(survey->census, tags);
	if (survey->all != NULL)
		count_shadows(survey, device_id, tags);
	foreach(cell, survey->tags)
	{
		if (!tag_census_has(survey->census, lfirst(cell)))
		{
			count_left_out(survey, device_id, tags);
			break;
		}
	}
}

static void
count_shadows(Survey *survey, text *device_id, JsonbContainer *tags)
{
	const int  *slots;
	int			count = matcher_all(survey->all, VARDATA_ANY(device_id), VARSIZE_ANY_EXHDR(device_id), tags, &slots);

	for (int i = 1; i < count; i++)
	{
		Shadow	   *shadow;
		bool		found;

		if (!survey->shadowed[slots[i]].asked)
			continue;
		shadow = shadows_insert(survey->shadows, SHADOW_KEY(slots[i], slots[0]), &found);
		if (!found)
			shadow->devices = 0;
		shadow->devices++;
	}
}

/* Does one shadow cover more than the other, or stand before it by the winner's id? */
static bool
shadow_is_before(Survey *survey, const Shadow *one, const Shadow *other)
{
	if (one->devices != other->devices)
		return one->devices > other->devices;
	return strcmp(matcher_deployment_id(survey->all, SHADOW_WINNER(one->key)),
				  matcher_deployment_id(survey->all, SHADOW_WINNER(other->key))) < 0;
}

/* A shadow more of a deployment. */
static void
add_shadow(Survey *survey, const Shadow *shadow)
{
	Shadowed   *shadowed = &survey->shadowed[SHADOW_DEPLOYMENT(shadow->key)];

	shadowed->winners++;
	shadowed->devices += shadow->devices;
	for (int i = 0; i < MOST_SHADOWS && shadow != NULL; i++)
	{
		const Shadow *here = shadowed->most[i];

		/* it takes the place, and who had it goes on to the next */
		if (here == NULL || shadow_is_before(survey, shadow, here))
		{
			shadowed->most[i] = shadow;
			shadow = here;
		}
	}
}

/* Of each deployment that was asked about, who shadows it most, and how many others do. */
static void
put_shadows(Survey *survey)
{
	shadows_iterator scan;
	const Shadow *shadow;

	shadows_start_iterate(survey->shadows, &scan);
	while ((shadow = shadows_iterate(survey->shadows, &scan)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		add_shadow(survey, shadow);
	}
	for (int slot = 0; slot < matcher_slots(survey->all); slot++)
	{
		const Shadowed *shadowed = &survey->shadowed[slot];
		int64		others = shadowed->devices;

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < MOST_SHADOWS && shadowed->most[i] != NULL; i++)
		{
			put_fact(survey, "shadow", matcher_deployment_id(survey->all, slot), NULL,
					 matcher_deployment_id(survey->all, SHADOW_WINNER(shadowed->most[i]->key)),
					 shadowed->most[i]->devices);
			others -= shadowed->most[i]->devices;
		}
		if (shadowed->winners > MOST_SHADOWS)
			put_fact(survey, "other shadows", matcher_deployment_id(survey->all, slot), NULL,
					 psprintf("%d", shadowed->winners - MOST_SHADOWS), others);
	}
}

/* What would target the device with missing tags, and does not. */
static void
count_left_out(Survey *survey, text *device_id, JsonbContainer *tags)
{
	const int  *slots;
	int			count = matcher_all(survey->missing, VARDATA_ANY(device_id), VARSIZE_ANY_EXHDR(device_id), tags, &slots);

	for (int i = 0; i < count; i++)
	{
		int			deployment = survey->deployment_of[slots[i]];

		if (condition_evaluate(survey->deployments[deployment].condition, VARDATA_ANY(device_id),
							   VARSIZE_ANY_EXHDR(device_id), tags) != CONDITION_RESULT_TRUE)
			survey->left_out[deployment]++;
	}
}

/* A fact for each type that the tag has somewhere. */
static void
put_tag(void *arg, const char *path, const CensusTag *tag)
{
	for (int type = 0; type < TAG_TYPES; type++)
	{
		if (tag->devices[type] > 0)
			put_fact(arg, "tag", NULL, path, tag_type_names[type], tag->devices[type]);
	}
}

static void
put_fact(Survey *survey, const char *fact, const char *deployment_id, const char *path,
		 const char *detail, int64 devices)
{
	const char *texts[] = {fact, deployment_id, path, detail};
	Datum		values[5];
	bool		nulls[5] = {false};

	for (int i = 0; i < 4; i++)
	{
		nulls[i] = texts[i] == NULL;
		values[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(texts[i]);
	}
	values[4] = Int64GetDatum(devices);
	tuplestore_putvalues(survey->rows->setResult, survey->rows->setDesc, values, nulls);
	for (int i = 0; i < 4; i++)
	{
		if (!nulls[i])
			pfree(DatumGetPointer(values[i]));
	}
}
