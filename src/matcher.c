/*-------------------------------------------------------------------------
 *
 * matcher.c
 *	  From a device to its winning deployment, or to all that target it.
 *
 * A device is asked about in three steps.  A walk over its tags notes what
 * facts are to be looked up: the equality to each value, the prefixes and
 * cells that conditions have at its path.  Then they are looked up, each
 * found fact is marked as true, and its list of postings is a list of
 * candidates.  (The first step fetches what the second reads, so that the
 * memory's delays overlap.)  At last the postings' codes are verified, by the
 * facts' marks.
 *
 * Each list is in the order of rank.  For the winner they are gone through up
 * to the first that holds, for all to their ends, and what holds is merged.
 *
 * What a fact, a code and a posting is: matcher_parts.h.  What a condition
 * means is condition.h's; which deployments there are, the caller's.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"

#include "matcher_parts.h"

#if defined(__GNUC__) || defined(__clang__)
#define fetch(address)	__builtin_prefetch(address)
#else
#define fetch(address)	((void) (address))
#endif

static void forget(Matcher *matcher);
static void note_object(Matcher *matcher, JsonbContainer *object, uint32 parent);
static void note_value(Matcher *matcher, uint32 number, JEntry entry,
					   const char *data, uint32 offset, uint32 end);
static void note_string(Matcher *matcher, uint32 number, const char *value, uint32 length);
static void note_number(Matcher *matcher, uint32 number, const char *value);
static void note_position(Matcher *matcher, uint32 number, uint32 position);
static void note(Matcher *matcher, FactKey key);
static void find_noted(Matcher *matcher);
static void found(Matcher *matcher, uint32 number);
static void set_state(Matcher *matcher, uint32 number, uint8 state);
static void add_candidates(Matcher *matcher, uint32 number);
static void add_cursor(Matcher *matcher, const Posting *postings, uint32 count);
static uint32 all_that_hold(Matcher *matcher, const Device *device);
static uint32 add_that_hold(Matcher *matcher, const Device *device, const Cursor *cursor, uint32 count);
static bool are_many(const Matcher *matcher, uint32 count);
static uint32 sort_by_marks(Matcher *matcher, uint32 count);
static uint32 merge_runs(Matcher *matcher, uint32 runs);
static uint32 merge(const Matcher *matcher, const int *left, const int *left_end,
					const int *right, const int *right_end, int *merged);
static const Posting *next_that_holds(Matcher *matcher, const Device *device,
									  const Posting *candidate, const Posting *end);
static bool holds(Matcher *matcher, const Posting *candidate, const Device *device);
static bool code_holds(Matcher *matcher, Code code, const Device *device);
static bool group_holds(Matcher *matcher, const Code *group, const Device *device);
static bool fact_is(Matcher *matcher, uint32 number, bool wanted, const Device *device);
static uint8 evaluate(Matcher *matcher, uint32 number, const Device *device);
static uint32 bucket_of(Matcher *matcher, uint32 salt, const Device *device);

/*
 * matcher_winner: the slot of the deployment that wins the device, -1 where
 * none targets it.  Verifies the candidates up to the winner, at no cost that
 * depends on how many deployments there are besides.
 */
int
matcher_winner(Matcher *matcher, const char *device_id, int device_id_length,
			   JsonbContainer *tags)
{
	Device		device = {device_id, device_id_length, tags};
	MemoryContext caller = MemoryContextSwitchTo(matcher->scratch);
	int			slot;

	matcher_look_up(matcher, &device);
	slot = matcher_first_that_holds(matcher, &device);

	MemoryContextSwitchTo(caller);
	MemoryContextReset(matcher->scratch);
	return slot;
}

/*
 * matcher_all: the slots of all deployments that target the device, by rank.
 * *slots is valid until the matcher is asked again, or patched.  Verifies all
 * candidates.
 */
int
matcher_all(Matcher *matcher, const char *device_id, int device_id_length,
			JsonbContainer *tags, const int **slots)
{
	Device		device = {device_id, device_id_length, tags};
	MemoryContext caller = MemoryContextSwitchTo(matcher->scratch);
	uint32		count;

	matcher_look_up(matcher, &device);
	count = all_that_hold(matcher, &device);

	MemoryContextSwitchTo(caller);
	MemoryContextReset(matcher->scratch);
	*slots = matcher->targeting;
	return count;
}

