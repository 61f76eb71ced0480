/*-------------------------------------------------------------------------
 *
 * deployments.h
 *	  The deployments that a snapshot sees, compiled.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_DEPLOYMENTS_H
#define TWINSET_DEPLOYMENTS_H

#include "compat.h"

#include "matcher.h"
#include "nodes/pg_list.h"
#include "utils/hsearch.h"

/* a deployment's id, at most 128 characters of ASCII, with its end */
#define DEPLOYMENT_ID_SIZE	129

/* what a deployment was before it was changed */
typedef struct DeploymentImage
{
	MatcherDeployment was;		/* only its id where it did not exist */
	bool		existed;		/* did it? */
	SubTransactionId subtransaction;	/* that changed it */
} DeploymentImage;

/*
 * deployments_matcher: of the deployments that the active snapshot sees.
 * Kept by the backend for as long as they are the same; valid until the next
 * call.  Between owner_begin() and owner_end().
 */
extern Matcher *deployments_matcher(void);

/*
 * deployments_matcher_before: of the deployments that the active snapshot
 * sees, but these as they were.  For the caller to free.
 */
extern Matcher *deployments_matcher_before(MemoryContext parent, List *images);

/* an entry of a table of deployments by id */
typedef struct DeploymentEntry
{
	char		deployment_id[DEPLOYMENT_ID_SIZE];	/* the key */
	int			rank;			/* the caller's: a rank, or nothing */
} DeploymentEntry;

/* an empty table of DeploymentEntry, in the current memory context */
extern HTAB *deployment_table(long size);

#endif							/* TWINSET_DEPLOYMENTS_H */
