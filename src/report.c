/*-------------------------------------------------------------------------
 *
 * report.c
 *	  Storing devices' reports.
 *
 * Devices report all day, and a statement takes more to begin and to end than
 * to write the small row.  So the row of a device that has reported before is
 * written here, without a statement: the version that the snapshot sees is
 * replaced if it still is the latest one, and what it was is logged, as the
 * table's triggers do it (twin_triggers.c).  Whatever is not this plain case
 * is left to a statement and its triggers:
 *
 *	the device has not reported yet; somebody else has written the row since
 *	the snapshot was taken; the transaction has one snapshot for all; the
 *	table's triggers do not fire as they do by default, or there are others; a
 *	column, a constraint or a policy was added to it; a statement on it is open;
 *	the replication role is replica.
 *
 * The row keeps its device from vanishing unseen: who deletes the device
 * deletes the row too, and one waits for the other.  Only a device that has
 * none must have its own row locked.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "change_log.h"
#include "key_lookup.h"
#include "owner.h"
#include "report.h"
#include "settlement.h"
#include "statement.h"
#include "tables.h"

/* what a report was that counts otherwise now */
typedef struct ReportBefore
{
	text	   *device_id;
	Datum		revision;
	Datum		code;
} ReportBefore;

struct ReportWriter
{
	Relation	table;
	bool		plain;			/* can rows be written here? */
	KeyLookup  *rows;
	TupleTableSlot *row;		/* the new one */
	EState	   *estate;			/* of what follows; NULL: not needed yet */
	ResultRelInfo *indexes;
	ReportBefore *before;		/* to be logged */
	int			before_count;
	int			before_limit;	/* allocated */
};

/* Do the triggers fire that sql/triggers.sql makes, and no others? */
static bool
has_plain_triggers(Relation table)
{
	TriggerDesc *triggers = table->trigdesc;

	if (triggers == NULL || triggers->numtriggers != 5)
		return false;
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];
		char		fires = strcmp(trigger->tgname, "00_twinset_row") == 0 ?
			TRIGGER_FIRES_ON_REPLICA : TRIGGER_FIRES_ALWAYS;

		if (strncmp(trigger->tgname, "00_twinset_", strlen("00_twinset_")) != 0 ||
			trigger->tgenabled != fires)
			return false;
	}
	return true;
}

static bool
is_plain(Relation table)
{
	TupleConstr *constraints = RelationGetDescr(table)->constr;

	return !IsolationUsesXactSnapshot() &&
		SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA &&
		RelationGetDescr(table)->natts == Natts_report &&
		(constraints == NULL || (constraints->num_check == 0 && !constraints->has_generated_stored)) &&
		!table->rd_rel->relrowsecurity &&
		has_plain_triggers(table) &&
		!statement_is_open_on(RelationGetRelid(table));
}

ReportWriter *
report_writer_begin(void)
{
	ReportWriter *writer = palloc0(sizeof(ReportWriter));

	writer->table = table_open(settlement_table("report"), RowExclusiveLock);
	writer->plain = is_plain(writer->table);
	if (writer->plain)
	{
		CheckCmdReplicaIdentity(writer->table, CMD_UPDATE);
		writer->rows = key_lookup_begin(writer->table, GetActiveSnapshot());
		writer->row = MakeSingleTupleTableSlot(RelationGetDescr(writer->table), &TTSOpsVirtual);
	}
	return writer;
}

/* What counts of a stored report. */
static void
read_report(TupleTableSlot *stored, Report *report)
{
	bool		isnull;

	report->revision = DatumGetInt64(slot_getattr(stored, Anum_report_revision, &isnull));
	report->code = DatumGetInt32(slot_getattr(stored, Anum_report_code, &isnull));
	report->reported_at = DatumGetTimestampTz(slot_getattr(stored, Anum_report_reported_at, &isnull));
}

