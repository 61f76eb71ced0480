/*-------------------------------------------------------------------------
 *
 * deployment_change.c
 *	  The triggers of deployment: a change settles as part of its statement.
 *
 * BEFORE STATEMENT takes the settlement lock; AFTER STATEMENT notes what each
 * changed deployment was, writes its history, and settles.  Where another statement is still open
 * (another part of the same query, or the one whose trigger wrote the
 * deployment), the last of them to close settles instead, at the latest the
 * transaction's end.  The notes are rolled back with their subtransaction.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "break_rules.h"
#include "deployment_change.h"
#include "deployment_versions.h"
#include "deployments.h"
#include "history.h"
#include "owner.h"
#include "row_before.h"
#include "settle.h"
#include "settlement.h"
#include "statement.h"
#include "tables.h"
#include "trigger_call.h"

PG_FUNCTION_INFO_V1(twinset_lock_deployments);
PG_FUNCTION_INFO_V1(twinset_settle_deployments);
PG_FUNCTION_INFO_V1(twinset_settle_deployment_row);
PG_FUNCTION_INFO_V1(twinset_before_truncate_deployment);
PG_FUNCTION_INFO_V1(twinset_after_truncate_deployment);

/* of DeploymentImage, the first change first; in TopTransactionContext */
static List *pending_images = NIL;

/* the command before which none of them had changed; while there are any */
static CommandId pending_since = InvalidCommandId;

/* Changes of this command are noted from here on. */
static void
note_command(CommandId command)
{
	pending_since = pending_images == NIL ? command : Min(pending_since, command);
}

/*
 * Note what a deployment was.  A slot has a row of the table; NULL: there was
 * no deployment with this id.
 */
static void
note_image(TupleTableSlot *before, Datum deployment_id, bool restored)
{
	MemoryContext caller = MemoryContextSwitchTo(TopTransactionContext);
	DeploymentImage *image = palloc0(sizeof(DeploymentImage));
	bool		isnull;

	image->was.deployment_id = TextDatumGetCString(deployment_id);
	image->restored = restored;
	image->subtransaction = GetCurrentSubTransactionId();
	if (before != NULL)
	{
		Datum		condition = slot_getattr(before, Anum_deployment_target_condition, &isnull);

		image->existed = true;
		image->was.condition = isnull ? NULL : (Condition *) PG_DETOAST_DATUM_COPY(condition);
		image->was.priority = DatumGetInt32(slot_getattr(before, Anum_deployment_priority, &isnull));
		image->was.created_at = DatumGetTimestampTz(slot_getattr(before, Anum_deployment_created_at, &isnull));
		image->was.revision = DatumGetInt64(slot_getattr(before, Anum_deployment_revision, &isnull));
	}
	pending_images = lappend(pending_images, image);
	MemoryContextSwitchTo(caller);
}

/* Do two versions of a deployment give the same winners and counts? */
static bool
same_for_settling(TupleTableSlot *before, TupleTableSlot *after)
{
	static const AttrNumber columns[] = {
		Anum_deployment_deployment_id, Anum_deployment_target_condition,
		Anum_deployment_priority, Anum_deployment_revision, Anum_deployment_created_at
	};

	for (int i = 0; i < (int) lengthof(columns); i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(before->tts_tupleDescriptor, columns[i] - 1);
		bool		was_null;
		bool		is_null;
		Datum		was = slot_getattr(before, columns[i], &was_null);
		Datum		is = slot_getattr(after, columns[i], &is_null);

		if (was_null != is_null ||
			(!was_null && !datum_image_eq(was, is, attribute->attbyval, attribute->attlen)))
			return false;
	}
	return true;
}

static Datum
id_of(TupleTableSlot *row)
{
	bool		isnull;

	return slot_getattr(row, Anum_deployment_deployment_id, &isnull);
}

static void
note_change(TupleTableSlot *before, TupleTableSlot *after)
{
	if (before != NULL && after != NULL && same_for_settling(before, after))
		return;
	if (before != NULL)
		note_image(before, id_of(before), false);
	/* one id for good; but who applies rows of another server's is not told so */
	if (after != NULL &&
		(before == NULL || !DatumGetBool(DirectFunctionCall2Coll(texteq, C_COLLATION_OID, id_of(before), id_of(after)))))
		note_image(NULL, id_of(after), deployment_is_restored(after));
}

/* Note all deployments that there are: they are about to be truncated. */
static void
note_all(TriggerData *trigger)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(trigger->tg_relation, NULL);
	TableScanDesc scan = table_beginscan(trigger->tg_relation, snapshot, 0, NULL);
	StatementSpan span = statement_alone();
	History    *history = history_begin(trigger->tg_relation, span, true);

	note_command(span.command);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		note_change(slot, NULL);
		history_row(history, slot, NULL);
	}
	history_end(history);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
}

/* Who has compiled the deployments learns which of them have changed: those noted behind these. */
static void
note_versions(int images)
{
	List	   *ids = NIL;
	ListCell   *cell;

	for_each_from(cell, pending_images, images)
		ids = lappend(ids, (void *) ((DeploymentImage *) lfirst(cell))->was.deployment_id);
	if (ids != NIL)
		deployment_versions_note(ids);
}

