/*-------------------------------------------------------------------------
 *
 * report_status.c
 *	  Taking in reports: one, or many at once.
 *
 * Both do the same: check the report, look the device up, store the report
 * (report.c), and say what the device's status is now.  Of many reports each
 * device's latest one is stored, in the order of the devices, so that two who
 * report the same devices do not deadlock.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "device_winner.h"
#include "report_check.h"
#include "tally.h"

PG_FUNCTION_INFO_V1(twinset_report_status);
PG_FUNCTION_INFO_V1(twinset_report_statuses);

/* reports at once, at most */
#define MAX_REPORTS	10000

/* a report of many */
typedef struct Entry
{
	int			number;			/* its place among them, from 1 */
	Report		report;
	ReportProblem problem;
	const char *status;			/* of its device, after all of them; NULL: none */
} Entry;

/* What is read from here on sees all that was done, and what others have committed. */
static void
begin_command(void)
{
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
end_command(void)
{
	PopActiveSnapshot();
	CommandCounterIncrement();
}

/* As health() in sql/winners.sql; NULL: no deployment applies. */
static const char *
status_of(const DeviceWinner *winner, const Report *latest)
{
	if (!winner->found)
		return NULL;
	if (latest->revision != winner->revision)
		return "unknown";
	return latest->code == REPORT_CODE_HEALTHY ? "healthy" : "unhealthy";
}

/* The status of a device whose report a statement has stored; false: there is no device. */
static bool
read_status(Report *report, const char **status)
{
	DeviceWinners *winners;
	DeviceWinner winner;
	bool		stored;

	begin_command();
	stored = report_read(report);
	winners = device_winners_begin();
	winner = device_winner(winners, PointerGetDatum(report->device_id), false, NULL);
	device_winners_end(winners);
	end_command();
	*status = status_of(&winner, report);
	return stored && winner.exists;
}

/* Store one report; false: there is no such device. */
static bool
take_report(Report *report, const char **status)
{
	DeviceWinners *winners;
	DeviceWinner winner;
	ReportWriter *writer;
	ReportStored stored = REPORT_NOT_STORED;

	begin_command();
	winners = device_winners_begin();
	winner = device_winner(winners, PointerGetDatum(report->device_id), false, NULL);
	device_winners_end(winners);
	if (winner.exists)
	{
		writer = report_writer_begin();
		stored = report_store(writer, report);
		report_writer_end(writer);
	}
	end_command();
	if (!winner.exists)
		return false;
	if (stored == REPORT_NOT_STORED)
	{
		report_insert(&report, 1);
		return read_status(report, status);
	}
	*status = status_of(&winner, report);
	return true;
}

/*
 * report_status(device_id text, revision bigint, code integer,
 *	description text, modules jsonb, reported_at timestamptz) -> text
 *
 * Takes in a report, unless a later one is stored.  Returns the device's
 * status now, null where no deployment applies.  Raises 22004, 22023, 54000 and
 * P0002.  Cost: as device_manifest(), one row of report written, and one of
 * the log where the revision or the code is another than before.
 */
Datum
twinset_report_status(PG_FUNCTION_ARGS)
{
	Report		report = {0};
	ReportProblem problem;
	const char *status;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("null value not allowed"),
				 errdetail("report_status() needs a device_id, a revision and a code.")));
	PreventCommandIfReadOnly("report_status()");
	report.device_id = PG_GETARG_TEXT_PP(0);
	report.revision = PG_GETARG_INT64(1);
	report.code = PG_GETARG_INT32(2);
	report.description = PG_ARGISNULL(3) ? NULL : PG_GETARG_TEXT_PP(3);
	report.modules = PG_ARGISNULL(4) ? NULL : PG_GETARG_JSONB_P(4);
	report.reported_at = PG_ARGISNULL(5) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(5);

	problem = report_check(&report);
	if (problem.sqlerrcode == 0 && !take_report(&report, &status))
		problem = report_without_device(&report);
	if (problem.sqlerrcode != 0)
		report_raise(&problem);
	if (status == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(status));
}

/* By device, then the latest last. */
static int
compare_entries(const void *a, const void *b)
{
	const Entry *left = *(Entry *const *) a;
	const Entry *right = *(Entry *const *) b;
	text	   *left_id = left->report.device_id;
	text	   *right_id = right->report.device_id;
	int			order = memcmp(VARDATA_ANY(left_id), VARDATA_ANY(right_id),
							   Min(VARSIZE_ANY_EXHDR(left_id), VARSIZE_ANY_EXHDR(right_id)));

	if (order == 0)
		order = (int) VARSIZE_ANY_EXHDR(left_id) - (int) VARSIZE_ANY_EXHDR(right_id);
	if (order != 0)
		return order;
	if (left->report.reported_at != right->report.reported_at)
		return left->report.reported_at < right->report.reported_at ? -1 : 1;
	return left->number - right->number;
}