static void
put_report(TupleTableSlot *row, const Report *report)
{
	Datum	   *values = row->tts_values;

	ExecClearTuple(row);
	memset(row->tts_isnull, false, Natts_report * sizeof(bool));
	values[Anum_report_device_id - 1] = PointerGetDatum(report->device_id);
	values[Anum_report_revision - 1] = Int64GetDatum(report->revision);
	values[Anum_report_code - 1] = Int32GetDatum(report->code);
	values[Anum_report_description - 1] = PointerGetDatum(report->description);
	row->tts_isnull[Anum_report_description - 1] = report->description == NULL;
	values[Anum_report_modules - 1] = PointerGetDatum(report->modules);
	row->tts_isnull[Anum_report_modules - 1] = report->modules == NULL;
	values[Anum_report_reported_at - 1] = TimestampTzGetDatum(report->reported_at);
	ExecStoreVirtualTuple(row);
}

static void
write_index_entries(ReportWriter *writer, IndexesOfUpdate which)
{
	if (writer->estate == NULL)
	{
		writer->estate = CreateExecutorState();
		writer->indexes = makeNode(ResultRelInfo);
		InitResultRelInfo(writer->indexes, writer->table, 0, NULL, 0);
		ExecOpenIndices(writer->indexes, false);
	}
	(void) insert_index_entries_of_update(writer->indexes, writer->row, writer->estate, which);
	ResetPerTupleExprContext(writer->estate);
}

/* Replace the row; false: it is not the latest one any more. */
static bool
replace_row(ReportWriter *writer, ItemPointer place, const Report *report)
{
	TM_FailureData failure;
	LockTupleMode lock_mode;
	IndexesOfUpdate indexes;

	put_report(writer->row, report);
	if (table_tuple_update(writer->table, place, writer->row, GetCurrentCommandId(true),
						   GetActiveSnapshot(), InvalidSnapshot, true, &failure,
						   &lock_mode, &indexes) != TM_Ok)
		return false;
	if (update_has_index_entries(indexes))
		write_index_entries(writer, indexes);
	return true;
}

/* Only when all rows are locked the log's order is that of their writers (change_log.c). */
static void
log_later(ReportWriter *writer, text *device_id, const Report *before)
{
	ReportBefore *added;

	if (writer->before_count == writer->before_limit)
	{
		writer->before_limit = Max(writer->before_limit * 2, 1);
		writer->before = writer->before == NULL ? palloc(sizeof(ReportBefore)) :
			repalloc(writer->before, sizeof(ReportBefore) * writer->before_limit);
	}
	added = &writer->before[writer->before_count++];
	added->device_id = device_id;
	added->revision = Int64GetDatum(before->revision);
	added->code = Int32GetDatum(before->code);
}

ReportStored
report_store(ReportWriter *writer, Report *report)
{
	TupleTableSlot *stored = writer->plain ?
		key_lookup(writer->rows, PointerGetDatum(report->device_id)) : NULL;
	Report		before;

	if (stored == NULL)
		return REPORT_NOT_STORED;
	read_report(stored, &before);
	if (before.reported_at > report->reported_at)
	{
		report->revision = before.revision;
		report->code = before.code;
		return REPORT_IS_OLD;
	}
	if (!replace_row(writer, &stored->tts_tid, report))
		return REPORT_NOT_STORED;
	if (before.revision != report->revision || before.code != report->code)
		log_later(writer, report->device_id, &before);
	return REPORT_STORED;
}

void
report_writer_end(ReportWriter *writer)
{
	if (writer->before_count > 0)
	{
		ChangeLog  *log = change_log_begin(writer->table, statement_alone().order);

		for (int i = 0; i < writer->before_count; i++)
		{
			ReportBefore *before = &writer->before[i];

			change_log_report(log, PointerGetDatum(before->device_id), true, before->revision, before->code);
		}
		change_log_end(log);
	}
	if (writer->plain)
	{
		key_lookup_end(writer->rows);
		ExecDropSingleTupleTableSlot(writer->row);
	}
	if (writer->estate != NULL)
	{
		ExecCloseIndices(writer->indexes);
		FreeExecutorState(writer->estate);
	}
	table_close(writer->table, NoLock);
	pfree(writer);
}

