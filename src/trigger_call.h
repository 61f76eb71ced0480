/*-------------------------------------------------------------------------
 *
 * trigger_call.h
 *	  What all trigger functions do first: check the call, read what changed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_TRIGGER_CALL_H
#define TWINSET_TRIGGER_CALL_H

#include "compat.h"

#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

/*
 * trigger_call: the call's trigger data, or an error.
 *
 * fired is the timing and level that the function is for; key is the name of
 * its relation's first column (the relation itself can have any name).
 */
extern TriggerData *trigger_call(FunctionCallInfo fcinfo, TriggerEvent fired, const char *key);

/*
 * transition_begin: a transition table, to be read from its start by a pointer
 * of our own; returns the slot for its rows, NULL where the event has none.
 */
extern TupleTableSlot *transition_begin(TriggerData *trigger, Tuplestorestate *store);

/*
 * transition_next: the next row of both transition tables (an UPDATE's have
 * their rows in the same order); false at their end.
 */
extern bool transition_next(TriggerData *trigger, TupleTableSlot *before, TupleTableSlot *after);

extern void transition_end(TupleTableSlot *slot);

#endif							/* TWINSET_TRIGGER_CALL_H */
