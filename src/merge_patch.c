/*-------------------------------------------------------------------------
 *
 * merge_patch.c
 *	  A JSON merge patch (RFC 7396) applied to a jsonb.
 *
 * A patch that is an object changes the keys that it names: null removes one,
 * an object is merged into what is there, anything else replaces it.  A patch
 * that is no object is the result.
 *
 *		{"site": "a", "hw": {"ram": 4, "tpm": 2}, "old": 1}
 *	  + {"site": "b", "hw": {"ram": 8}, "old": null}
 *	  = {"site": "b", "hw": {"ram": 8, "tpm": 2}}
 *
 * Where the target has no object to merge into, the patch is merged into an
 * empty one, so that its nulls do not get into the result; nulls in arrays
 * do.  What the result may be is left to the column that it goes into.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(twinset_merge_patch);

static JsonbValue *push_merged(JsonbParseState **state, JsonbContainer *target,
							   JsonbContainer *patch);
static void push_unpatched(JsonbParseState **state, JsonbContainer *target,
						   JsonbContainer *patch);
static void push_patched(JsonbParseState **state, JsonbContainer *target,
						 JsonbContainer *patch);
static JsonbContainer *member_object(JsonbContainer *object, const JsonbValue *key);

/*
 * twinset.merge_patch(target jsonb, patch jsonb) returns jsonb
 *
 * The target with the patch applied.  Immutable: it looks at its arguments
 * alone.  Cost: the size of both, and a binary search for each key of the
 * objects that are merged.
 */
Datum
twinset_merge_patch(PG_FUNCTION_ARGS)
{
	Jsonb	   *target = PG_GETARG_JSONB_P(0);
	Jsonb	   *patch = PG_GETARG_JSONB_P(1);
	JsonbParseState *state = NULL;
	JsonbValue *merged;

	if (!JB_ROOT_IS_OBJECT(patch))
		PG_RETURN_JSONB_P(patch);

	merged = push_merged(&state,
						 JB_ROOT_IS_OBJECT(target) ? &target->root : NULL,
						 &patch->root);

	PG_RETURN_JSONB_P(JsonbValueToJsonb(merged));
}

/*
 * Push the object that the target becomes; a target of NULL is an empty one.
 */
static JsonbValue *
push_merged(JsonbParseState **state, JsonbContainer *target, JsonbContainer *patch)
{
	check_stack_depth();

	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	if (target != NULL)
		push_unpatched(state, target, patch);
	push_patched(state, target, patch);
	return pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/*
 * Push the pairs of the target whose keys the patch doesn't name.
 */
static void
push_unpatched(JsonbParseState **state, JsonbContainer *target, JsonbContainer *patch)
{
	JsonbIterator *iterator = JsonbIteratorInit(target);
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	value;
	JsonbValue	patch_value;

	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		CHECK_FOR_INTERRUPTS();

		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &value, true);

		if (getKeyJsonValueFromContainer(patch, key.val.string.val, key.val.string.len,
										 &patch_value) != NULL)
			continue;
		pushJsonbValue(state, WJB_KEY, &key);
		pushJsonbValue(state, WJB_VALUE, &value);
	}
}

/*
 * Push the pairs that the patch adds, changes or leaves in an object that it
 * changes.
 */
static void
push_patched(JsonbParseState **state, JsonbContainer *target, JsonbContainer *patch)
{
	JsonbIterator *iterator = JsonbIteratorInit(patch);
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	value;

	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		CHECK_FOR_INTERRUPTS();

		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &value, true);

		if (value.type == jbvNull)
			continue;
		pushJsonbValue(state, WJB_KEY, &key);
		if (value.type == jbvBinary && JsonContainerIsObject(value.val.binary.data))
			push_merged(state, member_object(target, &key), value.val.binary.data);
		else
			pushJsonbValue(state, WJB_VALUE, &value);
	}
}

/*
 * The object that stands under a key of an object; NULL if none does.
 */
static JsonbContainer *
member_object(JsonbContainer *object, const JsonbValue *key)
{
	JsonbValue	value;

	if (object == NULL ||
		getKeyJsonValueFromContainer(object, key->val.string.val, key->val.string.len,
									 &value) == NULL)
		return NULL;
	if (value.type != jbvBinary || !JsonContainerIsObject(value.val.binary.data))
		return NULL;
	return value.val.binary.data;
}