void
deployment_change_settle(void)
{
	List	   *images = NIL;
	HASHCTL		control = {.keysize = DEPLOYMENT_ID_SIZE,.entrysize = DEPLOYMENT_ID_SIZE,.hcxt = CurrentMemoryContext};
	HTAB	   *seen;
	ListCell   *cell;

	if (pending_images == NIL)
		return;
	seen = hash_create("twinset pending deployments", Max(list_length(pending_images), 16), &control,
					   HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	foreach(cell, pending_images)
	{
		DeploymentImage *image = lfirst(cell);
		bool		found;

		(void) hash_search(seen, image->was.deployment_id, HASH_ENTER, &found);
		if (!found)
			images = lappend(images, image);
	}
	hash_destroy(seen);
	settle_deployments(images);
	pending_images = NIL;
}

CommandId
deployment_change_first(void)
{
	CommandId	open = statement_first_command(settlement_table("deployment"));

	return pending_images == NIL ? open : Min(open, pending_since);
}

/*
 * BEFORE STATEMENT on deployment.
 */
Datum
twinset_lock_deployments(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_call(fcinfo, TRIGGER_EVENT_BEFORE, "deployment_id");

	if (!RULE_IS_BROKEN(lock_before_rows))
		settlement_lock(SETTLEMENT_OF_ALL);
	statement_open(trigger);
	PG_RETURN_POINTER(NULL);
}

/*
 * AFTER STATEMENT on deployment, INSERT, UPDATE and DELETE, with all
 * transition tables of the event.
 */
Datum
twinset_settle_deployments(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_call(fcinfo, TRIGGER_EVENT_AFTER, "deployment_id");
	StatementSpan span = statement_close(trigger);
	RowBefore  *lookup = row_before_begin(trigger->tg_relation, span.command);
	History    *history = history_begin(trigger->tg_relation, span, false);
	TupleTableSlot *before = transition_begin(trigger, trigger->tg_oldtable);
	TupleTableSlot *after = transition_begin(trigger, trigger->tg_newtable);
	int			images = list_length(pending_images);

	if (RULE_IS_BROKEN(lock_before_rows))
		settlement_lock(SETTLEMENT_OF_ALL);
	note_command(span.command);
	/* of several statements that wrote one deployment any can close first: all note what it was before them */
	while (transition_next(trigger, before, after))
	{
		note_change(RULE_IS_BROKEN(deployment_from_table) ? before : row_before(lookup, id_of(before ? before : after)),
					after);
		history_row(history, before, after);
	}
	transition_end(before);
	transition_end(after);
	row_before_end(lookup);
	history_end(history);

	note_versions(images);
	settlement_keep_revision();
	if (!statement_any_open())
		deployment_change_settle();
	PG_RETURN_POINTER(NULL);
}

/*
 * AFTER ROW on deployment, ENABLE REPLICA: acts where no statement is open,
 * that is, where logical replication applies a row.
 */
Datum
twinset_settle_deployment_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_call(fcinfo, TRIGGER_EVENT_AFTER | TRIGGER_EVENT_ROW, "deployment_id");
	int			images = list_length(pending_images);
	TupleTableSlot *before = TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ? NULL : trigger->tg_trigslot;
	TupleTableSlot *after = TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ? trigger->tg_trigslot :
		TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newslot : NULL;
	StatementSpan span;
	History    *history;

	if (statement_is_open(trigger))
		PG_RETURN_POINTER(NULL);
	settlement_lock(SETTLEMENT_OF_ALL);
	span = statement_alone();
	note_command(span.command);
	note_change(before, after);
	history = history_begin(trigger->tg_relation, span, false);
	history_row(history, before, after);
	history_end(history);
	note_versions(images);
	if (!statement_any_open())
		deployment_change_settle();
	PG_RETURN_POINTER(NULL);
}

/*
 * BEFORE TRUNCATE on deployment: all deployments change.
 */
Datum
twinset_before_truncate_deployment(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_call(fcinfo, TRIGGER_EVENT_BEFORE, "deployment_id");

	settlement_lock(SETTLEMENT_OF_ALL);
	statement_open(trigger);
	note_all(trigger);
	PG_RETURN_POINTER(NULL);
}

/*
 * AFTER TRUNCATE on deployment.
 */
Datum
twinset_after_truncate_deployment(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_call(fcinfo, TRIGGER_EVENT_AFTER, "deployment_id");

	(void) statement_close(trigger);
	deployment_versions_note(NIL);
	if (!statement_any_open())
		deployment_change_settle();
	PG_RETURN_POINTER(NULL);
}

static void
deployment_change_at_subtransaction_end(SubXactEvent event, SubTransactionId subtransaction,
										SubTransactionId parent, void *arg)
{
	ListCell   *cell;

	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;

	foreach(cell, pending_images)
	{
		DeploymentImage *image = lfirst(cell);

		if (image->subtransaction != subtransaction)
			continue;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			image->subtransaction = parent;
		else
			pending_images = foreach_delete_current(pending_images, cell);
	}
}

static void
deployment_change_at_transaction_end(XactEvent event, void *arg)
{
	/* the list itself goes with TopTransactionContext */
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		pending_images = NIL;
}

void
deployment_change_init(void)
{
	RegisterXactCallback(deployment_change_at_transaction_end, NULL);
	RegisterSubXactCallback(deployment_change_at_subtransaction_end, NULL);
}
