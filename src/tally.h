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
#include "settlement.h"
#include "tables.h"

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

static inline void
tally_add(Tally *tally, const Tally *by)
{
	tally->target += by->target;
	tally->actual += by->actual;
	tally->healthy += by->healthy;
	tally->unhealthy += by->unhealthy;
}

/* what counts of a device */
typedef struct DeviceState
{
	TwinKind	kind;			/* of its twin; who is not live adds to no deployment */
	JsonbContainer *tags;		/* of a live device */
	bool		reported;		/* is there a report? */
	int64		revision;		/* that it is for */
	int32		code;			/* that it has */
} DeviceState;

/* the code of a report that says all is well */
#define REPORT_CODE_HEALTHY	200

/* add to the fleet's counts (sign 1), or take from them (-1), a device of this kind */
extern void tally_kind(FleetTally *fleet, TwinKind kind, int sign);

/*
 * tally_won: add to (sign 1) or take from (-1) the counts of a deployment with
 * this revision what a device in this state adds that it wins.
 */
extern void tally_won(Tally *tally, int64 revision, const DeviceState *state, int sign);

/*
 * tally_winner: the same to the winner's counts by its slot; nothing where that
 * is -1.
 */
extern void tally_winner(Tally *tallies, Matcher *matcher, int slot,
						 const DeviceState *state, int sign);

/*
 * Adding up what many devices add.  Between begin and end the matcher is not
 * patched; the tallies are complete at the end.  In the current memory context.
 */
typedef struct TallyDevices
{
	Matcher    *matcher;
	Tally	   *tallies;		/* by its slots */
	MatcherCount *targets;
} TallyDevices;

extern TallyDevices tally_devices_begin(Matcher *matcher);

/*
 * tally_device: add (sign 1) or take away (-1) what a device in this state
 * adds.  Returns its winner's slot, -1 where there is none.
 */
extern int	tally_device(TallyDevices *devices, const char *device_id, int device_id_length,
						 const DeviceState *state, int sign);

extern void tally_devices_end(TallyDevices *devices);

#endif							/* TWINSET_TALLY_H */
