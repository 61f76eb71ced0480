/*-------------------------------------------------------------------------
 *
 * condition_evaluate.c
 *	  What a condition gives on one device: true, false or undefined.
 *
 * One walk over the nodes, down the paths of the JSONB container, with
 * nothing copied: strings compare by bytes, which in UTF-8 is by code
 * point; numbers as numeric, exactly.
 *
 *	NOT tags.a = 'x' on {"a": "y"}: true; on {"a": 1} and on {}: undefined
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "condition.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

PG_FUNCTION_INFO_V1(twinset_matches);
PG_FUNCTION_INFO_V1(twinset_matches_text);
PG_FUNCTION_INFO_V1(twinset_evaluate_text);

#define BUCKETS_A_PERCENT	1000000

typedef struct Device
{
	const char *id;				/* UTF-8 */
	int			id_length;
	JsonbContainer *tags;
} Device;

/* The condition that a call site gave last, in text and compiled. */
typedef struct ConditionCache
{
	text	   *text;
	Condition  *condition;
} ConditionCache;

static ConditionResult evaluate_node(const ConditionNode *node, const Device *device);
static ConditionResult evaluate_chain(const ConditionNode *node, const Device *device);
static ConditionResult evaluate_in(const ConditionNode *node, const Device *device);
static ConditionResult evaluate_startswith(const ConditionNode *node, const Device *device);
static ConditionResult evaluate_sample(const ConditionNode *node, const Device *device);
static bool find_value(const ConditionPath *path, const Device *device, JsonbValue *value);
static ConditionResult compare(const JsonbValue *value, ConditionOperator op,
							   const ConditionLiteral *literal);
static ConditionResult holds(int order, ConditionOperator op);
static int	compare_bytes(const char *a, int a_length, const char *b, int b_length);
static int	compare_numbers(Numeric a, Numeric b);
static ConditionResult evaluate_arguments(FunctionCallInfo fcinfo, const Condition *condition);
static const Condition *cached_condition(FunctionCallInfo fcinfo, int argument);

ConditionResult
condition_evaluate(const Condition *condition, const char *device_id, int device_id_length,
				   JsonbContainer *tags)
{
	return condition_node_evaluate(&condition->root, device_id, device_id_length, tags);
}

ConditionResult
condition_node_evaluate(const ConditionNode *node, const char *device_id, int device_id_length,
						JsonbContainer *tags)
{
	Device		device = {device_id, device_id_length, tags};

	return evaluate_node(node, &device);
}

bool
condition_find_value(const ConditionPath *path, const char *device_id, int device_id_length,
					 JsonbContainer *tags, JsonbValue *value)
{
	Device		device = {device_id, device_id_length, tags};

	return find_value(path, &device, value);
}

static ConditionResult
evaluate_node(const ConditionNode *node, const Device *device)
{
	JsonbValue	value;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();

	switch ((ConditionNodeKind) node->kind)
	{
		case CONDITION_NOTHING:
			return CONDITION_RESULT_FALSE;

		case CONDITION_EVERYTHING:
			return CONDITION_RESULT_TRUE;

		case CONDITION_AND:
		case CONDITION_OR:
			return evaluate_chain(node, device);

		case CONDITION_NOT:
			switch (evaluate_node(condition_first_child(node), device))
			{
				case CONDITION_RESULT_FALSE:
					return CONDITION_RESULT_TRUE;
				case CONDITION_RESULT_TRUE:
					return CONDITION_RESULT_FALSE;
				case CONDITION_RESULT_UNDEFINED:
					return CONDITION_RESULT_UNDEFINED;
			}
			break;

		case CONDITION_COMPARE:
			if (!find_value(condition_path(node), device, &value))
				return CONDITION_RESULT_UNDEFINED;
			return compare(&value, node->op, condition_first_literal(node));

		case CONDITION_IN:
			return evaluate_in(node, device);

		case CONDITION_IS_DEFINED:
			return find_value(condition_path(node), device, &value) ?
				CONDITION_RESULT_TRUE : CONDITION_RESULT_FALSE;

		case CONDITION_STARTSWITH:
			return evaluate_startswith(node, device);

		case CONDITION_SAMPLE:
			return evaluate_sample(node, device);
	}
	elog(ERROR, "unknown node in a target condition: %d", node->kind);
}

/* AND ends at the first false, OR at the first true. */
static ConditionResult
evaluate_chain(const ConditionNode *node, const Device *device)
{
	ConditionResult decides = node->kind == CONDITION_AND ?
		CONDITION_RESULT_FALSE : CONDITION_RESULT_TRUE;
	ConditionResult result = node->kind == CONDITION_AND ?
		CONDITION_RESULT_TRUE : CONDITION_RESULT_FALSE;
	const ConditionNode *child = condition_first_child(node);

	for (int i = 0; i < node->count; i++)
	{
		ConditionResult child_result = evaluate_node(child, device);

		if (child_result == decides)
			return decides;
		if (child_result == CONDITION_RESULT_UNDEFINED)
			result = CONDITION_RESULT_UNDEFINED;
		child = condition_next(child);
	}
	return result;
}

