/*-------------------------------------------------------------------------
 *
 * fleet.h
 *	  The live devices, as they are settled.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_FLEET_H
#define TWINSET_FLEET_H

#include "compat.h"

#include "nodes/pg_list.h"

#include "unsettled.h"

/* conditions that are looked up each by its own index scan; more: one pass over the fleet */
#define FLEET_MAX_CONDITIONS	16

/*
 * fleet_visit: each live device that one of these conditions targets (a list
 * of Condition *, none of them twice), or each at all where they are many or
 * NIL, with its report and its assignment; what its winner is is not known.
 * Reads with the active snapshot, between owner_begin() and owner_end().
 * Returns how many devices were visited.
 *
 * Cost: an index scan a condition, or one pass over the fleet.
 */
extern uint64 fleet_visit(List *conditions, DeviceVisitor visitor, void *arg);

#endif							/* TWINSET_FLEET_H */
