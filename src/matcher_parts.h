/*-------------------------------------------------------------------------
 *
 * matcher_parts.h
 *	  What a matcher is made of.
 *
 * Five files know it: matcher_build.c has the deployments, in slots;
 * matcher_compile.c makes postings and programs of their conditions;
 * matcher_facts.c keeps what the conditions ask of a device; matcher.c asks;
 * matcher_count.c counts over many devices.
 *
 * A *fact* is something that a device is or is not, whatever deployment asks:
 * tags.env is 'prod'.  A condition is a Boolean *code* over facts, and is
 * filed under some of them: a *posting* in a fact's list has a slot, and the
 * code that remains to be true there.
 *
 *	slot 0	tags.env = 'prod' AND tags.floor = 3
 *	slot 1	tags.env = 'prod' OR deviceId IN ['x', 'y']
 *	slot 2	NOT tags.env = 'test'
 *	slot 3	tags.env = 'prod' AND tags.floor > 3
 *
 * are
 *
 *	fact						postings
 *	env is 'prod'				1, 3: floor > 3
 *	floor is 3					0: env is 'prod'
 *	deviceId is 'x'				1
 *	deviceId is 'y'				1
 *	env is a string				2: not env is 'test'
 *	env is 'test'
 *	floor > 3
 *
 * A matcher that was built has its slots in the order of rank, and each
 * fact's postings in one part of an array.  What is patched in later has
 * slots behind those, an *order* that says between which of the built it
 * belongs, and lists of its own.  What is taken away leaves its postings, and
 * a mark.
 *
 * There are no pointers between the parts, only numbers: arrays move as they
 * grow.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_MATCHER_PARTS_H
#define TWINSET_MATCHER_PARTS_H

#include "matcher.h"
#include "terms.h"

/*
 * A code is a word: in its lowest two bits what it is, in the others a fact's
 * number or how many words follow that belong to it; of a posting, where in
 * the words it is.
 */
typedef uint32 Code;

typedef enum CodeKind
{
	CODE_FACT,					/* the fact is true */
	CODE_NOT_FACT,				/* it is not */
	CODE_ALL,					/* all codes that follow are true */
	CODE_ANY,					/* one of them is */
} CodeKind;

#define CODE_BITS			2
#define CODE(kind, value)	((Code) (value) << CODE_BITS | (kind))
#define CODE_KIND(code)		((CodeKind) ((code) & 3))
#define CODE_VALUE(code)	((code) >> CODE_BITS)
#define CODE_LIMIT			((uint32) 1 << (32 - CODE_BITS))
#define CODE_TRUE			CODE(CODE_FACT, FACT_ALWAYS)
#define CODE_FALSE			CODE(CODE_NOT_FACT, FACT_ALWAYS)

/* facts that have a number of their own */
#define FACT_NONE			0
#define FACT_ALWAYS			1	/* true of each device: what can't be filed otherwise */
#define FIRST_FACT			2

/* … and what else a fact can be than a term */
#define FACT_IS_TRUE		64	/* a node, evaluated, is true */
#define FACT_IS_FALSE		65	/* … is false */
#define FACT_IS_SAMPLED		66	/* a salt's bucket is less than its content */

/* what is known of a fact, of the device that is asked about */
#define FACT_STATE_FALSE	0
#define FACT_STATE_TRUE		1
#define FACT_STATE_UNKNOWN	2	/* it is evaluated where somebody needs it */

/* of a code in the words: it, and what belongs to it */
static inline uint32
code_size(Code code)
{
	return CODE_KIND(code) <= CODE_NOT_FACT ? 1 : 1 + CODE_VALUE(code);
}

typedef struct Fact
{
	uint32		path;			/* number; of a node 0 */
	uint32		content;		/* word: its literal, its node; or itself a number */
	uint32		first;			/* its first built posting */
	uint32		count;			/* its built postings */
	uint32		added;			/* number of its list of added postings; 0: none */
	uint8		kind;			/* of a term (Term.kind), or as above */
} Fact;

/* what tells one fact from another */
typedef struct FactKey
{
	uint64		hash;
	uint32		path;			/* number */
	int			kind;
	const char *data;			/* string, numeric, or node */
	uint32		length;			/* of it */
	uint32		cell;			/* or how many buckets */
} FactKey;

/* a fact to look up */
typedef struct Probe
{
	FactKey		key;
	uint32		fact;			/* with that hash, most likely it */
} Probe;

/* paths that have a number of their own */
#define PATH_DEVICE_ID		0
#define PATH_TAGS			1
#define PATH_SALTS			2	/* what salts go on from */
#define FIRST_PATH			3

