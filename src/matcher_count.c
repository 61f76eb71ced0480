/*-------------------------------------------------------------------------
 *
 * matcher_count.c
 *	  How many of many devices each deployment targets.
 *
 * At 100,000 deployments a device is targeted by thousands, so they are not
 * gone through one by one.  Who is filed once, under one fact, with the same
 * codes, targets the same devices: those are a *group*, which is looked at
 * once a device, and given to its slots at the end.
 *
 *	fact				codes				slots
 *	env is 'prod'		floor is 3			0, 7, 11
 *	always				true				2 (*)
 *	env is a string		not env is 'test'	3, 4
 *
 * Some groups need not even be looked at, once it is counted how many devices
 * have each fact: those without a code, and those whose codes take out a
 * value at the path that the fact is about.  Who has that value has the fact,
 * and a path has one value, so the counts subtract.
 *
 * What is filed several times, as an OR over two paths is, is *loose*, and
 * seen device by device; but values at one path, as an IN is, exclude each
 * other.  What was patched in is loose too.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "matcher_parts.h"

/* slots that target the same devices */
typedef struct Group
{
	Code		first;
	Code		second;
	uint32		slots;			/* its first; they go on to the next group's */
	uint32		next;			/* group with another first code */
} Group;

/* where a fact's begin; they go on to the next fact's */
typedef struct CountedFact
{
	uint32		groups;			/* those that are looked at */
	uint32		by_facts;		/* behind them: those that are not */
	uint32		loose;
} CountedFact;

/* a matcher's built postings, to be counted */
typedef struct Counted
{
	CountedFact *facts;
	uint32		fact_count;		/* one more is there, for the end */
	Group	   *groups;			/* likewise */
	uint32		group_count;
	uint32	   *slots;
	uint32		slot_count;
	Posting    *loose;
	uint32		loose_count;
} Counted;

struct MatcherCount
{
	Matcher    *matcher;
	const Counted *counted;
	int64	   *facts;			/* devices that have each */
	int64	   *groups;			/* devices that each targets, of those that are looked at */
	int64	   *slots;			/* likewise, of loose postings */
	uint32	   *seen;			/* by slot: the device that was counted last */
	uint32		devices;		/* that came by; never 0 where one is counted */
};

/* a slot's filings, while it is found out how to count them */
typedef struct Filed
{
	uint32		path;			/* of all of them; PG_UINT32_MAX: not of one, or not by values alone */
	uint32		count;
	uint32		fact;			/* the last */
} Filed;

static void count_fact(MatcherCount *count, uint32 number, const Device *device, int sign);
static void count_loose(MatcherCount *count, const Posting *postings, const Posting *end,
						const Device *device, int sign);
static int64 excluded_by(const MatcherCount *count, Code code);
static Counted *counted_of(Matcher *matcher);
static void begin_fact(Counted *counted, uint32 number);
static Filed *filed_slots(const Matcher *matcher);
static void group_postings(Matcher *matcher, Counted *counted, uint32 number,
						   const Filed *filed, Posting *sorted);
static int	compare_codes(const void *a, const void *b);
static void add_groups(const Matcher *matcher, Counted *counted, uint32 number,
					   const Posting *sorted, uint32 count, bool by_facts);
static bool is_known_by_facts(const Matcher *matcher, uint32 number, const Posting *posting);
static bool is_value_within(const Matcher *matcher, uint32 number, Code code);

MatcherCount *
matcher_count_begin(Matcher *matcher)
{
	MatcherCount *count = palloc0(sizeof(MatcherCount));
	uint32		slots = Max(matcher->slot_count, 1);

#define ZEROED(type, number)	MemoryContextAllocExtended(CurrentMemoryContext, sizeof(type) * (number), \
														   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO)
	count->matcher = matcher;
	count->counted = counted_of(matcher);
	count->facts = ZEROED(int64, matcher->fact_count);
	count->groups = ZEROED(int64, count->counted->group_count + 1);
	count->slots = ZEROED(int64, slots);
	count->seen = ZEROED(uint32, slots);
#undef ZEROED
	return count;
}

int
matcher_count_device(MatcherCount *count, const char *device_id, int device_id_length,
					 JsonbContainer *tags, int sign)
{
	Matcher    *matcher = count->matcher;
	Device		device = {device_id, device_id_length, tags};
	MemoryContext caller = MemoryContextSwitchTo(matcher->scratch);
	uint32		touched;
	int			winner;

	/* after four billion of them it begins anew */
	if (++count->devices == 0)
	{
		memset(count->seen, 0, sizeof(uint32) * matcher->slot_count);
		count->devices = 1;
	}

	/* what is evaluated from here on has no postings */
	matcher_look_up(matcher, &device);
	touched = matcher->touched_count;
	count_fact(count, FACT_ALWAYS, &device, sign);
	for (uint32 i = 0; i < touched; i++)
		count_fact(count, matcher->touched[i], &device, sign);
	winner = matcher_first_that_holds(matcher, &device);

	MemoryContextSwitchTo(caller);
	MemoryContextReset(matcher->scratch);
	return winner;
}

