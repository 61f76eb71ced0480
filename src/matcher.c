/*-------------------------------------------------------------------------
 *
 * matcher.c
 *	  From a device to its winning deployment, or to all that target it.
 *
 * Each condition is filed under terms, or among the residual ones (terms.h).
 * A device is asked about by looking up the terms that its own deviceId and
 * tags make.  What is found there, and the residual deployments, are the
 * candidates.  They come out in rank order, and each is verified by evaluating
 * its whole condition: filing and colliding hashes may give a candidate too
 * many, never one too few.
 *
 *	rank 0	tags.env = 'prod' AND tags.floor = 3
 *	rank 1	tags.env = 'prod' OR deviceId IN ['x', 'y']
 *	rank 2	NOT tags.env = 'test'
 *	rank 3	tags.env = 'prod' AND tags.floor > 3
 *
 * are kept as
 *
 *	terms		floor = 3			-> 0
 *				env = 'prod'		-> 1 3
 *				deviceId = 'x'		-> 1
 *				deviceId = 'y'		-> 1
 *	residual	2
 *	paths		tags.env, tags.floor
 *
 * and device x with tags {"env": "prod", "floor": 4, "room": {"size": 9}} has
 * the candidates 1 (twice), 2 and 3; it never looks into room.
 *
 * In memory: the deployments in rank order, their ids and conditions in one
 * block in the same order; the postings of all terms in one array, term after
 * term, each term's ranks ascending; two hash tables, of terms and of paths.
 * All of that, and the room to answer in, belongs to the matcher's context.
 *
 * What a condition means is condition.h's; which deployments there are, the
 * caller's.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "matcher.h"
#include "terms.h"

/* a term, and the deployments filed under it */
typedef struct Term
{
	uint64		hash;
	uint64		first;			/* its first posting */
	uint32		count;			/* its postings; of Build.mentions, uses */
	char		status;			/* the hash table's */
} Term;

/* so sparse because most values have no term, and a miss costs most */
#define SH_FILLFACTOR 0.5
#define SH_PREFIX terms
#define SH_ELEMENT_TYPE Term
#define SH_KEY_TYPE uint64
#define SH_KEY hash
#define SH_HASH_KEY(table, key) ((uint32) (key))
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* a list of candidates while it is merged with others; never empty */
typedef struct Cursor
{
	const int  *next;			/* the best rank not taken yet */
	const int  *end;			/* behind the last */
} Cursor;

struct Matcher
{
	MemoryContext context;		/* of all that follows */
	MemoryContext scratch;		/* reset after each asking */
	MatcherDeployment *deployments; /* in rank order */
	int			count;			/* of deployments */
	terms_hash *terms;			/* under which one is filed */
	TermPaths  *paths;			/* of the terms */
	int		   *postings;		/* ranks, the terms' lists */
	int		   *residual;		/* ranks that are candidates always */
	int			residual_count;
	Cursor	   *cursors;		/* a heap, the best rank at its top */
	int			cursor_count;
	int			cursor_limit;	/* allocated */
	int		   *targeting;		/* what matcher_all returned last */
	int		   *gained;			/* what matcher_difference returned last, beside targeting */
	PathSet    *mentioned;		/* by rank, the condition's paths */
};

/* a deployment that goes under a term */
typedef struct Filing
{
	uint64		hash;			/* the term's */
	int			rank;
} Filing;

/* what is needed only while a matcher is built */
typedef struct Build
{
	Matcher    *matcher;
	terms_hash *mentions;		/* all that are mentioned, and how often */
	FiledTerms	filed;			/* of the condition at hand */
	Filing	   *filings;		/* of all deployments, ranks ascending */
	uint64		filing_count;
	uint64		filing_limit;	/* allocated */
} Build;

/* who is asked about */
typedef struct Device
{
	const char *id;				/* not null-terminated */
	int			id_length;		/* bytes */
	JsonbContainer *tags;
} Device;

