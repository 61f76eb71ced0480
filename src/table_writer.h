/*-------------------------------------------------------------------------
 *
 * table_writer.h
 *	  Writing rows of one of the extension's own tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_TABLE_WRITER_H
#define TWINSET_TABLE_WRITER_H

#include "compat.h"

#include "executor/tuptable.h"
#include "storage/itemptr.h"

typedef struct TableWriter TableWriter;

/*
 * table_writer_begin: rows of the table are written under the settlement
 * lock.  What was written is seen by the next command.
 */
extern TableWriter *table_writer_begin(const char *table);

/*
 * table_writer_row: where to put the values of a row, by column; none is null
 * but for what table_writer_nulls() is told.  What they point to can be in the current memory context, which is
 * the row's own from here until it is written.
 */
extern Datum *table_writer_row(TableWriter *writer);
extern bool *table_writer_nulls(TableWriter *writer);

/* the row is new, or takes the place of one, or one goes */
extern void table_writer_insert(TableWriter *writer);
extern void table_writer_update(TableWriter *writer, ItemPointer place);
extern void table_writer_delete(TableWriter *writer, ItemPointer place);

/* returns how many rows were written */
extern uint64 table_writer_end(TableWriter *writer);

#endif							/* TWINSET_TABLE_WRITER_H */