int64 *
matcher_count_end(MatcherCount *count)
{
	const Counted *counted = count->counted;
	int64	   *slots = count->slots;

	for (uint32 number = 0; number < counted->fact_count; number++)
	{
		const CountedFact *fact = &counted->facts[number];

		for (uint32 i = fact->groups; i < fact[1].groups; i++)
		{
			const Group *group = &counted->groups[i];
			int64		devices = i < fact->by_facts ? count->groups[i] :
				count->facts[number] - excluded_by(count, group->first) - excluded_by(count, group->second);

			for (uint32 slot = group->slots; slot < group[1].slots; slot++)
			{
				if (!matcher_is_empty(count->matcher, counted->slots[slot]))
					slots[counted->slots[slot]] += devices;
			}
		}
	}
	pfree(count->facts);
	pfree(count->groups);
	pfree(count->seen);
	pfree(count);
	return slots;
}

/*
 * The device has the fact.
 */
static void
count_fact(MatcherCount *count, uint32 number, const Device *device, int sign)
{
	Matcher    *matcher = count->matcher;
	const Counted *counted = count->counted;
	uint32		added = matcher->facts[number].added;

	count->facts[number] += sign;
	if (number < counted->fact_count)
	{
		const CountedFact *fact = &counted->facts[number];
		const uint8 *states = matcher->states;

		CHECK_FOR_INTERRUPTS();
		for (uint32 i = fact->groups; i < fact->by_facts;)
		{
			const Group *group = &counted->groups[i];

			if (!matcher_may_hold(states, group->first))
			{
				i = group->next;
				continue;
			}
			if (matcher_may_hold(states, group->second) &&
				matcher_code_holds(matcher, group->first, device) &&
				matcher_code_holds(matcher, group->second, device))
				count->groups[i] += sign;
			i++;
		}
		count_loose(count, &counted->loose[fact->loose], &counted->loose[fact[1].loose], device, sign);
	}
	if (added != 0)
		count_loose(count, matcher->lists[added].postings,
					matcher->lists[added].postings + matcher->lists[added].count, device, sign);
}

static void
count_loose(MatcherCount *count, const Posting *postings, const Posting *end,
			const Device *device, int sign)
{
	const Posting *posting = postings;

	for (; (posting = matcher_next_that_holds(count->matcher, device, posting, end)) != NULL; posting++)
	{
		if (count->seen[posting->slot] == count->devices)
			continue;
		count->seen[posting->slot] = count->devices;
		count->slots[posting->slot] += sign;
	}
}

/*
 * Of the devices that have the fact, those that a code takes out.
 */
static int64
excluded_by(const MatcherCount *count, Code code)
{
	return code == CODE_TRUE ? 0 : count->facts[CODE_VALUE(code)];
}

/*
 * The built postings in groups; made when somebody first counts.  They become
 * the matcher's when they are complete: an error leaves nothing behind.
 */
