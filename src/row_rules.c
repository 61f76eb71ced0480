/*-------------------------------------------------------------------------
 *
 * row_rules.c
 *	  What a row of twin or deployment must keep to: BEFORE ROW.
 *
 * An id is for good, created_at too; updated_at follows each UPDATE; what the
 * extension fills may be given as NULL.  A deployment's revision is drawn
 * here: a new one on INSERT, and where what devices get has changed.
 *
 * A deployment is checked here although the table has the constraints: what
 * the server says of a violated one quotes the row, and a manifest has secrets.
 * The triggers come last of all BEFORE ROW triggers, so what a user's own has
 * made of a row is what is looked at.  In the replication role replica they
 * don't fire, so rows arrive as they were.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "key_lookup.h"
#include "manifest.h"
#include "owner.h"
#include "row_checks.h"
#include "settlement.h"
#include "tables.h"
#include "trigger_call.h"

PG_FUNCTION_INFO_V1(twinset_keep_twin);
PG_FUNCTION_INFO_V1(twinset_keep_deployment);

/* a row on its way into the table, and what is changed of it */
typedef struct Row
{
	TriggerData *trigger;
	HeapTuple	tuple;			/* as it would be written */
	HeapTuple	old;			/* an UPDATE's old one; NULL */
	int			changes;		/* columns to set */
	int			columns[4];
	Datum		values[4];
} Row;

static Row
trigger_row(TriggerData *trigger)
{
	bool		update = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event);
	Row			row = {.trigger = trigger,
		.tuple = update ? trigger->tg_newtuple : trigger->tg_trigtuple,
	.old = update ? trigger->tg_trigtuple : NULL};

	return row;
}

static Datum
column(Row *row, HeapTuple tuple, int number, bool *isnull)
{
	return heap_getattr(tuple, number, RelationGetDescr(row->trigger->tg_relation), isnull);
}

static void
set_column(Row *row, int number, Datum value)
{
	row->columns[row->changes] = number;
	row->values[row->changes++] = value;
}

/* The trigger's result. */
static Datum
finish_row(Row *row)
{
	bool		nulls[lengthof(row->values)] = {false};

	if (row->changes == 0)
		return PointerGetDatum(row->tuple);
	return PointerGetDatum(heap_modify_tuple_by_cols(row->tuple, RelationGetDescr(row->trigger->tg_relation),
													 row->changes, row->columns, row->values, nulls));
}

static const char *
column_name(Row *row, int number)
{
	return NameStr(TupleDescAttr(RelationGetDescr(row->trigger->tg_relation), number - 1)->attname);
}

/* Does an UPDATE leave the column as it is? */
static bool
is_unchanged(Row *row, int number)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(row->trigger->tg_relation), number - 1);
	bool		was_null;
	bool		is_null;
	Datum		was = column(row, row->old, number, &was_null);
	Datum		is = column(row, row->tuple, number, &is_null);

	return was_null == is_null &&
		(was_null || datum_image_eq(was, is, attribute->attbyval, attribute->attlen));
}

/* An id is for good. */
static void
keep_key(Row *row, int number)
{
	if (is_unchanged(row, number))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("column \"%s\" of table \"%s\" can't be changed",
					column_name(row, number), RelationGetRelationName(row->trigger->tg_relation)),
			 errhint("Insert a row with the new id, and delete this one."),
			 errtablecol(row->trigger->tg_relation, number)));
}

/* What the extension keeps is not the user's to change. */
static void
keep_column(Row *row, int number, const char *reason)
{
	if (is_unchanged(row, number))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_GENERATED_ALWAYS),
			 errmsg("column \"%s\" of table \"%s\" can't be changed",
					column_name(row, number), RelationGetRelationName(row->trigger->tg_relation)),
			 errdetail("%s", reason),
			 errtablecol(row->trigger->tg_relation, number)));
}

/* The two times: on INSERT now unless given, updated_at with each UPDATE. */
static void
keep_times(Row *row, int created_at, int updated_at)
{
	Datum		now = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	bool		isnull;

	if (row->old != NULL)
	{
		keep_column(row, created_at, "It says when the row was inserted.");
		set_column(row, updated_at, now);
		return;
	}
	(void) column(row, row->tuple, created_at, &isnull);
	if (isnull)
		set_column(row, created_at, now);
	(void) column(row, row->tuple, updated_at, &isnull);
	if (isnull)
		set_column(row, updated_at, now);
}

/*
 * BEFORE ROW UPDATE on twin.
 */
Datum
twinset_keep_twin(PG_FUNCTION_ARGS)
{
	Row			row = trigger_row(trigger_call(fcinfo, TRIGGER_EVENT_BEFORE | TRIGGER_EVENT_ROW, "device_id"));

	keep_key(&row, Anum_twin_device_id);
	keep_times(&row, Anum_twin_created_at, Anum_twin_updated_at);
	return finish_row(&row);
}

