/*-------------------------------------------------------------------------
 *
 * deployment_versions.h
 *	  Which deployments changed with which version.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_DEPLOYMENT_VERSIONS_H
#define TWINSET_DEPLOYMENT_VERSIONS_H

#include "compat.h"

#include "nodes/pg_list.h"

/* a deployment that changed with a version */
typedef struct DeploymentVersion
{
	int64		version;
	char	   *deployment_id;	/* NULL: any can have changed */
} DeploymentVersion;

/*
 * deployment_versions_note: deployments with these ids (a list of char *) have
 * changed, which makes a version; NIL: any can have.  Under the settlement lock.
 * Cost: the lock's row updated; a row each, one where they are many.
 */
extern void deployment_versions_note(List *ids);

/*
 * deployment_versions_newest: of these versions (a list of DeploymentVersion *)
 * the newest that the active snapshot sees; 0 where it sees none of them.
 */
extern int64 deployment_versions_newest(List *versions);

/* the newest version of all that the active snapshot sees */
extern int64 deployment_versions_latest(void);

/*
 * deployment_versions_since: what changed with newer versions than this one, as
 * the active snapshot sees it: a list of DeploymentVersion *, the oldest first.
 */
extern List *deployment_versions_since(int64 version);

#endif							/* TWINSET_DEPLOYMENT_VERSIONS_H */
