/*-------------------------------------------------------------------------
 *
 * postings.h
 *	  The deployments as they are stored by term: matching a few devices
 *	  without compiling anything.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_POSTINGS_H
#define TWINSET_POSTINGS_H

#include "compat.h"

#include "nodes/pg_list.h"
#include "utils/jsonb.h"

#include "matcher.h"

/*
 * postings_winner: the id of the deployment that wins a live device with these
 * tags, NULL where none targets it.  Reads with the active snapshot.
 * Cost: a few index look-ups a tag, and the candidates up to the winner.
 */
extern char *postings_winner(const char *device_id, int device_id_length, JsonbContainer *tags);

/*
 * postings_all: the ids of all deployments that target it, the winner first.
 */
extern List *postings_all(const char *device_id, int device_id_length, JsonbContainer *tags);

/*
 * postings_change: deployments have changed.  ids says which (a list of
 * char *), deployments what they are now (those that are gone are not
 * there).  Under the settlement lock, between owner_begin() and owner_end().
 * Returns how many rows were written.
 */
extern uint64 postings_change(List *ids, const MatcherDeployment *deployments, int count);

/*
 * postings_repair: store anew what is not as it must be.  Likewise.
 */
extern uint64 postings_repair(void);

#endif							/* TWINSET_POSTINGS_H */
