/*-------------------------------------------------------------------------
 *
 * twin_triggers.c
 *	  The triggers that take changes of twins and reports to the log.
 *
 * BEFORE STATEMENT notes that a statement is open, AFTER STATEMENT reads the
 * transition tables, appends to the log what each row was, and notes that the
 * statement is done.  Both fire in every replication role.  Logical
 * replication applies rows without statement triggers: there an AFTER ROW
 * trigger, ENABLE REPLICA, does the same for one row.
 *
 * A deployment that was changed beside the statement is settled by the last
 * statement that closes.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "break_rules.h"
#include "change_log.h"
#include "deployment_change.h"
#include "guard.h"
#include "key_lookup.h"
#include "owner.h"
#include "row_before.h"
#include "settle.h"
#include "settlement.h"
#include "statement.h"
#include "tables.h"
#include "trigger_call.h"

PG_FUNCTION_INFO_V1(twinset_open_statement);
PG_FUNCTION_INFO_V1(twinset_log_twins);
PG_FUNCTION_INFO_V1(twinset_log_reports);
PG_FUNCTION_INFO_V1(twinset_log_twin_row);
PG_FUNCTION_INFO_V1(twinset_log_report_row);
PG_FUNCTION_INFO_V1(twinset_before_truncate_twin);
PG_FUNCTION_INFO_V1(twinset_after_truncate_twin);

/*
 * logs one row's change; a slot is NULL where there was, or is, no row, and
 * both may be: then others have written it before and after
 */
typedef void (*LogRow) (ChangeLog *log, TupleTableSlot *before, TupleTableSlot *after);

/* device ids that are collected for a query of their own, at most */
#define DEVICE_BATCH	10000

/*
 * Are two tags the same value?  The binary form of jsonb is canonical but for
 * the scale of numbers, so a difference too many is possible, and harmless.
 */
