/*-------------------------------------------------------------------------
 *
 * matcher_build.c
 *	  The deployments of a matcher: building it, patching it.
 *
 * To build, the deployments are put in the order of rank, which gives each its
 * slot; it is counted what terms their conditions mention, so that each can be
 * filed under one that few do; the postings are collected, and laid out fact
 * by fact, in the order of slots.
 *
 * A patch gives what is added slots behind all others, and files it in lists
 * of its own, by the lengths that the lists have now.  Until all is done the
 * new slots are marked as empty; then the marks of what is added are taken
 * off, and what is removed is marked.  That part can't fail; and before it
 * nothing has changed that anybody could see.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "matcher_parts.h"

/* what may be patched before a matcher is worn: some, and a part of what was built */
#define WORN_SLOTS		64
#define WORN_PART		8

/* a term, and how many conditions mention it */
typedef struct Mention
{
	uint64		term;
	uint32		count;
	char		status;			/* the hash table's */
} Mention;

#define SH_PREFIX mentions
#define SH_ELEMENT_TYPE Mention
#define SH_KEY_TYPE uint64
#define SH_KEY term
#define SH_HASH_KEY(table, key) ((uint32) (key))
#define SH_EQUAL(table, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* a posting that has no place yet */
typedef struct Filing
{
	uint32		fact;
	Posting		posting;
} Filing;

/* what is needed only while a matcher is built */
typedef struct Build
{
	Matcher    *matcher;
	mentions_hash *mentions;
	uint32		slot;			/* the one at hand */
	Filing	   *filings;		/* of all, slots ascending */
	uint64		count;
	uint64		limit;			/* allocated */
} Build;

/* a posting of an added slot */
typedef struct Addition
{
	Matcher    *matcher;
	uint32		slot;
} Addition;

static Matcher *create_matcher(int count);
static int	compare_deployments(const void *a, const void *b);
static void file_deployments(Matcher *matcher, const MatcherDeployment *deployments);
static void count_mention(void *arg, uint64 term);
static uint32 weigh_mention(void *arg, uint64 term);
static void file_posting(void *arg, uint32 fact, Code first, Code second);
static void lay_out_postings(Build *build);
static void trim(Matcher *matcher);
static void add_slot(Matcher *matcher, const MatcherDeployment *deployment);
static void make_marks(Matcher *matcher, uint64 slots);
static void mark(Matcher *matcher, uint32 slot);
static void unmark(Matcher *matcher, uint32 slot);
static void add_later(Matcher *matcher, const MatcherDeployment *deployment);
static void place_slot(Matcher *matcher, uint32 slot);
static uint32 count_better(const Matcher *matcher, const uint32 *slots, uint32 count, uint32 slot);
static MatcherDeployment deployment_of(const Matcher *matcher, uint32 slot);
static uint32 weigh_filed(void *arg, uint64 term);
static void add_posting(void *arg, uint32 fact, Code first, Code second);
static void index_ids(Matcher *matcher);
static uint64 hash_id(const char *deployment_id);

/*
 * matcher_build: compile.  O(n log n) in deployments.
 *
 * It becomes the parent's only when it is complete: an error on the way, a
 * cancel for one, leaves nothing behind in a parent that lives long.
 */