typedef struct Path
{
	uint64		hash;			/* of its keys */
	uint64		prefix_lengths; /* bits: is there a prefix of that length? (fact_prefix_length) */
	uint32		parent;			/* number of the path that it goes on from */
	uint32		key;			/* word: a ConditionKey */
	uint32		defined;		/* facts; FACT_NONE: nobody asks */
	uint32		string;
	uint32		number;
	uint16		levels;			/* bits: are there cells of that level? */
	bool		compared;		/* are there equalities? */
	bool		entered;		/* are there paths that go on from it? */
	uint32		bucket;			/* of a salt: of the device that was */
	uint64		bucket_asked;	/* asked about then */
} Path;

/* a hash table of numbers; its entries are in the matcher's arrays */
typedef struct IndexEntry
{
	uint32		hash;			/* the lower half of it */
	uint32		number;			/* 0: none */
} IndexEntry;

typedef struct HashIndex
{
	IndexEntry *entries;
	uint32		mask;			/* one less than there are */
	uint32		count;			/* taken */
} HashIndex;

/*
 * What else has to be true are two codes, most often two facts; of ALL and ANY
 * they say where in the words it is.
 */
typedef struct Posting
{
	uint32		slot;
	Code		first;
	Code		second;
} Posting;

/* postings that were patched in, of one fact, in their order */
typedef struct AddedPostings
{
	Posting    *postings;
	uint32		count;
	uint32		limit;			/* allocated */
} AddedPostings;

/* a deployment */
typedef struct Slot
{
	TimestampTz created_at;
	int64		revision;
	int32		priority;
	uint32		id;				/* where in the ids */
} Slot;

/*
 * Where something is in the order of ranks: of a built slot the slot, and all
 * ones; of an added one how many built slots are before it, and its place
 * among the added.
 */
typedef uint64 Order;

#define ORDER_OF_BUILT(slot)	((Order) (slot) << 32 | PG_UINT32_MAX)
#define ORDER_OF_ADDED(before, place)	((Order) (before) << 32 | (place))

/* a list of candidates while it is gone through */
typedef struct Cursor
{
	const Posting *next;
	const Posting *end;			/* behind the last */
} Cursor;

/* who is asked about */
typedef struct Device
{
	const char *id;				/* not null-terminated */
	int			id_length;		/* bytes */
	JsonbContainer *tags;
} Device;

struct Matcher
{
	MemoryContext context;		/* of all that follows */
	MemoryContext scratch;		/* reset after each asking */

	/* deployments: matcher_build.c */
	Slot	   *slots;
	uint32		slot_count;
	uint32		slot_limit;		/* allocated, as all limits */
	uint32		built_count;	/* slots in the order of rank; the others were added */
	char	   *ids;			/* null-terminated, one after the other */
	uint32		id_bytes;
	uint32		id_limit;
	uint8	   *empty;			/* bits: a slot has no deployment; NULL: all have one */
	uint32		empty_limit;	/* bytes */
	uint32		empty_count;
	Order	   *orders;			/* of the added slots */
	uint32		order_limit;
	uint32	   *added;			/* the added slots, in the order of rank */
	uint32		added_limit;
	HashIndex		id_index;		/* slots by id, once somebody asked */

	/* postings */
	Posting    *postings;		/* built, the facts' lists */
	uint32		posting_count;	/* of these */
	AddedPostings *lists;		/* from number 1 on */
	uint32		list_count;
	uint32		list_limit;

	/* what is asked of a device: matcher_facts.c */
	uint32	   *words;			/* codes, literals, keys, nodes */
	uint32		word_count;
	uint32		word_limit;
	Fact	   *facts;
	uint32		fact_count;
	uint32		fact_limit;
	HashIndex		fact_index;
	Path	   *paths;
	uint32		path_count;
	uint32		path_limit;
	HashIndex		path_index;
	uint32	   *salts;			/* paths of the salts that have cells */
	uint32		salt_count;
	uint32		salt_limit;

	/* the device that is asked about: matcher.c */
	uint64		asked;			/* how many were */
	uint8	   *states;			/* of the facts */
	uint32		state_limit;
	uint32	   *touched;		/* facts whose state is no more what it was */
	uint32		touched_count;
	uint32		touched_limit;
	Probe	   *probes;			/* facts to look up */
	uint32		probe_count;
	uint32		probe_limit;
	Cursor	   *cursors;		/* of lists of candidates */
	uint32		cursor_count;
	uint32		cursor_limit;
	int		   *targeting;		/* what matcher_all returned last */
	uint32		targeting_limit;
	int		   *merged;			/* what targeting is merged into */
	uint32		merged_limit;
	uint64	   *marks;			/* a bit for each built slot, all 0 but while it is used */
	struct Counted *counted;	/* the built postings, to be counted (matcher_count.c); NULL: not yet */
	uint32	   *runs;			/* where in targeting each list's begin */
	uint32		run_limit;
};