static bool
same_tags(Datum one, Datum other)
{
	struct varlena *a = PG_DETOAST_DATUM_PACKED(one);
	struct varlena *b = PG_DETOAST_DATUM_PACKED(other);

	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

static bool
same_device(Datum one, Datum other)
{
	return DatumGetBool(DirectFunctionCall2Coll(texteq, C_COLLATION_OID, one, other));
}

static void
log_twin(ChangeLog *log, TupleTableSlot *before, TupleTableSlot *after)
{
	bool		isnull;
	Datum		old_id = before ? slot_getattr(before, Anum_twin_device_id, &isnull) : (Datum) 0;
	Datum		new_id = after ? slot_getattr(after, Anum_twin_device_id, &isnull) : (Datum) 0;
	TwinKind	was = twin_kind(before);
	TwinKind	is = twin_kind(after);
	Datum		old_tags = was == TWIN_LIVE ? slot_getattr(before, Anum_twin_tags, &isnull) : (Datum) 0;

	/* a key changes only where our BEFORE trigger did not fire */
	if (before && after && !same_device(old_id, new_id))
	{
		log_twin(log, before, NULL);
		log_twin(log, NULL, after);
		return;
	}
	if (was == is && (is != TWIN_LIVE || same_tags(old_tags, slot_getattr(after, Anum_twin_tags, &isnull))))
		return;
	if (RULE_IS_BROKEN(every_change) && was == is &&
		deployments_see_no_change(new_id, old_tags, slot_getattr(after, Anum_twin_tags, &isnull)))
		return;
	change_log_twin(log, before ? old_id : new_id, was, old_tags);
}

static void
log_report(ChangeLog *log, TupleTableSlot *before, TupleTableSlot *after)
{
	bool		isnull;
	Datum		old_id = before ? slot_getattr(before, Anum_report_device_id, &isnull) : (Datum) 0;
	Datum		new_id = after ? slot_getattr(after, Anum_report_device_id, &isnull) : (Datum) 0;
	Datum		revision = 0;
	Datum		code = 0;

	if (before && after && !same_device(old_id, new_id))
	{
		log_report(log, before, NULL);
		log_report(log, NULL, after);
		return;
	}
	if (!before && !after)
		return;
	if (before)
	{
		revision = slot_getattr(before, Anum_report_revision, &isnull);
		code = slot_getattr(before, Anum_report_code, &isnull);
	}
	if (before && after &&
		DatumGetInt64(revision) == DatumGetInt64(slot_getattr(after, Anum_report_revision, &isnull)) &&
		DatumGetInt32(code) == DatumGetInt32(slot_getattr(after, Anum_report_code, &isnull)))
		return;
	change_log_report(log, before ? old_id : new_id, before != NULL, revision, code);
}

/*
 * Read the transition tables side by side (an UPDATE's have their rows in the
 * same order) and log each row.  Where statements were interleaved all of them
 * log what the row was before the first, whoever of them wrote it first.
 */
static StatementSpan
log_statement(TriggerData *trigger, LogRow log_row)
{
	StatementSpan span = statement_close(trigger);
	ChangeLog  *log = change_log_begin(trigger->tg_relation,
									   RULE_IS_BROKEN(order_of_opening) ? statement_alone().order : span.order);
	RowBefore  *lookup = span.interleaved && !RULE_IS_BROKEN(image_from_table) ? row_before_begin(trigger->tg_relation, span.command) : NULL;
	TupleTableSlot *before = transition_begin(trigger, trigger->tg_oldtable);
	TupleTableSlot *after = transition_begin(trigger, trigger->tg_newtable);
	MemoryContext per_row = AllocSetContextCreate(CurrentMemoryContext, "twinset log row",
												  ALLOCSET_SMALL_SIZES);

	while (transition_next(trigger, before, after))
	{
		MemoryContext caller = MemoryContextSwitchTo(per_row);
		TupleTableSlot *first = before;

		if (lookup != NULL)
		{
			bool		isnull;

			first = row_before(lookup, slot_getattr(before ? before : after,
													Anum_twin_device_id, &isnull));
		}
		log_row(log, first, after);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(per_row);
	}

	transition_end(before);
	transition_end(after);
	if (lookup != NULL)
		row_before_end(lookup);
	MemoryContextDelete(per_row);
	change_log_end(log);
	return span;
}

static void
log_row_trigger(TriggerData *trigger, LogRow log_row)
{
	ChangeLog  *log = change_log_begin(trigger->tg_relation, statement_alone().order);
	TupleTableSlot *before = TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ? NULL : trigger->tg_trigslot;
	TupleTableSlot *after = TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ? trigger->tg_trigslot :
		TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newslot : NULL;

	log_row(log, before, after);
	change_log_end(log);
}

/*
 * Above READ COMMITTED a snapshot can hold a device that others have deleted,
 * beside the one that was just inserted under its id.  The log could not say
 * what such a device was.
 */
static void
refuse_hidden_twins(TriggerData *trigger)
{
	TupleTableSlot *inserted = transition_begin(trigger, trigger->tg_newtable);
	Snapshot	snapshot;
	KeyLookup  *lookup;

	/* what was inserted is to be seen too */
	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetTransactionSnapshot());
	lookup = key_lookup_begin(trigger->tg_relation, snapshot);
	while (transition_next(trigger, NULL, inserted))
	{
		bool		isnull;

		if (key_lookup(lookup, slot_getattr(inserted, Anum_twin_device_id, &isnull)) != NULL &&
			key_lookup_more(lookup) != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not serialize access due to concurrent delete"),
					 errhint("The transaction might succeed if retried.")));
	}

	key_lookup_end(lookup);
	UnregisterSnapshot(snapshot);
	transition_end(inserted);
}

/*
 * Delete the reports of devices that were deleted; the report's own triggers
 * log them.  They are deleted as they are now, not as the transaction's
 * snapshot sees them, which could leave one behind.  Where the two differ the
 * log could not be right for both this transaction and the others, so above
 * READ COMMITTED that is a serialization failure, as for a foreign key with
 * ON DELETE CASCADE.
 */
