/*-------------------------------------------------------------------------
 *
 * history.h
 *	  The history of the deployments: what each of them was, and who changed it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_HISTORY_H
#define TWINSET_HISTORY_H

#include "compat.h"

#include "executor/tuptable.h"
#include "utils/rel.h"

#include "statement.h"

typedef struct History History;

/*
 * history_begin: entries for the rows that one statement on deployment wrote,
 * under the settlement lock.  span is what statement_close() has returned;
 * truncate: they are about to be truncated.
 */
extern History *history_begin(Relation deployment, StatementSpan span, bool truncate);

/*
 * history_row: what a row was and is; NULL: there was none, or is none.  Cost:
 * one row and three index entries; nothing where only updated_at has changed.
 */
extern void history_row(History *history, TupleTableSlot *before, TupleTableSlot *after);

extern void history_end(History *history);

/* write what waits for a statement that will not end: its trigger was switched off half-way */
extern void history_flush(void);

extern void history_init(void);

#endif							/* TWINSET_HISTORY_H */
