/*-------------------------------------------------------------------------
 *
 * matcher.h
 *	  From a device to its winning deployment, or to all that target it.
 *
 * A matcher is compiled once from a set of deployments, patched where some of
 * them change, and asked for many devices.  It lives in a memory context of
 * its own, below the one that it was given; matcher_free() deletes it.  It
 * knows nothing of tables, the log or snapshots: who builds it says which
 * deployments there are.
 *
 * It calls a deployment by its slot, a number below matcher_slots().  A slot
 * is never given to another deployment; a patch may add slots, and leave some
 * that hold none any more.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_MATCHER_H
#define TWINSET_MATCHER_H

#include "condition.h"
#include "datatype/timestamp.h"

typedef struct MatcherDeployment
{
	const char *deployment_id;	/* null-terminated */
	const Condition *condition; /* NULL: targets nothing */
	int32		priority;		/* the larger wins */
	TimestampTz created_at;		/* of equal priorities the later wins, then the larger id */
	int64		revision;		/* carried along for who counts statuses */
} MatcherDeployment;

typedef struct Matcher Matcher;

/*
 * matcher_build: compile.  Nothing of what is given is needed later.
 * O(n log n); until it is complete an error leaves nothing behind.
 */
extern Matcher *matcher_build(MemoryContext parent,
							  const MatcherDeployment *deployments, int count);
extern void matcher_free(Matcher *matcher);

/*
 * matcher_patch: take these away, then add those; one that changed is given
 * in both.  What is not there is not missed; what is added must not be there.
 * After an error the matcher is as it was.  At a cost of one deployment, not
 * of all, until it is worn.
 */
extern void matcher_patch(Matcher *matcher, const char *const *removed, int removed_count,
						  const MatcherDeployment *added, int added_count);

/*
 * matcher_worn: so much has been patched that a new one is worth its cost.
 * It goes on to answer rightly, but slower, and grows.
 */
extern bool matcher_worn(const Matcher *matcher);

/* one more than the last slot */
extern int	matcher_slots(const Matcher *matcher);

/* is there a deployment? */
extern bool matcher_has(const Matcher *matcher, int slot);

/* of the deployment of a slot; the id is valid until the next patch */
extern const char *matcher_deployment_id(const Matcher *matcher, int slot);
extern int64 matcher_revision(const Matcher *matcher, int slot);

/* the slot of a deployment, -1 where it is not there; O(1), the first time O(n) */
extern int	matcher_find(Matcher *matcher, const char *deployment_id);

/*
 * matcher_winner: the slot of the deployment that wins the device, -1 where
 * none targets it.
 */
extern int	matcher_winner(Matcher *matcher, const char *device_id, int device_id_length,
						   JsonbContainer *tags);

/*
 * matcher_all: the slots of all deployments that target the device, the
 * winner first, then by rank.  *slots is valid until the matcher is asked
 * again, or patched.  Returns how many.
 */
extern int	matcher_all(Matcher *matcher, const char *device_id, int device_id_length,
						JsonbContainer *tags, const int **slots);

/*
 * Counting how many of many devices each deployment targets.  Between begin
 * and end the matcher is not patched.
 *
 * matcher_count_device: add (sign 1) a device, or take one away (-1).  Returns
 * the slot of its winner, -1 where none targets it.  At the cost of the facts
 * that are true of it, and of those that target it by more than one fact.
 *
 * matcher_count_end: for each slot the devices that were added, less those
 * that were taken away; palloc'd.
 */
typedef struct MatcherCount MatcherCount;

extern MatcherCount *matcher_count_begin(Matcher *matcher);
extern int	matcher_count_device(MatcherCount *count, const char *device_id, int device_id_length,
								 JsonbContainer *tags, int sign);
extern int64 *matcher_count_end(MatcherCount *count);

/* bytes that the matcher holds */
extern Size matcher_size(Matcher *matcher);

#endif							/* TWINSET_MATCHER_H */
