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
#include "tally.h"

/* a device with its assignment; what a settlement looks at */
typedef struct SettledDevice
{
	Datum		device_id;		/* text */
	DeviceState now;			/* as the snapshot sees it */
	Assignment	assignment;		/* the settled winner, since when */
	int			winner;			/* rank of the winner now; -1: none */
	TimestampTz winner_since;	/* since when, where there is one */
} SettledDevice;

typedef void (*DeviceVisitor) (void *arg, const SettledDevice *device);

/* devices by id: what a part of the log is */
typedef struct DeviceSet
{
	HTAB	   *devices;		/* their ids */
	long		limit;			/* how many there may be */
} DeviceSet;

/* an empty set, in the current memory context */
extern DeviceSet *device_set(long limit);

/*
 * unsettled_visit: each device that has entries in the log which the active
 * snapshot sees, with its winner now.
 *
 * matcher is of the deployments for which the settled state is right.  Where
 * tallies is given (by rank), what the devices have added to the counts since
 * they were settled is added to it.  Where a set is given, it is filled, up
 * to its limit, and only its devices are visited.  Returns how many they were.
 *
 * Cost: the whole log is read, its entries sorted, by disk where they are
 * many; three rows are looked up a device, and it is matched twice.
 */
extern uint64 unsettled_visit(Matcher *matcher, Tally *tallies, DeviceSet *set,
							  DeviceVisitor visitor, void *arg);

/*
 * unsettled_delete: delete the entries that unsettled_visit() has read, with
 * the same snapshot and set.
 */
extern void unsettled_delete(Snapshot snapshot, DeviceSet *set);

/* is there an entry that the active snapshot sees? */
extern bool unsettled_any(void);

/*
 * has the device's winner changed from the settled one?
 */
extern bool unsettled_moved(Matcher *matcher, const char *assigned, int winner);

#endif							/* TWINSET_UNSETTLED_H */
