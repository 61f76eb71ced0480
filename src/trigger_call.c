/*-------------------------------------------------------------------------
 *
 * trigger_call.c
 *	  What all trigger functions do first: check the call, read what changed.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "executor/executor.h"
#include "miscadmin.h"

#include "trigger_call.h"

TriggerData *
trigger_call(FunctionCallInfo fcinfo, TriggerEvent fired, const char *key)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		(trigger->tg_event & (TRIGGER_EVENT_TIMINGMASK | TRIGGER_EVENT_ROW)) != fired ||
		strcmp(NameStr(TupleDescAttr(RelationGetDescr(trigger->tg_relation), 0)->attname), key) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called by the trigger that it is for"),
				 errdetail("It is for %s %s triggers on a table whose first column is \"%s\".",
						   TRIGGER_FIRED_BEFORE(fired) ? "BEFORE" : "AFTER",
						   TRIGGER_FIRED_FOR_ROW(fired) ? "ROW" : "STATEMENT", key)));
	return trigger;
}

TupleTableSlot *
transition_begin(TriggerData *trigger, Tuplestorestate *store)
{
	if (store == NULL)
		return NULL;
	tuplestore_select_read_pointer(store, tuplestore_alloc_read_pointer(store, EXEC_FLAG_REWIND));
	tuplestore_rescan(store);
	return MakeSingleTupleTableSlot(RelationGetDescr(trigger->tg_relation), &TTSOpsMinimalTuple);
}

bool
transition_next(TriggerData *trigger, TupleTableSlot *before, TupleTableSlot *after)
{
	CHECK_FOR_INTERRUPTS();
	if (before == NULL && after == NULL)
		return false;
	return (before == NULL || tuplestore_gettupleslot(trigger->tg_oldtable, true, false, before)) &&
		(after == NULL || tuplestore_gettupleslot(trigger->tg_newtable, true, false, after));
}

void
transition_end(TupleTableSlot *slot)
{
	if (slot != NULL)
		ExecDropSingleTupleTableSlot(slot);
}
