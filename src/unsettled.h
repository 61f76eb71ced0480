/*-------------------------------------------------------------------------
 *
 * unsettled.h
 *	  The devices that the log holds: what they were, and what they are.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_UNSETTLED_H
#define TWINSET_UNSETTLED_H

#include "compat.h"

#include "tally.h"

/* a device with its assignment; what a settlement looks at */
typedef struct SettledDevice
{
	Datum		device_id;		/* text */
	DeviceState now;			/* as the snapshot sees it */
	char	   *assigned;		/* the settled winner; NULL: none */
	TimestampTz assigned_at;	/* since when */
	int			winner;			/* rank of the winner now; -1: none */
	TimestampTz winner_since;	/* since when, where there is one */
} SettledDevice;

typedef void (*DeviceVisitor) (void *arg, const SettledDevice *device);

/*
 * unsettled_visit: each device that has entries in the log which the active
 * snapshot sees, with its winner now.
 *
 * matcher is of the deployments for which the settled state is right.  Where
 * tallies is given (by rank), what the devices have added to the counts since
 * they were settled is added to it.  devices is a text[] that says which of
 * them, or NULL for all.  Returns how many they were.
 *
 * Cost: the whole log is read and sorted, by disk where it is large; each
 * device is matched twice.  Between owner_begin() and owner_end().
 */
extern uint64 unsettled_visit(Matcher *matcher, Tally *tallies, ArrayType *devices,
							  DeviceVisitor visitor, void *arg);

/* is there an entry that the active snapshot sees? */
extern bool unsettled_any(void);

/*
 * has the device's winner changed from the settled one?
 */
extern bool unsettled_moved(Matcher *matcher, const char *assigned, int winner);

#endif							/* TWINSET_UNSETTLED_H */
