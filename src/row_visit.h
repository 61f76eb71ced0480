/*-------------------------------------------------------------------------
 *
 * row_visit.h
 *	  The rows of a query, each as it is made.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_ROW_VISIT_H
#define TWINSET_ROW_VISIT_H

#include "compat.h"

#include "executor/tuptable.h"
#include "nodes/params.h"

typedef void (*RowVisitor) (void *arg, TupleTableSlot *row);

/*
 * row_visit: run a query that only reads, with these parameters (NULL: none)
 * and the active snapshot, and hand each row to the visitor, in a memory
 * context that is reset with each.  Between owner_begin() and owner_end(); a
 * visitor that needs SPI begins its own.  Nothing is copied or kept: a row
 * costs what the executor makes of it.
 */
extern void row_visit(const char *query, ParamListInfo params, RowVisitor visitor, void *arg);

#endif							/* TWINSET_ROW_VISIT_H */
