/*-------------------------------------------------------------------------
 *
 * module_state.c
 *	  What a report says of one module.
 *
 * A report's modules are an object, module -> its state.  What a device says
 * there is its own; this reads what is known of it, and never raises:
 *
 *	"running"	the state alone
 *	{"state": "failed", "exit_code": 1, "restarts": 3,
 *	 "since": "2026-03-01T12:00:00Z"}
 *	{"runtimeStatus": "failed", "exitCode": 1, "restartCount": 3,
 *	 "lastStartTimeUtc": "2026-03-01T12:00:00.1234567Z"}	as the agent itself reports
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "iso_time.h"

PG_FUNCTION_INFO_V1(twinset_module_state);

/* The columns of module_state(). */
typedef enum StateColumn
{
	STATE_STATE,
	STATE_EXIT_CODE,
	STATE_RESTARTS,
	STATE_SINCE,
} StateColumn;

#define STATE_COLUMNS	(STATE_SINCE + 1)

/* A field by either of its names; false: it is neither of this type. */
static bool
get_field(JsonbContainer *object, const char *name, const char *other, enum jbvType type, JsonbValue *value)
{
	return (getKeyJsonValueFromContainer(object, name, strlen(name), value) != NULL ||
			getKeyJsonValueFromContainer(object, other, strlen(other), value) != NULL) &&
		value->type == type;
}

/* in lower case: one word, whoever writes it */
static Datum
lower_text(const JsonbValue *string)
{
	return CStringGetTextDatum(asc_tolower(string->val.string.val, string->val.string.len));
}

/* An integer that fits; false: it is none. */
static bool
get_integer(const JsonbValue *number, Datum *result)
{
	char	   *digits = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(number->val.numeric)));
	char	   *end;
	int64		value;

	errno = 0;
	value = strtoll(digits, &end, 10);
	*result = Int64GetDatum(value);
	return errno == 0 && *end == '\0';
}

static void
read_object(JsonbContainer *object, Datum *values, bool *nulls)
{
	JsonbValue	value;
	TimestampTz since;

	if (get_field(object, "state", "runtimeStatus", jbvString, &value))
	{
		values[STATE_STATE] = lower_text(&value);
		nulls[STATE_STATE] = false;
	}
	if (get_field(object, "exit_code", "exitCode", jbvNumeric, &value))
		nulls[STATE_EXIT_CODE] = !get_integer(&value, &values[STATE_EXIT_CODE]);
	if (get_field(object, "restarts", "restartCount", jbvNumeric, &value))
		nulls[STATE_RESTARTS] = !get_integer(&value, &values[STATE_RESTARTS]);
	if (get_field(object, "since", "lastStartTimeUtc", jbvString, &value) &&
		iso_time(value.val.string.val, value.val.string.len, &since))
	{
		values[STATE_SINCE] = TimestampTzGetDatum(since);
		nulls[STATE_SINCE] = false;
	}
}

/*
 * module_state(reported jsonb) -> (state text, exit_code bigint,
 *	restarts bigint, since timestamptz)
 *
 * Null where the report does not say it.  Immutable: a time must have its zone.
 */
Datum
twinset_module_state(PG_FUNCTION_ARGS)
{
	Jsonb	   *reported = PG_GETARG_JSONB_P(0);
	TupleDesc	desc;
	JsonbValue	value;
	Datum		values[STATE_COLUMNS] = {0};
	bool		nulls[STATE_COLUMNS] = {true, true, true, true};

	if (JB_ROOT_IS_OBJECT(reported))
		read_object(&reported->root, values, nulls);
	else if (JB_ROOT_IS_SCALAR(reported) && JsonbExtractScalar(&reported->root, &value) &&
			 value.type == jbvString)
	{
		values[STATE_STATE] = lower_text(&value);
		nulls[STATE_STATE] = false;
	}
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}
