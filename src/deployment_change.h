/*-------------------------------------------------------------------------
 *
 * deployment_change.h
 *	  Changes of deployments that are not settled yet.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_DEPLOYMENT_CHANGE_H
#define TWINSET_DEPLOYMENT_CHANGE_H

#include "compat.h"

/*
 * deployment_change_settle: settle what has changed, if anything has.  No
 * statement is open, and the settlement lock is held.
 */
extern void deployment_change_settle(void);

/*
 * deployment_change_first: the command before which the deployments were as
 * they are settled; InvalidCommandId: they still are.
 */
extern CommandId deployment_change_first(void);

extern void deployment_change_init(void);

#endif							/* TWINSET_DEPLOYMENT_CHANGE_H */