static ConditionResult
evaluate_in(const ConditionNode *node, const Device *device)
{
	const ConditionLiteral *literal = condition_first_literal(node);
	ConditionResult result = CONDITION_RESULT_UNDEFINED;
	JsonbValue	value;

	if (!find_value(condition_path(node), device, &value))
		return CONDITION_RESULT_UNDEFINED;

	for (int i = 0; i < node->count; i++)
	{
		switch (compare(&value, CONDITION_EQ, literal))
		{
			case CONDITION_RESULT_TRUE:
				return CONDITION_RESULT_TRUE;
			case CONDITION_RESULT_FALSE:
				result = CONDITION_RESULT_FALSE;
				break;
			case CONDITION_RESULT_UNDEFINED:
				break;
		}
		literal = condition_next_literal(literal);
	}
	return result;
}

static ConditionResult
evaluate_startswith(const ConditionNode *node, const Device *device)
{
	const ConditionLiteral *prefix = condition_first_literal(node);
	JsonbValue	value;

	if (!find_value(condition_path(node), device, &value) || value.type != jbvString)
		return CONDITION_RESULT_UNDEFINED;
	return value.val.string.len >= prefix->length &&
		memcmp(value.val.string.val, prefix->data, prefix->length) == 0 ?
		CONDITION_RESULT_TRUE : CONDITION_RESULT_FALSE;
}

static ConditionResult
evaluate_sample(const ConditionNode *node, const Device *device)
{
	const ConditionLiteral *percentage = condition_first_literal(node);
	const ConditionLiteral *salt = condition_next_literal(percentage);

	return condition_sample_bucket(salt->data, salt->length, device->id, device->id_length) <
		condition_sample_buckets(percentage) ?
		CONDITION_RESULT_TRUE : CONDITION_RESULT_FALSE;
}

/* false where the path is missing; deviceId is a string that never is */
static bool
find_value(const ConditionPath *path, const Device *device, JsonbValue *value)
{
	const ConditionKey *key = condition_first_key(path);
	JsonbContainer *container = device->tags;

	if (path->count == 0)
	{
		value->type = jbvString;
		value->val.string.val = unconstify(char *, device->id);
		value->val.string.len = device->id_length;
		return true;
	}
	for (int i = 0; i < path->count; i++)
	{
		if (i > 0)
		{
			if (value->type != jbvBinary)
				return false;
			container = value->val.binary.data;
		}
		if (!JsonContainerIsObject(container) ||
			getKeyJsonValueFromContainer(container, key->data, key->length, value) == NULL)
			return false;
		key = condition_next_key(key);
	}
	return true;
}

/* Only values of one JSON type compare, and only strings and numbers have an order. */
static ConditionResult
compare(const JsonbValue *value, ConditionOperator op, const ConditionLiteral *literal)
{
	bool		equality = op == CONDITION_EQ || op == CONDITION_NE;

	switch ((ConditionLiteralType) literal->type)
	{
		case CONDITION_STRING:
			if (value->type != jbvString)
				return CONDITION_RESULT_UNDEFINED;
			return holds(compare_bytes(value->val.string.val, value->val.string.len,
									   literal->data, literal->length), op);

		case CONDITION_NUMBER:
			if (value->type != jbvNumeric)
				return CONDITION_RESULT_UNDEFINED;
			return holds(compare_numbers(value->val.numeric, (Numeric) literal->data), op);

		case CONDITION_TRUE:
		case CONDITION_FALSE:
			if (value->type != jbvBool || !equality)
				return CONDITION_RESULT_UNDEFINED;
			return holds(value->val.boolean != (literal->type == CONDITION_TRUE), op);

		case CONDITION_NULL:
			if (value->type != jbvNull || !equality)
				return CONDITION_RESULT_UNDEFINED;
			return holds(0, op);
	}
	elog(ERROR, "unknown literal in a target condition: %d", literal->type);
}

/* order: below, at or above zero as the value is less, equal or greater */
static ConditionResult
holds(int order, ConditionOperator op)
{
	bool		result = false;

	switch (op)
	{
		case CONDITION_EQ:
			result = order == 0;
			break;
		case CONDITION_NE:
			result = order != 0;
			break;
		case CONDITION_LT:
			result = order < 0;
			break;
		case CONDITION_LE:
			result = order <= 0;
			break;
		case CONDITION_GT:
			result = order > 0;
			break;
		case CONDITION_GE:
			result = order >= 0;
			break;
	}
	return result ? CONDITION_RESULT_TRUE : CONDITION_RESULT_FALSE;
}

static int
compare_bytes(const char *a, int a_length, const char *b, int b_length)
{
	int			order = memcmp(a, b, Min(a_length, b_length));

	return order != 0 ? order : a_length - b_length;
}

static int
compare_numbers(Numeric a, Numeric b)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(a), NumericGetDatum(b)));
}

