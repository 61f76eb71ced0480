/*-------------------------------------------------------------------------
 *
 * terms_device.c
 *	  From a device to all its terms.
 *
 * A device d with tags {"env": "prod", "floor": 4} has the terms
 *
 *	deviceId is 'd', is a string, is defined, starts with 'd'
 *	env is 'prod', is a string, is defined, starts with 'p', 'pr', 'prod'
 *	floor is 4, is a number, is defined, is in a cell of each level
 *	the bucket of the empty salt is in a cell of each level
 *
 * Each look-up costs, so what is no equality is made only where it is asked and
 * found that something of that path is filed so.  This is for terms that are
 * stored; the matcher knows more of what was filed.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "miscadmin.h"

#include "term_hash.h"
#include "terms.h"

typedef struct Walk
{
	TermAsker	ask;
	TermNumberVisitor visitor;
	void	   *arg;			/* of both */
} Walk;

static void visit_object(const Walk *walk, JsonbContainer *object, uint64 path);
static void visit_value(const Walk *walk, uint64 path, JEntry entry,
						const char *data, uint32 offset, uint32 end);
static void visit_string(const Walk *walk, uint64 path, bool others, const char *value, int length);
static void visit_number(const Walk *walk, uint64 path, bool others, Numeric number);
static void visit_position(const Walk *walk, uint64 path, uint32 position);
static bool has_others(const Walk *walk, uint64 path);
static void visit(const Walk *walk, uint64 term);

/*
 * terms_of_device: visit each term that a device has, and that somebody may
 * be filed under.
 */
void
terms_of_device(const char *device_id, int device_id_length, JsonbContainer *tags,
				TermAsker ask, TermNumberVisitor visitor, void *arg)
{
	const Walk	walk = {ask, visitor, arg};
	const ConditionLiteral no_salt = {.type = CONDITION_STRING};
	uint64		salt = term_hash_salt(&no_salt);
	bool		others = has_others(&walk, TERM_DEVICE_ID);

	if (others)
		visit(&walk, term_hash_mark(TERM_DEVICE_ID, TERM_DEFINED));
	visit_string(&walk, TERM_DEVICE_ID, others, device_id, device_id_length);
	if (has_others(&walk, salt))
		visit_position(&walk, salt,
					   term_bucket_position(condition_sample_bucket("", 0, device_id, device_id_length)));
	if (JsonContainerIsObject(tags))
		visit_object(&walk, tags, TERM_TAGS);
}

/*
 * The container is read as jsonb.h describes it: first the entries of all
 * keys, then those of all values, then the data of both in the same order.
 */
static void
visit_object(const Walk *walk, JsonbContainer *object, uint64 path)
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

		CHECK_FOR_INTERRUPTS();
		JBE_ADVANCE_OFFSET(key_end, keys[i]);
		JBE_ADVANCE_OFFSET(value_end, values[i]);
		visit_value(walk, term_hash_key(path, data + key, key_end - key), values[i],
					data, value, value_end);
	}
}

static void
visit_value(const Walk *walk, uint64 path, JEntry entry, const char *data, uint32 offset, uint32 end)
{
	bool		others = has_others(walk, path);

	if (others)
		visit(walk, term_hash_mark(path, TERM_DEFINED));
	if (JBE_ISCONTAINER(entry))
	{
		JsonbContainer *container = (JsonbContainer *) (data + INTALIGN(offset));

		if (JsonContainerIsObject(container))
			visit_object(walk, container, path);
	}
	else if (JBE_ISSTRING(entry))
		visit_string(walk, path, others, data + offset, end - offset);
	else if (JBE_ISNUMERIC(entry))
		visit_number(walk, path, others, (Numeric) (data + INTALIGN(offset)));
	else if (JBE_ISBOOL_TRUE(entry))
		visit(walk, term_hash_mark(path, CONDITION_TRUE));
	else if (JBE_ISBOOL_FALSE(entry))
		visit(walk, term_hash_mark(path, CONDITION_FALSE));
	else
		visit(walk, term_hash_mark(path, CONDITION_NULL));
}

/*
 * No literal is longer than that, so a longer string equals none.
 */
static void
visit_string(const Walk *walk, uint64 path, bool others, const char *value, int length)
{
	int			prefix = terms_prefix_length(Min(length, CONDITION_MAX_LITERAL), TERMS_STORED);

	if (length <= CONDITION_MAX_LITERAL)
		visit(walk, term_hash_string(path, value, length));
	if (!others)
		return;
	visit(walk, term_hash_mark(path, TERM_IS_STRING));
	while (prefix > 0)
	{
		visit(walk, term_hash_prefix(path, value, prefix));
		prefix = terms_prefix_length(prefix - 1, TERMS_STORED);
	}
}

static void
visit_number(const Walk *walk, uint64 path, bool others, Numeric number)
{
	visit(walk, term_hash_number(path, number));
	if (!others)
		return;
	visit(walk, term_hash_mark(path, TERM_IS_NUMBER));
	visit_position(walk, path, term_number_position(number));
}

static void
visit_position(const Walk *walk, uint64 path, uint32 position)
{
	for (int level = 1; level <= TERM_LEVELS; level++)
		visit(walk, term_hash_cell(path, level, term_cell_of(position, level)));
}

/*
 * Is anything of the path filed under other terms than equalities?
 */
static bool
has_others(const Walk *walk, uint64 path)
{
	return walk->ask(walk->arg, term_hash_mark(path, TERM_OTHERS));
}

static void
visit(const Walk *walk, uint64 term)
{
	walk->visitor(walk->arg, term);
}
