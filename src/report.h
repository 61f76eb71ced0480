/*-------------------------------------------------------------------------
 *
 * report.h
 *	  Storing devices' reports.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_REPORT_H
#define TWINSET_REPORT_H

#include "compat.h"

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

typedef struct Report
{
	text	   *device_id;
	int64		revision;		/* that it is for */
	int32		code;			/* 200: all is well */
	text	   *description;	/* or NULL */
	Jsonb	   *modules;		/* or NULL: module -> its state */
	TimestampTz reported_at;
} Report;

typedef struct ReportWriter ReportWriter;

typedef enum ReportStored
{
	REPORT_STORED,				/* it is the device's latest */
	REPORT_IS_OLD,				/* a later one is stored: it is as if it had not come */
	REPORT_NOT_STORED,			/* it can't be stored this way */
} ReportStored;

/*
 * report_writer_begin: store reports of devices that have reported before, as
 * the active snapshot sees it, without a statement; what the table's triggers
 * do is done here.
 */
extern ReportWriter *report_writer_begin(void);

/*
 * report_store: store a report; no device twice.  Where a later one is stored,
 * report becomes that one, as far as it counts: its revision and code.  What
 * can't be stored this way is left to report_insert().  Cost: a look-up by
 * key, and a row written.
 */
extern ReportStored report_store(ReportWriter *writer, Report *report);

/* the log is written: one entry for each report that counts otherwise than the one before it */
extern void report_writer_end(ReportWriter *writer);

/*
 * report_insert: store reports by a statement, whatever is, or comes to be,
 * stored; no device twice.  The device's row is locked (FOR KEY SHARE), so that
 * it can't vanish; where it has vanished, nothing is stored.  The next command
 * sees it.
 */
extern void report_insert(Report *const *reports, int count);

/*
 * report_read: the report that the active snapshot sees of a device becomes
 * report, as far as it counts; false: there is none.
 */
extern bool report_read(Report *report);

#endif							/* TWINSET_REPORT_H */
