/*-------------------------------------------------------------------------
 *
 * assignment.h
 *	  A device's settled winner: its row of the table assignment.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_ASSIGNMENT_H
#define TWINSET_ASSIGNMENT_H

#include "compat.h"

#include "datatype/timestamp.h"
#include "storage/itemptr.h"

#include "table_writer.h"

typedef struct Assignment
{
	const char *deployment_id;	/* NULL: no deployment targets it, and there is no row */
	TimestampTz assigned_at;	/* since when */
	ItemPointerData row;		/* where it is */
} Assignment;

/*
 * assignment_write: the device (a text) has this winner since then, none where
 * it is NULL; it had what before says.  The writer is the table assignment's.
 */
extern void assignment_write(TableWriter *writer, Datum device_id, const Assignment *before,
							 const char *deployment_id, TimestampTz assigned_at);

#endif							/* TWINSET_ASSIGNMENT_H */
