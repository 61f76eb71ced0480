/*-------------------------------------------------------------------------
 *
 * table_writer.c
 *	  Writing rows of one of the extension's own tables.
 *
 * Rows and their index entries are written as logical replication's apply
 * writes them, without a plan.  Who settles has read a row with its place, so
 * it is written there and not looked for again; nobody else writes it
 * meanwhile, that is what the settlement lock is for.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/table.h"
#include "access/tableam.h"
#include "executor/executor.h"

#include "settlement.h"
#include "table_writer.h"

struct TableWriter
{
	Relation	table;
	EState	   *estate;
	EPQState	epq;			/* of no use: nobody else writes the rows */
	ResultRelInfo *result;
	TupleTableSlot *before;		/* only its place */
	TupleTableSlot *after;
	MemoryContext caller;		/* while a row's values are given */
	uint64		rows;			/* written */
};

TableWriter *
table_writer_begin(const char *table)
{
	TableWriter *writer = palloc0(sizeof(TableWriter));

	/* the order of locks: what is derived comes after the settlement lock */
	Assert(settlement_is_locked());
	writer->table = table_open(settlement_table(table), RowExclusiveLock);
	writer->estate = CreateExecutorState();
	EvalPlanQualInit(&writer->epq, writer->estate, NULL, NIL, -1);
	writer->result = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->result, writer->table, 0, NULL, 0);
	ExecOpenIndices(writer->result, false);
	writer->before = table_slot_create(writer->table, NULL);
	writer->after = MakeSingleTupleTableSlot(RelationGetDescr(writer->table), &TTSOpsVirtual);
	return writer;
}

Datum *
table_writer_row(TableWriter *writer)
{
	ExecClearTuple(writer->after);
	memset(writer->after->tts_isnull, false,
		   writer->after->tts_tupleDescriptor->natts * sizeof(bool));
	writer->caller = MemoryContextSwitchTo(GetPerTupleMemoryContext(writer->estate));
	return writer->after->tts_values;
}

bool *
table_writer_nulls(TableWriter *writer)
{
	return writer->after->tts_isnull;
}

static void
finish_row(TableWriter *writer)
{
	MemoryContextSwitchTo(writer->caller);
	ResetPerTupleExprContext(writer->estate);
	writer->rows++;
}

void
table_writer_insert(TableWriter *writer)
{
	ExecSimpleRelationInsert(writer->result, writer->estate, ExecStoreVirtualTuple(writer->after));
	finish_row(writer);
}

void
table_writer_update(TableWriter *writer, ItemPointer place)
{
	writer->before->tts_tid = *place;
	ExecSimpleRelationUpdate(writer->result, writer->estate, &writer->epq, writer->before,
							 ExecStoreVirtualTuple(writer->after));
	finish_row(writer);
}

void
table_writer_delete(TableWriter *writer, ItemPointer place)
{
	(void) table_writer_row(writer);
	writer->before->tts_tid = *place;
	ExecSimpleRelationDelete(writer->result, writer->estate, &writer->epq, writer->before);
	finish_row(writer);
}

uint64
table_writer_end(TableWriter *writer)
{
	uint64		rows = writer->rows;

	ExecDropSingleTupleTableSlot(writer->after);
	ExecDropSingleTupleTableSlot(writer->before);
	EvalPlanQualEnd(&writer->epq);
	ExecCloseIndices(writer->result);
	/* those that a trigger or a constraint of somebody's needed */
	ExecResetTupleTable(writer->estate->es_tupleTable, false);
	FreeExecutorState(writer->estate);
	table_close(writer->table, NoLock);
	pfree(writer);
	return rows;
}
