/*-------------------------------------------------------------------------
 *
 * history.c
 *	  The history of the deployments: what each of them was, and who changed it.
 *
 * A change of a deployment leaves one row, with what it was and what it is:
 *
 *	at			who		deployment	before				after
 *	03:00:00	alice	base		-					priority 1, content A
 *	03:07:12	bob		base		priority 1			priority 9
 *	03:09:40	alice	base		priority 9, A		-
 *
 * The content is kept only where it is another (or there is another none): it
 * is large, and the entry before or behind has it.  What leaves a row as it
 * was, but for updated_at, is no change.
 *
 * Statements on deployment follow one another, as each holds the settlement
 * lock until its transaction ends.  So the clock, read under the lock and made
 * later than every entry, orders them all, within a transaction too, and a
 * deployment has at most one entry of a time.
 *
 * Where statements on deployment ran beside or within one another (a MERGE, a
 * part of the same query, a user's trigger, a cascade), their triggers do not
 * fire in the order in which they wrote.  They note which deployments they
 * wrote, and the last of them to close writes an entry for each: from what it
 * was before all of them to what it is.  The notes are rolled back with their
 * subtransaction.
 *
 * A restore inserts deployments that the history, which it restores too, has
 * already: such a row is no change (sql/history.sql says the rest).
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "deployments.h"
#include "history.h"
#include "key_lookup.h"
#include "row_before.h"
#include "settlement.h"
#include "table_writer.h"
#include "tables.h"

/* a column of deployment, and where its two versions are in the history */
typedef struct KeptColumn
{
	AttrNumber	deployment;
	AttrNumber	before;
	AttrNumber	after;
} KeptColumn;

/* all but the content, which is first */
static const KeptColumn kept_columns[] = {
	{Anum_deployment_content, Anum_history_before_content, Anum_history_after_content},
	{Anum_deployment_target_condition, Anum_history_before_condition, Anum_history_after_condition},
	{Anum_deployment_priority, Anum_history_before_priority, Anum_history_after_priority},
	{Anum_deployment_labels, Anum_history_before_labels, Anum_history_after_labels},
	{Anum_deployment_revision, Anum_history_before_revision, Anum_history_after_revision},
	{Anum_deployment_created_at, Anum_history_before_created_at, Anum_history_after_created_at},
};

#define CONTENT		0			/* its place among them */

struct History
{
	Relation	deployment;
	StatementSpan span;
	bool		truncate;
	bool		alone;			/* no other statement on the table: entries are written at once */
	TableWriter *writer;		/* NULL before the first entry */
	TimestampTz at;				/* of the entries */
	const char *role;
	const char *login;
};

/* a deployment whose entry is written when all statements have closed */
typedef struct PendingEntry
{
	const char *deployment_id;
	CommandId	command;		/* what the row was before it, it was before all of them */
	SubTransactionId subtransaction;	/* that wrote it */
} PendingEntry;

/* in TopTransactionContext */
static List *pending_entries = NIL;

/* the latest entry of this backend; it never goes back */
static TimestampTz latest_at = 0;

/* who acts, and why: backends of a program share a role */
static char *actor = NULL;
static char *reason = NULL;

