/*-------------------------------------------------------------------------
 *
 * row_checks.c
 *	  What a value of a column of twin or deployment may be.
 *
 * The rules behind the tables' CHECK constraints, each also callable from C.
 * They run at every INSERT and UPDATE of a row, so each reads its value once,
 * in place, and stops at the first thing that is wrong.
 *
 * The tags of a device, which nest, are tags_check.c's.
 *
 * Which columns there are, and that they are not null, is the tables' matter.
 *
 *-------------------------------------------------------------------------
 */
#include "row_checks.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#define ID_MAX_LENGTH		128		/* characters, all of them ASCII */

PG_FUNCTION_INFO_V1(twinset_device_id_valid);
PG_FUNCTION_INFO_V1(twinset_deployment_id_valid);
PG_FUNCTION_INFO_V1(twinset_labels_valid);

static bool id_is_valid(text *id, bool with_upper, const char *punctuation);

/*
 * device_id_is_valid: 1 to 128 of ASCII letters, digits and some signs.
 */
bool
device_id_is_valid(text *id)
{
	return id_is_valid(id, true, DEVICE_ID_PUNCTUATION);
}

/*
 * deployment_id_is_valid: 1 to 128 of lower-case ASCII letters, digits and
 * some signs.
 */
bool
deployment_id_is_valid(text *id)
{
	return id_is_valid(id, false, "-+%_*!'.");
}

/*
 * labels_are_valid: an object whose values are strings.
 */
bool
labels_are_valid(Jsonb *labels)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;

	if (!JB_ROOT_IS_OBJECT(labels))
		return false;

	iterator = JsonbIteratorInit(&labels->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		CHECK_FOR_INTERRUPTS();

		if (token == WJB_VALUE && value.type != jbvString)
			return false;
	}

	return true;
}

/*
 * twinset.device_id_valid(device_id text) returns boolean
 *
 * Immutable: it looks at its argument alone.
 */
Datum
twinset_device_id_valid(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(device_id_is_valid(PG_GETARG_TEXT_PP(0)));
}

/*
 * twinset.deployment_id_valid(deployment_id text) returns boolean
 *
 * Immutable: it looks at its argument alone.
 */
Datum
twinset_deployment_id_valid(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(deployment_id_is_valid(PG_GETARG_TEXT_PP(0)));
}

/*
 * twinset.labels_valid(labels jsonb) returns boolean
 *
 * Immutable: it looks at its argument alone.
 */
Datum
twinset_labels_valid(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(labels_are_valid(PG_GETARG_JSONB_P(0)));
}

/*
 * Is the identifier short enough and made of ASCII letters (capital ones only
 * with_upper), digits and the given punctuation?  No locale has a say.
 */
static bool
id_is_valid(text *id, bool with_upper, const char *punctuation)
{
	const char *data = VARDATA_ANY(id);
	int			length = VARSIZE_ANY_EXHDR(id);

	if (length < 1 || length > ID_MAX_LENGTH)
		return false;

	for (int i = 0; i < length; i++)
	{
		char		c = data[i];

		if (c >= 'a' && c <= 'z')
			continue;
		if (c >= '0' && c <= '9')
			continue;
		if (with_upper && c >= 'A' && c <= 'Z')
			continue;
		/* a text holds no null byte, so none is found at the string's end */
		if (strchr(punctuation, c) == NULL)
			return false;
	}

	return true;
}