/*
 * matcher_look_up: find the facts that are true of the device, and the lists
 * of candidates.
 */
void
matcher_look_up(Matcher *matcher, const Device *device)
{
	forget(matcher);
	add_candidates(matcher, FACT_ALWAYS);
	found(matcher, matcher->paths[PATH_DEVICE_ID].defined);
	note_string(matcher, PATH_DEVICE_ID, device->id, device->id_length);
	if (JsonContainerIsObject(device->tags))
		note_object(matcher, device->tags, PATH_TAGS);
	for (uint32 i = 0; i < matcher->salt_count; i++)
		note_position(matcher, matcher->salts[i],
					  term_bucket_position(bucket_of(matcher, matcher->salts[i], device)));
	find_noted(matcher);
}

/*
 * Nothing is known of a device.
 */
static void
forget(Matcher *matcher)
{
	for (uint32 i = 0; i < matcher->touched_count; i++)
		matcher->states[matcher->touched[i]] =
			matcher->facts[matcher->touched[i]].kind >= FACT_IS_TRUE ? FACT_STATE_UNKNOWN : FACT_STATE_FALSE;
	matcher->touched_count = 0;
	matcher->probe_count = 0;
	matcher->cursor_count = 0;
	matcher->asked++;
}

/*
 * Note the facts of an object's members.  What no condition has a path to is
 * passed over.
 *
 * The container is read as jsonb.h describes it: first the entries of all
 * keys, then those of all values, then the data of both in the same order.
 */
static void
note_object(Matcher *matcher, JsonbContainer *object, uint32 parent)
{
	uint64		hash = matcher->paths[parent].hash;
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
		uint32		path;

		JBE_ADVANCE_OFFSET(key_end, keys[i]);
		JBE_ADVANCE_OFFSET(value_end, values[i]);
		path = facts_find_path(matcher, term_hash_key(hash, data + key, key_end - key),
							   parent, data + key, key_end - key);
		if (path != 0)
			note_value(matcher, path, values[i], data, value, value_end);
	}
}

/*
 * Note the facts of a value, or of those in it.  An array equals no literal,
 * and no path goes into one.
 */
static void
note_value(Matcher *matcher, uint32 number, JEntry entry,
		   const char *data, uint32 offset, uint32 end)
{
	const Path *path = &matcher->paths[number];

	found(matcher, path->defined);
	if (JBE_ISCONTAINER(entry))
	{
		JsonbContainer *container = (JsonbContainer *) (data + INTALIGN(offset));

		if (path->entered && JsonContainerIsObject(container))
			note_object(matcher, container, number);
	}
	else if (JBE_ISSTRING(entry))
		note_string(matcher, number, data + offset, end - offset);
	else if (JBE_ISNUMERIC(entry))
		note_number(matcher, number, data + INTALIGN(offset));
	else if (path->compared)
	{
		int			kind = JBE_ISBOOL_TRUE(entry) ? CONDITION_TRUE :
			JBE_ISBOOL_FALSE(entry) ? CONDITION_FALSE : CONDITION_NULL;

		note(matcher, (FactKey) {
			.hash = term_hash_mark(path->hash, kind), .path = number, .kind = kind
		});
	}
}

static void
note_string(Matcher *matcher, uint32 number, const char *value, uint32 length)
{
	const Path *path = &matcher->paths[number];

	found(matcher, path->string);
	if (path->compared)
		note(matcher, (FactKey) {
			.hash = term_hash_string(path->hash, value, length), .path = number,
			.kind = CONDITION_STRING, .data = value, .length = length
		});
	for (uint64 left = path->prefix_lengths; left != 0; left &= left - 1)
	{
		uint32		prefix = facts_prefix_length(pg_rightmost_one_pos64(left));

		if (prefix > length)
			break;
		note(matcher, (FactKey) {
			.hash = term_hash_prefix(path->hash, value, prefix), .path = number,
			.kind = TERM_PREFIX, .data = value, .length = prefix
		});
	}
}

static void
note_number(Matcher *matcher, uint32 number, const char *value)
{
	const Path *path = &matcher->paths[number];

	found(matcher, path->number);
	if (path->compared)
		note(matcher, (FactKey) {
			.hash = term_hash_number(path->hash, (Numeric) value), .path = number,
			.kind = CONDITION_NUMBER, .data = value
		});
	if (path->levels != 0)
		note_position(matcher, number, term_number_position((Numeric) value));
}

