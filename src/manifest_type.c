/*-------------------------------------------------------------------------
 *
 * manifest_type.c
 *	  The SQL type manifest: input and output, comparison, and what a device
 *	  is given.
 *
 * Input checks the text, and keeps it as it is:
 *
 *	'{"modulesContent": {}}'::twinset.manifest
 *	ERROR:  invalid manifest at $.modulesContent."$edgeAgent": is missing
 *	DETAIL:  There is 1 further problem.
 *	HINT:  twinset.check_manifest(text) lists them all.
 *
 * A manifest holds secrets, so nothing of it gets out by the way: the error
 * has no context but the line of a COPY, and ANALYZE takes no samples.
 *
 *-------------------------------------------------------------------------
 */
#include "manifest.h"

#include "commands/copyfrom_internal.h"
#include "common/hashfn.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "manifest_check.h"

PG_FUNCTION_INFO_V1(manifest_in);
PG_FUNCTION_INFO_V1(manifest_out);
PG_FUNCTION_INFO_V1(manifest_recv);
PG_FUNCTION_INFO_V1(manifest_send);
PG_FUNCTION_INFO_V1(manifest_analyze);
PG_FUNCTION_INFO_V1(manifest_to_json);
PG_FUNCTION_INFO_V1(manifest_delivered);
PG_FUNCTION_INFO_V1(manifest_eq);
PG_FUNCTION_INFO_V1(manifest_ne);
PG_FUNCTION_INFO_V1(manifest_lt);
PG_FUNCTION_INFO_V1(manifest_le);
PG_FUNCTION_INFO_V1(manifest_gt);
PG_FUNCTION_INFO_V1(manifest_ge);
PG_FUNCTION_INFO_V1(manifest_cmp);
PG_FUNCTION_INFO_V1(manifest_hash);
PG_FUNCTION_INFO_V1(manifest_hash_extended);

static Manifest *manifest_from_text(const char *text, size_t length);
static void raise_problem(const ManifestCheck *check) pg_attribute_noreturn();
static CopyFromState running_copy(void);
static const JsonbValue *present_value(JsonbContainer *container, const char *key,
									   JsonbValue *value);
static int	compare_deliveries(Datum left, Datum right);

/*
 * manifest_in(cstring) -> manifest
 *
 * Raises 54000 for a text that is too long or nests too deeply, 22P02 for any
 * other that is not JSON, 22023 where a rule for manifests is broken.
 * Immutable: the rules are compiled in.
 */
Datum
manifest_in(PG_FUNCTION_ARGS)
{
	char	   *text = PG_GETARG_CSTRING(0);

	PG_RETURN_POINTER(manifest_from_text(text, strlen(text)));
}

/*
 * manifest_out(manifest) -> cstring: the text as it was written.
 */
Datum
manifest_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(text_to_cstring(PG_GETARG_MANIFEST_PP(0)));
}

/*
 * manifest_recv(internal) -> manifest: a version byte, then the text.
 *
 * Errors are those of input.  A client that speaks UTF-8, too, gets this
 * type's own error for what is not, since the server's would quote it.
 */
Datum
manifest_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buffer = (StringInfo) PG_GETARG_POINTER(0);
	int			version = pq_getmsgbyte(buffer);
	const char *text;
	int			length = buffer->len - buffer->cursor;

	if (version != MANIFEST_BINARY_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("unsupported manifest version number %d", version)));

	if (pg_get_client_encoding() == PG_UTF8)
		text = pq_getmsgbytes(buffer, length);
	else
		text = pq_getmsgtext(buffer, length, &length);
	PG_RETURN_POINTER(manifest_from_text(text, length));
}

/*
 * manifest_send(manifest) -> bytea
 */
Datum
manifest_send(PG_FUNCTION_ARGS)
{
	Manifest   *manifest = PG_GETARG_MANIFEST_PP(0);
	StringInfoData buffer;

	pq_begintypsend(&buffer);
	pq_sendbyte(&buffer, MANIFEST_BINARY_VERSION);
	pq_sendtext(&buffer, VARDATA_ANY(manifest), VARSIZE_ANY_EXHDR(manifest));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}

/*
 * manifest_analyze(internal) -> boolean: no statistics, they would be samples
 * of secrets.
 */
Datum
manifest_analyze(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(false);
}

/*
 * manifest_to_json(manifest) -> json: the same text.  row_to_json and its kin
 * look for a function that makes json, and free what it returns: so it is a
 * copy.
 */
Datum
manifest_to_json(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(PG_GETARG_TEXT_P_COPY(0));
}

/*
 * delivered(manifest) -> jsonb: what a device is given.  Immutable; cost as
 * manifest_delivery().
 */
Datum
manifest_delivered(PG_FUNCTION_ARGS)
{
	PG_RETURN_JSONB_P(manifest_delivery(PG_GETARG_MANIFEST_PP(0)));
}