static Matcher *create_matcher(void);
static void copy_deployments(Matcher *matcher, const MatcherDeployment *deployments, int count);
static int	compare_deployments(const void *a, const void *b);
static void file_deployments(Matcher *matcher);
static void count_mention(void *build, uint64 term);
static uint32 mentions_of(void *build, uint64 term);
static void file_deployment(Build *build, int rank);
static void add_filing(Build *build, uint64 hash, int rank);
static void lay_out_postings(Build *build);
static void start_asking(Matcher *matcher);
static void look_up_device(Matcher *matcher, const Device *device);
static void order_cursors(Matcher *matcher);
static void look_up_term(void *matcher, uint64 hash);
static void add_cursor(Matcher *matcher, const int *ranks, int count);
static int	next_candidate(Matcher *matcher);
static void advance(Matcher *matcher);
static void sift_down(Matcher *matcher, int parent);
static bool targets(Matcher *matcher, int rank, const Device *device);

/*
 * matcher_build: compile.  The deployments are copied (the conditions too)
 * and put in rank order.  O(n log n) in deployments.
 *
 * It becomes the parent's only when it is complete: an error on the way, a
 * cancel for one, leaves nothing behind in a parent that lives long.
 */
Matcher *
matcher_build(MemoryContext parent, const MatcherDeployment *deployments, int count)
{
	Matcher    *matcher = create_matcher();
	MemoryContext caller = MemoryContextSwitchTo(matcher->context);

	copy_deployments(matcher, deployments, count);
	file_deployments(matcher);
	MemoryContextSwitchTo(caller);
	MemoryContextSetParent(matcher->context, parent);
	return matcher;
}

/*
 * matcher_free: give back all that the matcher holds.
 */
void
matcher_free(Matcher *matcher)
{
	MemoryContextDelete(matcher->context);
}

/*
 * matcher_deployments: the deployments in rank order; an index into the array
 * is a rank.  The array is the matcher's; O(1).
 */
MatcherDeployment *
matcher_deployments(Matcher *matcher, int *count)
{
	*count = matcher->count;
	return matcher->deployments;
}

/*
 * matcher_winner: the rank of the deployment that wins the device, -1 where
 * none targets it.  Verifies the candidates up to the winner, at no cost that
 * depends on how many deployments there are besides.
 */
int
matcher_winner(Matcher *matcher, const char *device_id, int device_id_length,
			   JsonbContainer *tags)
{
	Device		device = {device_id, device_id_length, tags};
	MemoryContext caller = MemoryContextSwitchTo(matcher->scratch);
	int			rank;

	start_asking(matcher);
	look_up_device(matcher, &device);
	order_cursors(matcher);
	do
	{
		rank = next_candidate(matcher);
	} while (rank >= 0 && !targets(matcher, rank, &device));

	MemoryContextSwitchTo(caller);
	MemoryContextReset(matcher->scratch);
	return rank;
}

/*
 * matcher_all: the ranks of all deployments that target the device,
 * ascending.  *ranks is valid until the matcher is asked again.  Verifies
 * all candidates.
 */
int
matcher_all(Matcher *matcher, const char *device_id, int device_id_length,
			JsonbContainer *tags, const int **ranks)
{
	Device		device = {device_id, device_id_length, tags};
	MemoryContext caller = MemoryContextSwitchTo(matcher->scratch);
	int			count = 0;
	int			rank;

	start_asking(matcher);
	look_up_device(matcher, &device);
	order_cursors(matcher);
	while ((rank = next_candidate(matcher)) >= 0)
	{
		if (targets(matcher, rank, &device))
			matcher->targeting[count++] = rank;
	}

	MemoryContextSwitchTo(caller);
	MemoryContextReset(matcher->scratch);
	*ranks = matcher->targeting;
	return count;
}

/*
 * matcher_difference: what of matcher_winner() and matcher_all() differs
 * between two states of a device's tags, of which either can be missing.
 */
