/*-------------------------------------------------------------------------
 *
 * assignment.h
 *	  Reading and writing the settled winners.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_ASSIGNMENT_H
#define TWINSET_ASSIGNMENT_H

#include "compat.h"

#include "datatype/timestamp.h"
#include "storage/itemptr.h"

/* a device's row of the table assignment */
typedef struct Assignment
{
	const char *deployment_id;	/* the settled winner; NULL: none, and no row */
	TimestampTz assigned_at;	/* since when */
	ItemPointerData row;		/* where it is */
} Assignment;

typedef struct AssignmentWriter AssignmentWriter;

/*
 * assignment_writer_begin: rows are written under the settlement lock, with
 * the active snapshot.  What was written is seen by the next command.
 */
extern AssignmentWriter *assignment_writer_begin(void);

/*
 * assignment_write: the device (a text) has this winner since then; it had
 * what before says.  Without a winner (NULL) the row goes.
 * Cost: a row; and no index entry where the row fits on its page.
 */
extern void assignment_write(AssignmentWriter *writer, Datum device_id, const Assignment *before,
							 const char *deployment_id, TimestampTz assigned_at);

/* returns how many rows were written */
extern uint64 assignment_writer_end(AssignmentWriter *writer);

#endif							/* TWINSET_ASSIGNMENT_H */
