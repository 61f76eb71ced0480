/*-------------------------------------------------------------------------
 *
 * tally_sum.h
 *	  What the devices in the log add to the settled counts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_TALLY_SUM_H
#define TWINSET_TALLY_SUM_H

#include "compat.h"

#include "tally.h"

typedef struct TallySum TallySum;

/*
 * tally_sum_begin: sum up for the deployments of this matcher; NULL: for those
 * that the active snapshot sees, which are compiled when that is needed.  In
 * the current memory context.
 */
extern TallySum *tally_sum_begin(Matcher *matcher);

/* the matcher; compiled where it was not needed until now */
extern Matcher *tally_sum_matcher(TallySum *sum);

/* the fleet's counts, to add to */
extern FleetTally *tally_sum_fleet(TallySum *sum);

/*
 * tally_sum_changed: add what a device adds now, and take away what it did
 * before; tally_sum_matcher() has been asked for.  Returns the slot of its
 * winner now, -1 where there is none.
 */
extern int	tally_sum_changed(TallySum *sum, const char *device_id, int device_id_length,
							  const DeviceState *before, const DeviceState *now);

/* tally_sum_kept: a device has kept its winner, and only its report is another; nothing is matched */
extern void tally_sum_kept(TallySum *sum, const char *deployment_id,
						   const DeviceState *before, const DeviceState *now);

/*
 * tally_sum_each: show each deployment to whose counts something is added, once;
 * then the sum is done with.
 */
typedef void (*TallyVisitor) (void *arg, const char *deployment_id, const Tally *by);

extern void tally_sum_each(TallySum *sum, TallyVisitor visitor, void *arg);

#endif							/* TWINSET_TALLY_SUM_H */
