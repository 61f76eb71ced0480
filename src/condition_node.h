/*-------------------------------------------------------------------------
 *
 * condition_node.h
 *	  The layout of a condition: a tree of nodes in one contiguous array.
 *
 * Nodes stand in prefix order.  A node says how many bytes it takes with
 * everything that belongs to it, so its next sibling is found by adding.
 * There are no pointers, and everything is aligned to four bytes, as the
 * type is; so a detoasted value is read in place.
 *
 *	tags.a = 1 AND NOT deviceId IN ['x', 'y']
 *
 *	AND  count 2
 *	  COMPARE  op =  count 1 | path: a | literal: number 1
 *	  NOT  count 1
 *		IN	count 2 | path: deviceId | literal: string x | literal: string y
 *
 * This header needs nothing of the server, so that the parser can be tried
 * without one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_CONDITION_NODE_H
#define TWINSET_CONDITION_NODE_H

#include <stddef.h>
#include <stdint.h>

typedef enum ConditionNodeKind
{
	CONDITION_NOTHING,			/* the empty condition: targets none */
	CONDITION_EVERYTHING,		/* the condition *: targets all */
	CONDITION_AND,				/* children follow */
	CONDITION_OR,				/* children follow */
	CONDITION_NOT,				/* one child follows */
	CONDITION_COMPARE,			/* path, one literal; op */
	CONDITION_IN,				/* path, count literals */
	CONDITION_IS_DEFINED,		/* path */
	CONDITION_STARTSWITH,		/* path, one literal (a string) */
	CONDITION_SAMPLE,			/* two literals: the percentage, the salt */
} ConditionNodeKind;

typedef enum ConditionOperator
{
	CONDITION_EQ,				/* = */
	CONDITION_NE,				/* != */
	CONDITION_LT,				/* < */
	CONDITION_LE,				/* <= */
	CONDITION_GT,				/* > */
	CONDITION_GE,				/* >= */
} ConditionOperator;

typedef enum ConditionLiteralType
{
	CONDITION_STRING,			/* UTF-8, without the quotes */
	CONDITION_NUMBER,			/* a numeric datum, four-byte header */
	CONDITION_TRUE,				/* no bytes */
	CONDITION_FALSE,			/* no bytes */
	CONDITION_NULL,				/* no bytes */
} ConditionLiteralType;

typedef struct ConditionNode
{
	uint8_t		kind;			/* ConditionNodeKind */
	uint8_t		op;				/* ConditionOperator, of COMPARE */
	uint16_t	count;			/* children, or literals */
	uint32_t	size;			/* bytes, header and children included */
} ConditionNode;				/* then: the path, the literals; or the children */

typedef struct ConditionPath
{
	uint16_t	count;			/* keys; 0: deviceId */
	uint16_t	size;			/* bytes of all keys, padding included */
} ConditionPath;				/* then: the keys */

typedef struct ConditionKey
{
	uint16_t	length;			/* bytes of the key, UTF-8, not padded */
	char		data[];
} ConditionKey;					/* each padded to four bytes */

typedef struct ConditionLiteral
{
	uint8_t		type;			/* ConditionLiteralType */
	uint8_t		unused;			/* zero */
	uint16_t	length;			/* bytes of the value, not padded */
	char		data[];
} ConditionLiteral;				/* each padded to four bytes */

#define CONDITION_ALIGN(size)	(((size_t) (size) + 3) & ~(size_t) 3)

/* Walking: children and siblings. */
static inline const ConditionNode *
condition_first_child(const ConditionNode *node)
{
	return node + 1;
}

static inline const ConditionNode *
condition_next(const ConditionNode *node)
{
	return (const ConditionNode *) ((const char *) node + node->size);
}

/* The path of a COMPARE, IN, IS_DEFINED or STARTSWITH. */
static inline const ConditionPath *
condition_path(const ConditionNode *node)
{
	return (const ConditionPath *) (node + 1);
}

static inline const ConditionKey *
condition_first_key(const ConditionPath *path)
{
	return (const ConditionKey *) (path + 1);
}

static inline const ConditionKey *
condition_next_key(const ConditionKey *key)
{
	return (const ConditionKey *) ((const char *) key +
								   CONDITION_ALIGN(offsetof(ConditionKey, data) + key->length));
}

/* The first literal of a COMPARE, IN, STARTSWITH (after the path) or SAMPLE. */
static inline const ConditionLiteral *
condition_first_literal(const ConditionNode *node)
{
	const ConditionPath *path;

	if (node->kind == CONDITION_SAMPLE)
		return (const ConditionLiteral *) (node + 1);
	path = condition_path(node);
	return (const ConditionLiteral *) ((const char *) (path + 1) + path->size);
}

static inline const ConditionLiteral *
condition_next_literal(const ConditionLiteral *literal)
{
	return (const ConditionLiteral *) ((const char *) literal +
									   CONDITION_ALIGN(offsetof(ConditionLiteral, data) + literal->length));
}

#endif							/* TWINSET_CONDITION_NODE_H */
