/*-------------------------------------------------------------------------
 *
 * manifest_redact.c
 *	  A manifest without its secrets.
 *
 * Secret is every value below registryCredentials, env and createOptions (and
 * its further pieces, createOptions01 and so on).  Of the first two the names
 * are told, of the third nothing:
 *
 *	"env": {"PASSWORD": {"value": "x"}}		"env": {"PASSWORD": "***"}
 *	"createOptions": "{\"Env\": []}"		"createOptions": "***"
 *
 * The keys are looked for wherever they stand, so that what the rules ignore
 * is hidden too.
 *
 *-------------------------------------------------------------------------
 */
#include "manifest.h"

#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(manifest_redacted);

#define HIDDEN	"***"

/* how much of a key's value is hidden */
typedef enum Secrecy
{
	SECRECY_NONE,
	SECRECY_VALUES,				/* an object's values, not their keys */
	SECRECY_ALL,
} Secrecy;

static bool
key_is(const JsonbValue *key, const char *name)
{
	return key->val.string.len == (int) strlen(name) &&
		memcmp(key->val.string.val, name, key->val.string.len) == 0;
}

static Secrecy
secrecy_of(const JsonbValue *key)
{
	static const char options[] = "createOptions";
	int			length = strlen(options);

	if (key->val.string.len >= length && memcmp(key->val.string.val, options, length) == 0)
		return SECRECY_ALL;
	return key_is(key, "env") || key_is(key, "registryCredentials") ? SECRECY_VALUES : SECRECY_NONE;
}

static JsonbValue
hidden_value(void)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = HIDDEN;
	value.val.string.len = strlen(HIDDEN);
	return value;
}

/* Push an object's keys, with hidden values. */
static void
push_names(JsonbParseState **state, JsonbContainer *object)
{
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbValue	hidden = hidden_value();
	JsonbValue	value;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		CHECK_FOR_INTERRUPTS();
		if (token == WJB_VALUE)
			(void) pushJsonbValue(state, token, &hidden);
		else
			(void) pushJsonbValue(state, token, token == WJB_KEY ? &value : NULL);
	}
}

/*
 * redacted(manifest) -> jsonb: the whole text, its secrets hidden.
 *
 * Immutable.  Cost: the text is parsed as jsonb and copied.
 */
Datum
manifest_redacted(PG_FUNCTION_ARGS)
{
	char	   *text = text_to_cstring(PG_GETARG_MANIFEST_PP(0));
	Jsonb	   *whole = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
	JsonbIterator *iterator = JsonbIteratorInit(&whole->root);
	JsonbParseState *state = NULL;
	JsonbValue *result = NULL;
	JsonbValue	hidden = hidden_value();
	JsonbValue	value;
	Secrecy		secrecy = SECRECY_NONE;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&iterator, &value, secrecy != SECRECY_NONE)) != WJB_DONE)
	{
		CHECK_FOR_INTERRUPTS();
		if (secrecy == SECRECY_VALUES && value.type == jbvBinary && JsonContainerIsObject(value.val.binary.data))
			push_names(&state, value.val.binary.data);
		else if (secrecy != SECRECY_NONE)
			(void) pushJsonbValue(&state, token, &hidden);
		else
			result = pushJsonbValue(&state, token, token < WJB_BEGIN_ARRAY ? &value : NULL);
		secrecy = token == WJB_KEY ? secrecy_of(&value) : SECRECY_NONE;
	}
	PG_RETURN_JSONB_P(JsonbValueToJsonb(result));
}