static void
note_position(Matcher *matcher, uint32 number, uint32 position)
{
	const Path *path = &matcher->paths[number];

	for (int level = 1; level <= TERM_LEVELS; level++)
	{
		uint32		cell = term_cell_of(position, level);

		if ((path->levels & 1 << level) != 0)
			note(matcher, (FactKey) {
				.hash = term_hash_cell(path->hash, level, cell), .path = number,
				.kind = TERM_CELL + level, .cell = cell
			});
	}
}

static void
note(Matcher *matcher, FactKey key)
{
	matcher->probes = matcher_room(matcher, matcher->probes, &matcher->probe_limit,
								   (uint64) matcher->probe_count + 1, sizeof(Probe));
	matcher->probes[matcher->probe_count++].key = key;
	fetch(&matcher->fact_index.entries[(uint32) key.hash & matcher->fact_index.mask]);
}

/*
 * Look up what was noted: a step for all, then the next, each fetching what
 * the one after it reads.
 */
static void
find_noted(Matcher *matcher)
{
	uint32		count = 0;

	for (uint32 i = 0; i < matcher->probe_count; i++)
	{
		Probe		probe = matcher->probes[i];

		probe.fact = facts_by_hash(matcher, probe.key.hash);
		if (probe.fact == FACT_NONE)
			continue;
		fetch(&matcher->facts[probe.fact]);
		matcher->probes[count++] = probe;
	}
	for (uint32 i = 0; i < count; i++)
	{
		const Fact *fact = &matcher->facts[matcher->probes[i].fact];

		if (fact->kind < TERM_CELL)
			fetch(&matcher->words[fact->content]);
		fetch(&matcher->postings[fact->first]);
	}
	for (uint32 i = 0; i < count; i++)
	{
		const Probe *probe = &matcher->probes[i];

		found(matcher, facts_is(matcher, probe->fact, &probe->key) ? probe->fact :
			  facts_find(matcher, &probe->key));
	}
}

/*
 * The device has this fact.
 */
static void
found(Matcher *matcher, uint32 number)
{
	if (number == FACT_NONE)
		return;
	set_state(matcher, number, FACT_STATE_TRUE);
	add_candidates(matcher, number);
}

static void
set_state(Matcher *matcher, uint32 number, uint8 state)
{
	matcher->touched = matcher_room(matcher, matcher->touched, &matcher->touched_limit,
									(uint64) matcher->touched_count + 1, sizeof(uint32));
	matcher->touched[matcher->touched_count++] = number;
	matcher->states[number] = state;
}

static void
add_candidates(Matcher *matcher, uint32 number)
{
	const Fact *fact = &matcher->facts[number];

	if (fact->count > 0)
		add_cursor(matcher, &matcher->postings[fact->first], fact->count);
	if (fact->added != 0 && matcher->lists[fact->added].count > 0)
		add_cursor(matcher, matcher->lists[fact->added].postings, matcher->lists[fact->added].count);
}

static void
add_cursor(Matcher *matcher, const Posting *postings, uint32 count)
{
	matcher->cursors = matcher_room(matcher, matcher->cursors, &matcher->cursor_limit,
									(uint64) matcher->cursor_count + 1, sizeof(Cursor));
	matcher->cursors[matcher->cursor_count++] = (Cursor) {postings, postings + count};
}

/*
 * matcher_first_that_holds: the best candidate that holds, -1 if none does.
 *
 * Each list is gone through up to its first that holds, or that ranks below
 * the best so far.  So that no list is gone through for nothing far below the
 * winner, all are gone through to a limit, then to a farther one.
 */
int
matcher_first_that_holds(Matcher *matcher, const Device *device)
{
	uint64		limit = matcher->built_count / 64;
	bool		more = true;
	int			winner = -1;

	while (more && winner < 0)
	{
		Order		best = ORDER_OF_BUILT(limit);

		more = false;
		for (uint32 i = 0; i < matcher->cursor_count; i++)
		{
			Cursor	   *cursor = &matcher->cursors[i];

			CHECK_FOR_INTERRUPTS();
			while (cursor->next < cursor->end && matcher_order(matcher, cursor->next->slot) < best)
			{
				const Posting *candidate = cursor->next++;

				if (holds(matcher, candidate, device))
				{
					winner = candidate->slot;
					best = matcher_order(matcher, winner);
				}
			}
			more |= cursor->next < cursor->end;
		}
		limit = Min(limit * 4 + 64, PG_UINT32_MAX);
	}
	return winner;
}

