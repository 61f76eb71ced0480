/*-------------------------------------------------------------------------
 *
 * preview.c
 *	  What a change would move: the devices that it is about, counted by who
 *	  wins them.
 *
 * A preview is asked about many devices, and answers with a few numbers.  So
 * each device is matched where the executor has it in hand, as the twin is
 * now, without a look at what is settled or what the log holds, and counted
 * under the two deployments that it is about:
 *
 *	previewed_winners()		who wins it, and, where that is the deployment
 *							to be changed, who comes next
 *	previewed_moves()		who wins it with its tags, and who with a patch
 *							merged into them
 *
 * preview() and preview_tags() make of these numbers what users see.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type_d.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "condition.h"
#include "kept_matcher.h"
#include "owner.h"
#include "row_visit.h"
#include "settlement.h"

PG_FUNCTION_INFO_V1(twinset_previewed_winners);
PG_FUNCTION_INFO_V1(twinset_previewed_moves);

/* live devices only: no deployment targets another */
#define LIVE	"t.iot_edge AND t.retired_at IS NULL"

/* What devices are counted under: slots of the matcher, -1 for none. */
typedef struct WinnerGroup
{
	int32		one;
	int32		other;
	int32		flag;			/* 0 or 1; as wide as the others, so that the key has no gap */
	int64		devices;		/* not part of the key */
} WinnerGroup;

typedef struct Preview
{
	Matcher    *matcher;
	HTAB	   *groups;			/* WinnerGroup */
	int			changed;		/* the deployment to be changed; -1: a new one */
} Preview;

static void begin_preview(Preview *preview, const char *changed);
static void put_groups(Preview *preview, ReturnSetInfo *rows, bool with_flag);
static void visit_target(void *arg, TupleTableSlot *row);
static void visit_patched(void *arg, TupleTableSlot *row);
static int	ask_winner(Preview *preview, text *device_id, Jsonb *tags);
static int	ask_next(Preview *preview, text *device_id, Jsonb *tags);
static void count_device(Preview *preview, int one, int other, bool flag);
static char *condition_literal(Condition *condition);

/*
 * previewed_winners(condition target_condition, old_condition target_condition,
 *	deployment_id text) -> setof (winner text, next text, targeted boolean,
 *	devices bigint)
 *
 * The live devices that either condition (NULL: nothing) targets.  targeted:
 * does the first one; next: where the winner is the deployment given, who
 * ranks behind it, else NULL.
 *
 * Stable: it reads with the query's snapshot.  Cost: the devices found by
 * index, or one pass over the fleet, and each matched; the deployments compiled,
 * where this connection has not.
 */
Datum
twinset_previewed_winners(PG_FUNCTION_ARGS)
{
	Condition  *condition = PG_ARGISNULL(0) ? NULL : PG_GETARG_CONDITION_P(0);
	Condition  *old_condition = PG_ARGISNULL(1) ? NULL : PG_GETARG_CONDITION_P(1);
	char	   *changed = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	char	   *now = condition_literal(condition);
	char	   *before = condition_literal(old_condition);
	Preview		preview;
	OwnerContext owner;
	StringInfoData query;

	InitMaterializedSRF(fcinfo, 0);
	owner_begin(&owner, settlement_table("settlement"));
	begin_preview(&preview, changed);
	initStringInfo(&query);
	if (old_condition == NULL || strcmp(now, before) == 0)
		appendStringInfo(&query, "SELECT t.device_id, t.tags, true FROM twinset.twin AS t"
						 " WHERE " LIVE " AND twinset.matches(t.device_id, t.tags, %s)", now);
	else
		appendStringInfo(&query, "SELECT t.device_id, t.tags, twinset.matches(t.device_id, t.tags, %s) FROM twinset.twin AS t"
						 " WHERE " LIVE " AND (twinset.matches(t.device_id, t.tags, %s) OR twinset.matches(t.device_id, t.tags, %s))",
						 now, now, before);
	row_visit(query.data, NULL, visit_target, &preview);
	put_groups(&preview, (ReturnSetInfo *) fcinfo->resultinfo, true);
	owner_end(&owner);
	return (Datum) 0;
}

/*
 * previewed_moves(patch jsonb, condition target_condition) -> setof (before
 *	text, after text, devices bigint)
 *
 * The live devices that the condition (NULL: nothing) targets and whose tags a
 * merge patch would change: who wins them, and who would.  An error where the
 * tags would not be valid: that of the table.
 *
 * Stable: it reads with the query's snapshot.  Cost: the devices found by
 * index, or one pass over the fleet; of each the tags merged, and two matched.
 */
