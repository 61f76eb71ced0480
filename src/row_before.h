/*-------------------------------------------------------------------------
 *
 * row_before.h
 *	  What a row was before a command of this transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_ROW_BEFORE_H
#define TWINSET_ROW_BEFORE_H

#include "compat.h"

#include "executor/tuptable.h"
#include "utils/rel.h"

typedef struct RowBefore RowBefore;

/*
 * row_before_begin: look-ups in a table with a text as its primary key.
 */
extern RowBefore *row_before_begin(Relation table, CommandId command);

/*
 * row_before: the row with this key before the command and all that came
 * after it, as others have committed it; NULL: there was none.  The slot is
 * good until the next look-up.  Cost: one index scan.
 */
extern TupleTableSlot *row_before(RowBefore *lookup, Datum key);

extern void row_before_end(RowBefore *lookup);

#endif							/* TWINSET_ROW_BEFORE_H */
