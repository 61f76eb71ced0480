/*-------------------------------------------------------------------------
 *
 * guard.h
 *	  The guard against statements that move too many devices.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_GUARD_H
#define TWINSET_GUARD_H

#include "compat.h"

#include "utils/rel.h"

typedef struct Guard Guard;

/*
 * guard_begin: the devices that a statement moves are counted from here on, in
 * the current memory context; NULL where the guard is off.
 */
extern Guard *guard_begin(void);

/*
 * guard_moved: so many devices had the one winner and now have the other;
 * NULL: none.  Nothing where there is no guard.
 */
extern void guard_moved(Guard *guard, const char *from, const char *to, int64 devices);

/* guard_end: 53400 where they are more than is allowed */
extern void guard_end(Guard *guard);

/*
 * guard_twins: a statement on twin has logged so many entries of devices that
 * there were before it.  order is that of the statements that ran together
 * with it; when the last of them has closed their devices are counted.
 *
 * Cost: a comparison, while these are not more than the limit; else a look at
 * each row of the log, the statement's own entries sorted, and each of its
 * devices looked up and matched twice.
 */
extern void guard_twins(Relation twin, int64 order, uint64 changed);

/* guard_truncated_twins: all twins are about to go.  Cost: the counts read. */
extern void guard_truncated_twins(void);

extern void guard_init(void);

#endif							/* TWINSET_GUARD_H */
