/*-------------------------------------------------------------------------
 *
 * condition.h
 *	  The type target_condition: its layout, and what others do with it.
 *
 * A condition is a varlena: a version byte, then the nodes that
 * condition_node.h lays out.
 *
 * The condition knows nothing of tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_CONDITION_H
#define TWINSET_CONDITION_H

#include "compat.h"

#include "condition_parse.h"
#include "fmgr.h"
#include "utils/jsonb.h"

#define CONDITION_VERSION	1

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

/*
 * condition_from_text: read a text; NULL, and *error filled, where it is bad.
 */
extern Condition *condition_from_text(const char *text, size_t length, ConditionError *error);

/* condition_raise: a bad text as an error of the server. */
extern void condition_raise(const ConditionError *error) __attribute__((noreturn));

/* condition_to_text: the canonical text, palloc'd, null-terminated. */
extern char *condition_to_text(const Condition *condition, size_t *length);

/* condition_node_to_text: the same of a part of a condition. */
extern char *condition_node_to_text(const ConditionNode *node, size_t *length);

/* condition_path_to_text: a path, as it stands in a condition. */
extern char *condition_path_to_text(const ConditionPath *path, size_t *length);

/* condition_number_to_text: a number literal as numeric prints it. */
extern char *condition_number_to_text(const ConditionLiteral *number);

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

/* condition_node_evaluate: the same of a part of a condition. */
extern ConditionResult condition_node_evaluate(const ConditionNode *node,
											   const char *device_id, int device_id_length,
											   JsonbContainer *tags);

/*
 * condition_find_value: the value at a path, in place; false where it is
 * missing.  deviceId is a string that never is.
 */
extern bool condition_find_value(const ConditionPath *path,
								 const char *device_id, int device_id_length,
								 JsonbContainer *tags, JsonbValue *value);

/*
 * SAMPLE is true of a device whose bucket, of that salt, is less than the
 * percentage's number of buckets.  A bucket costs a SHA-256.
 */
#define CONDITION_SAMPLE_BUCKETS	UINT64CONST(100000000)

extern uint32 condition_sample_bucket(const char *salt, int salt_length,
									  const char *device_id, int device_id_length);
extern uint32 condition_sample_buckets(const ConditionLiteral *percentage);

/*
 * condition_visit_leaves: each comparison, list, STARTSWITH and IS_DEFINED of
 * a tag.  misses: is it a NOT or != that leaves out a device without the tag?
 */
typedef void (*ConditionLeafVisitor) (void *arg, const ConditionNode *leaf, bool misses);

extern void condition_visit_leaves(const Condition *condition, ConditionLeafVisitor visitor, void *arg);

/*
 * condition_with_missing: the condition as it would be if a NOT and a != were
 * true of a device that has not the tag; NULL where there are none.  It can be
 * larger than a text can say.
 */
extern Condition *condition_with_missing(const Condition *condition);

/*
 * condition_with_room: a condition of size bytes, zeroed but for its header,
 * whose nodes the caller writes.
 */
extern Condition *condition_with_room(Size size);

#endif							/* TWINSET_CONDITION_H */