extern void *matcher_grow(Matcher *matcher, void *array, uint32 *limit, uint64 needed, Size size);

/*
 * matcher_room: an array with room for that many elements: it itself, or a
 * larger one.  An error leaves the one that there was.
 */
static inline void *
matcher_room(Matcher *matcher, void *array, uint32 *limit, uint64 needed, Size size)
{
	return likely(needed <= *limit) ? array : matcher_grow(matcher, array, limit, needed, size);
}

static inline Order
matcher_order(const Matcher *matcher, uint32 slot)
{
	return slot < matcher->built_count ? ORDER_OF_BUILT(slot) :
		matcher->orders[slot - matcher->built_count];
}

static inline bool
matcher_is_empty(const Matcher *matcher, uint32 slot)
{
	return matcher->empty != NULL && (matcher->empty[slot / 8] & (1 << (slot % 8))) != 0;
}

/* what an equality, or a prefix, is about */
static inline const ConditionLiteral *
facts_literal(const Matcher *matcher, const Fact *fact)
{
	return (const ConditionLiteral *) &matcher->words[fact->content];
}

/* what is evaluated */
static inline const Condition *
facts_condition(const Matcher *matcher, const Fact *fact)
{
	return (const Condition *) &matcher->words[fact->content];
}

/* the index: numbers by hash (matcher_facts.c) */
extern void numbers_create(Matcher *matcher, HashIndex *index, uint32 count);
extern void numbers_make_room(Matcher *matcher, HashIndex *index);
extern void numbers_add(HashIndex *index, uint64 hash, uint32 number);

/*
 * Facts and paths (matcher_facts.c).  facts_of_term() and facts_of_node() add
 * one where there is none; the others find.
 */
extern void facts_create(Matcher *matcher, uint32 count);
extern uint32 facts_add_words(Matcher *matcher, const void *data, Size size);
extern uint32 facts_of_term(Matcher *matcher, const Term *term);
extern uint32 facts_of_node(Matcher *matcher, const ConditionNode *node, bool wanted);
extern uint32 facts_of_sample(Matcher *matcher, const ConditionNode *node);
extern uint32 facts_weight(const Matcher *matcher, uint64 hash);
extern uint32 facts_find_path(const Matcher *matcher, uint64 hash, uint32 parent,
							  const char *key, uint32 length);
extern uint32 facts_by_hash(const Matcher *matcher, uint64 hash);
extern bool facts_is(const Matcher *matcher, uint32 number, const FactKey *key);
extern uint32 facts_find(const Matcher *matcher, const FactKey *key);
extern uint32 facts_prefix_length(int bit);

/* the steps of asking (matcher.c) */
extern void matcher_look_up(Matcher *matcher, const Device *device);
extern int	matcher_first_that_holds(Matcher *matcher, const Device *device);
extern const Posting *matcher_next_that_holds(Matcher *matcher, const Device *device,
											  const Posting *candidate, const Posting *end);

extern bool matcher_code_holds(Matcher *matcher, Code code, const Device *device);

/*
 * Of the states of facts; 0: the code does not hold.  1: it does, or that is
 * not to be seen by one state.
 */
static inline uint8
matcher_may_hold(const uint8 *states, Code code)
{
	uint32		is_group = code >> 1 & 1;
	uint8		state = states[is_group ? FACT_ALWAYS : CODE_VALUE(code)];

	StaticAssertStmt(CODE_NOT_FACT == 1 && CODE_ALL == 2 && CODE_ANY == 3 && FACT_STATE_UNKNOWN == 2,
					 "a code's second bit is that of groups, a state's that of the unknown");
	return (is_group | (state ^ code) | state >> 1) & 1;
}

/* a posting to file: called for each */
typedef void (*PostingVisitor) (void *arg, uint32 fact, Code first, Code second);

/* a condition's postings (matcher_compile.c) */
extern void compile_condition(Matcher *matcher, const Condition *condition,
							  TermWeigher weigh, void *weigh_arg,
							  PostingVisitor visitor, void *arg);

#endif							/* TWINSET_MATCHER_PARTS_H */
