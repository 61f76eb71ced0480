/*-------------------------------------------------------------------------
 *
 * report_check.c
 *	  What a report may be.
 *
 * A problem is found and not raised: of many reports that come at once a bad
 * one is told, and the others are taken.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "iso_time.h"
#include "report_check.h"
#include "settlement.h"

static ReportProblem
problem_of(int sqlerrcode, const char *message, const char *detail, const char *hint)
{
	ReportProblem problem = {sqlerrcode, message, detail, hint};

	return problem;
}

static ReportProblem
no_problem(void)
{
	return problem_of(0, NULL, NULL, NULL);
}

/* The digits of all numbers, counted until there are too many: 1e131071 takes ten bytes in its binary form. */
static int
count_digits(Jsonb *modules)
{
	JsonbIterator *iterator = JsonbIteratorInit(&modules->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	int			count = 0;

	while (count <= MAX_MODULES && (token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		char	   *digits;

		CHECK_FOR_INTERRUPTS();
		if ((token != WJB_VALUE && token != WJB_ELEM) || value.type != jbvNumeric)
			continue;
		digits = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)));
		count += strlen(digits);
		pfree(digits);
	}
	return count;
}

/* How long the modules are as text, where that is too long; else NULL. */
static const char *
too_long(Jsonb *modules)
{
	int			digits = count_digits(modules);
	char	   *text;
	int			length;

	if (digits > MAX_MODULES)
		return psprintf("more than %d", MAX_MODULES);
	/* but for numbers, what is so short in its binary form is not too long as text, however it is escaped */
	if (VARSIZE(modules) <= MAX_MODULES / 8 && digits <= MAX_MODULES / 8)
		return NULL;
	text = JsonbToCString(NULL, &modules->root, VARSIZE(modules));
	length = strlen(text);
	pfree(text);
	return length > MAX_MODULES ? psprintf("%d", length) : NULL;
}

ReportProblem
report_check(Report *report)
{
	int64		now = settlement_clock();
	const char *length = NULL;

	report->reported_at = Min(report->reported_at, GetCurrentTransactionStartTimestamp());
	if (report->modules != NULL && !JB_ROOT_IS_OBJECT(report->modules))
	{
		JsonbValue	value;

		JsonbToJsonbValue(report->modules, &value);
		return problem_of(ERRCODE_INVALID_PARAMETER_VALUE, "modules must be a JSON object",
						  psprintf("They are of type %s.", JsonbTypeName(&value)),
						  "Give module -> its state: {\"sensor\": {\"state\": \"running\"}}.");
	}
	if (report->modules != NULL)
		length = too_long(report->modules);
	if (length != NULL)
		return problem_of(ERRCODE_PROGRAM_LIMIT_EXCEEDED, "modules are too long",
						  psprintf("They have %s bytes as text, at most %d are allowed.", length, MAX_MODULES),
						  "Report what changes: each module's state, not its settings.");
	if (report->description != NULL && VARSIZE_ANY_EXHDR(report->description) > MAX_DESCRIPTION)
		return problem_of(ERRCODE_PROGRAM_LIMIT_EXCEEDED, "description is too long",
						  psprintf("It has %d bytes, at most %d are allowed.",
								   (int) VARSIZE_ANY_EXHDR(report->description), MAX_DESCRIPTION),
						  "Keep the end of a log where logs are kept.");
	if (report->revision > now && report->revision > settlement_read().newest_revision)
		return problem_of(ERRCODE_INVALID_PARAMETER_VALUE,
						  psprintf("revision " INT64_FORMAT " has not been given yet", report->revision),
						  psprintf("It is now " INT64_FORMAT " (microseconds since 1970).", now),
						  "Report the revision that device_manifest() gave.");
	return no_problem();
}

ReportProblem
report_without_device(const Report *report)
{
	return problem_of(ERRCODE_NO_DATA_FOUND,
					  psprintf("device \"%s\" does not exist", text_to_cstring(report->device_id)), NULL,
					  "INSERT INTO twinset.twin provisions it.");
}

/* A field's value; false: it is missing, or null. */
static bool
get_field(JsonbContainer *object, const char *name, JsonbValue *value)
{
	return getKeyJsonValueFromContainer(object, name, strlen(name), value) != NULL &&
		value->type != jbvNull;
}

