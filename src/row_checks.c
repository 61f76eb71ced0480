/*-------------------------------------------------------------------------
 *
 * row_checks.c
 *	  What a value of a column of twin or deployment may be.
 *
 * The rules behind the tables' CHECK constraints, each also callable from C.
 * They run at every INSERT and UPDATE of a row, so each reads its value once,
 * in place, and stops at the first thing that is wrong.
 *
 * The text of tags is measured, not built: the walk that looks at the keys
 * adds up what jsonb's output function would print.  Of
 *
 *		{"a": 1.50, "b": ["x\n"]}
 *
 * the outer object gives its braces, two times ": " and one ", ", which is 8,
 * the keys 3 each, the number 4, the array 2 and its string 5: 25 bytes.
 *
 * Which columns there are, and that they are not null, is the tables' matter.
 *
 *-------------------------------------------------------------------------
 */
#include "row_checks.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#define ID_MAX_LENGTH		128		/* characters, all of them ASCII */
#define TAGS_MAX_KEY		1024	/* bytes */
#define TAGS_MAX_STRING		4096	/* bytes */
#define TAGS_MAX_LEVELS		10		/* of objects and arrays below the tags */
#define TAGS_MAX_TEXT		8192	/* bytes of tags::text */

PG_FUNCTION_INFO_V1(twinset_device_id_valid);
PG_FUNCTION_INFO_V1(twinset_tags_valid);
PG_FUNCTION_INFO_V1(twinset_deployment_id_valid);
PG_FUNCTION_INFO_V1(twinset_labels_valid);

static bool id_is_valid(text *id, bool with_upper, const char *punctuation);
static bool key_is_valid(const char *key, int length);
static int	container_text_length(int count, bool is_object);
static int	scalar_text_length(const JsonbValue *scalar);
static int	string_text_length(const char *string, int length);

/*
 * device_id_is_valid: 1 to 128 of ASCII letters, digits and some signs.
 */
bool
device_id_is_valid(text *id)
{
	return id_is_valid(id, true, "-:.+%_#*?!(),=@;$'");
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
 * tags_are_valid: an object, with the limits at the head of this file, and
 * whose keys can be named in a target condition.
 *
 * Cost: one pass over at most about TAGS_MAX_TEXT bytes, however large the
 * tags are, since the pass ends when their text is too long; so it needs no
 * check for interrupts.  Allocates an iterator a level and the text of one
 * number at a time.
 */
bool
tags_are_valid(Jsonb *tags)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	int			level = -1;		/* that of the tags themselves is 0 */
	int			text_length = 0;

	if (!JB_ROOT_IS_OBJECT(tags))
		return false;

	iterator = JsonbIteratorInit(&tags->root);
	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		switch (token)
		{
			case WJB_BEGIN_OBJECT:
				if (++level > TAGS_MAX_LEVELS)
					return false;
				text_length += container_text_length(value.val.object.nPairs, true);
				break;
			case WJB_BEGIN_ARRAY:
				if (++level > TAGS_MAX_LEVELS)
					return false;
				text_length += container_text_length(value.val.array.nElems, false);
				break;
			case WJB_END_OBJECT:
			case WJB_END_ARRAY:
				level--;
				break;
			case WJB_KEY:
				if (!key_is_valid(value.val.string.val, value.val.string.len))
					return false;
				text_length += scalar_text_length(&value);
				break;
			case WJB_VALUE:
			case WJB_ELEM:
				if (value.type == jbvString && value.val.string.len > TAGS_MAX_STRING)
					return false;
				text_length += scalar_text_length(&value);
				break;
			default:
				elog(ERROR, "unexpected jsonb iterator token: %d", (int) token);
		}

		if (text_length > TAGS_MAX_TEXT)
			return false;
	}

	return true;
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
 * twinset.tags_valid(tags jsonb) returns boolean
 *
 * Immutable: it looks at its argument alone, and how jsonb prints depends on
 * no setting.
 */
Datum
twinset_tags_valid(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(tags_are_valid(PG_GETARG_JSONB_P(0)));
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

/*
 * A key of tags, at any level: what a path of a target condition can name.
 *
 * U+0080 to U+009F are the two bytes C2 80 to C2 9F, and C2 begins nothing
 * but a character of two bytes.
 */
static bool
key_is_valid(const char *key, int length)
{
	if (length < 1 || length > TAGS_MAX_KEY)
		return false;

	for (int i = 0; i < length; i++)
	{
		unsigned char c = key[i];

		if (c <= ' ' || c == '.' || c == '$' || c == 0x7F)
			return false;
		if (c == 0xC2 && i + 1 < length && (unsigned char) key[i + 1] <= 0x9F)
			return false;
	}

	return true;
}

/*
 * What an object or array adds to the text of its members: the brackets, a
 * ": " in each pair, and a ", " between two members.
 */
static int
container_text_length(int count, bool is_object)
{
	int			length = 2;

	if (is_object)
		length += 2 * count;
	if (count > 1)
		length += 2 * (count - 1);

	return length;
}

/*
 * The bytes that a scalar takes in the text of a jsonb.
 *
 * A number's text can be thousands of times as long as the number (1e4000 is
 * one digit and a weight), so nothing but its output function tells.
 */
static int
scalar_text_length(const JsonbValue *scalar)
{
	char	   *number;
	int			length;

	switch (scalar->type)
	{
		case jbvNull:
			return strlen("null");
		case jbvBool:
			return scalar->val.boolean ? strlen("true") : strlen("false");
		case jbvString:
			return string_text_length(scalar->val.string.val, scalar->val.string.len);
		case jbvNumeric:
			number = DatumGetCString(DirectFunctionCall1(numeric_out,
														 NumericGetDatum(scalar->val.numeric)));
			length = strlen(number);
			pfree(number);
			return length;
		default:
			elog(ERROR, "unexpected jsonb scalar type: %d", (int) scalar->type);
			return 0;			/* keep compiler quiet */
	}
}

/*
 * The bytes that a string takes in the text of a jsonb: its quotes, and \n
 * or \u001b for what can't stand in it as it is.
 */
static int
string_text_length(const char *string, int length)
{
	int			text_length = length + 2;

	for (int i = 0; i < length; i++)
	{
		switch (string[i])
		{
			case '\b':
			case '\f':
			case '\n':
			case '\r':
			case '\t':
			case '"':
			case '\\':
				text_length += 1;
				break;
			default:
				if ((unsigned char) string[i] < ' ')
					text_length += 5;
				break;
		}
	}

	return text_length;
}