Matcher *
matcher_build(MemoryContext parent, const MatcherDeployment *deployments, int count)
{
	Matcher    *matcher = create_matcher(count);
	MemoryContext work = AllocSetContextCreate(matcher->context, "twinset matcher build",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(work);
	MatcherDeployment *ranked = MemoryContextAllocHuge(work, Max(count, 1) * sizeof(MatcherDeployment));

	if (count > 0)
		memcpy(ranked, deployments, count * sizeof(MatcherDeployment));
	qsort(ranked, count, sizeof(MatcherDeployment), compare_deployments);
	for (int i = 0; i < count; i++)
		add_slot(matcher, &ranked[i]);
	matcher->built_count = count;
	file_deployments(matcher, ranked);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(work);
	trim(matcher);
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
 * matcher_size: bytes that the matcher holds.
 */
Size
matcher_size(Matcher *matcher)
{
	return MemoryContextMemAllocated(matcher->context, true);
}

int
matcher_slots(const Matcher *matcher)
{
	return matcher->slot_count;
}

bool
matcher_has(const Matcher *matcher, int slot)
{
	return !matcher_is_empty(matcher, slot);
}

const char *
matcher_deployment_id(const Matcher *matcher, int slot)
{
	return matcher->ids + matcher->slots[slot].id;
}

int64
matcher_revision(const Matcher *matcher, int slot)
{
	return matcher->slots[slot].revision;
}

/*
 * matcher_find: the slot of a deployment, -1 where it is not there.
 */
int
matcher_find(Matcher *matcher, const char *deployment_id)
{
	uint64		hash = hash_id(deployment_id);
	const HashIndex *index = &matcher->id_index;

	if (index->entries == NULL)
		index_ids(matcher);
	for (uint32 at = (uint32) hash & index->mask; index->entries[at].number != 0; at = (at + 1) & index->mask)
	{
		uint32		slot = index->entries[at].number - 1;

		if (index->entries[at].hash == (uint32) hash && !matcher_is_empty(matcher, slot) &&
			strcmp(matcher_deployment_id(matcher, slot), deployment_id) == 0)
			return slot;
	}
	return -1;
}

/*
 * matcher_patch: take these away, then add those.
 */
void
matcher_patch(Matcher *matcher, const char *const *removed, int removed_count,
			  const MatcherDeployment *added, int added_count)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "twinset matcher patch",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(work);
	int		   *emptied = MemoryContextAllocHuge(work, Max(removed_count, 1) * sizeof(int));
	uint32		first = matcher->slot_count;

	for (int i = 0; i < removed_count; i++)
		emptied[i] = matcher_find(matcher, removed[i]);
	make_marks(matcher, (uint64) first + added_count);
	for (int i = 0; i < added_count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		mark(matcher, matcher->slot_count);
		add_later(matcher, &added[i]);
	}

	/* from here on nothing fails */
	for (int i = 0; i < removed_count; i++)
	{
		if (emptied[i] >= 0)
			mark(matcher, emptied[i]);
	}
	for (uint32 slot = first; slot < matcher->slot_count; slot++)
		unmark(matcher, slot);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(work);
}

/*
 * matcher_worn: has so much been patched that a new one is worth its cost?
 */
bool
matcher_worn(const Matcher *matcher)
{
	return matcher->slot_count - matcher->built_count + matcher->empty_count >
		WORN_SLOTS + matcher->built_count / WORN_PART;
}

/*
 * An empty matcher, below the caller's context.
 */
static Matcher *
create_matcher(int count)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "twinset matcher",
												  ALLOCSET_DEFAULT_SIZES);
	Matcher    *matcher = MemoryContextAllocZero(context, sizeof(Matcher));

	matcher->context = context;
	matcher->scratch = AllocSetContextCreate(context,
											 "twinset matcher scratch",
											 ALLOCSET_SMALL_SIZES);
	facts_create(matcher, count / 4);
	return matcher;
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
 * Give a deployment the next slot.
 */
static void
add_slot(Matcher *matcher, const MatcherDeployment *deployment)
{
	Size		size = strlen(deployment->deployment_id) + 1;
	Slot		slot = {
		.created_at = deployment->created_at,
		.revision = deployment->revision,
		.priority = deployment->priority,
		.id = matcher->id_bytes,
	};

	matcher->ids = matcher_room(matcher, matcher->ids, &matcher->id_limit,
								matcher->id_bytes + (uint64) size, 1);
	matcher->slots = matcher_room(matcher, matcher->slots, &matcher->slot_limit,
								  (uint64) matcher->slot_count + 1, sizeof(Slot));
	memcpy(matcher->ids + matcher->id_bytes, deployment->deployment_id, size);
	matcher->id_bytes += size;
	matcher->slots[matcher->slot_count++] = slot;
}

/*
 * File all deployments: count what terms are mentioned, choose each
 * condition's by that, and lay the lists out.
 */
