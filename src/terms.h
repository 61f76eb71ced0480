/*-------------------------------------------------------------------------
 *
 * terms.h
 *	  From a condition to the terms under which it is filed, from a device to
 *	  its terms.
 *
 * A term is a number of 64 bits, of something that a device can be or not:
 * tags.env is 'prod', tags.floor is a number from 16 to 31.  A condition is
 * filed under a few terms of which a device that it targets has at least one.
 * Who finds it there verifies it: terms may give a condition too many, never
 * one too few.
 *
 * The numbers are the same in every backend and after a restart; they can be
 * stored.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_TERMS_H
#define TWINSET_TERMS_H

#include "compat.h"

#include "condition.h"
#include "term_cells.h"
#include "term_hash.h"

/* who looks terms up decides which there are */
typedef enum TermsForm
{
	TERMS_STORED,				/* in a table: a device takes all its terms */
	TERMS_COMPILED,				/* in memory, where it is known what was filed: any
								 * length of a prefix, any salt */
} TermsForm;

/* a term, and what it says */
typedef struct Term
{
	uint64		hash;			/* of all that follows: the term's number */
	int			kind;			/* a TermMark, or the ConditionLiteralType of an equality */
	const ConditionPath *path;	/* NULL: the bucket of a salt */
	const ConditionLiteral *literal;	/* the value, what starts with the prefix, the salt */
	int			length;			/* of a prefix */
	uint32		cell;
	bool		certain;		/* the factor is as wanted wherever a device has it */
} Term;

typedef void (*TermVisitor) (void *arg, const Term *term);
typedef void (*TermNumberVisitor) (void *arg, uint64 term);

/* the numbers of terms; zeroed before its first use, then used again and again */
typedef struct TermList
{
	uint64	   *terms;
	int			count;
	int			limit;			/* allocated, in the memory context of the first use */
} TermList;

/* a part of a condition that has to be true, or has to be false */
typedef struct TermFactor
{
	const ConditionNode *node;	/* no AND, OR or NOT */
	bool		wanted;			/* what it has to be */
	TermRange	range;			/* where the number is, of what is looked up by cells */
	bool		narrowed;		/* … not by this node alone */
} TermFactor;

typedef struct TermFactorList
{
	TermFactor *factors;
	int			count;
	int			limit;			/* allocated */
} TermFactorList;

/* how many conditions mention the term, or are filed under it: what one more costs */
typedef uint32 (*TermWeigher) (void *arg, uint64 term);

/* is anything filed under the term? */
typedef bool (*TermAsker) (void *arg, uint64 term);

/* what can't be filed */
#define TERMS_UNFILEABLE	PG_UINT64_MAX

/*
 * terms_mentioned: visit the terms that terms_of_condition() chooses from, as
 * often as they occur.
 */
extern void terms_mentioned(const Condition *condition, TermsForm form,
							TermNumberVisitor visitor, void *arg);

/*
 * terms_of_condition: the terms that the condition is stored under, ascending,
 * each once: of TERMS_STORED, the cheapest choice.  false: it is residual, each
 * device may be targeted.  None: it is the empty condition.
 */
extern bool terms_of_condition(const Condition *condition, TermWeigher weigh, void *arg,
							   TermList *terms);

/*
 * terms_of_device: visit each term that a device has, of TERMS_STORED.  Terms
 * of a path that are no equality are made where something is filed under them:
 * that is what ask is asked, for each path.
 */
extern void terms_of_device(const char *device_id, int device_id_length, JsonbContainer *tags,
							TermAsker ask, TermNumberVisitor visitor, void *arg);

/*
 * terms_choose: factors of which one at least is as wanted, wherever the node
 * is as wanted: add the cheapest such set that was found and return its cost.
 * If there is none, return TERMS_UNFILEABLE; what was added is then void.
 */
extern uint64 terms_choose(const ConditionNode *node, bool wanted, TermsForm form,
						   TermWeigher weigh, void *arg, TermFactorList *chosen);

/*
 * terms_of_factor: visit terms of which a device has one at least, where the
 * factor is as wanted.  false: there are none.
 */
extern bool terms_of_factor(const TermFactor *factor, TermsForm form,
							TermVisitor visitor, void *arg);

/* the factor that a node is, that is no AND, OR or NOT */
extern TermFactor terms_factor(const ConditionNode *node, bool wanted);

/* the length to which a prefix is cut, that is looked up: at most its own */
extern int	terms_prefix_length(int length, TermsForm form);

/* AND that has to be true, OR that has to be false: all children have to be as wanted */
static inline bool
terms_needs_all(const ConditionNode *node, bool wanted)
{
	return node->kind == (wanted ? CONDITION_AND : CONDITION_OR);
}

/* … and the other way round: one child has to be */
static inline bool
terms_needs_one(const ConditionNode *node, bool wanted)
{
	return node->kind == (wanted ? CONDITION_OR : CONDITION_AND);
}

#endif							/* TWINSET_TERMS_H */
