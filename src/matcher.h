/*-------------------------------------------------------------------------
 *
 * matcher.h
 *	  From a device to its winning deployment, or to all that target it.
 *
 * A matcher is compiled once from a set of deployments and then asked for
 * many devices.  It lives in a memory context of its own, below the one
 * that it was given; matcher_free() deletes it.  It knows nothing of tables,
 * the log or snapshots: who builds it says which deployments there are.
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
	void	   *extra;			/* the caller's own */
} MatcherDeployment;

typedef struct Matcher Matcher;

/*
 * matcher_build: compile.  The deployments are copied (the conditions too)
 * and put in rank order, the winner of all first.  O(n log n).
 */
extern Matcher *matcher_build(MemoryContext parent,
							  const MatcherDeployment *deployments, int count);
extern void matcher_free(Matcher *matcher);

/* the deployments in rank order; an index into this array is a rank */
extern MatcherDeployment *matcher_deployments(Matcher *matcher, int *count);

/*
 * matcher_winner: the rank of the deployment that wins the device, -1 where
 * none targets it.
 */
extern int	matcher_winner(Matcher *matcher, const char *device_id, int device_id_length,
						   JsonbContainer *tags);

/*
 * matcher_all: the ranks of all deployments that target the device,
 * ascending (the winner first).  *ranks points into the matcher and is valid
 * until it is asked again.  Returns how many.
 */
extern int	matcher_all(Matcher *matcher, const char *device_id, int device_id_length,
						JsonbContainer *tags, const int **ranks);

/* what a change of a device's tags changes */
typedef struct MatcherDifference
{
	int			winner_before;	/* -1: none */
	int			winner;			/* with the new tags; -1: none */
	int			lost_count;
	const int  *lost;			/* targeted it with the old tags and no longer do */
	int			gained_count;
	const int  *gained;			/* do now and did not */
} MatcherDifference;

/*
 * matcher_difference: what of matcher_winner() and matcher_all() differs
 * between two states of a device's tags; NULL: it is not there, and nothing
 * targets it.  The lists are ascending, and valid as those of matcher_all().
 *
 * Cost: conditions that mention no path where the two differ are passed over.
 */
extern void matcher_difference(Matcher *matcher, const char *device_id, int device_id_length,
							   JsonbContainer *before, JsonbContainer *after,
							   MatcherDifference *difference);

/*
 * Of one deployment by its rank, below matcher_count().  Arrays by rank are
 * made with this length.
 */
extern int	matcher_count(Matcher *matcher);
extern const char *matcher_deployment_id(Matcher *matcher, int rank);
extern int64 matcher_revision(Matcher *matcher, int rank);

/* bytes that the matcher holds */
extern Size matcher_size(Matcher *matcher);

#endif							/* TWINSET_MATCHER_H */