static Datum
require_column(Row *row, int number)
{
	bool		isnull;
	Datum		value = column(row, row->tuple, number, &isnull);

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("null value in column \"%s\" of relation \"%s\" violates not-null constraint",
						column_name(row, number), RelationGetRelationName(row->trigger->tg_relation)),
				 errtablecol(row->trigger->tg_relation, number)));
	return value;
}

static void
require_valid(Row *row, bool valid, const char *constraint, const char *rule)
{
	if (valid)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("new row for relation \"%s\" violates check constraint \"%s\"",
					RelationGetRelationName(row->trigger->tg_relation), constraint),
			 errdetail("%s", rule),
			 errtableconstraint(row->trigger->tg_relation, constraint)));
}

static void
check_deployment(Row *row)
{
	Datum		deployment_id = require_column(row, Anum_deployment_deployment_id);
	Datum		priority = require_column(row, Anum_deployment_priority);
	Datum		labels = require_column(row, Anum_deployment_labels);

	(void) require_column(row, Anum_deployment_content);
	require_valid(row, deployment_id_is_valid(DatumGetTextPP(deployment_id)), "deployment_deployment_id_check",
				  "A deployment_id has 1 to 128 characters: lower-case ASCII letters, digits, and any of -+%_*!'. besides.");
	require_valid(row, DatumGetInt32(priority) > 0, "deployment_priority_check",
				  "A priority is greater than 0.");
	require_valid(row, labels_are_valid(DatumGetJsonbP(labels)), "deployment_labels_check",
				  "Labels are a JSON object whose values are strings.");
}

/* Does the table have this deployment, with this revision? */
static bool
deployment_exists(Row *row, Datum deployment_id, int64 revision)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	KeyLookup  *lookup = key_lookup_begin(row->trigger->tg_relation, snapshot);
	TupleTableSlot *slot = key_lookup(lookup, deployment_id);
	bool		isnull;
	bool		found = slot != NULL &&
		DatumGetInt64(slot_getattr(slot, Anum_deployment_revision, &isnull)) == revision;

	key_lookup_end(lookup);
	UnregisterSnapshot(snapshot);
	return found;
}

/*
 * A new deployment's revision.  A given one is a restore's: only the
 * extension's owner may give it.  Anybody may give the one that the deployment
 * has already, as a client does who saves a whole row by ON CONFLICT.
 */
static void
draw_revision(Row *row)
{
	bool		isnull;
	Datum		given = column(row, row->tuple, Anum_deployment_revision, &isnull);
	Datum		deployment_id;

	if (isnull)
	{
		set_column(row, Anum_deployment_revision, Int64GetDatum(settlement_draw_revision()));
		return;
	}
	deployment_id = column(row, row->tuple, Anum_deployment_deployment_id, &isnull);
	if (owner_is_current_user(RelationGetRelid(row->trigger->tg_relation)))
	{
		require_valid(row, DatumGetInt64(given) > 0 && DatumGetInt64(given) <= MAX_REVISION,
					  "deployment_revision_check", "A revision is a time in microseconds since 1970.");
		settlement_note_revision(DatumGetInt64(given));
	}
	else if (!deployment_exists(row, deployment_id, DatumGetInt64(given)))
		ereport(ERROR,
				(errcode(ERRCODE_GENERATED_ALWAYS),
				 errmsg("column \"%s\" of table \"%s\" can't be given",
						column_name(row, Anum_deployment_revision),
						RelationGetRelationName(row->trigger->tg_relation)),
				 errdetail("The extension draws it; only a restore by its owner may give it."),
				 errhint("Leave the column out, or give NULL."),
				 errtablecol(row->trigger->tg_relation, Anum_deployment_revision)));
}

/*
 * BEFORE ROW INSERT OR UPDATE on deployment.
 */
Datum
twinset_keep_deployment(PG_FUNCTION_ARGS)
{
	Row			row = trigger_row(trigger_call(fcinfo, TRIGGER_EVENT_BEFORE | TRIGGER_EVENT_ROW, "deployment_id"));
	bool		isnull;

	check_deployment(&row);
	if (row.old == NULL)
		draw_revision(&row);
	else
	{
		keep_key(&row, Anum_deployment_deployment_id);
		keep_column(&row, Anum_deployment_revision,
					"The extension draws a new one whenever what devices get changes.");
		if (!is_unchanged(&row, Anum_deployment_content) &&
			!manifest_same_delivery(column(&row, row.old, Anum_deployment_content, &isnull),
									column(&row, row.tuple, Anum_deployment_content, &isnull)))
			set_column(&row, Anum_deployment_revision, Int64GetDatum(settlement_draw_revision()));
	}
	keep_times(&row, Anum_deployment_created_at, Anum_deployment_updated_at);
	return finish_row(&row);
}
