/*-------------------------------------------------------------------------
 *
 * condition_index.h
 *	  What parts of a condition an index can answer.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_CONDITION_INDEX_H
#define TWINSET_CONDITION_INDEX_H

#include "condition.h"

/*
 * Beyond these a part of a condition is evaluated and not looked up: the
 * server walks expressions, jsonpath and JSONB recursively, and a condition
 * may be deeper than its stack.
 */
#define CONDITION_MAX_INDEXED_DEPTH	64
#define CONDITION_MAX_INDEXED_KEYS	64

/* a path in the tags that an index on them can be asked for */
static inline bool
condition_path_is_indexed(const ConditionPath *path)
{
	return path->count > 0 && path->count <= CONDITION_MAX_INDEXED_KEYS;
}

/*
 * condition_equality: the literal that a path in the tags must equal for a
 * COMPARE to give true (wanted) or false; NULL where an equality doesn't say.
 * Of booleans, what is not the one is the other.
 */
static inline const ConditionLiteral *
condition_equality(const ConditionNode *node, bool wanted)
{
	static const ConditionLiteral is_true = {.type = CONDITION_TRUE};
	static const ConditionLiteral is_false = {.type = CONDITION_FALSE};
	const ConditionLiteral *literal = condition_first_literal(node);

	if (node->op == (wanted ? CONDITION_EQ : CONDITION_NE))
		return literal;
	if (node->op != (wanted ? CONDITION_NE : CONDITION_EQ))
		return NULL;
	if (literal->type == CONDITION_TRUE)
		return &is_false;
	if (literal->type == CONDITION_FALSE)
		return &is_true;
	return NULL;
}

extern Datum condition_jsonpath(const Condition *condition);

#endif							/* TWINSET_CONDITION_INDEX_H */
