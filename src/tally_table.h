/*-------------------------------------------------------------------------
 *
 * tally_table.h
 *	  The settled counts: the rows of the table tally.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_TALLY_TABLE_H
#define TWINSET_TALLY_TABLE_H

#include "compat.h"

#include "tally.h"

typedef struct TallyTable TallyTable;

/*
 * tally_table_begin: rows are read with the active snapshot and written under
 * the settlement lock, each deployment's once.  Cost: a look-up by key and a
 * row a deployment.
 */
extern TallyTable *tally_table_begin(void);

/* add to the deployment's counts */
extern void tally_table_move(TallyTable *table, const char *deployment_id, const Tally *by);

/* the deployment's counts are these */
extern void tally_table_set(TallyTable *table, const char *deployment_id, const Tally *counts);

/* the deployment has a new revision, which no device has reported: none is healthy or unhealthy */
extern void tally_table_forget_reports(TallyTable *table, const char *deployment_id);

/* the deployment is gone */
extern void tally_table_remove(TallyTable *table, const char *deployment_id);

/* returns how many rows were written */
extern uint64 tally_table_end(TallyTable *table);

#endif							/* TWINSET_TALLY_TABLE_H */
