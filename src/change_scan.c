/*-------------------------------------------------------------------------
 *
 * change_scan.c
 *	  Reading the log, and deleting from it.
 *
 * The log has no index: who reads it reads all of it.  Only the holder of the
 * settlement lock deletes, and the entries that it deletes are those of
 * committed transactions and of its own, so nobody else touches them.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"

#include "change_scan.h"
#include "settlement.h"

struct ChangeScan
{
	Relation	log;
	TableScanDesc scan;
	TupleTableSlot *slot;
};

ChangeScan *
change_scan_begin(Snapshot snapshot, LOCKMODE lock)
{
	ChangeScan *scan = palloc(sizeof(ChangeScan));

	scan->log = table_open(settlement_table("change"), lock);
	scan->scan = table_beginscan_strat(scan->log, snapshot, 0, NULL, true, false);
	scan->slot = table_slot_create(scan->log, NULL);
	return scan;
}

TupleTableSlot *
change_scan_next(ChangeScan *scan)
{
	CHECK_FOR_INTERRUPTS();
	return table_scan_getnextslot(scan->scan, ForwardScanDirection, scan->slot) ? scan->slot : NULL;
}

void
change_scan_delete(ChangeScan *scan)
{
	simple_heap_delete(scan->log, &scan->slot->tts_tid);
}

void
change_scan_end(ChangeScan *scan)
{
	ExecDropSingleTupleTableSlot(scan->slot);
	table_endscan(scan->scan);
	table_close(scan->log, NoLock);
	pfree(scan);
}

uint64
change_scan_count(uint64 limit)
{
	ChangeScan *scan = change_scan_begin(GetActiveSnapshot(), AccessShareLock);
	uint64		count = 0;

	while (count < limit && change_scan_next(scan) != NULL)
		count++;
	change_scan_end(scan);
	return count;
}
