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

#include "utils/hsearch.h"
#include "utils/snapshot.h"

#include "assignment.h"
#include "deployments.h"
#include "tally_sum.h"

/* a device with its assignment; what a settlement looks at */
typedef struct SettledDevice
{
	Datum		device_id;		/* text */
	DeviceState now;			/* as the snapshot sees it */
	Assignment	assignment;		/* the settled winner, since when */
	const char *winner;			/* the winner now; NULL: none */
	TimestampTz winner_since;	/* since when, where there is one */
} SettledDevice;

typedef void (*DeviceVisitor) (void *arg, const SettledDevice *device);

/* devices by id: what a part of the log is */
typedef struct DeviceSet
{
	HTAB	   *devices;		/* their ids */
	long		limit;			/* how many may still be taken in; 0: it has all that it shall have */
} DeviceSet;

/* a set that takes in so many devices, in the current memory context */
extern DeviceSet *device_set(long limit);

/* the set of one device */
extern DeviceSet *device_set_of(const char *device_id);

/*
 * unsettled_visit: each device that has entries in the log which the active
 * snapshot sees, with its winner now.
 *
 * asked is about the deployments for which the settled state is right.  Where
 * a sum is given, what the devices have added to the counts since they were
 * settled is added to it, and devices are matched by its matcher.  Where a set
 * is given, it takes in what it may, and only its devices are visited.  Returns
 * how many they were.
 *
 * Cost: the whole log is read, its entries sorted, by disk where they are
 * many; three rows are looked up a device, and it is matched.
 */
extern uint64 unsettled_visit(DeploymentsAsked *asked, TallySum *sum, DeviceSet *set,
							  DeviceVisitor visitor, void *arg);

/*
 * unsettled_delete: delete the entries that unsettled_visit() has read, with
 * the same snapshot and set.
 */
extern void unsettled_delete(Snapshot snapshot, DeviceSet *set);

/* how many entries does the active snapshot see, and of how many devices? */
extern uint64 unsettled_changes(uint64 *devices);

/* are these the same winner?  NULL: none */
static inline bool
same_winner(const char *one, const char *other)
{
	return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

/* an id has at most 128 characters of ASCII; and its end */
#define DEVICE_ID_SIZE	129

#endif							/* TWINSET_UNSETTLED_H */