/*
 * All candidates that hold, into targeting; how many.
 */
static uint32
all_that_hold(Matcher *matcher, const Device *device)
{
	uint32		count = 0;
	uint32		runs = 0;

	matcher->runs = matcher_room(matcher, matcher->runs, &matcher->run_limit,
								 (uint64) matcher->cursor_count + 1, sizeof(uint32));
	for (uint32 i = 0; i < matcher->cursor_count; i++)
	{
		matcher->runs[runs] = count;
		count = add_that_hold(matcher, device, &matcher->cursors[i], count);
		if (count > matcher->runs[runs])
			runs++;
	}
	matcher->runs[runs] = count;
	if (runs <= 1)
		return count;
	return are_many(matcher, count) ? sort_by_marks(matcher, count) : merge_runs(matcher, runs);
}

/*
 * Is it less to look at a bit for each deployment than to merge?  It is asked
 * of built slots alone: what was patched in has no place among their bits.
 */
static bool
are_many(const Matcher *matcher, uint32 count)
{
	if (count < 64 || count < matcher->built_count / 1024)
		return false;
	for (uint32 i = 0; i < matcher->cursor_count; i++)
	{
		if (matcher->cursors[i].next->slot >= matcher->built_count)
			return false;
	}
	return true;
}

/*
 * Put the slots in targeting in order, each once.
 */
static uint32
sort_by_marks(Matcher *matcher, uint32 count)
{
	uint32		words = matcher->built_count / 64 + 1;
	uint32		sorted = 0;

	if (matcher->marks == NULL)
		matcher->marks = MemoryContextAllocZero(matcher->context, words * sizeof(uint64));
	for (uint32 i = 0; i < count; i++)
		matcher->marks[matcher->targeting[i] / 64] |= UINT64CONST(1) << matcher->targeting[i] % 64;
	for (uint32 i = 0; i < words; i++)
	{
		for (uint64 left = matcher->marks[i]; left != 0; left &= left - 1)
			matcher->targeting[sorted++] = i * 64 + pg_rightmost_one_pos64(left);
		matcher->marks[i] = 0;
	}
	return sorted;
}

/*
 * The candidates of one list that hold, each once; how many there are now.
 */
static uint32
add_that_hold(Matcher *matcher, const Device *device, const Cursor *cursor, uint32 count)
{
	uint32		last = PG_UINT32_MAX;
	const Posting *candidate = cursor->next;

	for (; (candidate = next_that_holds(matcher, device, candidate, cursor->end)) != NULL; candidate++)
	{
		if (candidate->slot == last)
			continue;
		matcher->targeting = matcher_room(matcher, matcher->targeting, &matcher->targeting_limit,
										  (uint64) count + 1, sizeof(int));
		matcher->targeting[count++] = last = candidate->slot;
	}
	return count;
}

/*
 * Merge the runs in targeting, two and two, until there is one.
 */
static uint32
merge_runs(Matcher *matcher, uint32 runs)
{
	matcher->merged = matcher_room(matcher, matcher->merged, &matcher->merged_limit,
								   matcher->runs[runs], sizeof(int));
	while (runs > 1)
	{
		uint32		merged = 0;
		uint32		count = 0;
		int		   *from = matcher->targeting;
		int		   *into = matcher->merged;
		uint32		limit = matcher->targeting_limit;

		for (uint32 i = 0; i < runs; i += 2)
		{
			const int  *left = &from[matcher->runs[i]];
			const int  *right = &from[matcher->runs[i + 1]];
			const int  *end = &from[matcher->runs[Min(i + 2, runs)]];

			matcher->runs[merged++] = count;
			count += merge(matcher, left, right, right, end, &into[count]);
		}
		matcher->runs[merged] = count;
		runs = merged;

		matcher->targeting = into;
		matcher->targeting_limit = matcher->merged_limit;
		matcher->merged = from;
		matcher->merged_limit = limit;
	}
	return matcher->runs[1];
}

static uint32
merge(const Matcher *matcher, const int *left, const int *left_end,
	  const int *right, const int *right_end, int *merged)
{
	int		   *to = merged;

	while (left < left_end && right < right_end)
	{
		int			one = *left;
		int			other = *right;
		Order		order = matcher_order(matcher, one);
		Order		other_order = matcher_order(matcher, other);

		/* without a branch, which nobody could foretell */
		*to++ = order <= other_order ? one : other;
		left += order <= other_order;
		right += other_order <= order;
	}
	while (left < left_end)
		*to++ = *left++;
	while (right < right_end)
		*to++ = *right++;
	return to - merged;
}

