/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  What differs between server versions, and nothing else.
 *
 * Every #if on PG_VERSION_NUM of the project is in this file.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_COMPAT_H
#define TWINSET_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000
#error "twinset needs PostgreSQL 15 or later"
#endif

/* PostgreSQL 16 moved the declarations of varlena's access out of postgres.h */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/*
 * PostgreSQL 16 brought soft errors: an input function that was asked to
 * notes the error instead of raising it.
 */
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#else
#define ereturn(context, dummy_value, ...) ereport(ERROR, __VA_ARGS__)
#endif

/*
 * PostgreSQL 16 says of an update whether only summarizing indexes (BRIN) get
 * entries.  For who includes access/tableam.h and executor/executor.h.
 */
#if PG_VERSION_NUM >= 160000
#define IndexesOfUpdate		TU_UpdateIndexes
#define update_has_index_entries(indexes)	((indexes) != TU_None)
#define insert_index_entries_of_update(result, slot, estate, indexes) \
	ExecInsertIndexTuples(result, slot, estate, true, false, NULL, NIL, (indexes) == TU_Summarizing)
#else
#define IndexesOfUpdate		bool
#define update_has_index_entries(indexes)	(indexes)
#define insert_index_entries_of_update(result, slot, estate, indexes) \
	ExecInsertIndexTuples(result, slot, estate, true, false, NULL, NIL)
#endif

/*
 * PostgreSQL 18 has NOT NULL constraints that are not validated yet, and
 * RETURNING old.x, which is null where there was no old row.
 */
#if PG_VERSION_NUM >= 180000
#define attribute_is_not_null(descriptor, number) \
	(TupleDescCompactAttr(descriptor, (number) - 1)->attnullability == ATTNULLABLE_VALID)
#define var_is_of_row(var)	((var)->varreturningtype == VAR_RETURNING_DEFAULT)
#else
#define attribute_is_not_null(descriptor, number) \
	(TupleDescAttr(descriptor, (number) - 1)->attnotnull)
#define var_is_of_row(var)	true
#endif

#endif							/* TWINSET_COMPAT_H */
