/*-------------------------------------------------------------------------
 *
 * condition.h
 *	  The type target_condition: its layout, and what others do with it.
 *
 * A condition is a varlena: a version byte, then a tree of nodes in prefix
 * order, in one contiguous array.  A node says how many bytes it takes with
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
 * The condition knows nothing of tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_CONDITION_H
#define TWINSET_CONDITION_H

#include "compat.h"

#include "fmgr.h"
#include "utils/jsonb.h"

#define CONDITION_VERSION	1

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
	uint8		kind;			/* ConditionNodeKind */
	uint8		op;				/* ConditionOperator, of COMPARE */
	uint16		count;			/* children, or literals */
	uint32		size;			/* bytes, header and children included */
} ConditionNode;				/* then: the path, the literals; or the children */

typedef struct ConditionPath
{
	uint16		count;			/* keys; 0: deviceId */
	uint16		size;			/* bytes of all keys, padding included */
} ConditionPath;				/* then: the keys */

typedef struct ConditionKey
{
	uint16		length;			/* bytes of the key, UTF-8, not padded */
	char		data[FLEXIBLE_ARRAY_MEMBER];
} ConditionKey;					/* each padded to four bytes */

typedef struct ConditionLiteral
{
	uint8		type;			/* ConditionLiteralType */
	uint8		unused;			/* zero */
	uint16		length;			/* bytes of the value, not padded */
	char		data[FLEXIBLE_ARRAY_MEMBER];
} ConditionLiteral;				/* each padded to four bytes */

typedef struct Condition
{
	int32		vl_len_;		/* varlena header; do not touch directly */
	uint8		version;		/* CONDITION_VERSION */
	uint8		unused[3];		/* zero */
	ConditionNode root;			/* the first node */
} Condition;

typedef enum ConditionResult
{
	CONDITION_RESULT_FALSE,
	CONDITION_RESULT_TRUE,
	CONDITION_RESULT_UNDEFINED,
} ConditionResult;

#define DatumGetConditionP(d)	((Condition *) PG_DETOAST_DATUM(d))
#define PG_GETARG_CONDITION_P(n)	DatumGetConditionP(PG_GETARG_DATUM(n))

#define CONDITION_ALIGN(size)	TYPEALIGN(4, (size))

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

/*
 * condition_evaluate: what the condition gives on one device.
 *
 * device_id is UTF-8, not null-terminated; tags is the container of a JSON
 * object.  Cost: one look-up of each path that decides, no allocation but
 * for values that are detoasted or hashed.
 */
extern ConditionResult condition_evaluate(const Condition *condition,
										  const char *device_id, int device_id_length,
										  JsonbContainer *tags);

#endif							/* TWINSET_CONDITION_H */