static void
file_deployments(Matcher *matcher, const MatcherDeployment *deployments)
{
	Build		build = {.matcher = matcher, .limit = 1024};

	build.mentions = mentions_create(CurrentMemoryContext, matcher->slot_count, NULL);
	build.filings = palloc(build.limit * sizeof(Filing));
	for (uint32 slot = 0; slot < matcher->slot_count; slot++)
	{
		CHECK_FOR_INTERRUPTS();
		if (deployments[slot].condition != NULL)
			terms_mentioned(deployments[slot].condition, TERMS_COMPILED, count_mention, &build);
	}
	for (build.slot = 0; build.slot < matcher->slot_count; build.slot++)
	{
		CHECK_FOR_INTERRUPTS();
		if (deployments[build.slot].condition != NULL)
			compile_condition(matcher, deployments[build.slot].condition,
							  weigh_mention, &build, file_posting, &build);
	}
	lay_out_postings(&build);
}

static void
count_mention(void *arg, uint64 term)
{
	bool		found;
	Mention    *mention = mentions_insert(((Build *) arg)->mentions, term, &found);

	mention->count = found ? mention->count + 1 : 1;
}

static uint32
weigh_mention(void *arg, uint64 term)
{
	Mention    *mention = mentions_lookup(((Build *) arg)->mentions, term);

	return mention == NULL ? 0 : mention->count;
}

static void
file_posting(void *arg, uint32 fact, Code first, Code second)
{
	Build	   *build = arg;

	if (build->count == build->limit)
	{
		build->filings = repalloc_huge(build->filings, 2 * build->limit * sizeof(Filing));
		build->limit *= 2;
	}
	build->filings[build->count++] = (Filing) {fact, {build->slot, first, second}};
	build->matcher->facts[fact].count++;
}

/*
 * Give each fact its part of the array, then put the postings there.  As the
 * filings are in the order of slots, so is each list.
 */
