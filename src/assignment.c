/*-------------------------------------------------------------------------
 *
 * assignment.c
 *	  Reading and writing the settled winners.
 *
 * A device has a row where it has a winner.  Who settles has read the row
 * with its place, so it is written there, without being looked for again.
 * Nobody else writes it meanwhile: that is what the settlement lock is for.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/table.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "assignment.h"
#include "settlement.h"
#include "tables.h"

struct AssignmentWriter
{
	Relation	relation;
	EState	   *estate;
	EPQState	epq;			/* of no use: nobody else updates the rows */
	ResultRelInfo *result;
	TupleTableSlot *before;		/* only its place */
	TupleTableSlot *after;
	uint64		rows;			/* written */
};

AssignmentWriter *
assignment_writer_begin(void)
{
	AssignmentWriter *writer = palloc0(sizeof(AssignmentWriter));

	writer->relation = table_open(settlement_table("assignment"), RowExclusiveLock);
	writer->estate = CreateExecutorState();
	EvalPlanQualInit(&writer->epq, writer->estate, NULL, NIL, -1);
	writer->result = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->result, writer->relation, 0, NULL, 0);
	ExecOpenIndices(writer->result, false);
	writer->before = table_slot_create(writer->relation, NULL);
	writer->after = MakeSingleTupleTableSlot(RelationGetDescr(writer->relation), &TTSOpsVirtual);
	return writer;
}

void
assignment_write(AssignmentWriter *writer, Datum device_id, const Assignment *before,
				 const char *deployment_id, TimestampTz assigned_at)
{
	MemoryContext caller = MemoryContextSwitchTo(GetPerTupleMemoryContext(writer->estate));

	writer->before->tts_tid = before->row;
	if (deployment_id == NULL)
		ExecSimpleRelationDelete(writer->result, writer->estate, &writer->epq, writer->before);
	else
	{
		TupleTableSlot *after = ExecClearTuple(writer->after);

		memset(after->tts_isnull, false, Natts_assignment * sizeof(bool));
		after->tts_values[Anum_assignment_device_id - 1] = device_id;
		after->tts_values[Anum_assignment_deployment_id - 1] = CStringGetTextDatum(deployment_id);
		after->tts_values[Anum_assignment_assigned_at - 1] = TimestampTzGetDatum(assigned_at);
		ExecStoreVirtualTuple(after);
		if (before->deployment_id == NULL)
			ExecSimpleRelationInsert(writer->result, writer->estate, after);
		else
			ExecSimpleRelationUpdate(writer->result, writer->estate, &writer->epq,
									 writer->before, after);
	}
	writer->rows++;
	MemoryContextSwitchTo(caller);
	ResetPerTupleExprContext(writer->estate);
}

uint64
assignment_writer_end(AssignmentWriter *writer)
{
	uint64		rows = writer->rows;

	ExecDropSingleTupleTableSlot(writer->after);
	ExecDropSingleTupleTableSlot(writer->before);
	EvalPlanQualEnd(&writer->epq);
	ExecCloseIndices(writer->result);
	FreeExecutorState(writer->estate);
	table_close(writer->relation, NoLock);
	pfree(writer);
	return rows;
}
