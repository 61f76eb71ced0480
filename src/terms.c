/*-------------------------------------------------------------------------
 *
 * terms.c
 *	  From a condition to the terms under which it is filed, and from a
 *	  device to the terms that it has.
 *
 * A condition that needs an equality to be true is filed under the hash of
 * the equality's path, type and value; of several equalities under the one
 * that fewest conditions mention, of alternatives under all.
 *
 *	tags.env = 'prod' AND tags.floor = 3			floor = 3
 *	tags.env = 'prod' OR deviceId IN ['x', 'y']		env = 'prod', deviceId = 'x', deviceId = 'y'
 *	tags.env = 'prod' AND tags.floor > 3			env = 'prod'
 *	NOT tags.env = 'test'							residual
 *
 * Device x with tags {"env": "prod", "floor": 4, "room": {"size": 9}} has the
 * terms deviceId = 'x', env = 'prod', floor = 4, room.size = 9; where a filter
 * knows only the paths above, it does not look into room.
 *
 * What a condition means is condition.h's; what is kept under the terms, the
 * caller's.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "terms.h"

/* what the hash of a path starts with */
#define DEVICE_ID_PATH	UINT64CONST(1)
#define TAGS_PATH		UINT64CONST(2)

/* the cost of a candidate to evaluate, in filings to keep */
#define CANDIDATE_COST	UINT64CONST(1000)

/* the cost of what can't be filed */
#define UNFILEABLE		PG_UINT64_MAX

/* a path of a filter, or what leads to one */
typedef struct Path
{
	uint64		hash;			/* of its keys */
	bool		compared;		/* a term has this path */
	bool		entered;		/* a term's path goes on from here */
	char		status;			/* the hash table's */
} Path;

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

struct TermPaths
{
	paths_hash *table;
};

/* a condition while the choice is made */
typedef struct Choice
{
	TermWeigher weigh;
	void	   *arg;			/* the weigher's */
	FiledTerms *filed;			/* chosen so far */
} Choice;

/* a device while it is gone through */
typedef struct Walk
{
	const TermPaths *paths;		/* the filter, or NULL */
	TermVisitor visit;
	void	   *arg;			/* the visitor's */
} Walk;

/*
 * The members of an object, one after the other.  The container is read as
 * jsonb.h describes it: first the entries of all keys, then those of all
 * values, then the data of both in the same order.  Keys are ordered by
 * length, then by bytes.
 */
typedef struct Members
{
	const JEntry *keys;
	const JEntry *values;
	const char *data;
	uint32		count;
	uint32		next;			/* the member behind this one */
	uint32		key;			/* this one's key, in data */
	uint32		key_end;
	uint32		value;			/* its value, in data, padding before it included */
	uint32		value_end;
} Members;

static bool is_equality(const ConditionNode *node);
static void visit_mentioned(const ConditionNode *node, TermVisitor visit, void *arg);
static uint64 choose(Choice *choice, const ConditionNode *node);
static uint64 choose_of_and(Choice *choice, const ConditionNode *node);
static uint64 choose_of_or(Choice *choice, const ConditionNode *node);
static uint64 choose_equality(Choice *choice, const ConditionNode *node);
static void append(FiledTerms *filed, uint64 term, const ConditionPath *path);
static void make_distinct(FiledTerms *filed);
static int	compare_terms(const void *a, const void *b);
static void visit_object(const Walk *walk, JsonbContainer *object, uint64 path);
static void visit_value(const Walk *walk, uint64 path, bool compared, bool entered,
						JEntry entry, const char *data, uint32 offset, uint32 end);
static PathSet paths_of_node(const ConditionNode *node);
static PathSet paths_in(JEntry entry, const char *data, uint32 offset, uint64 path);
static PathSet paths_differing(JsonbContainer *before, JsonbContainer *after, uint64 path);
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
 * terms_mentioned: each term under which the condition could be filed, as
 * often as it occurs there.
 */
void
terms_mentioned(const Condition *condition, TermVisitor visit, void *arg)
{
	visit_mentioned(&condition->root, visit, arg);
}

