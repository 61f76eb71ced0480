/*-------------------------------------------------------------------------
 *
 * matcher.c
 *	  From a device to its winning deployment, or to all that target it.
 *
 * A condition that needs an equality to be true is filed under a term, the
 * hash of the equality's path, type and value; of several equalities the one
 * is taken that fewest conditions share.  A device is asked about by looking
 * up the terms that its own deviceId and tags make.  What is found there, and
 * the residual deployments, whose conditions need no equality, are the
 * candidates.  They come out in rank order, and each is verified by
 * evaluating its whole condition: filing and colliding hashes may give a
 * candidate too many, never one too few.
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

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "matcher.h"

/* what the hash of a path starts with */
#define DEVICE_ID_PATH	UINT64CONST(1)
#define TAGS_PATH		UINT64CONST(2)

/* the cost of a candidate to verify, in postings to keep */
#define CANDIDATE_COST	UINT64CONST(1000)

/* the cost of what can't be filed */
#define UNFILEABLE		PG_UINT64_MAX

/* an equality, and the deployments filed under it */
typedef struct Term
{
	uint64		hash;			/* of path, type and value */
	uint64		first;			/* its first posting */
	uint32		count;			/* its postings; of Build.mentions, uses */
	char		status;			/* the hash table's */
} Term;

/* a path of filed equalities, or what leads to one */
typedef struct Path
{
	uint64		hash;			/* of its keys */
	bool		compared;		/* a filed equality has this path */
	bool		entered;		/* a filed equality's path goes on from here */
	char		status;			/* the hash table's */
} Path;

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

#define SH_FILLFACTOR 0.5
#define SH_PREFIX paths
#define SH_ELEMENT_TYPE Path
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
	terms_hash *terms;			/* equalities under which one is filed */
	paths_hash *paths;			/* their paths, and what leads there */
	int		   *postings;		/* ranks, the terms' lists */
	int		   *residual;		/* ranks that are candidates always */
	int			residual_count;
	Cursor	   *cursors;		/* a heap, the best rank at its top */
	int			cursor_count;
	int			cursor_limit;	/* allocated */
	int		   *targeting;		/* what matcher_all returned last */
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
	terms_hash *mentions;		/* all equalities, and how often they occur */
	const ConditionNode **factors;	/* chosen of the condition at hand */
	int			factor_count;
	int			factor_limit;	/* allocated */
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
static void count_mentions(Build *build, const ConditionNode *node);
static bool is_equality(const ConditionNode *node);
static void file_deployment(Build *build, int rank);
static uint64 choose(Build *build, const ConditionNode *node);
static uint64 choose_of_and(Build *build, const ConditionNode *node);
static uint64 choose_of_or(Build *build, const ConditionNode *node);
static uint64 choose_equality(Build *build, const ConditionNode *node);
static void file_under_equality(Build *build, const ConditionNode *node, int rank);
static void add_filing(Build *build, uint64 hash, int rank);
static void add_path(Matcher *matcher, const ConditionPath *path);
static void lay_out_postings(Build *build);
static void start_asking(Matcher *matcher, const Device *device);
static void look_up_object(Matcher *matcher, JsonbContainer *object, uint64 path);
static void look_up_value(Matcher *matcher, const Path *path, JEntry entry,
						  const char *data, uint32 offset, uint32 end);
static void look_up_term(Matcher *matcher, uint64 hash);
static void add_cursor(Matcher *matcher, const int *ranks, int count);
static int	next_candidate(Matcher *matcher);
static void advance(Matcher *matcher);
static void sift_down(Matcher *matcher, int parent);
static bool targets(Matcher *matcher, int rank, const Device *device);
static uint64 hash_path(const ConditionPath *path);
static uint64 hash_literal(uint64 path, const ConditionLiteral *literal);

/*
 * The hashes.  A path's grows by a key at a time, so that one walk over a
 * device's tags has the hash of each path at hand; a term's continues its
 * path's.  A number is hashed by value: 1 and 1.0 are the same term.
 */
static inline uint64
hash_key(uint64 path, const char *key, uint32 length)
{
	return hash_bytes_extended((const unsigned char *) key, length, path);
}

static inline uint64
hash_constant(uint64 path, ConditionLiteralType type)
{
	return hash_combine64(path, type);
}

static inline uint64
hash_string(uint64 path, const char *value, uint32 length)
{
	return hash_bytes_extended((const unsigned char *) value, length,
							   hash_constant(path, CONDITION_STRING));
}

static inline uint64
hash_number(uint64 path, const char *value)
{
	return DatumGetUInt64(DirectFunctionCall2(hash_numeric_extended,
											  PointerGetDatum(value),
											  UInt64GetDatum(hash_constant(path, CONDITION_NUMBER))));
}

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

	start_asking(matcher, &device);
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

	start_asking(matcher, &device);
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
	matcher->paths = paths_create(context, 16, NULL);
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
	matcher->residual = MemoryContextAllocHuge(matcher->context, count * sizeof(int));
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
 * File all deployments: count what equalities occur, choose each condition's
 * by that, and lay the lists out.
 */
