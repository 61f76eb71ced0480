/*-------------------------------------------------------------------------
 *
 * device_winner.h
 *	  What one device should run.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_DEVICE_WINNER_H
#define TWINSET_DEVICE_WINNER_H

#include "compat.h"

#include "utils/jsonb.h"

#include "deployments.h"

/* a device, and the deployment that applies to it */
typedef struct DeviceWinner
{
	bool		exists;			/* is there such a device? */
	bool		found;			/* does a deployment apply to it? */
	char		deployment_id[DEPLOYMENT_ID_SIZE];
	int64		revision;		/* the deployment's */
	Datum		content;		/* its manifest, where that was wanted */
} DeviceWinner;

typedef struct DeviceWinners DeviceWinners;

/*
 * device_winners_begin: the active snapshot is asked about devices, until the
 * end.
 */
extern DeviceWinners *device_winners_begin(void);
extern void device_winners_end(DeviceWinners *winners);

/*
 * device_winner: the device with this id (a text).  The manifest is a copy in
 * the current memory context, wanted where the deployment's revision is not
 * *known; NULL: it is never wanted.
 *
 * Cost: four rows are looked up.  Where the device's twin was written since
 * the last settlement it is matched too.
 */
extern DeviceWinner device_winner(DeviceWinners *winners, Datum device_id, bool with_content,
								  const int64 *known);

/*
 * match_device: the deployment that wins a live device with these tags, in the
 * active snapshot; in the current memory context; NULL: none.
 */
extern char *match_device(text *device_id, JsonbContainer *tags);

#endif							/* TWINSET_DEVICE_WINNER_H */