Datum
twinset_previewed_moves(PG_FUNCTION_ARGS)
{
	Condition  *condition = PG_ARGISNULL(1) ? NULL : PG_GETARG_CONDITION_P(1);
	Preview		preview;
	OwnerContext owner;
	StringInfoData query;
	ParamListInfo params = makeParamList(1);

	/* no text of the query, which the server prints where this fails */
	params->params[0] = (ParamExternData) {.value = PG_GETARG_DATUM(0),.pflags = PARAM_FLAG_CONST,.ptype = JSONBOID};
	InitMaterializedSRF(fcinfo, 0);
	owner_begin(&owner, settlement_table("settlement"));
	begin_preview(&preview, NULL);
	initStringInfo(&query);
	/* OFFSET 0, so that the tags are merged once; the check is the table's own */
	appendStringInfo(&query, "SELECT p.device_id, p.tags, p.patched FROM ("
					 "SELECT t.device_id, t.tags, twinset.merge_patch(t.tags, $1) AS patched FROM twinset.twin AS t"
					 " WHERE " LIVE " AND twinset.matches(t.device_id, t.tags, %s) OFFSET 0) AS p"
					 " WHERE twinset.require_twin(p.device_id, p.patched)",
					 condition_literal(condition));
	row_visit(query.data, params, visit_patched, &preview);
	put_groups(&preview, (ReturnSetInfo *) fcinfo->resultinfo, false);
	owner_end(&owner);
	return (Datum) 0;
}

static void
begin_preview(Preview *preview, const char *changed)
{
	HASHCTL		groups = {.keysize = offsetof(WinnerGroup, devices),.entrysize = sizeof(WinnerGroup),.hcxt = CurrentMemoryContext};

	preview->matcher = kept_matcher();
	preview->groups = hash_create("twinset previewed devices", 256, &groups, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	preview->changed = changed == NULL ? -1 : matcher_find(preview->matcher, changed);
}

/* A row for each group: one, other, the flag where it is wanted, devices. */
static void
put_groups(Preview *preview, ReturnSetInfo *rows, bool with_flag)
{
	HASH_SEQ_STATUS scan;
	WinnerGroup	   *group;

	hash_seq_init(&scan, preview->groups);
	while ((group = hash_seq_search(&scan)) != NULL)
	{
		Datum		values[4];
		bool		nulls[4] = {group->one < 0, group->other < 0};
		int			column = 2;

		CHECK_FOR_INTERRUPTS();
		values[0] = nulls[0] ? (Datum) 0 : CStringGetTextDatum(matcher_deployment_id(preview->matcher, group->one));
		values[1] = nulls[1] ? (Datum) 0 : CStringGetTextDatum(matcher_deployment_id(preview->matcher, group->other));
		if (with_flag)
			values[column++] = BoolGetDatum(group->flag != 0);
		values[column] = Int64GetDatum(group->devices);
		tuplestore_putvalues(rows->setResult, rows->setDesc, values, nulls);
	}
}

/* device_id, tags, targeted */
static void
visit_target(void *arg, TupleTableSlot *row)
{
	Preview    *preview = arg;
	int			winner;
	int			next = -1;
	bool		isnull;
	text	   *device_id = DatumGetTextPP(slot_getattr(row, 1, &isnull));
	Jsonb	   *tags = DatumGetJsonbP(slot_getattr(row, 2, &isnull));
	bool		targeted = DatumGetBool(slot_getattr(row, 3, &isnull));

	winner = ask_winner(preview, device_id, tags);
	if (winner >= 0 && winner == preview->changed)
		next = ask_next(preview, device_id, tags);
	count_device(preview, winner, next, targeted);
}

/* device_id, tags, patched */
static void
visit_patched(void *arg, TupleTableSlot *row)
{
	Preview    *preview = arg;
	bool		isnull;
	text	   *device_id = DatumGetTextPP(slot_getattr(row, 1, &isnull));
	Jsonb	   *tags = DatumGetJsonbP(slot_getattr(row, 2, &isnull));
	Jsonb	   *patched = DatumGetJsonbP(slot_getattr(row, 3, &isnull));

	if (VARSIZE(tags) == VARSIZE(patched) && memcmp(tags, patched, VARSIZE(tags)) == 0)
		return;
	count_device(preview, ask_winner(preview, device_id, tags), ask_winner(preview, device_id, patched), false);
}

static int
ask_winner(Preview *preview, text *device_id, Jsonb *tags)
{
	return matcher_winner(preview->matcher, VARDATA_ANY(device_id), VARSIZE_ANY_EXHDR(device_id), &tags->root);
}

/* Who ranks behind the winner. */
static int
ask_next(Preview *preview, text *device_id, Jsonb *tags)
{
	const int  *slots;
	int			count = matcher_all(preview->matcher, VARDATA_ANY(device_id), VARSIZE_ANY_EXHDR(device_id),
									&tags->root, &slots);

	return count > 1 ? slots[1] : -1;
}

static void
count_device(Preview *preview, int one, int other, bool flag)
{
	WinnerGroup key = {.one = one,.other = other,.flag = flag};
	bool		found;
	WinnerGroup *group = hash_search(preview->groups, &key, HASH_ENTER, &found);

	if (!found)
		group->devices = 0;
	group->devices++;
}

/* A condition as a constant of a query, so that the planner finds its devices by index. */
static char *
condition_literal(Condition *condition)
{
	size_t		length;

	if (condition == NULL)
		return pstrdup("''::twinset.target_condition");
	return psprintf("%s::twinset.target_condition", quote_literal_cstr(condition_to_text(condition, &length)));
}