/* The time of the latest entry that there is. */
static TimestampTz
time_of_latest_entry(void)
{
	Relation	table = table_open(settlement_table("history"), AccessShareLock);
	Relation	index = index_open(settlement_table("history_at"), AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	IndexScanDesc scan = index_beginscan(table, index, snapshot, 0, 0);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TimestampTz at = 0;
	bool		isnull;

	index_rescan(scan, NULL, 0, NULL, 0);
	if (index_getnext_slot(scan, BackwardScanDirection, slot))
		at = DatumGetTimestampTz(slot_getattr(slot, Anum_history_at, &isnull));
	ExecDropSingleTupleTableSlot(slot);
	index_endscan(scan);
	UnregisterSnapshot(snapshot);
	index_close(index, AccessShareLock);
	table_close(table, AccessShareLock);
	return at;
}

static void
begin_writing(History *history)
{
	latest_at = Max(Max(latest_at, time_of_latest_entry()) + 1, GetCurrentTimestamp());
	history->at = latest_at;
	/* not the owner of a function that acts for him: who called it */
	history->role = GetUserNameFromId(GetOuterUserId(), false);
	history->login = GetUserNameFromId(GetSessionUserId(), false);
	history->writer = table_writer_begin("history");
}

/* Have two rows the same in a column? */
static bool
same_column(TupleTableSlot *before, TupleTableSlot *after, AttrNumber number)
{
	Form_pg_attribute attribute = TupleDescAttr(before->tts_tupleDescriptor, number - 1);
	bool		was_null;
	bool		is_null;
	Datum		was = slot_getattr(before, number, &was_null);
	Datum		is = slot_getattr(after, number, &is_null);

	if (was_null || is_null)
		return was_null == is_null;
	/* what was not written anew is stored alike, so it is not unpacked */
	if (attribute->attlen == -1 &&
		VARSIZE_ANY(DatumGetPointer(was)) == VARSIZE_ANY(DatumGetPointer(is)) &&
		memcmp(DatumGetPointer(was), DatumGetPointer(is), VARSIZE_ANY(DatumGetPointer(was))) == 0)
		return true;
	return datum_image_eq(was, is, attribute->attbyval, attribute->attlen);
}

/* Set a column of the entry to that of a version; null where there is no such version. */
static void
set_column(Datum *values, bool *nulls, AttrNumber column, TupleTableSlot *version, AttrNumber number)
{
	values[column - 1] = (Datum) 0;
	nulls[column - 1] = true;
	if (version != NULL)
		values[column - 1] = slot_getattr(version, number, &nulls[column - 1]);
}

static void
set_text(Datum *values, bool *nulls, AttrNumber column, const char *text)
{
	nulls[column - 1] = text == NULL || text[0] == '\0';
	values[column - 1] = nulls[column - 1] ? (Datum) 0 : CStringGetTextDatum(text);
}

static const char *
operation_of(History *history, TupleTableSlot *before, TupleTableSlot *after)
{
	if (history->truncate)
		return "truncate";
	if (before == NULL)
		return deployment_is_restored(after) ? "restore" : "insert";
	return after == NULL ? "delete" : "update";
}

static void
write_entry(History *history, TupleTableSlot *before, TupleTableSlot *after)
{
	bool		same[lengthof(kept_columns)] = {false};
	int			differing = lengthof(kept_columns);
	TupleTableSlot *either = after != NULL ? after : before;
	Datum	   *values;
	bool	   *nulls;
	bool		isnull;

	if (either == NULL)
		return;
	for (int i = 0; before != NULL && after != NULL && i < (int) lengthof(kept_columns); i++)
	{
		same[i] = same_column(before, after, kept_columns[i].deployment);
		differing -= same[i];
	}
	if (differing == 0)
		return;

	if (history->writer == NULL)
		begin_writing(history);
	values = table_writer_row(history->writer);
	nulls = table_writer_nulls(history->writer);
	values[Anum_history_deployment_id - 1] = slot_getattr(either, Anum_deployment_deployment_id, &isnull);
	values[Anum_history_at - 1] = TimestampTzGetDatum(history->at);
	values[Anum_history_transaction - 1] = FullTransactionIdGetDatum(GetTopFullTransactionId());
	set_text(values, nulls, Anum_history_role, history->role);
	set_text(values, nulls, Anum_history_login, history->login);
	set_text(values, nulls, Anum_history_actor, actor);
	set_text(values, nulls, Anum_history_reason, reason);
	set_text(values, nulls, Anum_history_operation, operation_of(history, before, after));
	for (int i = 0; i < (int) lengthof(kept_columns); i++)
	{
		bool		left_out = i == CONTENT && same[i];

		set_column(values, nulls, kept_columns[i].before, left_out ? NULL : before, kept_columns[i].deployment);
		set_column(values, nulls, kept_columns[i].after, left_out ? NULL : after, kept_columns[i].deployment);
	}
	table_writer_insert(history->writer);
}

/*
 * Is this row, which was inserted, what the history says the deployment is?
 * Then a restore has brought it, behind the history.
 */
static bool
is_known_already(TupleTableSlot *inserted)
{
	Relation	table;
	Snapshot	snapshot;
	KeyLookup  *lookup;
	TupleTableSlot *entry;
	bool		known;
	bool		isnull;

	if (!deployment_is_restored(inserted))
		return false;

	table = table_open(settlement_table("history"), AccessShareLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	lookup = key_lookup_begin_by(table, RelationGetPrimaryKeyIndex(table), BackwardScanDirection, snapshot);
	entry = key_lookup(lookup, slot_getattr(inserted, Anum_deployment_deployment_id, &isnull));
	known = entry != NULL;
	for (int i = CONTENT + 1; known && i < (int) lengthof(kept_columns); i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(inserted->tts_tupleDescriptor, kept_columns[i].deployment - 1);
		bool		was_null;
		bool		is_null;
		Datum		was = slot_getattr(entry, kept_columns[i].after, &was_null);
		Datum		is = slot_getattr(inserted, kept_columns[i].deployment, &is_null);

		known = was_null == is_null &&
			(was_null || datum_image_eq(was, is, attribute->attbyval, attribute->attlen));
	}
	key_lookup_end(lookup);
	UnregisterSnapshot(snapshot);
	table_close(table, AccessShareLock);
	return known;
}

static void
note_pending(History *history, Datum deployment_id)
{
	MemoryContext caller = MemoryContextSwitchTo(TopTransactionContext);
	PendingEntry *pending = palloc(sizeof(PendingEntry));

	pending->deployment_id = TextDatumGetCString(deployment_id);
	pending->command = history->span.command;
	pending->subtransaction = GetCurrentSubTransactionId();
	pending_entries = lappend(pending_entries, pending);
	MemoryContextSwitchTo(caller);
}

History *
history_begin(Relation deployment, StatementSpan span, bool truncate)
{
	History    *history = palloc0(sizeof(History));

	history->deployment = deployment;
	history->span = span;
	history->truncate = truncate;
	history->alone = pending_entries == NIL && !span.interleaved &&
		(truncate || !statement_is_open_on(RelationGetRelid(deployment)));
	return history;
}

void
history_row(History *history, TupleTableSlot *before, TupleTableSlot *after)
{
	bool		isnull;

	if (!history->alone)
		note_pending(history, slot_getattr(before != NULL ? before : after,
										   Anum_deployment_deployment_id, &isnull));
	else if (before != NULL || !is_known_already(after))
		write_entry(history, before, after);
}

/* A column of a row that is put together; what it points to is copied. */
static void
copy_column(TupleTableSlot *row, AttrNumber number, TupleTableSlot *from, AttrNumber column)
{
	Form_pg_attribute attribute = TupleDescAttr(row->tts_tupleDescriptor, number - 1);
	Datum		value = slot_getattr(from, column, &row->tts_isnull[number - 1]);

	if (!row->tts_isnull[number - 1])
		row->tts_values[number - 1] = datumCopy(value, attribute->attbyval, attribute->attlen);
}

/*
 * What a deployment was before the statements whose entries are pending.  Where
 * this transaction has written an entry of it, that is what the last one says:
 * of one query some statements can have closed before others have opened, that
 * began with the same command.  was is the row before that command, or NULL.
 */
static TupleTableSlot *
before_pending(KeyLookup *entries, Datum deployment_id, TupleTableSlot *was, TupleTableSlot *row)
{
	FullTransactionId transaction = GetTopFullTransactionId();
	TupleTableSlot *entry = key_lookup(entries, deployment_id);
	bool		isnull;

	if (entry == NULL ||
		!FullTransactionIdEquals(DatumGetFullTransactionId(slot_getattr(entry, Anum_history_transaction, &isnull)),
								 transaction))
		return was;
	(void) slot_getattr(entry, Anum_history_after_revision, &isnull);
	if (isnull)
		return NULL;

	ExecStoreAllNullTuple(row);
	for (int i = CONTENT + 1; i < (int) lengthof(kept_columns); i++)
		copy_column(row, kept_columns[i].deployment, entry, kept_columns[i].after);
	copy_column(row, Anum_deployment_deployment_id, entry, Anum_history_deployment_id);
	if (was != NULL)
		copy_column(row, Anum_deployment_content, was, Anum_deployment_content);
	while (entry != NULL &&
		   FullTransactionIdEquals(DatumGetFullTransactionId(slot_getattr(entry, Anum_history_transaction, &isnull)),
								   transaction))
	{
		(void) slot_getattr(entry, Anum_history_after_content, &isnull);
		if (!isnull)
		{
			copy_column(row, Anum_deployment_content, entry, Anum_history_after_content);
			break;
		}
		entry = key_lookup_more(entries);
	}
	return row;
}

/* The entries of all that is pending, once each. */
static void
write_pending(History *history)
{
	HASHCTL		control = {.keysize = DEPLOYMENT_ID_SIZE,.entrysize = DEPLOYMENT_ID_SIZE,.hcxt = CurrentMemoryContext};
	HTAB	   *seen = hash_create("twinset history", 128, &control, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	MemoryContext per_entry = AllocSetContextCreate(CurrentMemoryContext, "twinset history entry",
													ALLOCSET_DEFAULT_SIZES);
	CommandId	first = ((PendingEntry *) linitial(pending_entries))->command;
	Relation	table = table_open(settlement_table("history"), AccessShareLock);
	TupleTableSlot *row = MakeSingleTupleTableSlot(RelationGetDescr(history->deployment), &TTSOpsVirtual);
	Snapshot	snapshot;
	RowBefore  *before;
	KeyLookup  *after;
	KeyLookup  *entries;
	ListCell   *cell;

	foreach(cell, pending_entries)
		first = Min(first, ((PendingEntry *) lfirst(cell))->command);

	/* what the last statement has written is to be seen too */
	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	before = row_before_begin(history->deployment, first);
	after = key_lookup_begin(history->deployment, snapshot);
	entries = key_lookup_begin_by(table, RelationGetPrimaryKeyIndex(table), BackwardScanDirection, snapshot);
	if (history->writer == NULL)
		begin_writing(history);
	foreach(cell, pending_entries)
	{
		const char *deployment_id = ((PendingEntry *) lfirst(cell))->deployment_id;
		MemoryContext caller;
		Datum		key;
		TupleTableSlot *was;
		TupleTableSlot *is;
		bool		found;

		CHECK_FOR_INTERRUPTS();
		(void) hash_search(seen, deployment_id, HASH_ENTER, &found);
		if (found)
			continue;
		caller = MemoryContextSwitchTo(per_entry);
		key = CStringGetTextDatum(deployment_id);
		was = before_pending(entries, key, row_before(before, key), row);
		is = key_lookup(after, key);
		if (was != NULL || is == NULL || !is_known_already(is))
			write_entry(history, was, is);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(per_entry);
	}
	key_lookup_end(entries);
	key_lookup_end(after);
	row_before_end(before);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(row);
	table_close(table, AccessShareLock);
	MemoryContextDelete(per_entry);
	hash_destroy(seen);
}

void
history_end(History *history)
{
	if (pending_entries != NIL && !statement_is_open_on(RelationGetRelid(history->deployment)))
	{
		write_pending(history);
		pending_entries = NIL;
	}
	if (history->writer != NULL)
		(void) table_writer_end(history->writer);
	pfree(history);
}

void
history_flush(void)
{
	Relation	deployment;
	History    *history;

	if (pending_entries == NIL)
		return;
	deployment = table_open(settlement_table("deployment"), AccessShareLock);
	history = history_begin(deployment, statement_alone(), false);
	write_pending(history);
	pending_entries = NIL;
	history_end(history);
	table_close(deployment, NoLock);
}

static void
history_at_subtransaction_end(SubXactEvent event, SubTransactionId subtransaction,
							  SubTransactionId parent, void *arg)
{
	ListCell   *cell;

	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;

	foreach(cell, pending_entries)
	{
		PendingEntry *pending = lfirst(cell);

		if (pending->subtransaction != subtransaction)
			continue;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			pending->subtransaction = parent;
		else
			pending_entries = foreach_delete_current(pending_entries, cell);
	}
}

static void
history_at_transaction_end(XactEvent event, void *arg)
{
	/* the list itself goes with TopTransactionContext */
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		pending_entries = NIL;
}

void
history_init(void)
{
	DefineCustomStringVariable("twinset.actor",
							   "Who changes deployments, for their history.",
							   "A backend that acts for many people under one role sets it for each.",
							   &actor, "", PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("twinset.reason",
							   "Why deployments are changed, for their history.",
							   NULL,
							   &reason, "", PGC_USERSET, 0, NULL, NULL, NULL);
	RegisterXactCallback(history_at_transaction_end, NULL);
	RegisterSubXactCallback(history_at_subtransaction_end, NULL);
}
