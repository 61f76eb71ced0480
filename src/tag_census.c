/*-------------------------------------------------------------------------
 *
 * tag_census.c
 *	  Which tags there are in a fleet, of what types, on how many devices.
 *
 * A table of the tags, by the tag that they stand in and their key, filled as
 * the devices come by:
 *
 *	(none, "site")		string 138398
 *	(none, "hw")		object 90
 *	(hw, "ram")			number 80, string 10
 *
 * What stands in an array has no path.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "tag_census.h"

/* tags that are counted unexpected */
#define MAX_UNEXPECTED	10000

/* the key of the table; the key's bytes are compared, not the pointer */
typedef struct CensusKey
{
	const CensusTag *parent;
	const char *key;
	int			key_length;
} CensusKey;

typedef struct CensusEntry
{
	CensusKey	key;
	CensusTag  *tag;
} CensusEntry;

struct TagCensus
{
	MemoryContext context;
	HTAB	   *entries;		/* CensusEntry */
	int64		devices;		/* counted so far */
	int			unexpected;		/* tags that may still be taken in */
};

static uint32
key_hash(const void *key, Size keysize)
{
	const CensusKey *census_key = key;

	return hash_combine(hash_bytes((const unsigned char *) census_key->key, census_key->key_length),
						murmurhash32((uint32) (uintptr_t) census_key->parent));
}

static int
key_compare(const void *one, const void *other, Size keysize)
{
	const CensusKey *a = one;
	const CensusKey *b = other;

	return !(a->parent == b->parent && a->key_length == b->key_length &&
			 memcmp(a->key, b->key, a->key_length) == 0);
}

TagCensus *
tag_census_begin(void)
{
	TagCensus  *census = palloc0(sizeof(TagCensus));
	HASHCTL		control = {
		.keysize = sizeof(CensusKey),
		.entrysize = sizeof(CensusEntry),
		.hash = key_hash,
		.match = key_compare,
		.hcxt = CurrentMemoryContext,
	};

	census->context = CurrentMemoryContext;
	census->entries = hash_create("twinset tags of the fleet", 256, &control,
								  HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	census->unexpected = MAX_UNEXPECTED;
	return census;
}

/* The tag of this key in that tag; NULL where there is none, and none may be made. */
static CensusTag *
find_tag(TagCensus *census, const CensusTag *parent, const char *key, int key_length, bool make)
{
	CensusKey	wanted = {parent, key, key_length};
	CensusEntry *entry = hash_search(census->entries, &wanted, HASH_FIND, NULL);
	MemoryContext caller;

	if (entry != NULL)
		return entry->tag;
	if (!make)
		return NULL;

	caller = MemoryContextSwitchTo(census->context);
	wanted.key = memcpy(palloc(key_length + 1), key, key_length);
	entry = hash_search(census->entries, &wanted, HASH_ENTER, NULL);
	entry->tag = palloc0(sizeof(CensusTag));
	entry->tag->parent = parent;
	entry->tag->key = wanted.key;
	entry->tag->key_length = key_length;
	MemoryContextSwitchTo(caller);
	return entry->tag;
}

const CensusTag *
tag_census_expect(TagCensus *census, const ConditionPath *path)
{
	const ConditionKey *key = condition_first_key(path);
	CensusTag  *tag = NULL;

	for (int i = 0; i < path->count; i++)
	{
		tag = find_tag(census, tag, key->data, key->length, true);
		key = condition_next_key(key);
	}
	return tag;
}

static TagType
type_of(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			return TAG_NULL;
		case jbvString:
			return TAG_STRING;
		case jbvNumeric:
			return TAG_NUMBER;
		case jbvBool:
			return TAG_BOOLEAN;
		case jbvBinary:
			return JsonContainerIsObject(value->val.binary.data) ? TAG_OBJECT : TAG_ARRAY;
		default:
			elog(ERROR, "unexpected jsonb value type: %d", (int) value->type);
			return TAG_NULL;	/* keep compiler quiet */
	}
}

static void
add_object(TagCensus *census, const CensusTag *parent, JsonbContainer *object)
{
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	value;

	check_stack_depth();

	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		CensusTag  *tag;
		TagType		type;

		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &value, true);
		tag = find_tag(census, parent, key.val.string.val, key.val.string.len, false);
		if (tag == NULL && census->unexpected > 0)
		{
			census->unexpected--;
			tag = find_tag(census, parent, key.val.string.val, key.val.string.len, true);
		}
		if (tag == NULL)
			continue;
		type = type_of(&value);
		tag->devices[type]++;
		tag->device = census->devices;
		if (type == TAG_OBJECT)
			add_object(census, tag, value.val.binary.data);
	}
}

void
tag_census_add(TagCensus *census, JsonbContainer *tags)
{
	census->devices++;
	if (JsonContainerIsObject(tags))
		add_object(census, NULL, tags);
}

int64
tag_census_devices(const TagCensus *census)
{
	return census->devices;
}

bool
tag_census_has(const TagCensus *census, const CensusTag *tag)
{
	return tag->device == census->devices;
}

/* The steps of a tag's path, the last one first, then in their order. */
static void
append_steps(StringInfo path, const CensusTag *tag)
{
	uint16		length = tag->key_length;
	static const char padding[4] = {0};

	if (tag->parent != NULL)
		append_steps(path, tag->parent);
	appendBinaryStringInfo(path, (const char *) &length, sizeof(length));
	appendBinaryStringInfo(path, tag->key, tag->key_length);
	appendBinaryStringInfo(path, padding, CONDITION_ALIGN(path->len) - path->len);
	((ConditionPath *) path->data)->count++;
}

void
tag_census_visit(TagCensus *census, CensusVisitor visitor, void *arg)
{
	HASH_SEQ_STATUS scan;
	CensusEntry *entry;

	hash_seq_init(&scan, census->entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		ConditionPath none = {0};
		StringInfoData path;
		size_t		length;
		char	   *text;

		CHECK_FOR_INTERRUPTS();
		if (entry->tag->device == 0)
			continue;
		initStringInfo(&path);
		appendBinaryStringInfo(&path, (const char *) &none, sizeof(none));
		append_steps(&path, entry->tag);
		((ConditionPath *) path.data)->size = path.len - sizeof(ConditionPath);
		text = condition_path_to_text((const ConditionPath *) path.data, &length);
		visitor(arg, text, entry->tag);
		pfree(text);
		pfree(path.data);
	}
}