static Counted *
counted_of(Matcher *matcher)
{
	Size		limit = (Size) matcher->posting_count + 1;
	MemoryContext context;
	MemoryContext caller;
	Counted    *counted;
	Filed	   *filed;
	Posting    *sorted;

	if (matcher->counted != NULL)
		return matcher->counted;

	context = AllocSetContextCreate(CurrentMemoryContext, "twinset matcher groups", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	counted = palloc0(sizeof(Counted));
	counted->fact_count = matcher->fact_count;
	counted->facts = MemoryContextAllocHuge(context, sizeof(CountedFact) * ((Size) counted->fact_count + 1));
	counted->groups = MemoryContextAllocHuge(context, sizeof(Group) * limit);
	counted->slots = MemoryContextAllocHuge(context, sizeof(uint32) * limit);
	counted->loose = MemoryContextAllocHuge(context, sizeof(Posting) * limit);
	sorted = MemoryContextAllocHuge(context, sizeof(Posting) * limit);
	filed = filed_slots(matcher);
	for (uint32 number = 0; number < counted->fact_count; number++)
	{
		CHECK_FOR_INTERRUPTS();
		begin_fact(counted, number);
		group_postings(matcher, counted, number, filed, sorted);
	}
	begin_fact(counted, counted->fact_count);
	counted->groups[counted->group_count].slots = counted->slot_count;

	pfree(filed);
	pfree(sorted);
	counted->groups = repalloc_huge(counted->groups, sizeof(Group) * ((Size) counted->group_count + 1));
	counted->slots = repalloc_huge(counted->slots, sizeof(uint32) * ((Size) counted->slot_count + 1));
	counted->loose = repalloc_huge(counted->loose, sizeof(Posting) * ((Size) counted->loose_count + 1));
	MemoryContextSwitchTo(caller);
	MemoryContextSetParent(context, matcher->context);
	matcher->counted = counted;
	return counted;
}

static void
begin_fact(Counted *counted, uint32 number)
{
	counted->facts[number] = (CountedFact) {
		counted->group_count, counted->group_count, counted->loose_count
	};
}

/*
 * How often each built slot is filed, and whether that is for different values
 * at one path.
 */
static Filed *
filed_slots(const Matcher *matcher)
{
	Filed	   *filed = MemoryContextAllocExtended(CurrentMemoryContext,
												   sizeof(Filed) * Max(matcher->built_count, 1),
												   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	for (uint32 number = 0; number < matcher->fact_count; number++)
	{
		const Fact *fact = &matcher->facts[number];

		for (uint32 i = fact->first; i < fact->first + fact->count; i++)
		{
			const Posting *posting = &matcher->postings[i];
			Filed	   *slot = &filed[posting->slot];
			bool		is_value = fact->kind <= CONDITION_NULL && number >= FIRST_FACT &&
				posting->first == CODE_TRUE && posting->second == CODE_TRUE;

			if (!is_value || (slot->count > 0 && (slot->path != fact->path || slot->fact == number)))
				slot->path = PG_UINT32_MAX;
			else if (slot->count == 0)
				slot->path = fact->path;
			slot->fact = number;
			slot->count++;
		}
	}
	return filed;
}

/*
 * Group a fact's postings; sorted is room for them.
 */
static void
group_postings(Matcher *matcher, Counted *counted, uint32 number, const Filed *filed, Posting *sorted)
{
	const Fact *fact = &matcher->facts[number];
	uint32		count = 0;

	for (uint32 i = fact->first; i < fact->first + fact->count; i++)
	{
		const Posting *posting = &matcher->postings[i];

		if (filed[posting->slot].count > 1 && filed[posting->slot].path == PG_UINT32_MAX)
			counted->loose[counted->loose_count++] = *posting;
		else
			sorted[count++] = *posting;
	}
	qsort(sorted, count, sizeof(Posting), compare_codes);
	add_groups(matcher, counted, number, sorted, count, false);
	counted->facts[number].by_facts = counted->group_count;
	add_groups(matcher, counted, number, sorted, count, true);
}

static int
compare_codes(const void *a, const void *b)
{
	const Posting *left = a;
	const Posting *right = b;

	if (left->first != right->first)
		return left->first < right->first ? -1 : 1;
	if (left->second != right->second)
		return left->second < right->second ? -1 : 1;
	return left->slot < right->slot ? -1 : left->slot > right->slot;
}

/*
 * Of the sorted postings those that are known by facts, or the others.
 */
static void
add_groups(const Matcher *matcher, Counted *counted, uint32 number,
		   const Posting *sorted, uint32 count, bool by_facts)
{
	uint32		first_group = counted->group_count;

	for (uint32 i = 0; i < count; i++)
	{
		const Posting *posting = &sorted[i];

		if (is_known_by_facts(matcher, number, posting) != by_facts)
			continue;
		if (i == 0 || posting->first != posting[-1].first || posting->second != posting[-1].second)
			counted->groups[counted->group_count++] =
				(Group) {posting->first, posting->second, counted->slot_count, 0};
		counted->slots[counted->slot_count++] = posting->slot;
	}
	for (uint32 i = counted->group_count; i-- > first_group;)
	{
		bool		is_last = i + 1 == counted->group_count ||
			counted->groups[i + 1].first != counted->groups[i].first;

		counted->groups[i].next = is_last ? i + 1 : counted->groups[i + 1].next;
	}
}

/*
 * Is it known from how many devices have each fact how many have this one and
 * its codes?
 */
static bool
is_known_by_facts(const Matcher *matcher, uint32 number, const Posting *posting)
{
	bool		first_is_value = is_value_within(matcher, number, posting->first);
	bool		second_is_value = is_value_within(matcher, number, posting->second);

	if ((posting->first != CODE_TRUE && !first_is_value) || (posting->second != CODE_TRUE && !second_is_value))
		return false;
	return !first_is_value || !second_is_value ||
		(posting->first != posting->second &&
		 matcher->facts[CODE_VALUE(posting->first)].path == matcher->facts[CODE_VALUE(posting->second)].path);
}

/*
 * Is it NOT a value at a path, where who has the value has the fact?
 */
static bool
is_value_within(const Matcher *matcher, uint32 number, Code code)
{
	const Fact *fact = &matcher->facts[CODE_VALUE(code)];
	const Path *path;

	if (CODE_KIND(code) != CODE_NOT_FACT || CODE_VALUE(code) < FIRST_FACT || fact->kind > CONDITION_NULL)
		return false;
	path = &matcher->paths[fact->path];
	return number == FACT_ALWAYS || number == path->defined ||
		(number == path->string && fact->kind == CONDITION_STRING) ||
		(number == path->number && fact->kind == CONDITION_NUMBER);
}