/*
 * condition_sample_bucket: floor(h × 10⁸ / 2⁶⁴), h the first eight bytes,
 * big-endian, of SHA-256 over salt, a zero byte, deviceId.
 */
uint32
condition_sample_bucket(const char *salt, int salt_length,
						const char *device_id, int device_id_length)
{
	pg_cryptohash_ctx *context = pg_cryptohash_create(PG_SHA256);
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	const uint8 zero = 0;
	uint64		hash;
	bool		done;

	done = pg_cryptohash_init(context) >= 0 &&
		pg_cryptohash_update(context, (const uint8 *) salt, salt_length) >= 0 &&
		pg_cryptohash_update(context, &zero, 1) >= 0 &&
		pg_cryptohash_update(context, (const uint8 *) device_id, device_id_length) >= 0 &&
		pg_cryptohash_final(context, digest, sizeof(digest)) >= 0;
	if (!done)
	{
		/* the message may belong to the context */
		char	   *reason = pstrdup(pg_cryptohash_error(context));

		pg_cryptohash_free(context);
		elog(ERROR, "could not compute the %s hash of a device: %s", "SHA-256", reason);
	}
	pg_cryptohash_free(context);

	memcpy(&hash, digest, sizeof(hash));
	hash = pg_ntoh64(hash);

	/* the high half and the low half, so that 64 bits are enough */
	return ((hash >> 32) * CONDITION_SAMPLE_BUCKETS + (((hash & 0xFFFFFFFF) * CONDITION_SAMPLE_BUCKETS) >> 32)) >> 32;
}

/* how many buckets the percentage has: a whole number, for it has six decimals at most */
uint32
condition_sample_buckets(const ConditionLiteral *percentage)
{
	Numeric		per_percent = int64_to_numeric(BUCKETS_A_PERCENT);
	Datum		buckets = DirectFunctionCall2(numeric_mul, PointerGetDatum(percentage->data),
											  NumericGetDatum(per_percent));
	uint32		result = DatumGetInt64(DirectFunctionCall1(numeric_int8, buckets));

	pfree(per_percent);
	pfree(DatumGetPointer(buckets));
	return result;
}

/*
 * matches(device_id text, tags jsonb, condition target_condition): does the
 * condition target the device?
 *
 * Never null: what is undefined is false, and so is anything with NULL.
 * The same function serves recheck().
 */
Datum
twinset_matches(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(evaluate_arguments(fcinfo, PG_GETARG_CONDITION_P(2)) == CONDITION_RESULT_TRUE);
}

/* the same with a condition as text; a bad one is an error */
Datum
twinset_matches_text(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(evaluate_arguments(fcinfo, cached_condition(fcinfo, 2)) == CONDITION_RESULT_TRUE);
}

/* evaluate(device_id text, tags jsonb, condition text): NULL where it is undefined */
Datum
twinset_evaluate_text(PG_FUNCTION_ARGS)
{
	switch (evaluate_arguments(fcinfo, cached_condition(fcinfo, 2)))
	{
		case CONDITION_RESULT_FALSE:
			PG_RETURN_BOOL(false);
		case CONDITION_RESULT_TRUE:
			PG_RETURN_BOOL(true);
		case CONDITION_RESULT_UNDEFINED:
			break;
	}
	PG_RETURN_NULL();
}

/* the first two arguments are the device */
static ConditionResult
evaluate_arguments(FunctionCallInfo fcinfo, const Condition *condition)
{
	text	   *device_id = PG_GETARG_TEXT_PP(0);
	Jsonb	   *tags = PG_GETARG_JSONB_P(1);

	return condition_evaluate(condition, VARDATA_ANY(device_id), VARSIZE_ANY_EXHDR(device_id),
							  &tags->root);
}

/* a text compiled once, as long as the call site gives the same */
static const Condition *
cached_condition(FunctionCallInfo fcinfo, int argument)
{
	text	   *given = PG_GETARG_TEXT_PP(argument);
	ConditionCache *cache = fcinfo->flinfo->fn_extra;
	ConditionError error;
	Condition  *condition;
	MemoryContext old_context;

	if (cache != NULL &&
		VARSIZE_ANY_EXHDR(given) == VARSIZE_ANY_EXHDR(cache->text) &&
		memcmp(VARDATA_ANY(given), VARDATA_ANY(cache->text), VARSIZE_ANY_EXHDR(given)) == 0)
		return cache->condition;

	condition = condition_from_text(VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given), &error);
	if (condition == NULL)
		condition_raise(&error);

	/* the old one goes before the new one comes, and an error leaves none half made */
	fcinfo->flinfo->fn_extra = NULL;
	if (cache != NULL)
	{
		pfree(cache->text);
		pfree(cache->condition);
		pfree(cache);
	}
	old_context = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	cache = palloc(sizeof(ConditionCache));
	cache->text = (text *) pg_detoast_datum_copy((struct varlena *) given);
	cache->condition = (Condition *) pg_detoast_datum_copy((struct varlena *) condition);
	MemoryContextSwitchTo(old_context);
	fcinfo->flinfo->fn_extra = cache;
	return cache->condition;
}
