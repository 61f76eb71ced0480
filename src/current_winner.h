/*-------------------------------------------------------------------------
 *
 * current_winner.h
 *	  A device's winner now: the settled one, unless the log holds the device.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_CURRENT_WINNER_H
#define TWINSET_CURRENT_WINNER_H

#include "compat.h"

extern void current_winner_init(void);

#endif							/* TWINSET_CURRENT_WINNER_H */
