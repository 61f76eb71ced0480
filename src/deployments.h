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

/* a change of a deployment, and what it was before */
typedef struct DeploymentImage
{
	MatcherDeployment was;		/* only its id where it did not exist */
	bool		existed;		/* did it before the change? */
	bool		exists;			/* does it after it? */
	CommandId	command;		/* of the query that changed it */
	SubTransactionId subtransaction;	/* likewise */
} DeploymentImage;

/*
 * deployments_matcher: of the deployments that the active snapshot sees.
 * Kept by the backend for as long as they are the same; valid until the next
 * call.  Between owner_begin() and owner_end().
 */
extern Matcher *deployments_matcher(void);

/*
 * deployments_matcher_before: of the deployments as they were before these
 * changes (in the order of their commands).  For the caller to free.
 */
extern Matcher *deployments_matcher_before(MemoryContext parent, List *images);

/* an entry of a table of deployments by id */
typedef struct DeploymentEntry
{
	char		deployment_id[DEPLOYMENT_ID_SIZE];	/* the key */
	int			rank;			/* among the deployments, where that is asked for */
	int			balance;		/* is it there: now, less what changes have made of it */
	const DeploymentImage *image;	/* the first of its images that existed */
} DeploymentEntry;

/* an empty table of DeploymentEntry, in the current memory context */
extern HTAB *deployment_table(long size);

#endif							/* TWINSET_DEPLOYMENTS_H */
