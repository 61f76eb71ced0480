/*-------------------------------------------------------------------------
 *
 * change_scan.h
 *	  Reading the log, and deleting from it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_CHANGE_SCAN_H
#define TWINSET_CHANGE_SCAN_H

#include "compat.h"

#include "executor/tuptable.h"
#include "storage/lockdefs.h"
#include "utils/snapshot.h"

typedef struct ChangeScan ChangeScan;

/*
 * change_scan_begin: the entries that the snapshot sees, in no order.  The
 * snapshot is the caller's, to be kept until the end.  The lock on the table
 * says whether they are only read or deleted too.
 */
extern ChangeScan *change_scan_begin(Snapshot snapshot, LOCKMODE lock);

/* the next entry, whose columns tables.h numbers; NULL: there is no more */
extern TupleTableSlot *change_scan_next(ChangeScan *scan);

/* delete the entry that was read last; under the settlement lock */
extern void change_scan_delete(ChangeScan *scan);

extern void change_scan_end(ChangeScan *scan);

/* how many entries does the active snapshot see, of this many? */
extern uint64 change_scan_count(uint64 limit);

#endif							/* TWINSET_CHANGE_SCAN_H */