static void
delete_reports(TriggerData *trigger)
{
	static SPIPlanPtr plan = NULL;
	static SPIPlanPtr asking_plan = NULL;
	TupleTableSlot *deleted = transition_begin(trigger, trigger->tg_oldtable);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "twinset deleted devices",
												  ALLOCSET_DEFAULT_SIZES);
	Datum	   *device_ids = palloc(sizeof(Datum) * DEVICE_BATCH);
	bool		more = true;
	OwnerContext owner;

	owner_begin(&owner, RelationGetRelid(trigger->tg_relation));
	owner_plan(&plan, "DELETE FROM twinset.report WHERE device_id = ANY ($1)", 1, (Oid[]) {TEXTARRAYOID});
	owner_plan(&asking_plan, "DELETE FROM twinset.asking WHERE device_id = ANY ($1)", 1, (Oid[]) {TEXTARRAYOID});
	while (more)
	{
		MemoryContext caller = MemoryContextSwitchTo(context);
		int			count = 0;

		while (count < DEVICE_BATCH &&
			   (more = transition_next(trigger, deleted, NULL)))
		{
			bool		isnull;
			Datum		device_id = slot_getattr(deleted, Anum_twin_device_id, &isnull);

			device_ids[count++] = PointerGetDatum(DatumGetTextPCopy(device_id));
		}
		if (count > 0)
		{
			Datum		batch = PointerGetDatum(construct_array(device_ids, count, TEXTOID,
																-1, false, TYPALIGN_INT));

			owner_execute(plan, &batch, RULE_IS_BROKEN(reports_by_latest) ? NULL : GetLatestSnapshot(),
						  IsolationUsesXactSnapshot() && !RULE_IS_BROKEN(reports_seen) ?
						  GetTransactionSnapshot() : InvalidSnapshot);
			owner_execute(asking_plan, &batch, GetLatestSnapshot(), InvalidSnapshot);
		}
		MemoryContextSwitchTo(caller);
		MemoryContextReset(context);
	}
	owner_end(&owner);
	MemoryContextDelete(context);
	transition_end(deleted);
}

/* The log is written: a deployment that was changed meanwhile can be settled. */
static void
statement_is_done(void)
{
	if (statement_any_open())
		return;
	deployment_change_settle();
	if (RULE_IS_BROKEN(at_commit_only) && settlement_try_lock())
		settle_log(0);
}

/*
 * BEFORE STATEMENT on twin and report.
 */
Datum
twinset_open_statement(PG_FUNCTION_ARGS)
{
	statement_open(trigger_call(fcinfo, TRIGGER_EVENT_BEFORE, "device_id"));
	PG_RETURN_POINTER(NULL);
}

/*
 * AFTER STATEMENT on twin, INSERT, UPDATE and DELETE, with all transition
 * tables of the event.
 */
Datum
twinset_log_twins(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_call(fcinfo, TRIGGER_EVENT_AFTER, "device_id");
	uint64		appended = change_log_appended();
	StatementSpan span = log_statement(trigger, log_twin);

	/* an INSERT moves no device that there was */
	guard_twins(trigger->tg_relation, span.order,
				TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ? 0 : change_log_appended() - appended);
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event) && IsolationUsesXactSnapshot() && !RULE_IS_BROKEN(no_hidden_twin))
		refuse_hidden_twins(trigger);
	if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		delete_reports(trigger);
	statement_is_done();
	PG_RETURN_POINTER(NULL);
}

/*
 * AFTER STATEMENT on report, likewise.
 */
Datum
twinset_log_reports(PG_FUNCTION_ARGS)
{
	(void) log_statement(trigger_call(fcinfo, TRIGGER_EVENT_AFTER, "device_id"), log_report);
	statement_is_done();
	PG_RETURN_POINTER(NULL);
}

/*
 * AFTER ROW on twin, ENABLE REPLICA: acts where no statement is open, that is,
 * where logical replication applies a row.
 */
Datum
twinset_log_twin_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_call(fcinfo, TRIGGER_EVENT_AFTER | TRIGGER_EVENT_ROW, "device_id");

	if (!statement_is_open(trigger))
		log_row_trigger(trigger, log_twin);
	PG_RETURN_POINTER(NULL);
}

/*
 * AFTER ROW on report, ENABLE REPLICA, likewise.
 */
Datum
twinset_log_report_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_call(fcinfo, TRIGGER_EVENT_AFTER | TRIGGER_EVENT_ROW, "device_id");

	if (!statement_is_open(trigger))
		log_row_trigger(trigger, log_report);
	PG_RETURN_POINTER(NULL);
}

/*
 * BEFORE TRUNCATE on twin: nobody settles beside it.
 */
Datum
twinset_before_truncate_twin(PG_FUNCTION_ARGS)
{
	(void) trigger_call(fcinfo, TRIGGER_EVENT_BEFORE, "device_id");
	settlement_lock(SETTLEMENT_OF_NO_TWINS);
	guard_truncated_twins();
	PG_RETURN_POINTER(NULL);
}

/*
 * AFTER TRUNCATE on twin: there is no device, no report and no winner, and the
 * log is empty, whatever of it the transaction's snapshot sees.  The table's
 * lock has kept everybody else away who appends to it.
 */
Datum
twinset_after_truncate_twin(PG_FUNCTION_ARGS)
{
	(void) trigger_call(fcinfo, TRIGGER_EVENT_AFTER, "device_id");
	settle_without_twins();
	PG_RETURN_POINTER(NULL);
}
