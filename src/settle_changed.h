/*-------------------------------------------------------------------------
 *
 * settle_changed.h
 *	  What changed deployments move.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_SETTLE_CHANGED_H
#define TWINSET_SETTLE_CHANGED_H

#include "compat.h"

#include "nodes/pg_list.h"

/*
 * settle_changed: deployments have changed.  images says what they were (a list
 * of DeploymentImage, one a deployment), and the settled state is still what it
 * was with them.  reported is the newest revision that any device has reported.
 * Under the settlement lock, with the settlement's snapshot as the active one,
 * between owner_begin() and owner_end().
 *
 * Cost: the devices that an old or a new condition targets; a row written where
 * the winner changes.  It does not depend on how many deployments there are
 * besides.
 */
extern void settle_changed(List *images, int64 reported);

#endif							/* TWINSET_SETTLE_CHANGED_H */
