/*-------------------------------------------------------------------------
 *
 * change_log.c
 *	  Appending to the log what a device was before a change.
 *
 * An entry says what a device's twin, or its report, was before one query of
 * one transaction wrote it.  The first visible entry of a device is therefore
 * what the device was when the log was last settled.  Which is the first:
 *
 *	by transaction	the ordinal is the place in the write-ahead log when the
 *					rows are written.  Their locks are held until the
 *					transaction ends, its commit is in that log, and so who
 *					writes a row next is at a later place (a row: a device's
 *					twin and its report are two);
 *	within one		the order in which the statements were opened; of those that
 *					ran within one another all say the same (see row_before.c);
 *	within a query	a twin that there was before one that there was not: it
 *					was deleted and inserted again.
 *
 * A twin counts with its tags only while it is live, that is, provisioned as an
 * Edge device and not retired.  Of one that is not live the entry says which of
 * the two it was, in the column code; none at all is 0.
 *
 * A statement writes a row for each of its first entries, and packs the others
 * (change_pack.c).
 *
 * Nothing is read here but the rows given: no condition, no deployment, no
 * lock but the rows' own.  The log has no index.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "break_rules.h"
#include "change_log.h"
#include "change_pack.h"
#include "tables.h"

struct ChangeLog
{
	MemoryContext context;		/* of the log's own state */
	Relation	beside;			/* the table whose rows were written */
	Relation	relation;		/* the log; NULL before the first entry */
	int64		statement;		/* that wrote the rows: its order in the transaction */
	int			rows;			/* entries that were written, a row each */
	ChangePack	pack;			/* of the others, those that are not written yet */
	Datum		values[Natts_change];	/* of the entry to append */
	bool		nulls[Natts_change];
};

/* entries of a statement that are written a row each; more are packed */
#define MAX_ROWS	8

static uint64 appended = 0;

ChangeLog *
change_log_begin(Relation beside, int64 statement)
{
	ChangeLog  *log = palloc0(sizeof(ChangeLog));

	log->context = CurrentMemoryContext;
	log->beside = beside;
	log->statement = statement;
	return log;
}

static void
open_log(ChangeLog *log)
{
	log->relation = table_open(companion(log->beside, "change"), RowExclusiveLock);
	log->values[Anum_change_ordinal - 1] = Int64GetDatum(RULE_IS_BROKEN(order_of_row_locks) ?
														 (int64) U64FromFullTransactionId(GetTopFullTransactionId()) :
														 (int64) GetXLogInsertRecPtr());
	log->values[Anum_change_transaction - 1] =
		FullTransactionIdGetDatum(GetTopFullTransactionId());
	log->values[Anum_change_statement - 1] = Int64GetDatum(log->statement);
	log->values[Anum_change_changed_at - 1] =
		TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	log->nulls[Anum_change_packed - 1] = true;
}

static void
begin_pack(ChangeLog *log)
{
	MemoryContext caller = MemoryContextSwitchTo(log->context);

	change_pack_init(&log->pack);
	MemoryContextSwitchTo(caller);
}

static void
write_row(ChangeLog *log)
{
	HeapTuple	tuple = heap_form_tuple(RelationGetDescr(log->relation), log->values, log->nulls);

	heap_insert(log->relation, tuple, GetCurrentCommandId(true), 0, NULL);
	heap_freetuple(tuple);
}

/* Write the entries that are packed. */
static void
write_pack(ChangeLog *log)
{
	for (int column = Anum_change_device_id; column < Anum_change_packed; column++)
		log->nulls[column - 1] = true;
	log->values[Anum_change_packed - 1] = change_pack_datum(&log->pack);
	log->nulls[Anum_change_packed - 1] = false;
	write_row(log);
	log->nulls[Anum_change_packed - 1] = true;
	change_pack_reset(&log->pack);
}

static void
append(ChangeLog *log, Datum device_id)
{
	if (log->relation == NULL)
		open_log(log);
	log->values[Anum_change_device_id - 1] = device_id;
	log->nulls[Anum_change_device_id - 1] = false;
	appended++;
	if (log->rows < MAX_ROWS)
	{
		write_row(log);
		if (++log->rows == MAX_ROWS)
			begin_pack(log);
		return;
	}
	change_pack_add(&log->pack, RelationGetDescr(log->relation), log->values, log->nulls);
	if (log->pack.data.len >= CHANGE_PACK_FULL)
		write_pack(log);
}

void
change_log_twin(ChangeLog *log, Datum device_id, TwinKind kind, Datum tags)
{
	bool		live = kind == TWIN_LIVE;

	log->values[Anum_change_live - 1] = BoolGetDatum(live);
	log->nulls[Anum_change_live - 1] = false;
	log->values[Anum_change_tags - 1] = tags;
	log->nulls[Anum_change_tags - 1] = !live;
	log->nulls[Anum_change_revision - 1] = true;
	log->values[Anum_change_code - 1] = Int32GetDatum(kind);
	log->nulls[Anum_change_code - 1] = live;
	append(log, device_id);
}

void
change_log_report(ChangeLog *log, Datum device_id, bool existed, Datum revision, Datum code)
{
	log->nulls[Anum_change_live - 1] = true;
	log->nulls[Anum_change_tags - 1] = true;
	log->values[Anum_change_revision - 1] = revision;
	log->nulls[Anum_change_revision - 1] = !existed;
	log->values[Anum_change_code - 1] = code;
	log->nulls[Anum_change_code - 1] = !existed;
	append(log, device_id);
}

void
change_log_end(ChangeLog *log)
{
	if (log->relation != NULL)
	{
		if (log->pack.count > 0)
			write_pack(log);
		table_close(log->relation, NoLock);
	}
	pfree(log);
}

uint64
change_log_appended(void)
{
	return appended;
}

static void
change_log_at_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		appended = 0;
}

void
change_log_init(void)
{
	RegisterXactCallback(change_log_at_transaction_end, NULL);
}