void
matcher_difference(Matcher *matcher, const char *device_id, int device_id_length,
				   JsonbContainer *before, JsonbContainer *after,
				   MatcherDifference *difference)
{
	Device		old_device = {device_id, device_id_length, before};
	Device		new_device = {device_id, device_id_length, after};
	PathSet		changed = ~(PathSet) 0;
	MemoryContext caller;
	int			rank;

	memset(difference, 0, sizeof(*difference));
	difference->winner_before = before == NULL ? -1 :
		matcher_winner(matcher, device_id, device_id_length, before);
	difference->winner = after == NULL ? -1 :
		matcher_winner(matcher, device_id, device_id_length, after);
	difference->lost = matcher->targeting;
	difference->gained = matcher->gained;

	caller = MemoryContextSwitchTo(matcher->scratch);
	start_asking(matcher);
	if (before != NULL)
		look_up_device(matcher, &old_device);
	if (after != NULL)
		look_up_device(matcher, &new_device);
	if (before != NULL && after != NULL)
		changed = paths_changed(before, after);
	order_cursors(matcher);

	while ((rank = next_candidate(matcher)) >= 0)
	{
		bool		did;
		bool		does;

		if (before != NULL && after != NULL && (matcher->mentioned[rank] & changed) == 0)
			continue;
		did = before != NULL && targets(matcher, rank, &old_device);
		does = after != NULL && targets(matcher, rank, &new_device);
		if (did && !does)
			matcher->targeting[difference->lost_count++] = rank;
		else if (does && !did)
			matcher->gained[difference->gained_count++] = rank;
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(matcher->scratch);
}

int
matcher_count(Matcher *matcher)
{
	return matcher->count;
}

const char *
matcher_deployment_id(Matcher *matcher, int rank)
{
	return matcher->deployments[rank].deployment_id;
}

int64
matcher_revision(Matcher *matcher, int rank)
{
	return matcher->deployments[rank].revision;
}

/*
 * matcher_size: bytes that the matcher holds.
 */
Size
matcher_size(Matcher *matcher)
{
	return MemoryContextMemAllocated(matcher->context, true);
}

/*
 * An empty matcher, below the caller's context.
 */
static Matcher *
create_matcher(void)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "twinset matcher",
												  ALLOCSET_DEFAULT_SIZES);
	Matcher    *matcher = MemoryContextAllocZero(context, sizeof(Matcher));

	matcher->context = context;
	matcher->scratch = AllocSetContextCreate(context,
											 "twinset matcher scratch",
											 ALLOCSET_SMALL_SIZES);
	matcher->terms = terms_create(context, 64, NULL);
	matcher->paths = term_paths_create(context);
	matcher->cursor_limit = 16;
	matcher->cursors = MemoryContextAlloc(context, matcher->cursor_limit * sizeof(Cursor));
	return matcher;
}

/*
 * Sort the deployments, then copy what they point at, into one block and in
 * rank order: candidates are verified in that order.
 */
static void
copy_deployments(Matcher *matcher, const MatcherDeployment *deployments, int count)
{
	Size		size = 0;
	char	   *at;

	matcher->count = count;
	matcher->deployments = MemoryContextAllocHuge(matcher->context,
												  count * sizeof(MatcherDeployment));
	matcher->targeting = MemoryContextAllocHuge(matcher->context, count * sizeof(int));
	matcher->gained = MemoryContextAllocHuge(matcher->context, count * sizeof(int));
	matcher->residual = MemoryContextAllocHuge(matcher->context, count * sizeof(int));
	matcher->mentioned = MemoryContextAllocHuge(matcher->context, count * sizeof(PathSet));
	if (count > 0)
		memcpy(matcher->deployments, deployments, count * sizeof(MatcherDeployment));
	qsort(matcher->deployments, count, sizeof(MatcherDeployment), compare_deployments);

	for (int rank = 0; rank < count; rank++)
	{
		const MatcherDeployment *deployment = &matcher->deployments[rank];

		if (deployment->condition != NULL)
			size += CONDITION_ALIGN(VARSIZE(deployment->condition));
		size += CONDITION_ALIGN(strlen(deployment->deployment_id) + 1);
	}

	at = MemoryContextAllocHuge(matcher->context, size);
	for (int rank = 0; rank < count; rank++)
	{
		MatcherDeployment *deployment = &matcher->deployments[rank];
		Size		id_size = strlen(deployment->deployment_id) + 1;

		CHECK_FOR_INTERRUPTS();
		if (deployment->condition != NULL)
		{
			Size		condition_size = VARSIZE(deployment->condition);

			deployment->condition = memcpy(at, deployment->condition, condition_size);
			matcher->mentioned[rank] = paths_of_condition(deployment->condition);
			at += CONDITION_ALIGN(condition_size);
		}
		deployment->deployment_id = memcpy(at, deployment->deployment_id, id_size);
		at += CONDITION_ALIGN(id_size);
	}
}

