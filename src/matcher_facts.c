/*-------------------------------------------------------------------------
 *
 * matcher_facts.c
 *	  What the conditions of a matcher ask of a device.
 *
 * Facts and paths have numbers, and are found by their hash and by what they
 * are: two that share a hash are two.  A path is found from the one that it
 * goes on from; so one walk over a device's tags finds all that somebody asks
 * for, and enters no object that nobody does.
 *
 * All of it grows only.  What an error leaves behind is asked of devices for
 * nothing, until the matcher is built anew.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "utils/memutils.h"

#include "matcher_parts.h"

/* lengths of prefixes that are told apart: each up to this, then few */
#define SHORT_PREFIXES	48

static uint32 path_of(Matcher *matcher, const ConditionPath *path);
static uint32 path_of_salt(Matcher *matcher, const ConditionLiteral *salt);
static uint32 find_or_add_path(Matcher *matcher, uint64 hash, uint32 parent,
							   const char *key, uint32 length);
static void note_fact(Matcher *matcher, const Term *term, uint32 path, uint32 fact);
static int	prefix_bit(uint32 length);
static uint32 find_or_add(Matcher *matcher, const FactKey *key, const void *content, Size size);

/*
 * matcher_grow: a larger array.
 */
void *
matcher_grow(Matcher *matcher, void *array, uint32 *limit, uint64 needed, Size size)
{
	uint64		larger = Max(needed, Min(*limit + (uint64) *limit / 2, PG_UINT32_MAX));

	if (needed > PG_UINT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the target conditions are too large to be compiled")));
	larger = Max(larger, 8);
	array = array == NULL ? MemoryContextAllocHuge(matcher->context, larger * size) :
		repalloc_huge(array, larger * size);
	*limit = larger;
	return array;
}

/*
 * The index: open addressing, at most two thirds full.
 */
void
numbers_create(Matcher *matcher, HashIndex *index, uint32 count)
{
	uint32		size = 16;

	while (size / 3 * 2 <= count)
		size *= 2;
	index->entries = MemoryContextAllocExtended(matcher->context, size * sizeof(IndexEntry),
												MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	index->mask = size - 1;
	index->count = 0;
}

/* room for one more: what follows can't fail */
void
numbers_make_room(Matcher *matcher, HashIndex *index)
{
	HashIndex		old = *index;

	if (index->count < index->mask / 3 * 2)
		return;
	numbers_create(matcher, index, old.mask + 1);
	for (uint32 i = 0; i <= old.mask; i++)
	{
		if (old.entries[i].number != 0)
			numbers_add(index, old.entries[i].hash, old.entries[i].number);
	}
	pfree(old.entries);
}

void
numbers_add(HashIndex *index, uint64 hash, uint32 number)
{
	uint32		at = (uint32) hash & index->mask;

	while (index->entries[at].number != 0)
		at = (at + 1) & index->mask;
	index->entries[at] = (IndexEntry) {(uint32) hash, number};
	index->count++;
}

/*
 * facts_create: those that are always there; room for some more.
 */
void
facts_create(Matcher *matcher, uint32 count)
{
	static const Path roots[FIRST_PATH] = {
		[PATH_DEVICE_ID] = {.hash = TERM_DEVICE_ID},
		[PATH_TAGS] = {.hash = TERM_TAGS, .entered = true},
		[PATH_SALTS] = {.hash = TERM_SAMPLE},
	};

	numbers_create(matcher, &matcher->fact_index, count);
	numbers_create(matcher, &matcher->path_index, 0);
	matcher->facts = matcher_room(matcher, matcher->facts, &matcher->fact_limit, FIRST_FACT, sizeof(Fact));
	memset(matcher->facts, 0, FIRST_FACT * sizeof(Fact));
	matcher->states = matcher_room(matcher, matcher->states, &matcher->state_limit, FIRST_FACT, 1);
	matcher->states[FACT_NONE] = FACT_STATE_FALSE;
	matcher->states[FACT_ALWAYS] = FACT_STATE_TRUE;
	matcher->fact_count = FIRST_FACT;
	matcher->paths = matcher_room(matcher, matcher->paths, &matcher->path_limit, FIRST_PATH, sizeof(Path));
	memcpy(matcher->paths, roots, sizeof(roots));
	matcher->path_count = FIRST_PATH;
}

/*
 * facts_add_words: append bytes to the words; where they begin.
 */
uint32
facts_add_words(Matcher *matcher, const void *data, Size size)
{
	uint32		at = matcher->word_count;
	uint64		needed = at + (size + sizeof(uint32) - 1) / sizeof(uint32);

	matcher->words = matcher_room(matcher, matcher->words, &matcher->word_limit,
								  needed < CODE_LIMIT ? needed : PG_UINT64_MAX, sizeof(uint32));
	if (needed > at)
		matcher->words[needed - 1] = 0;
	memcpy(&matcher->words[at], data, size);
	matcher->word_count = needed;
	return at;
}

/*
 * facts_of_term: the fact that a device has this term.
 */
uint32
facts_of_term(Matcher *matcher, const Term *term)
{
	FactKey		key = {.hash = term->hash, .kind = term->kind};
	const ConditionLiteral *literal = term->literal;
	const void *content = NULL;
	Size		size = 0;
	uint32		fact;

	key.path = term->path != NULL ? path_of(matcher, term->path) : path_of_salt(matcher, literal);
	if (term->kind <= CONDITION_NULL || term->kind == TERM_PREFIX)
	{
		key.data = literal->data;
		key.length = term->kind == TERM_PREFIX ? term->length : literal->length;
		content = literal;
		size = offsetof(ConditionLiteral, data) + literal->length;
	}
	else if (term->kind >= TERM_CELL)
		key.cell = term->cell;
	fact = find_or_add(matcher, &key, content, size);
	note_fact(matcher, term, key.path, fact);
	return fact;
}

/*
 * facts_of_node: the fact that a node is true, or false, found by evaluating
 * it.
 */
uint32
facts_of_node(Matcher *matcher, const ConditionNode *node, bool wanted)
{
	FactKey		key = {
		.kind = wanted ? FACT_IS_TRUE : FACT_IS_FALSE,
		.data = (const char *) node,
		.length = node->size,
	};
	Size		size = offsetof(Condition, root) + node->size;
	Condition  *condition;
	uint32		fact;

	key.hash = hash_bytes_extended((const unsigned char *) key.data, key.length, key.kind);
	fact = facts_find(matcher, &key);
	if (fact != FACT_NONE)
		return fact;
	condition = condition_with_room(size);
	memcpy(&condition->root, node, node->size);
	fact = find_or_add(matcher, &key, condition, size);
	pfree(condition);
	return fact;
}

/*
 * facts_of_sample: the fact that SAMPLE is true.
 */
uint32
facts_of_sample(Matcher *matcher, const ConditionNode *node)
{
	const ConditionLiteral *percentage = condition_first_literal(node);
	FactKey		key = {
		.kind = FACT_IS_SAMPLED,
		.path = path_of_salt(matcher, condition_next_literal(percentage)),
		.cell = condition_sample_buckets(percentage),
	};

	key.hash = term_hash_cell(matcher->paths[key.path].hash, key.kind, key.cell);
	return find_or_add(matcher, &key, NULL, 0);
}

/*
 * facts_weight: how many are filed under a term.
 */
uint32
facts_weight(const Matcher *matcher, uint64 hash)
{
	const Fact *fact = &matcher->facts[facts_by_hash(matcher, hash)];

	return fact->count + (fact->added == 0 ? 0 : matcher->lists[fact->added].count);
}

/*
 * facts_by_hash: a fact of that hash, most likely the one that is meant;
 * FACT_NONE: there is none.
 */
uint32
facts_by_hash(const Matcher *matcher, uint64 hash)
{
	const HashIndex *index = &matcher->fact_index;
	uint32		at = (uint32) hash & index->mask;

	while (index->entries[at].number != 0 && index->entries[at].hash != (uint32) hash)
		at = (at + 1) & index->mask;
	return index->entries[at].number;
}

static uint32
path_of(Matcher *matcher, const ConditionPath *path)
{
	const ConditionKey *key = condition_first_key(path);
	uint32		number = path->count == 0 ? PATH_DEVICE_ID : PATH_TAGS;

	for (int i = 0; i < path->count; i++, key = condition_next_key(key))
	{
		matcher->paths[number].entered = true;
		number = find_or_add_path(matcher,
								  term_hash_key(matcher->paths[number].hash, key->data, key->length),
								  number, key->data, key->length);
	}
	return number;
}

static uint32
path_of_salt(Matcher *matcher, const ConditionLiteral *salt)
{
	return find_or_add_path(matcher, term_hash_salt(salt), PATH_SALTS, salt->data, salt->length);
}

static uint32
find_or_add_path(Matcher *matcher, uint64 hash, uint32 parent, const char *key, uint32 length)
{
	uint32		number = facts_find_path(matcher, hash, parent, key, length);
	ConditionKey *copy;
	uint32		words;

	if (number != 0)
		return number;

	copy = palloc(offsetof(ConditionKey, data) + length);
	copy->length = length;
	memcpy(copy->data, key, length);
	words = facts_add_words(matcher, copy, offsetof(ConditionKey, data) + length);
	pfree(copy);

	number = matcher->path_count;
	matcher->paths = matcher_room(matcher, matcher->paths, &matcher->path_limit,
								  (uint64) number + 1, sizeof(Path));
	numbers_make_room(matcher, &matcher->path_index);
	matcher->paths[number] = (Path) {.hash = hash, .parent = parent, .key = words};
	matcher->path_count++;
	numbers_add(&matcher->path_index, hash, number);
	return number;
}

/*
 * facts_find_path: the path that goes on from its parent by a key; 0: nobody
 * asks for it.
 */
uint32
facts_find_path(const Matcher *matcher, uint64 hash, uint32 parent, const char *key, uint32 length)
{
	const HashIndex *index = &matcher->path_index;

	for (uint32 at = (uint32) hash & index->mask; index->entries[at].number != 0; at = (at + 1) & index->mask)
	{
		if (index->entries[at].hash == (uint32) hash)
		{
			uint32		number = index->entries[at].number;
			const Path *path = &matcher->paths[number];
			const ConditionKey *own = (const ConditionKey *) &matcher->words[path->key];

			if (path->parent == parent && own->length == length && memcmp(own->data, key, length) == 0)
				return number;
		}
	}
	return 0;
}

/*
 * Let devices be asked for the fact.  Each time: an error may have come
 * between a fact and this.
 */
static void
note_fact(Matcher *matcher, const Term *term, uint32 number, uint32 fact)
{
	Path	   *path = &matcher->paths[number];

	switch (term->kind)
	{
		case TERM_DEFINED:
			path->defined = fact;
			break;
		case TERM_IS_STRING:
			path->string = fact;
			break;
		case TERM_IS_NUMBER:
			path->number = fact;
			break;
		case TERM_PREFIX:
			path->prefix_lengths |= UINT64CONST(1) << prefix_bit(term->length);
			break;
		default:
			if (term->kind < TERM_CELL)
			{
				path->compared = true;
				break;
			}
			if (path->levels == 0 && path->parent == PATH_SALTS)
			{
				matcher->salts = matcher_room(matcher, matcher->salts, &matcher->salt_limit,
											  (uint64) matcher->salt_count + 1, sizeof(uint32));
				matcher->salts[matcher->salt_count++] = number;
			}
			path->levels |= 1 << (term->kind - TERM_CELL);
	}
}

/*
 * facts_prefix_length: the length of prefixes that a bit stands for; they are
 * those that terms_prefix_length() gives.
 */
uint32
facts_prefix_length(int bit)
{
	if (bit < SHORT_PREFIXES)
		return bit + 1;
	bit -= SHORT_PREFIXES;
	return (bit % 2 == 0 ? 64 : 96) << (bit / 2);
}

static int
prefix_bit(uint32 length)
{
	int			bit = Min(length, SHORT_PREFIXES) - 1;

	while (facts_prefix_length(bit) < length)
		bit++;
	return bit;
}

/*
 * The number of a fact; if it is a new one, with a copy of its content, or
 * with none.
 */
static uint32
find_or_add(Matcher *matcher, const FactKey *key, const void *content, Size size)
{
	uint32		number = facts_find(matcher, key);
	Fact		fact = {.path = key->path, .kind = key->kind, .content = key->cell};

	if (number != FACT_NONE)
		return number;

	if (content != NULL)
		fact.content = facts_add_words(matcher, content, size);
	number = matcher->fact_count;
	matcher->facts = matcher_room(matcher, matcher->facts, &matcher->fact_limit,
								  number + 1 < CODE_LIMIT ? (uint64) number + 1 : PG_UINT64_MAX,
								  sizeof(Fact));
	matcher->states = matcher_room(matcher, matcher->states, &matcher->state_limit,
								   (uint64) number + 1, 1);
	numbers_make_room(matcher, &matcher->fact_index);
	matcher->facts[number] = fact;
	matcher->states[number] = key->kind >= FACT_IS_TRUE ? FACT_STATE_UNKNOWN : FACT_STATE_FALSE;
	matcher->fact_count++;
	numbers_add(&matcher->fact_index, key->hash, number);
	return number;
}

/*
 * facts_find: the number of a fact; FACT_NONE where nobody asks for it.
 */
uint32
facts_find(const Matcher *matcher, const FactKey *key)
{
	const HashIndex *index = &matcher->fact_index;

	for (uint32 at = (uint32) key->hash & index->mask; index->entries[at].number != 0; at = (at + 1) & index->mask)
	{
		if (index->entries[at].hash == (uint32) key->hash &&
			facts_is(matcher, index->entries[at].number, key))
			return index->entries[at].number;
	}
	return FACT_NONE;
}

/*
 * facts_is: is a fact, whose hash is right, the one?
 */
bool
facts_is(const Matcher *matcher, uint32 number, const FactKey *key)
{
	const Fact *fact = &matcher->facts[number];
	const ConditionLiteral *literal;
	const ConditionNode *node;

	if (fact->kind != key->kind || fact->path != key->path)
		return false;
	switch (key->kind)
	{
		case CONDITION_STRING:
			literal = facts_literal(matcher, fact);
			return literal->length == key->length && memcmp(literal->data, key->data, key->length) == 0;

		case CONDITION_NUMBER:
			literal = facts_literal(matcher, fact);
			return DatumGetBool(DirectFunctionCall2(numeric_eq, PointerGetDatum(literal->data),
													PointerGetDatum(key->data)));

		case TERM_PREFIX:
			/* its literal may go on */
			literal = facts_literal(matcher, fact);
			return terms_prefix_length(literal->length, TERMS_COMPILED) == (int) key->length &&
				memcmp(literal->data, key->data, key->length) == 0;

		case FACT_IS_TRUE:
		case FACT_IS_FALSE:
			node = &facts_condition(matcher, fact)->root;
			return node->size == key->length && memcmp(node, key->data, key->length) == 0;

		default:
			return key->kind < TERM_CELL || fact->content == key->cell;
	}
}
