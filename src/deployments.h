/*-------------------------------------------------------------------------
 *
 * deployments.h
 *	  The deployments that a snapshot sees: read, or asked about devices.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_DEPLOYMENTS_H
#define TWINSET_DEPLOYMENTS_H

#include "compat.h"

#include "executor/tuptable.h"
#include "matcher.h"
#include "nodes/pg_list.h"

/* a deployment's id, at most 128 characters of ASCII, with its end */
#define DEPLOYMENT_ID_SIZE	129

/* what a deployment was before it was changed */
typedef struct DeploymentImage
{
	MatcherDeployment was;		/* only its id where it did not exist */
	bool		existed;		/* did it? */
	bool		restored;		/* has it come back as a dump had it? */
	SubTransactionId subtransaction;	/* that changed it */
} DeploymentImage;

/*
 * deployments_read_all: the deployments that the active snapshot sees; in the
 * current memory context.
 */
extern MatcherDeployment *deployments_read_all(int *count);

/*
 * deployments_read: those of the deployments with these ids (a list of char *)
 * that the active snapshot sees; in the current memory context.  Cost: a
 * look-up by key for each.
 */
extern MatcherDeployment *deployments_read(List *ids, int *count);

/*
 * Asking about devices, one after the other, with one active snapshot.  By the
 * compiled deployments where the backend has them, or has asked for so many
 * devices that compiling them pays; else by the stored postings.  Between
 * owner_begin() and owner_end().
 */
typedef struct DeploymentsAsked
{
	Matcher    *matcher;		/* NULL: the postings are asked */
	MemoryContext context;		/* of a matcher that nobody keeps; outlives what is asked */
} DeploymentsAsked;

extern DeploymentsAsked deployments_ask(void);

/*
 * deployments_winner: the id of the deployment that wins a live device with
 * these tags, NULL where none targets it.
 */
extern const char *deployments_winner(DeploymentsAsked *asked, const char *device_id,
									  int device_id_length, JsonbContainer *tags);

/* likewise the ids of all that target it (char *), the winner first */
extern List *deployments_targeting(DeploymentsAsked *asked, const char *device_id,
								   int device_id_length, JsonbContainer *tags);

/*
 * deployments_compile_cost: what this backend would pay for compiling the
 * deployments, in entries that could be settled for it; 0 where it has them.
 */
extern uint64 deployments_compile_cost(void);

/* does a rank above b? */
extern bool deployment_ranks_above(const MatcherDeployment *a, const MatcherDeployment *b);

/*
 * deployment_is_restored: is a row that was inserted as a dump has it?  It says
 * that it was written before this transaction, and has the revision that it had
 * then, which only the extension's owner may give.
 */
extern bool deployment_is_restored(TupleTableSlot *inserted);

extern void deployments_init(void);

#endif							/* TWINSET_DEPLOYMENTS_H */
