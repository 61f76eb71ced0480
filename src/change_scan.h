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
#include "utils/snapshot.h"
#include "utils/tuplesort.h"

typedef struct ChangeScan ChangeScan;

/*
 * change_scan_begin: the entries that the snapshot sees, in no order.  The
 * snapshot is the caller's, to be kept until the end.
 */
extern ChangeScan *change_scan_begin(Snapshot snapshot);

/* the next entry, whose columns tables.h numbers (none is packed); NULL: there is no more */
extern TupleTableSlot *change_scan_next(ChangeScan *scan);

extern void change_scan_end(ChangeScan *scan);

/* which entries? */
typedef bool (*ChangeFilter) (void *arg, TupleTableSlot *entry);

/*
 * change_scan_sorted: the entries that the snapshot sees, those of which the
 * filter says so where there is one, a device's together and in the order of
 * their ordinals; *count is how many.  The caller ends the sort.
 *
 * A filter of rows, where there is one, is asked first, with the table's row: an
 * entry, or one with many packed in it, of which only what they have in common
 * is set (ordinal, transaction, statement, changed_at).  Where it says no these
 * are not unpacked.
 */
extern Tuplesortstate *change_scan_sorted(Snapshot snapshot, ChangeFilter rows, ChangeFilter filter,
										  void *arg, uint64 *count);

/*
 * change_delete: delete the entries that the snapshot sees, those of which the
 * filter says so where there is one; under the settlement lock.
 */
extern void change_delete(Snapshot snapshot, ChangeFilter filter, void *arg);

/* does the active snapshot see any? */
extern bool change_scan_any(void);

/*
 * change_scan_estimate: about how many entries the active snapshot sees, of
 * this many.  Exact while the log is short; of a long one a sample is read.
 */
extern uint64 change_scan_estimate(uint64 limit);

#endif							/* TWINSET_CHANGE_SCAN_H */