static ReportProblem
wrong_type(const char *field, const char *must_be, JsonbValue *value)
{
	return problem_of(ERRCODE_INVALID_PARAMETER_VALUE,
					  psprintf("%s must be %s, not of type %s", field, must_be, JsonbTypeName(value)), NULL, NULL);
}

static ReportProblem
get_text(JsonbContainer *object, const char *field, text **result)
{
	JsonbValue	value;

	*result = NULL;
	if (!get_field(object, field, &value))
		return no_problem();
	if (value.type != jbvString)
		return wrong_type(field, "a string", &value);
	*result = cstring_to_text_with_len(value.val.string.val, value.val.string.len);
	return no_problem();
}

/* A field that must be there, and is an integer between these. */
static ReportProblem
get_integer(JsonbContainer *object, const char *field, int64 least, int64 largest, int64 *result)
{
	JsonbValue	value;
	char	   *digits;
	char	   *end;

	if (!get_field(object, field, &value))
		return problem_of(ERRCODE_NULL_VALUE_NOT_ALLOWED, psprintf("%s is missing", field), NULL, NULL);
	if (value.type != jbvNumeric)
		return wrong_type(field, "an integer", &value);
	digits = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)));
	errno = 0;
	*result = strtoll(digits, &end, 10);
	if (errno != 0 || *end != '\0' || *result < least || *result > largest)
		return problem_of(ERRCODE_INVALID_PARAMETER_VALUE,
						  psprintf("%s must be an integer from " INT64_FORMAT " to " INT64_FORMAT,
								   field, least, largest), NULL, NULL);
	pfree(digits);
	return no_problem();
}

static ReportProblem
get_time(JsonbContainer *object, TimestampTz *result)
{
	JsonbValue	value;

	*result = GetCurrentTransactionStartTimestamp();
	if (!get_field(object, "reported_at", &value))
		return no_problem();
	if (value.type != jbvString)
		return wrong_type("reported_at", "a string", &value);
	if (!iso_time(value.val.string.val, value.val.string.len, result))
		return problem_of(ERRCODE_INVALID_PARAMETER_VALUE,
						  "reported_at must be a time as in \"2026-03-01T12:00:00Z\"", NULL, NULL);
	return no_problem();
}

static Jsonb *
get_modules(JsonbContainer *object)
{
	JsonbValue	value;

	return get_field(object, "modules", &value) ? JsonbValueToJsonb(&value) : NULL;
}

ReportProblem
report_from_json(JsonbValue *object, Report *report)
{
	JsonbContainer *fields;
	ReportProblem problem;
	int64		code = 0;

	memset(report, 0, sizeof(*report));
	if (object->type != jbvBinary || !JsonContainerIsObject(object->val.binary.data))
		return wrong_type("a report", "an object", object);
	fields = object->val.binary.data;

	problem = get_text(fields, "device_id", &report->device_id);
	if (problem.sqlerrcode == 0 && report->device_id == NULL)
		problem = problem_of(ERRCODE_NULL_VALUE_NOT_ALLOWED, "device_id is missing", NULL, NULL);
	if (problem.sqlerrcode == 0)
		problem = get_integer(fields, "revision", PG_INT64_MIN, PG_INT64_MAX, &report->revision);
	if (problem.sqlerrcode == 0)
		problem = get_integer(fields, "code", PG_INT32_MIN, PG_INT32_MAX, &code);
	report->code = (int32) code;
	if (problem.sqlerrcode == 0)
		problem = get_text(fields, "description", &report->description);
	report->modules = get_modules(fields);
	if (problem.sqlerrcode == 0)
		problem = get_time(fields, &report->reported_at);
	return problem.sqlerrcode == 0 ? report_check(report) : problem;
}

void
report_raise(const ReportProblem *problem)
{
	ereport(ERROR,
			(errcode(problem->sqlerrcode),
			 errmsg("%s", problem->message),
			 problem->detail != NULL ? errdetail("%s", problem->detail) : 0,
			 problem->hint != NULL ? errhint("%s", problem->hint) : 0));
}