/*
 * The first candidate that holds, from one on, NULL if none does.
 *
 * Most do not, and two facts show it of almost all of them, if they are seen
 * without a branch for each.
 */
static pg_attribute_always_inline const Posting *
next_that_holds(Matcher *matcher, const Device *device, const Posting *candidate, const Posting *end)
{
	const uint8 *states = matcher->states;

	CHECK_FOR_INTERRUPTS();
	for (; candidate < end; candidate++)
	{
		if (unlikely(matcher_may_hold(states, candidate->first) & matcher_may_hold(states, candidate->second)) &&
			holds(matcher, candidate, device))
			return candidate;
	}
	return NULL;
}

const Posting *
matcher_next_that_holds(Matcher *matcher, const Device *device, const Posting *candidate, const Posting *end)
{
	return next_that_holds(matcher, device, candidate, end);
}

/*
 * Is all true that a candidate needs?
 */
static pg_attribute_always_inline bool
holds(Matcher *matcher, const Posting *candidate, const Device *device)
{
	return code_holds(matcher, candidate->first, device) &&
		code_holds(matcher, candidate->second, device) &&
		!matcher_is_empty(matcher, candidate->slot);
}

static inline bool
code_holds(Matcher *matcher, Code code, const Device *device)
{
	CodeKind	kind = CODE_KIND(code);

	if (kind <= CODE_NOT_FACT)
		return fact_is(matcher, CODE_VALUE(code), kind == CODE_FACT, device);
	return group_holds(matcher, &matcher->words[CODE_VALUE(code)], device);
}

bool
matcher_code_holds(Matcher *matcher, Code code, const Device *device)
{
	return code_holds(matcher, code, device);
}

/*
 * Of ALL the first that does not hold decides, of ANY the first that does.
 */
static bool
group_holds(Matcher *matcher, const Code *group, const Device *device)
{
	bool		any = CODE_KIND(*group) == CODE_ANY;
	const Code *end = group + 1 + CODE_VALUE(*group);

	check_stack_depth();

	for (const Code *code = group + 1; code < end;)
	{
		CodeKind	kind = CODE_KIND(*code);
		bool		holds;

		if (kind <= CODE_NOT_FACT)
		{
			holds = fact_is(matcher, CODE_VALUE(*code), kind == CODE_FACT, device);
			code++;
		}
		else
		{
			holds = group_holds(matcher, code, device);
			code += 1 + CODE_VALUE(*code);
		}
		if (holds == any)
			return any;
	}
	return !any;
}

static inline bool
fact_is(Matcher *matcher, uint32 number, bool wanted, const Device *device)
{
	uint8		state = matcher->states[number];

	if (unlikely(state == FACT_STATE_UNKNOWN))
		state = evaluate(matcher, number, device);
	return (state == FACT_STATE_TRUE) == wanted;
}

/*
 * Evaluate a fact that no device is looked up for, once a device.
 */
static uint8
evaluate(Matcher *matcher, uint32 number, const Device *device)
{
	const Fact *fact = &matcher->facts[number];
	bool		is_true;

	CHECK_FOR_INTERRUPTS();
	if (fact->kind == FACT_IS_SAMPLED)
		is_true = bucket_of(matcher, fact->path, device) < fact->content;
	else
		is_true = condition_evaluate(facts_condition(matcher, fact),
									 device->id, device->id_length, device->tags) ==
			(fact->kind == FACT_IS_TRUE ? CONDITION_RESULT_TRUE : CONDITION_RESULT_FALSE);
	set_state(matcher, number, is_true ? FACT_STATE_TRUE : FACT_STATE_FALSE);
	return matcher->states[number];
}

/*
 * The device's bucket of a salt, computed once.
 */
static uint32
bucket_of(Matcher *matcher, uint32 salt, const Device *device)
{
	Path	   *path = &matcher->paths[salt];
	const ConditionKey *key = (const ConditionKey *) &matcher->words[path->key];

	if (path->bucket_asked != matcher->asked)
	{
		path->bucket = condition_sample_bucket(key->data, key->length, device->id, device->id_length);
		path->bucket_asked = matcher->asked;
	}
	return path->bucket;
}
