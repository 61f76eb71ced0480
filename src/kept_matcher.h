/*-------------------------------------------------------------------------
 *
 * kept_matcher.h
 *	  The compiled deployments that a backend keeps.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_KEPT_MATCHER_H
#define TWINSET_KEPT_MATCHER_H

#include "compat.h"

#include "matcher.h"
#include "nodes/pg_list.h"

/*
 * kept_matcher: of the deployments that the active snapshot sees; valid until
 * the next call.  Between owner_begin() and owner_end().
 *
 * Cost: a look at the version; where it is another, the deployments that have
 * changed since; all where those are many, or not known.
 */
extern Matcher *kept_matcher(void);

/* the same, NULL where all would have to be compiled */
extern Matcher *kept_matcher_at_hand(void);

/*
 * kept_matcher_before: of the deployments that the active snapshot sees, but
 * these (DeploymentImage) as they were.  Likewise.
 */
extern Matcher *kept_matcher_before(List *images);

/* has the backend compiled deployments, so that few have to be compiled anew? */
extern bool kept_matcher_compiled(void);

/* bytes that it takes, and how many deployments they are for; 0 where none are compiled */
extern Size kept_matcher_size(int *deployments);

#endif							/* TWINSET_KEPT_MATCHER_H */