static void
file_deployments(Matcher *matcher)
{
	Build		build = {.matcher = matcher, .factor_limit = 64, .filing_limit = 1024};
	MemoryContext context = AllocSetContextCreate(matcher->context,
												  "twinset matcher build",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);

	build.mentions = terms_create(context, matcher->count, NULL);
	build.factors = palloc(build.factor_limit * sizeof(ConditionNode *));
	build.filings = palloc(build.filing_limit * sizeof(Filing));

	for (int rank = 0; rank < matcher->count; rank++)
	{
		CHECK_FOR_INTERRUPTS();
		if (matcher->deployments[rank].condition != NULL)
			count_mentions(&build, &matcher->deployments[rank].condition->root);
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

/*
 * Count the equalities under which the condition could be filed.
 */
static void
count_mentions(Build *build, const ConditionNode *node)
{
	check_stack_depth();

	if (node->kind == CONDITION_AND || node->kind == CONDITION_OR)
	{
		const ConditionNode *child = condition_first_child(node);

		for (int i = 0; i < node->count; i++, child = condition_next(child))
			count_mentions(build, child);
	}
	else if (is_equality(node))
	{
		uint64		path = hash_path(condition_path(node));
		const ConditionLiteral *literal = condition_first_literal(node);

		for (int i = 0; i < node->count; i++, literal = condition_next_literal(literal))
		{
			bool		found;
			Term	   *term = terms_insert(build->mentions, hash_literal(path, literal), &found);

			term->count = found ? term->count + 1 : 1;
		}
	}
}

/*
 * Does the node hold only where its path has its literal, or one of them?
 */
static bool
is_equality(const ConditionNode *node)
{
	return node->kind == CONDITION_IN ||
		(node->kind == CONDITION_COMPARE && node->op == CONDITION_EQ);
}

/*
 * File one deployment: under the equalities chosen, among the residual ones,
 * or nowhere.
 */
static void
file_deployment(Build *build, int rank)
{
	Matcher    *matcher = build->matcher;
	const Condition *condition = matcher->deployments[rank].condition;

	if (condition == NULL || condition->root.kind == CONDITION_NOTHING)
		return;

	build->factor_count = 0;
	if (choose(build, &condition->root) == UNFILEABLE)
	{
		matcher->residual[matcher->residual_count++] = rank;
		return;
	}
	for (int i = 0; i < build->factor_count; i++)
		file_under_equality(build, build->factors[i], rank);
}

/*
 * Choose equalities of which one at least holds wherever the node is true,
 * the cheapest such set: append them to the factors and return their cost.
 * Where there is no such set (below NOT never), return UNFILEABLE; what was
 * appended is then void.
 */
static uint64
choose(Build *build, const ConditionNode *node)
{
	check_stack_depth();

	if (node->kind == CONDITION_AND)
		return choose_of_and(build, node);
	if (node->kind == CONDITION_OR)
		return choose_of_or(build, node);
	if (is_equality(node))
		return choose_equality(build, node);
	return UNFILEABLE;
}

/*
 * All children must be true: the set of one suffices, the cheapest.
 */
static uint64
choose_of_and(Build *build, const ConditionNode *node)
{
	const ConditionNode *child = condition_first_child(node);
	uint64		best = UNFILEABLE;
	int			start = build->factor_count;
	int			best_end = start;

	for (int i = 0; i < node->count; i++, child = condition_next(child))
	{
		uint64		cost = choose(build, child);

		if (cost < best)
		{
			int			count = build->factor_count - best_end;

			memmove(&build->factors[start], &build->factors[best_end],
					count * sizeof(ConditionNode *));
			best_end = start + count;
			best = cost;
		}
		build->factor_count = best_end;
	}
	return best;
}

/*
 * Any child may be the one that is true: the sets of all are needed.
 */
static uint64
choose_of_or(Build *build, const ConditionNode *node)
{
	const ConditionNode *child = condition_first_child(node);
	uint64		total = 0;

	for (int i = 0; i < node->count; i++, child = condition_next(child))
	{
		uint64		cost = choose(build, child);

		if (cost == UNFILEABLE)
			return UNFILEABLE;
		total += cost;
	}
	return total;
}

/*
 * A device has one value at a path, so of a list of literals it looks up one
 * at most: the one that is mentioned most says what that costs.
 */
static uint64
choose_equality(Build *build, const ConditionNode *node)
{
	uint64		path = hash_path(condition_path(node));
	const ConditionLiteral *literal = condition_first_literal(node);
	uint32		most = 0;

	for (int i = 0; i < node->count; i++, literal = condition_next_literal(literal))
	{
		Term	   *term = terms_lookup(build->mentions, hash_literal(path, literal));

		most = Max(most, term->count);
	}

	if (build->factor_count == build->factor_limit)
	{
		build->factor_limit *= 2;
		build->factors = repalloc(build->factors,
								  build->factor_limit * sizeof(ConditionNode *));
	}
	build->factors[build->factor_count++] = node;
	return most * CANDIDATE_COST + node->count;
}

static void
file_under_equality(Build *build, const ConditionNode *node, int rank)
{
	uint64		path = hash_path(condition_path(node));
	const ConditionLiteral *literal = condition_first_literal(node);

	add_path(build->matcher, condition_path(node));
	for (int i = 0; i < node->count; i++, literal = condition_next_literal(literal))
		add_filing(build, hash_literal(path, literal), rank);
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
 * Remember the path, and what leads to it from the top of the tags.
 */
static void
add_path(Matcher *matcher, const ConditionPath *path)
{
	const ConditionKey *key = condition_first_key(path);
	uint64		hash = TAGS_PATH;

	for (int i = 0; i < path->count; i++, key = condition_next_key(key))
	{
		Path	   *entry;
		bool		found;

		hash = hash_key(hash, key->data, key->length);
		entry = paths_insert(matcher->paths, hash, &found);
		if (!found)
			entry->compared = entry->entered = false;
		if (i == path->count - 1)
			entry->compared = true;
		else
			entry->entered = true;
	}
}

/*
 * Give each term its part of the array, then put the ranks there.  As the
 * filings are in rank order, so is each list; and a deployment that was filed
 * twice under a term is the last one there.
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
		int		   *list;

		CHECK_FOR_INTERRUPTS();
		term = terms_lookup(matcher->terms, filing->hash);
		list = &matcher->postings[term->first];
		if (term->count == 0 || list[term->count - 1] != filing->rank)
			list[term->count++] = filing->rank;
	}
}

/*
 * Find the lists of candidates and make a heap of them.
 */
static void
start_asking(Matcher *matcher, const Device *device)
{
	matcher->cursor_count = 0;
	if (matcher->residual_count > 0)
		add_cursor(matcher, matcher->residual, matcher->residual_count);
	look_up_term(matcher, hash_string(DEVICE_ID_PATH, device->id, device->id_length));
	if (JsonContainerIsObject(device->tags))
		look_up_object(matcher, device->tags, TAGS_PATH);

	for (int i = matcher->cursor_count / 2 - 1; i >= 0; i--)
		sift_down(matcher, i);
}

/*
 * Look up the terms of an object's members.  What no filed equality has a
 * path to is passed over.
 *
 * The container is read as jsonb.h describes it: first the entries of all
 * keys, then those of all values, then the data of both in the same order.
 */
static void
look_up_object(Matcher *matcher, JsonbContainer *object, uint64 path)
{
	uint32		count = JsonContainerSize(object);
	const JEntry *keys = object->children;
	const JEntry *values = object->children + count;
	const char *data = (const char *) (values + count);
	uint32		key_end = 0;
	uint32		value_end = getJsonbOffset(object, count);

	check_stack_depth();

	for (uint32 i = 0; i < count; i++)
	{
		uint32		key = key_end;
		uint32		value = value_end;
		Path	   *found;

		JBE_ADVANCE_OFFSET(key_end, keys[i]);
		JBE_ADVANCE_OFFSET(value_end, values[i]);
		found = paths_lookup(matcher->paths, hash_key(path, data + key, key_end - key));
		if (found != NULL)
			look_up_value(matcher, found, values[i], data, value, value_end);
	}
}

/*
 * Look up the term of a value, or those in it.  An array equals no literal,
 * and no path goes into one.
 */
static void
look_up_value(Matcher *matcher, const Path *path, JEntry entry,
			  const char *data, uint32 offset, uint32 end)
{
	if (JBE_ISCONTAINER(entry))
	{
		JsonbContainer *container = (JsonbContainer *) (data + INTALIGN(offset));

		if (path->entered && JsonContainerIsObject(container))
			look_up_object(matcher, container, path->hash);
	}
	else if (!path->compared)
		return;
	else if (JBE_ISSTRING(entry))
		look_up_term(matcher, hash_string(path->hash, data + offset, end - offset));
	else if (JBE_ISNUMERIC(entry))
		look_up_term(matcher, hash_number(path->hash, data + INTALIGN(offset)));
	else if (JBE_ISBOOL_TRUE(entry))
		look_up_term(matcher, hash_constant(path->hash, CONDITION_TRUE));
	else if (JBE_ISBOOL_FALSE(entry))
		look_up_term(matcher, hash_constant(path->hash, CONDITION_FALSE));
	else
		look_up_term(matcher, hash_constant(path->hash, CONDITION_NULL));
}

static void
look_up_term(Matcher *matcher, uint64 hash)
{
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

static uint64
hash_path(const ConditionPath *path)
{
	const ConditionKey *key = condition_first_key(path);
	uint64		hash = path->count == 0 ? DEVICE_ID_PATH : TAGS_PATH;

	for (int i = 0; i < path->count; i++, key = condition_next_key(key))
		hash = hash_key(hash, key->data, key->length);
	return hash;
}

static uint64
hash_literal(uint64 path, const ConditionLiteral *literal)
{
	switch ((ConditionLiteralType) literal->type)
	{
		case CONDITION_STRING:
			return hash_string(path, literal->data, literal->length);
		case CONDITION_NUMBER:
			return hash_number(path, literal->data);
		case CONDITION_TRUE:
		case CONDITION_FALSE:
		case CONDITION_NULL:
			break;
	}
	return hash_constant(path, literal->type);
}
