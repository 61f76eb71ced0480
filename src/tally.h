/*-------------------------------------------------------------------------
 *
 * tally.h
 *	  What one device adds to the counts of the deployments.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_TALLY_H
#define TWINSET_TALLY_H

#include "compat.h"

#include "matcher.h"

/* of one deployment; unknown is what is left of actual */
typedef struct Tally
{
	int64		target;
	int64		actual;
	int64		healthy;
	int64		unhealthy;
} Tally;

static inline bool
tally_is_zero(const Tally *tally)
{
	return tally->target == 0 && tally->actual == 0 && tally->healthy == 0 && tally->unhealthy == 0;
}

/* what counts of a device */
typedef struct DeviceState
{
	bool		live;			/* an Edge device, not retired */
	JsonbContainer *tags;		/* of a live device */
	bool		reported;		/* is there a report? */
	int64		revision;		/* that it is for */
	int32		code;			/* that it has */
} DeviceState;

/* the code of a report that says all is well */
#define REPORT_CODE_HEALTHY	200

/*
 * tally_won: add to (sign 1) or take from (-1) the counts of a deployment with
 * this revision what a device in this state adds that it wins.
 */
extern void tally_won(Tally *tally, int64 revision, const DeviceState *state, int sign);

/*
 * tally_winner: the same to the winner's counts by its rank; nothing where that
 * is -1.
 */
extern void tally_winner(Tally *tallies, Matcher *matcher, int rank,
						 const DeviceState *state, int sign);

/*
 * tally_device: the same for all deployments that target the device.  Returns
 * the winner's rank, -1 where there is none.
 */
extern int	tally_device(Tally *tallies, Matcher *matcher,
						 const char *device_id, int device_id_length,
						 const DeviceState *state, int sign);

/*
 * tally_change: add what the device adds now, and take away what it did
 * before.  Returns the rank of the winner now, -1 where there is none.
 */
extern int	tally_change(Tally *tallies, Matcher *matcher,
						 const char *device_id, int device_id_length,
						 const DeviceState *before, const DeviceState *now);

#endif							/* TWINSET_TALLY_H */
