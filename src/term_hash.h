/*-------------------------------------------------------------------------
 *
 * term_hash.h
 *	  The hashes of paths and of terms.
 *
 * A path's hash grows by a key at a time, so that one walk over a device's
 * tags has the hash of each path at hand; a term's continues its path's.  They
 * are the same in every backend and after a restart.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_TERM_HASH_H
#define TWINSET_TERM_HASH_H

#include "compat.h"

#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "condition_node.h"

/* what the hash of a path starts with */
#define TERM_DEVICE_ID	UINT64CONST(1)
#define TERM_TAGS		UINT64CONST(2)
#define TERM_SAMPLE		UINT64CONST(3)	/* a salt's bucket is treated as a path */

/* what a term says of its path: an equality to a ConditionLiteralType, or */
typedef enum TermMark
{
	TERM_DEFINED = 16,			/* there is something */
	TERM_IS_STRING,				/* a string */
	TERM_IS_NUMBER,				/* a number */
	TERM_PREFIX,				/* a string that starts with these bytes */
	TERM_OTHERS,				/* stored beside terms of the path that are no equality */
	TERM_CELL = 32,				/* a number in a cell of this level, or of one more … */
} TermMark;

static inline uint64
term_hash_key(uint64 path, const char *key, uint32 length)
{
	return hash_bytes_extended((const unsigned char *) key, length, path);
}

static inline uint64
term_hash_mark(uint64 path, int mark)
{
	return hash_combine64(path, mark);
}

static inline uint64
term_hash_string(uint64 path, const char *value, uint32 length)
{
	return hash_bytes_extended((const unsigned char *) value, length,
							   term_hash_mark(path, CONDITION_STRING));
}

static inline uint64
term_hash_prefix(uint64 path, const char *value, uint32 length)
{
	return hash_bytes_extended((const unsigned char *) value, length,
							   term_hash_mark(path, TERM_PREFIX));
}

/* by value: 1 and 1.0 are the same term */
static inline uint64
term_hash_number(uint64 path, Numeric value)
{
	return DatumGetUInt64(DirectFunctionCall2(hash_numeric_extended,
											  NumericGetDatum(value),
											  UInt64GetDatum(term_hash_mark(path, CONDITION_NUMBER))));
}

static inline uint64
term_hash_cell(uint64 path, int level, uint32 cell)
{
	return hash_combine64(term_hash_mark(path, TERM_CELL + level), murmurhash32(cell + 1));
}

static inline uint64
term_hash_path(const ConditionPath *path)
{
	const ConditionKey *key = condition_first_key(path);
	uint64		hash = path->count == 0 ? TERM_DEVICE_ID : TERM_TAGS;

	for (int i = 0; i < path->count; i++, key = condition_next_key(key))
		hash = term_hash_key(hash, key->data, key->length);
	return hash;
}

static inline uint64
term_hash_salt(const ConditionLiteral *salt)
{
	return term_hash_key(TERM_SAMPLE, salt->data, salt->length);
}

static inline uint64
term_hash_literal(uint64 path, const ConditionLiteral *literal)
{
	switch ((ConditionLiteralType) literal->type)
	{
		case CONDITION_STRING:
			return term_hash_string(path, literal->data, literal->length);
		case CONDITION_NUMBER:
			return term_hash_number(path, (Numeric) literal->data);
		case CONDITION_TRUE:
		case CONDITION_FALSE:
		case CONDITION_NULL:
			break;
	}
	return term_hash_mark(path, literal->type);
}

#endif							/* TWINSET_TERM_HASH_H */
