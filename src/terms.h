/*-------------------------------------------------------------------------
 *
 * terms.h
 *	  From a condition to the terms under which it is filed, and from a
 *	  device to the terms that it has.
 *
 * A term is a hash, of an equality's path, type and value.  It is the same in
 * every backend and after every restart, so it can be stored.
 *
 *	A condition that is true for a device, and is not residual, is filed
 *	under one at least of the device's terms.
 *
 * Which terms a condition is filed under is a choice, made by what the weigher
 * says; whatever it says, the above holds.  The reverse does not: hashes can
 * collide, and filing looks at a part of the condition.  So what is found
 * under a device's terms are candidates, to be evaluated.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_TERMS_H
#define TWINSET_TERMS_H

#include "condition.h"

typedef void (*TermVisitor) (void *arg, uint64 term);

/* how many conditions mention the term: what being filed under it costs */
typedef uint32 (*TermWeigher) (void *arg, uint64 term);

/* a term under which a condition is filed */
typedef struct FiledTerm
{
	uint64		term;
	const ConditionPath *path;	/* in the condition */
} FiledTerm;

/* of one condition; zeroed before its first use, then used again and again */
typedef struct FiledTerms
{
	FiledTerm  *terms;			/* ascending, each once */
	int			count;
	int			limit;			/* allocated, in the memory context of the first use */
} FiledTerms;

/* paths of terms: what of a device's tags can have a term that is filed under */
typedef struct TermPaths TermPaths;

/*
 * terms_mentioned: each term under which the condition could be filed, as
 * often as it occurs there.
 */
extern void terms_mentioned(const Condition *condition, TermVisitor visit, void *arg);

/*
 * terms_of_condition: the terms under which the condition is filed, the
 * cheapest choice.  False where it is residual, a candidate for every device.
 * A condition that targets nothing is filed under none.
 */
extern bool terms_of_condition(const Condition *condition, TermWeigher weigh, void *arg,
							   FiledTerms *filed);

/*
 * terms_of_device: each term that a device has.  paths is a filter: terms of
 * other paths may be left out; NULL: none is.  Cost: a hash of each key and
 * value that is not left out.
 */
extern void terms_of_device(const char *device_id, int device_id_length, JsonbContainer *tags,
							const TermPaths *paths, TermVisitor visit, void *arg);

/*
 * A set of paths, a bit for each of 64 classes of them: two sets that have a
 * path in common have a bit in common.  deviceId is in none.
 */
typedef uint64 PathSet;

/* the paths that the condition mentions */
extern PathSet paths_of_condition(const Condition *condition);

/*
 * paths_changed: the paths where the two tags differ.  On tags that differ
 * nowhere else, a condition that mentions none of them gives the same.
 */
extern PathSet paths_changed(JsonbContainer *before, JsonbContainer *after);

/* an empty filter in this context, and another path that it lets through */
extern TermPaths *term_paths_create(MemoryContext context);
extern void term_paths_add(TermPaths *paths, const ConditionPath *path);

#endif							/* TWINSET_TERMS_H */