/*
 * The winner first: the larger priority, then the later, then the larger id.
 */
static int
compare_deployments(const void *a, const void *b)
{
	const MatcherDeployment *left = a;
	const MatcherDeployment *right = b;

	if (left->priority != right->priority)
		return left->priority > right->priority ? -1 : 1;
	if (left->created_at != right->created_at)
		return left->created_at > right->created_at ? -1 : 1;
	return strcmp(right->deployment_id, left->deployment_id);
}

/*
 * File all deployments: count how often each term is mentioned, choose each
 * condition's by that, and lay the lists out.
 */
static void
file_deployments(Matcher *matcher)
{
	Build		build = {.matcher = matcher, .filing_limit = 1024};
	MemoryContext context = AllocSetContextCreate(matcher->context,
												  "twinset matcher build",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);

	build.mentions = terms_create(context, matcher->count, NULL);
	build.filings = palloc(build.filing_limit * sizeof(Filing));

	for (int rank = 0; rank < matcher->count; rank++)
	{
		CHECK_FOR_INTERRUPTS();
		if (matcher->deployments[rank].condition != NULL)
			terms_mentioned(matcher->deployments[rank].condition, count_mention, &build);
	}
	for (int rank = 0; rank < matcher->count; rank++)
	{
		CHECK_FOR_INTERRUPTS();
		file_deployment(&build, rank);
	}
	lay_out_postings(&build);

	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}

static void
count_mention(void *build, uint64 hash)
{
	bool		found;
	Term	   *term = terms_insert(((Build *) build)->mentions, hash, &found);

	term->count = found ? term->count + 1 : 1;
}

static uint32
mentions_of(void *build, uint64 hash)
{
	return terms_lookup(((Build *) build)->mentions, hash)->count;
}

/*
 * File one deployment: under the terms chosen, among the residual ones, or
 * nowhere.
 */
static void
file_deployment(Build *build, int rank)
{
	Matcher    *matcher = build->matcher;
	const Condition *condition = matcher->deployments[rank].condition;
	FiledTerms *filed = &build->filed;

	if (condition == NULL)
		return;
	if (!terms_of_condition(condition, mentions_of, build, filed))
	{
		matcher->residual[matcher->residual_count++] = rank;
		return;
	}
	for (int i = 0; i < filed->count; i++)
	{
		if (i == 0 || filed->terms[i].path != filed->terms[i - 1].path)
			term_paths_add(matcher->paths, filed->terms[i].path);
		add_filing(build, filed->terms[i].term, rank);
	}
}

static void
add_filing(Build *build, uint64 hash, int rank)
{
	bool		found;
	Term	   *term = terms_insert(build->matcher->terms, hash, &found);

	term->count = found ? term->count + 1 : 1;

	if (build->filing_count == build->filing_limit)
	{
		build->filing_limit *= 2;
		build->filings = repalloc_huge(build->filings, build->filing_limit * sizeof(Filing));
	}
	build->filings[build->filing_count].hash = hash;
	build->filings[build->filing_count].rank = rank;
	build->filing_count++;
}

