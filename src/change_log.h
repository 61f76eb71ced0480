/*-------------------------------------------------------------------------
 *
 * change_log.h
 *	  Appending to the log what a device was before a change.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_CHANGE_LOG_H
#define TWINSET_CHANGE_LOG_H

#include "compat.h"

#include "utils/rel.h"

#include "tables.h"

typedef struct ChangeLog ChangeLog;

/*
 * change_log_begin: entries for the rows that one statement wrote, which has this
 * order among those of its transaction.  beside is
 * the table that they were written to; the log is opened with the first
 * entry, so that a statement that changes nothing costs nothing.
 */
extern ChangeLog *change_log_begin(Relation beside, int64 statement);

/* the device's twin before the change; tags only where it was live */
extern void change_log_twin(ChangeLog *log, Datum device_id, TwinKind kind, Datum tags);

/* the device's report before the change: the part that counts, if there was one */
extern void change_log_report(ChangeLog *log, Datum device_id, bool existed, Datum revision, Datum code);

extern void change_log_end(ChangeLog *log);

/* entries that this transaction has appended, those rolled back included */
extern uint64 change_log_appended(void);

extern void change_log_init(void);

#endif							/* TWINSET_CHANGE_LOG_H */
