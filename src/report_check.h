/*-------------------------------------------------------------------------
 *
 * report_check.h
 *	  What a report may be.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_REPORT_CHECK_H
#define TWINSET_REPORT_CHECK_H

#include "compat.h"

#include "report.h"

/* bytes of a description, and of the modules as text, at most */
#define MAX_DESCRIPTION	4096
#define MAX_MODULES		32768

/* what is wrong with a report */
typedef struct ReportProblem
{
	int			sqlerrcode;		/* 0: nothing */
	const char *message;
	const char *detail;			/* or NULL */
	const char *hint;			/* or NULL */
} ReportProblem;

/*
 * report_check: what is wrong with the report itself: 22023 or 54000.  A time
 * in the future is put back to the transaction's.
 */
extern ReportProblem report_check(Report *report);

/* P0002: there is no such device */
extern ReportProblem report_without_device(const Report *report);

/*
 * report_from_json: a report as an object, with the arguments of
 * report_status() by their names: what is wrong with it, report_check()
 * included.  Of what is wrong, device_id is set if it can be.
 */
extern ReportProblem report_from_json(JsonbValue *object, Report *report);

extern void report_raise(const ReportProblem *problem) pg_attribute_noreturn();

#endif							/* TWINSET_REPORT_CHECK_H */