/*
 * Give each term its part of the array, then put the ranks there.  As the
 * filings are in rank order, so is each list.
 */
static void
lay_out_postings(Build *build)
{
	Matcher    *matcher = build->matcher;
	terms_iterator iterator;
	Term	   *term;
	uint64		first = 0;

	terms_start_iterate(matcher->terms, &iterator);
	while ((term = terms_iterate(matcher->terms, &iterator)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		term->first = first;
		first += term->count;
		term->count = 0;
	}

	matcher->postings = MemoryContextAllocHuge(matcher->context,
											   build->filing_count * sizeof(int));
	for (uint64 i = 0; i < build->filing_count; i++)
	{
		const Filing *filing = &build->filings[i];

		CHECK_FOR_INTERRUPTS();
		term = terms_lookup(matcher->terms, filing->hash);
		matcher->postings[term->first + term->count++] = filing->rank;
	}
}

/*
 * Find the lists of candidates: the residual ones, and those of one device or
 * two; then make a heap of them.
 */
static void
start_asking(Matcher *matcher)
{
	matcher->cursor_count = 0;
	if (matcher->residual_count > 0)
		add_cursor(matcher, matcher->residual, matcher->residual_count);
}

static void
look_up_device(Matcher *matcher, const Device *device)
{
	terms_of_device(device->id, device->id_length, device->tags, matcher->paths,
					look_up_term, matcher);
}

static void
order_cursors(Matcher *matcher)
{
	for (int i = matcher->cursor_count / 2 - 1; i >= 0; i--)
		sift_down(matcher, i);
}

static void
look_up_term(void *arg, uint64 hash)
{
	Matcher    *matcher = arg;
	Term	   *term = terms_lookup(matcher->terms, hash);

	if (term != NULL)
		add_cursor(matcher, &matcher->postings[term->first], term->count);
}

static void
add_cursor(Matcher *matcher, const int *ranks, int count)
{
	Cursor	   *cursor;

	if (matcher->cursor_count == matcher->cursor_limit)
	{
		matcher->cursor_limit *= 2;
		matcher->cursors = repalloc_huge(matcher->cursors,
										 matcher->cursor_limit * sizeof(Cursor));
	}
	cursor = &matcher->cursors[matcher->cursor_count++];
	cursor->next = ranks;
	cursor->end = ranks + count;
}

/*
 * The best rank in any list that was not returned yet, -1 at the end.
 */
static int
next_candidate(Matcher *matcher)
{
	int			rank;

	if (matcher->cursor_count == 0)
		return -1;

	rank = *matcher->cursors[0].next;
	do
	{
		advance(matcher);
	} while (matcher->cursor_count > 0 && *matcher->cursors[0].next == rank);
	return rank;
}

/*
 * Take the top cursor's rank off.
 */
static void
advance(Matcher *matcher)
{
	Cursor	   *top = &matcher->cursors[0];

	if (++top->next == top->end)
		*top = matcher->cursors[--matcher->cursor_count];
	sift_down(matcher, 0);
}

static void
sift_down(Matcher *matcher, int parent)
{
	Cursor	   *cursors = matcher->cursors;
	Cursor		sifted = cursors[parent];
	int			child;

	while ((child = 2 * parent + 1) < matcher->cursor_count)
	{
		if (child + 1 < matcher->cursor_count &&
			*cursors[child + 1].next < *cursors[child].next)
			child++;
		if (*sifted.next <= *cursors[child].next)
			break;
		cursors[parent] = cursors[child];
		parent = child;
	}
	cursors[parent] = sifted;
}

/*
 * Verify a candidate.
 */
static bool
targets(Matcher *matcher, int rank, const Device *device)
{
	CHECK_FOR_INTERRUPTS();
	return condition_evaluate(matcher->deployments[rank].condition,
							  device->id, device->id_length,
							  device->tags) == CONDITION_RESULT_TRUE;
}
