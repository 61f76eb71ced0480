/*-------------------------------------------------------------------------
 *
 * settle_at_commit.h
 *	  Settling at the end of a transaction that wrote to the log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_SETTLE_AT_COMMIT_H
#define TWINSET_SETTLE_AT_COMMIT_H

#include "compat.h"

extern void settle_at_commit_init(void);

#endif							/* TWINSET_SETTLE_AT_COMMIT_H */