static bool
same_device(const Entry *one, const Entry *other)
{
	text	   *a = one->report.device_id;
	text	   *b = other->report.device_id;

	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

/* The entries of the array, each checked. */
static Entry *
read_entries(Jsonb *reports, int *count)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	Entry	   *entries;

	if (!JB_ROOT_IS_ARRAY(reports) || JB_ROOT_IS_SCALAR(reports))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("reports must be a JSON array"),
				 errhint("Give objects with report_status()'s arguments by name:"
						 " [{\"device_id\": \"press-1\", \"revision\": 1, \"code\": 200}].")));
	*count = JB_ROOT_COUNT(reports);
	if (*count > MAX_REPORTS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many reports"),
				 errdetail("There are %d, at most %d are taken at once.", *count, MAX_REPORTS)));
	entries = palloc0(sizeof(Entry) * Max(*count, 1));
	*count = 0;
	iterator = JsonbIteratorInit(&reports->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		Entry	   *entry = &entries[*count];

		CHECK_FOR_INTERRUPTS();
		if (token != WJB_ELEM)
			continue;
		entry->number = ++*count;
		entry->problem = report_from_json(&value, &entry->report);
	}
	return entries;
}

/*
 * Store each device's latest report.  The entries are sorted; those that are
 * left for a statement are given back: from the first that needs one on, all,
 * so that rows are locked in the order of the devices, and of two who report
 * the same ones none waits for the other in a circle.
 */
static int
store_latest(Entry **sorted, int count, Entry **left)
{
	DeviceWinners *winners = device_winners_begin();
	ReportWriter *writer = report_writer_begin();
	int			left_count = 0;

	for (int i = 0; i < count; i++)
	{
		Entry	   *entry = sorted[i];
		DeviceWinner winner;

		CHECK_FOR_INTERRUPTS();
		if (i + 1 < count && same_device(entry, sorted[i + 1]))
			continue;
		winner = device_winner(winners, PointerGetDatum(entry->report.device_id), false, NULL);
		if (!winner.exists)
			entry->problem = report_without_device(&entry->report);
		else if (left_count > 0 || report_store(writer, &entry->report) == REPORT_NOT_STORED)
			left[left_count++] = entry;
		else
			entry->status = status_of(&winner, &entry->report);
	}
	report_writer_end(writer);
	device_winners_end(winners);
	return left_count;
}

/* Store by a statement what is left. */
static void
store_left(Entry **left, int count)
{
	Report	  **reports = palloc(sizeof(Report *) * count);

	for (int i = 0; i < count; i++)
		reports[i] = &left[i]->report;
	report_insert(reports, count);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!read_status(&left[i]->report, &left[i]->status))
			left[i]->problem = report_without_device(&left[i]->report);
	}
}

static void
take_entries(Entry *entries, int count)
{
	Entry	  **sorted = palloc(sizeof(Entry *) * Max(count, 1));
	Entry	  **left = palloc(sizeof(Entry *) * Max(count, 1));
	int			good = 0;
	int			left_count;

	for (int i = 0; i < count; i++)
	{
		if (entries[i].problem.sqlerrcode == 0)
			sorted[good++] = &entries[i];
	}
	qsort(sorted, good, sizeof(Entry *), compare_entries);
	begin_command();
	left_count = store_latest(sorted, good, left);
	end_command();
	if (left_count > 0)
		store_left(left, left_count);
	/* what came out for a device's latest holds for its others */
	for (int i = good - 2; i >= 0; i--)
	{
		if (same_device(sorted[i], sorted[i + 1]))
		{
			sorted[i]->problem = sorted[i + 1]->problem;
			sorted[i]->status = sorted[i + 1]->status;
		}
	}
}

/*
 * report_statuses(reports jsonb) -> setof (entry integer, device_id text,
 *	status text, sqlstate text, message text)
 *
 * Takes in up to 10,000 reports, an array of objects.  A row for each, in
 * their order: the device's status after all of them, or what is wrong with
 * this one.  Raises 22004, 22023 and 54000 where the array itself is wrong.
 * Cost: as report_status() for each device, without what a call takes.
 */
Datum
twinset_report_statuses(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Entry	   *entries;
	int			count;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("null value not allowed"),
				 errdetail("report_statuses() needs an array of reports.")));
	PreventCommandIfReadOnly("report_statuses()");
	InitMaterializedSRF(fcinfo, 0);
	entries = read_entries(PG_GETARG_JSONB_P(0), &count);
	take_entries(entries, count);
	for (int i = 0; i < count; i++)
	{
		Entry	   *entry = &entries[i];
		bool		bad = entry->problem.sqlerrcode != 0;
		Datum		values[5] = {Int32GetDatum(entry->number), PointerGetDatum(entry->report.device_id)};
		bool		nulls[5] = {false, entry->report.device_id == NULL, true, !bad, !bad};

		CHECK_FOR_INTERRUPTS();
		if (bad)
		{
			values[3] = CStringGetTextDatum(unpack_sql_state(entry->problem.sqlerrcode));
			values[4] = CStringGetTextDatum(entry->problem.message);
		}
		else if (entry->status != NULL)
		{
			values[2] = CStringGetTextDatum(entry->status);
			nulls[2] = false;
		}
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