/* One column of the reports, as an array. */
static Datum
column_array(Datum *values, bool *nulls, int count, Oid type, int length, bool by_value, char align)
{
	int			lower = 1;

	return PointerGetDatum(construct_md_array(values, nulls, 1, &count, &lower, type, length, by_value, align));
}

void
report_insert(Report *const *reports, int count)
{
	static SPIPlanPtr plan = NULL;
	OwnerContext owner;
	Datum	   *values[Natts_report];
	bool	   *nulls[Natts_report];
	Datum		columns[Natts_report];

	owner_begin(&owner, settlement_table("settlement"));
	for (int i = 0; i < Natts_report; i++)
	{
		values[i] = palloc(sizeof(Datum) * count);
		nulls[i] = palloc0(sizeof(bool) * count);
	}
	for (int i = 0; i < count; i++)
	{
		const Report *report = reports[i];

		values[0][i] = PointerGetDatum(report->device_id);
		values[1][i] = Int64GetDatum(report->revision);
		values[2][i] = Int32GetDatum(report->code);
		values[3][i] = PointerGetDatum(report->description);
		nulls[3][i] = report->description == NULL;
		values[4][i] = PointerGetDatum(report->modules);
		nulls[4][i] = report->modules == NULL;
		values[5][i] = TimestampTzGetDatum(report->reported_at);
	}
	columns[0] = column_array(values[0], nulls[0], count, TEXTOID, -1, false, TYPALIGN_INT);
	columns[1] = column_array(values[1], nulls[1], count, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	columns[2] = column_array(values[2], nulls[2], count, INT4OID, 4, true, TYPALIGN_INT);
	columns[3] = column_array(values[3], nulls[3], count, TEXTOID, -1, false, TYPALIGN_INT);
	columns[4] = column_array(values[4], nulls[4], count, JSONBOID, -1, false, TYPALIGN_INT);
	columns[5] = column_array(values[5], nulls[5], count, TIMESTAMPTZOID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	/* only unqualified unnest() takes several arrays; the path is pinned */
	owner_plan(&plan, "INSERT INTO twinset.report AS r (device_id, revision, code, description, modules, reported_at)"
			   " SELECT t.device_id, n.revision, n.code, n.description, n.modules, n.reported_at"
			   " FROM unnest($1, $2, $3, $4, $5, $6)"
			   " AS n (device_id, revision, code, description, modules, reported_at)"
			   " JOIN twinset.twin AS t ON t.device_id = n.device_id"
			   " ORDER BY t.device_id FOR KEY SHARE OF t"
			   " ON CONFLICT ON CONSTRAINT report_pkey DO UPDATE SET revision = excluded.revision,"
			   " code = excluded.code, description = excluded.description, modules = excluded.modules,"
			   " reported_at = excluded.reported_at WHERE excluded.reported_at >= r.reported_at",
			   Natts_report,
			   (Oid[]) {TEXTARRAYOID, INT8ARRAYOID, INT4ARRAYOID, TEXTARRAYOID, JSONBARRAYOID, TIMESTAMPTZARRAYOID});
	owner_execute(plan, columns, NULL, NULL);
	owner_end(&owner);
}

bool
report_read(Report *report)
{
	Relation	table = table_open(settlement_table("report"), AccessShareLock);
	KeyLookup  *rows = key_lookup_begin(table, GetActiveSnapshot());
	TupleTableSlot *stored = key_lookup(rows, PointerGetDatum(report->device_id));

	if (stored != NULL)
		read_report(stored, report);
	key_lookup_end(rows);
	table_close(table, NoLock);
	return stored != NULL;
}