static void
visit_mentioned(const ConditionNode *node, TermVisitor visit, void *arg)
{
	check_stack_depth();

	if (node->kind == CONDITION_AND || node->kind == CONDITION_OR)
	{
		const ConditionNode *child = condition_first_child(node);

		for (int i = 0; i < node->count; i++, child = condition_next(child))
			visit_mentioned(child, visit, arg);
	}
	else if (is_equality(node))
	{
		uint64		path = hash_path(condition_path(node));
		const ConditionLiteral *literal = condition_first_literal(node);

		for (int i = 0; i < node->count; i++, literal = condition_next_literal(literal))
			visit(arg, hash_literal(path, literal));
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
 * terms_of_condition: the terms under which the condition is filed, the
 * cheapest choice.  False where it is residual, a candidate for every device.
 * A condition that targets nothing is filed under none.
 */
bool
terms_of_condition(const Condition *condition, TermWeigher weigh, void *arg,
				   FiledTerms *filed)
{
	Choice		choice = {weigh, arg, filed};

	filed->count = 0;
	if (condition->root.kind == CONDITION_NOTHING)
		return true;
	if (choose(&choice, &condition->root) == UNFILEABLE)
	{
		filed->count = 0;
		return false;
	}
	make_distinct(filed);
	return true;
}

/*
 * Choose terms of which a device has one at least wherever the node is true,
 * the cheapest such set: append them and return their cost.  Where there is
 * no such set (below NOT never), return UNFILEABLE; what was appended is then
 * void.
 */
static uint64
choose(Choice *choice, const ConditionNode *node)
{
	check_stack_depth();

	if (node->kind == CONDITION_AND)
		return choose_of_and(choice, node);
	if (node->kind == CONDITION_OR)
		return choose_of_or(choice, node);
	if (is_equality(node))
		return choose_equality(choice, node);
	return UNFILEABLE;
}

/*
 * All children must be true: the set of one suffices, the cheapest.
 */
static uint64
choose_of_and(Choice *choice, const ConditionNode *node)
{
	FiledTerms *filed = choice->filed;
	const ConditionNode *child = condition_first_child(node);
	uint64		best = UNFILEABLE;
	int			start = filed->count;
	int			best_end = start;

	for (int i = 0; i < node->count; i++, child = condition_next(child))
	{
		uint64		cost = choose(choice, child);

		if (cost < best)
		{
			int			count = filed->count - best_end;

			memmove(&filed->terms[start], &filed->terms[best_end], count * sizeof(FiledTerm));
			best_end = start + count;
			best = cost;
		}
		filed->count = best_end;
	}
	return best;
}

/*
 * Any child may be the one that is true: the sets of all are needed.
 */
static uint64
choose_of_or(Choice *choice, const ConditionNode *node)
{
	const ConditionNode *child = condition_first_child(node);
	uint64		total = 0;

	for (int i = 0; i < node->count; i++, child = condition_next(child))
	{
		uint64		cost = choose(choice, child);

		if (cost == UNFILEABLE)
			return UNFILEABLE;
		total += cost;
	}
	return total;
}

/*
 * A device has one value at a path, so of a list of literals it has one at
 * most: the one that is mentioned most says what that costs.
 */
static uint64
choose_equality(Choice *choice, const ConditionNode *node)
{
	uint64		path = hash_path(condition_path(node));
	const ConditionLiteral *literal = condition_first_literal(node);
	uint32		most = 0;

	for (int i = 0; i < node->count; i++, literal = condition_next_literal(literal))
	{
		uint64		term = hash_literal(path, literal);

		most = Max(most, choice->weigh(choice->arg, term));
		append(choice->filed, term, condition_path(node));
	}
	return most * CANDIDATE_COST + node->count;
}

static void
append(FiledTerms *filed, uint64 term, const ConditionPath *path)
{
	if (filed->limit == 0)
	{
		filed->limit = 16;
		filed->terms = palloc(filed->limit * sizeof(FiledTerm));
	}
	else if (filed->count == filed->limit)
	{
		filed->terms = repalloc(filed->terms, 2 * filed->limit * sizeof(FiledTerm));
		filed->limit *= 2;
	}
	filed->terms[filed->count++] = (FiledTerm) {term, path};
}

static void
make_distinct(FiledTerms *filed)
{
	int			distinct = 0;

	if (filed->count < 2)
		return;
	qsort(filed->terms, filed->count, sizeof(FiledTerm), compare_terms);
	for (int i = 1; i < filed->count; i++)
	{
		if (filed->terms[i].term != filed->terms[distinct].term)
			filed->terms[++distinct] = filed->terms[i];
	}
	filed->count = distinct + 1;
}

static int
compare_terms(const void *a, const void *b)
{
	uint64		left = ((const FiledTerm *) a)->term;
	uint64		right = ((const FiledTerm *) b)->term;

	return left < right ? -1 : left > right;
}

/*
 * terms_of_device: each term that a device has, but for those of other paths
 * than the filter's, where there is one.
 */
void
terms_of_device(const char *device_id, int device_id_length, JsonbContainer *tags,
				const TermPaths *paths, TermVisitor visit, void *arg)
{
	Walk		walk = {paths, visit, arg};

	visit(arg, hash_string(DEVICE_ID_PATH, device_id, device_id_length));
	if (JsonContainerIsObject(tags))
		visit_object(&walk, tags, TAGS_PATH);
}

static inline void
members_begin(Members *members, const JsonbContainer *object)
{
	members->count = JsonContainerSize(object);
	members->keys = object->children;
	members->values = object->children + members->count;
	members->data = (const char *) (members->values + members->count);
	members->next = 0;
	members->key_end = 0;
	members->value_end = getJsonbOffset(object, members->count);
}

static inline bool
members_next(Members *members)
{
	if (members->next == members->count)
		return false;
	members->key = members->key_end;
	members->value = members->value_end;
	JBE_ADVANCE_OFFSET(members->key_end, members->keys[members->next]);
	JBE_ADVANCE_OFFSET(members->value_end, members->values[members->next]);
	members->next++;
	return true;
}

static inline JEntry
member_entry(const Members *members)
{
	return members->values[members->next - 1];
}

static inline uint64
member_path(const Members *members, uint64 path)
{
	return hash_key(path, members->data + members->key, members->key_end - members->key);
}

/*
 * The terms of an object's members.
 */
static void
visit_object(const Walk *walk, JsonbContainer *object, uint64 path)
{
	Members		members;

	check_stack_depth();

	members_begin(&members, object);
	while (members_next(&members))
	{
		uint64		member = member_path(&members, path);
		const Path *found = NULL;

		if (walk->paths != NULL && (found = paths_lookup(walk->paths->table, member)) == NULL)
			continue;
		visit_value(walk, member, found == NULL || found->compared, found == NULL || found->entered,
					member_entry(&members), members.data, members.value, members.value_end);
	}
}

/*
 * The term of a value, or those in it.  An array equals no literal, and no
 * path goes into one.
 */
static void
visit_value(const Walk *walk, uint64 path, bool compared, bool entered,
			JEntry entry, const char *data, uint32 offset, uint32 end)
{
	if (JBE_ISCONTAINER(entry))
	{
		JsonbContainer *container = (JsonbContainer *) (data + INTALIGN(offset));

		if (entered && JsonContainerIsObject(container))
			visit_object(walk, container, path);
	}
	else if (!compared)
		return;
	else if (JBE_ISSTRING(entry))
		walk->visit(walk->arg, hash_string(path, data + offset, end - offset));
	else if (JBE_ISNUMERIC(entry))
		walk->visit(walk->arg, hash_number(path, data + INTALIGN(offset)));
	else if (JBE_ISBOOL_TRUE(entry))
		walk->visit(walk->arg, hash_constant(path, CONDITION_TRUE));
	else if (JBE_ISBOOL_FALSE(entry))
		walk->visit(walk->arg, hash_constant(path, CONDITION_FALSE));
	else
		walk->visit(walk->arg, hash_constant(path, CONDITION_NULL));
}

static inline PathSet
path_set(uint64 path)
{
	return UINT64CONST(1) << (path & 63);
}

PathSet
paths_of_condition(const Condition *condition)
{
	return paths_of_node(&condition->root);
}

static PathSet
paths_of_node(const ConditionNode *node)
{
	PathSet		paths = 0;

	check_stack_depth();

	switch ((ConditionNodeKind) node->kind)
	{
		case CONDITION_NOTHING:
		case CONDITION_EVERYTHING:
		case CONDITION_SAMPLE:
			break;

		case CONDITION_AND:
		case CONDITION_OR:
		case CONDITION_NOT:
			{
				const ConditionNode *child = condition_first_child(node);

				for (int i = 0; i < node->count; i++, child = condition_next(child))
					paths |= paths_of_node(child);
				break;
			}

		case CONDITION_COMPARE:
		case CONDITION_IN:
		case CONDITION_IS_DEFINED:
		case CONDITION_STARTSWITH:
			if (condition_path(node)->count > 0)
				paths = path_set(hash_path(condition_path(node)));
			break;
	}
	return paths;
}

/*
 * paths_changed: the paths where the two tags differ.
 *
 * Where both have an object at a path, the path itself is not among them:
 * nothing can be said of an object but that it is there.
 */
PathSet
paths_changed(JsonbContainer *before, JsonbContainer *after)
{
	if (!JsonContainerIsObject(before) || !JsonContainerIsObject(after))
		return ~(PathSet) 0;
	return paths_differing(before, after, TAGS_PATH);
}

/* the path, and what goes on from it */
static PathSet
paths_in(JEntry entry, const char *data, uint32 offset, uint64 path)
{
	PathSet		paths = path_set(path);

	check_stack_depth();

	if (JBE_ISCONTAINER(entry))
	{
		JsonbContainer *container = (JsonbContainer *) (data + INTALIGN(offset));
		Members		members;

		if (JsonContainerIsObject(container))
		{
			members_begin(&members, container);
			while (members_next(&members))
				paths |= paths_in(member_entry(&members), members.data, members.value,
								  member_path(&members, path));
		}
	}
	return paths;
}

static inline PathSet
paths_in_member(const Members *members, uint64 path)
{
	return paths_in(member_entry(members), members->data, members->value,
					member_path(members, path));
}

/* the object that is the member's value, or NULL */
static JsonbContainer *
member_object(const Members *members)
{
	JsonbContainer *container = (JsonbContainer *) (members->data + INTALIGN(members->value));

	return JBE_ISCONTAINER(member_entry(members)) && JsonContainerIsObject(container) ? container : NULL;
}

/*
 * The member is in both: the paths there where it differs.  Bytes differ
 * wherever values do; 1 and 1.0 differ too, and it does no harm.
 */
static PathSet
paths_differing_in_member(const Members *before, const Members *after, uint64 path)
{
	JEntry		was = member_entry(before);
	JEntry		is = member_entry(after);
	JsonbContainer *object_before = member_object(before);
	JsonbContainer *object_after = member_object(after);
	uint32		start = before->value;
	uint32		other_start = after->value;

	if (object_before != NULL && object_after != NULL)
		return paths_differing(object_before, object_after, member_path(before, path));
	if (JBE_ISCONTAINER(was) || JBE_ISNUMERIC(was))
		start = INTALIGN(start);
	if (JBE_ISCONTAINER(is) || JBE_ISNUMERIC(is))
		other_start = INTALIGN(other_start);
	if ((was & JENTRY_TYPEMASK) == (is & JENTRY_TYPEMASK) &&
		before->value_end - start == after->value_end - other_start &&
		memcmp(before->data + start, after->data + other_start, before->value_end - start) == 0)
		return 0;
	return paths_in_member(before, path) | paths_in_member(after, path);
}

/* as jsonb orders keys */
static int
compare_keys(const Members *a, const Members *b)
{
	uint32		a_length = a->key_end - a->key;
	uint32		b_length = b->key_end - b->key;

	if (a_length != b_length)
		return a_length < b_length ? -1 : 1;
	return memcmp(a->data + a->key, b->data + b->key, a_length);
}

/* Both are gone through in the order of their keys. */
static PathSet
paths_differing(JsonbContainer *before, JsonbContainer *after, uint64 path)
{
	Members		was;
	Members		is;
	PathSet		paths = 0;
	bool		more_before;
	bool		more_after;

	check_stack_depth();

	members_begin(&was, before);
	members_begin(&is, after);
	more_before = members_next(&was);
	more_after = members_next(&is);
	while (more_before || more_after)
	{
		int			order = !more_before ? 1 : !more_after ? -1 : compare_keys(&was, &is);

		if (order == 0)
			paths |= paths_differing_in_member(&was, &is, path);
		else
			paths |= paths_in_member(order < 0 ? &was : &is, path);
		if (order <= 0)
			more_before = members_next(&was);
		if (order >= 0)
			more_after = members_next(&is);
	}
	return paths;
}

TermPaths *
term_paths_create(MemoryContext context)
{
	TermPaths  *paths = MemoryContextAlloc(context, sizeof(TermPaths));

	paths->table = paths_create(context, 16, NULL);
	return paths;
}

/*
 * Let the path through, and what leads to it from the top of the tags.
 */
void
term_paths_add(TermPaths *paths, const ConditionPath *path)
{
	const ConditionKey *key = condition_first_key(path);
	uint64		hash = TAGS_PATH;

	for (int i = 0; i < path->count; i++, key = condition_next_key(key))
	{
		Path	   *entry;
		bool		found;

		hash = hash_key(hash, key->data, key->length);
		entry = paths_insert(paths->table, hash, &found);
		if (!found)
			entry->compared = entry->entered = false;
		if (i == path->count - 1)
			entry->compared = true;
		else
			entry->entered = true;
	}
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
