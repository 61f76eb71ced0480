/*-------------------------------------------------------------------------
 *
 * settle.h
 *	  Bringing the settled state up to date.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_SETTLE_H
#define TWINSET_SETTLE_H

#include "compat.h"

#include "nodes/pg_list.h"

/*
 * settle_log: settle the log.
 *
 * limit is how many devices of the log to settle at most; 0: all.
 * The settlement lock is held, and no statement is open.  Cost: each device
 * in the log is matched twice; one row written where its winner changed.
 */
extern void settle_log(int limit);

/*
 * settle_deployments: deployments have changed.  images says what they were
 * (a list of DeploymentImage, one a deployment).  Likewise; the whole log is settled, and then each device that an old or a new
 * condition of theirs targets: found by index where they are few, in one pass
 * over the fleet where they are many.
 */
extern void settle_deployments(List *images);

/*
 * settle_everything: settle, then compute all settled state anew and repair
 * what is stored wrong.  Returns how many rows were, and how many devices were
 * looked at.  Likewise.
 */
extern uint64 settle_everything(uint64 *devices);

/* twin has been emptied: so is what is derived from it */
extern void settle_without_twins(void);

#endif							/* TWINSET_SETTLE_H */