static void
lay_out_postings(Build *build)
{
	Matcher    *matcher = build->matcher;
	uint32		first = 0;

	if (build->count > PG_UINT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the target conditions are too large to be compiled")));
	matcher->posting_count = build->count;
	matcher->postings = MemoryContextAllocHuge(matcher->context, build->count * sizeof(Posting));
	for (uint32 i = 0; i < matcher->fact_count; i++)
	{
		Fact	   *fact = &matcher->facts[i];

		fact->first = first;
		first += fact->count;
		fact->count = 0;
	}
	for (uint64 i = 0; i < build->count; i++)
	{
		Fact	   *fact = &matcher->facts[build->filings[i].fact];

		CHECK_FOR_INTERRUPTS();
		matcher->postings[fact->first + fact->count++] = build->filings[i].posting;
	}
}

/*
 * Give back what was allocated for what did not come.
 */
static void
trim(Matcher *matcher)
{
#define TRIM(array, count, limit, type) \
	if (matcher->array != NULL && matcher->count < matcher->limit) \
	{ \
		matcher->limit = Max(matcher->count, 1); \
		matcher->array = repalloc_huge(matcher->array, matcher->limit * sizeof(type)); \
	}

	TRIM(slots, slot_count, slot_limit, Slot);
	TRIM(ids, id_bytes, id_limit, char);
	TRIM(words, word_count, word_limit, uint32);
	TRIM(facts, fact_count, fact_limit, Fact);
	TRIM(states, fact_count, state_limit, uint8);
	TRIM(paths, path_count, path_limit, Path);
#undef TRIM
}

/*
 * Marks for that many slots; those that there were not yet are not set.
 */
static void
make_marks(Matcher *matcher, uint64 slots)
{
	uint32		before = matcher->empty_limit;

	matcher->empty = matcher_room(matcher, matcher->empty, &matcher->empty_limit, slots / 8 + 1, 1);
	memset(matcher->empty + before, 0, matcher->empty_limit - before);
}

/*
 * Mark a slot as empty.
 */
static void
mark(Matcher *matcher, uint32 slot)
{
	if (matcher_is_empty(matcher, slot))
		return;
	matcher->empty[slot / 8] |= 1 << slot % 8;
	matcher->empty_count++;
}

static void
unmark(Matcher *matcher, uint32 slot)
{
	matcher->empty[slot / 8] &= ~(1 << slot % 8);
	matcher->empty_count--;
}

/*
 * Give a deployment a slot behind those that were built, and file it.  Each
 * step is made or not: what fails leaves a slot that is marked as empty.
 */
static void
add_later(Matcher *matcher, const MatcherDeployment *deployment)
{
	Addition	addition = {matcher, matcher->slot_count};
	uint64		added = (uint64) matcher->slot_count - matcher->built_count + 1;

	matcher->orders = matcher_room(matcher, matcher->orders, &matcher->order_limit, added, sizeof(Order));
	matcher->added = matcher_room(matcher, matcher->added, &matcher->added_limit, added, sizeof(uint32));
	if (matcher->id_index.entries != NULL)
		numbers_make_room(matcher, &matcher->id_index);
	add_slot(matcher, deployment);
	place_slot(matcher, addition.slot);
	if (matcher->id_index.entries != NULL)
		numbers_add(&matcher->id_index, hash_id(deployment->deployment_id), addition.slot + 1);

	if (deployment->condition != NULL)
		compile_condition(matcher, deployment->condition, weigh_filed, matcher,
						  add_posting, &addition);
}

/*
 * Put the last slot among the added.
 */
static void
place_slot(Matcher *matcher, uint32 slot)
{
	uint32		last = slot - matcher->built_count;
	uint32		place = count_better(matcher, matcher->added, last, slot);

	memmove(&matcher->added[place + 1], &matcher->added[place], (last - place) * sizeof(uint32));
	matcher->added[place] = slot;
	matcher->orders[last] = ORDER_OF_ADDED(count_better(matcher, NULL, matcher->built_count, slot), place);
	for (uint32 i = place + 1; i <= last; i++)
		matcher->orders[matcher->added[i] - matcher->built_count]++;
}

/*
 * How many of these slots, which are in the order of rank, rank higher?  NULL:
 * of the built.
 */
static uint32
count_better(const Matcher *matcher, const uint32 *slots, uint32 count, uint32 slot)
{
	MatcherDeployment deployment = deployment_of(matcher, slot);
	uint32		low = 0;

	while (low < count)
	{
		uint32		middle = low + (count - low) / 2;
		MatcherDeployment other = deployment_of(matcher, slots == NULL ? middle : slots[middle]);

		if (compare_deployments(&other, &deployment) < 0)
			low = middle + 1;
		else
			count = middle;
	}
	return low;
}

/*
 * What ranks a deployment.
 */
static MatcherDeployment
deployment_of(const Matcher *matcher, uint32 slot)
{
	return (MatcherDeployment) {
		.deployment_id = matcher_deployment_id(matcher, slot),
		.priority = matcher->slots[slot].priority,
		.created_at = matcher->slots[slot].created_at,
	};
}

static uint32
weigh_filed(void *arg, uint64 term)
{
	return facts_weight((Matcher *) arg, term);
}

/*
 * File an added slot: in its place in the fact's list.
 */
static void
add_posting(void *arg, uint32 number, Code first, Code second)
{
	const Addition *addition = arg;
	Matcher    *matcher = addition->matcher;
	Order		order = matcher_order(matcher, addition->slot);
	AddedPostings *list;
	uint32		at;

	if (matcher->facts[number].added == 0)
	{
		uint32		next = Max(matcher->list_count, 1);

		matcher->lists = matcher_room(matcher, matcher->lists, &matcher->list_limit,
									  (uint64) next + 1, sizeof(AddedPostings));
		matcher->lists[next] = (AddedPostings) {0};
		matcher->list_count = next + 1;
		matcher->facts[number].added = next;
	}

	list = &matcher->lists[matcher->facts[number].added];
	list->postings = matcher_room(matcher, list->postings, &list->limit,
								  (uint64) list->count + 1, sizeof(Posting));
	for (at = list->count; at > 0 && matcher_order(matcher, list->postings[at - 1].slot) > order; at--)
		list->postings[at] = list->postings[at - 1];
	list->postings[at] = (Posting) {addition->slot, first, second};
	list->count++;
}

/*
 * Let slots be found by id.
 */
static void
index_ids(Matcher *matcher)
{
	HashIndex		index;

	numbers_create(matcher, &index, matcher->slot_count);
	for (uint32 slot = 0; slot < matcher->slot_count; slot++)
		numbers_add(&index, hash_id(matcher_deployment_id(matcher, slot)), slot + 1);
	matcher->id_index = index;
}

static uint64
hash_id(const char *deployment_id)
{
	return hash_bytes_extended((const unsigned char *) deployment_id, strlen(deployment_id), 0);
}