Jsonb *
manifest_delivery(const Manifest *manifest)
{
	char	   *text = text_to_cstring(manifest);
	Jsonb	   *whole = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
	JsonbContainer *holder = &whole->root;
	JsonbValue	buffer;
	JsonbValue	key;
	const JsonbValue *value;
	JsonbParseState *state = NULL;
	JsonbValue *result;

	value = present_value(holder, "content", &buffer);
	if (value != NULL && value->type == jbvBinary)
		holder = value->val.binary.data;
	value = present_value(holder, "modulesContent", &buffer);
	if (value == NULL)
		value = present_value(holder, "moduleContent", &buffer);
	if (value == NULL)
		elog(ERROR, "stored manifest has no modules");

	key.type = jbvString;
	key.val.string.val = "modulesContent";
	key.val.string.len = strlen("modulesContent");
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	pushJsonbValue(&state, WJB_KEY, &key);
	pushJsonbValue(&state, WJB_VALUE, (JsonbValue *) value);
	result = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(result);
}

bool
manifest_same_delivery(Datum left, Datum right)
{
	return compare_deliveries(left, right) == 0;
}

/*
 * The operators: of what a device is given, as jsonb compares.  Immutable;
 * cost: both texts are parsed, unless they are the same.
 */
Datum
manifest_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_deliveries(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) == 0);
}

Datum
manifest_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_deliveries(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) != 0);
}

Datum
manifest_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_deliveries(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) < 0);
}

Datum
manifest_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_deliveries(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) <= 0);
}

Datum
manifest_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_deliveries(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) > 0);
}

Datum
manifest_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_deliveries(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) >= 0);
}

Datum
manifest_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_deliveries(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)));
}

Datum
manifest_hash(PG_FUNCTION_ARGS)
{
	Jsonb	   *delivery = manifest_delivery(PG_GETARG_MANIFEST_PP(0));

	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_hash, JsonbPGetDatum(delivery)));
}

Datum
manifest_hash_extended(PG_FUNCTION_ARGS)
{
	Jsonb	   *delivery = manifest_delivery(PG_GETARG_MANIFEST_PP(0));

	PG_RETURN_DATUM(DirectFunctionCall2(jsonb_hash_extended, JsonbPGetDatum(delivery),
										PG_GETARG_DATUM(1)));
}

/*
 * The one way in: checks a text, and raises the first problem.
 */
static Manifest *
manifest_from_text(const char *text, size_t length)
{
	ManifestCheck check;

	manifest_check_text(&check, text, length);
	if (check.count > 0)
		raise_problem(&check);
	return cstring_to_text_with_len(text, length);
}

/*
 * Raises the first problem.  The callbacks of an error's context are left
 * out: they quote the line of a COPY, the statement and its parameters.
 */
static void
raise_problem(const ManifestCheck *check)
{
	const ManifestProblem *first = &check->problems[0];
	int			others = check->count - 1;
	CopyFromState copy = running_copy();

	error_context_stack = NULL;
	ereport(ERROR,
			(errcode(manifest_rules[first->rule].sqlerrcode),
			 errmsg("invalid manifest at %s: %s",
					manifest_place_path(first->place), first->message),
			 others > 0 ? errdetail_plural("There is %d further problem.",
										   "There are %d further problems.",
										   others, others) : 0,
			 errhint("twinset.check_manifest(text) lists every problem of a manifest."),
			 copy != NULL ? errcontext("COPY %s, line %llu", copy->cur_relname,
									   (unsigned long long) copy->cur_lineno) : 0));
}

/* The COPY that this is called by, if any. */
static CopyFromState
running_copy(void)
{
	for (ErrorContextCallback *callback = error_context_stack;
		 callback != NULL; callback = callback->previous)
	{
		if (callback->callback == CopyFromErrorCallback)
			return callback->arg;
	}
	return NULL;
}

/* The value of a key; NULL where it is missing or null. */
static const JsonbValue *
present_value(JsonbContainer *container, const char *key, JsonbValue *value)
{
	if (!JsonContainerIsObject(container) ||
		getKeyJsonValueFromContainer(container, key, strlen(key), value) == NULL ||
		value->type == jbvNull)
		return NULL;
	return value;
}

/*
 * What it takes is given back before it returns: a sort calls it often in one
 * context.
 */
static int
compare_deliveries(Datum left, Datum right)
{
	MemoryContext comparison = AllocSetContextCreate(CurrentMemoryContext,
													 "manifest comparison",
													 ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(comparison);
	Manifest   *a = DatumGetManifestPP(left);
	Manifest   *b = DatumGetManifestPP(right);
	int			result = 0;

	if (VARSIZE_ANY_EXHDR(a) != VARSIZE_ANY_EXHDR(b) ||
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) != 0)
		result = compareJsonbContainers(&manifest_delivery(a)->root,
										&manifest_delivery(b)->root);

	MemoryContextSwitchTo(caller);
	MemoryContextDelete(comparison);
	return result;
}
