/*-------------------------------------------------------------------------
 *
 * change_scan.c
 *	  Reading the log, and deleting from it.
 *
 * The log has no index: who reads it reads all of it.  Behind an old snapshot,
 * which keeps VACUUM from removing anything, it can have a million entries
 * that were settled long ago.  So its pages are not read as any table's are:
 * an entry whose deletion was committed before anything that the snapshot
 * could miss is passed over by a look at its header.  All others are judged as
 * the server judges them.
 *
 * Only the holder of the settlement lock deletes, and the entries that it
 * deletes are those of committed transactions and of its own, so nobody else
 * touches them.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/predicate.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "change_scan.h"
#include "settlement.h"

struct ChangeScan
{
	Relation	log;
	Snapshot	snapshot;
	BufferAccessStrategy strategy;	/* a large log shall not push all else out of memory */
	TupleTableSlot *slot;
	BlockNumber block;			/* the next to read */
	BlockNumber blocks;			/* how many there were at the start */
	Buffer		buffer;			/* the page at hand, pinned; or invalid */
	HeapTupleData tuple;		/* the entry at hand */
	int			count;			/* of the page's visible entries */
	int			next;			/* of them */
	OffsetNumber visible[MaxHeapTuplesPerPage];
};

ChangeScan *
change_scan_begin(Snapshot snapshot, LOCKMODE lock)
{
	ChangeScan *scan = palloc0(sizeof(ChangeScan));

	scan->log = table_open(settlement_table("change"), lock);
	scan->snapshot = snapshot;
	scan->blocks = RelationGetNumberOfBlocks(scan->log);
	if (scan->blocks > (BlockNumber) NBuffers / 4)
		scan->strategy = GetAccessStrategy(BAS_BULKREAD);
	scan->slot = table_slot_create(scan->log, NULL);
	scan->buffer = InvalidBuffer;
	PredicateLockRelation(scan->log, snapshot);
	return scan;
}

/* Was its deletion committed before everything that the snapshot could miss? */
static bool
is_long_deleted(HeapTupleHeader entry, Snapshot snapshot)
{
	return (entry->t_infomask & (HEAP_XMAX_COMMITTED | HEAP_XMAX_IS_MULTI | HEAP_XMAX_LOCK_ONLY)) == HEAP_XMAX_COMMITTED &&
		TransactionIdPrecedes(HeapTupleHeaderGetRawXmax(entry), snapshot->xmin);
}

static void
read_page(ChangeScan *scan)
{
	Page		page;
	OffsetNumber last;

	if (BufferIsValid(scan->buffer))
		ReleaseBuffer(scan->buffer);
	CHECK_FOR_INTERRUPTS();
	scan->buffer = ReadBufferExtended(scan->log, MAIN_FORKNUM, scan->block++, RBM_NORMAL, scan->strategy);
	scan->count = scan->next = 0;
	heap_page_prune_opt(scan->log, scan->buffer);
	LockBuffer(scan->buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(scan->buffer);
	last = PageGetMaxOffsetNumber(page);
	scan->tuple.t_tableOid = RelationGetRelid(scan->log);
	for (OffsetNumber offset = FirstOffsetNumber; offset <= last; offset++)
	{
		ItemId		item = PageGetItemId(page, offset);
		bool		visible;

		if (!ItemIdIsNormal(item))
			continue;
		scan->tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
		if (is_long_deleted(scan->tuple.t_data, scan->snapshot))
			continue;
		scan->tuple.t_len = ItemIdGetLength(item);
		ItemPointerSet(&scan->tuple.t_self, BufferGetBlockNumber(scan->buffer), offset);
		visible = HeapTupleSatisfiesVisibility(&scan->tuple, scan->snapshot, scan->buffer);
		HeapCheckForSerializableConflictOut(visible, scan->log, &scan->tuple, scan->buffer, scan->snapshot);
		if (visible)
			scan->visible[scan->count++] = offset;
	}
	LockBuffer(scan->buffer, BUFFER_LOCK_UNLOCK);
}

TupleTableSlot *
change_scan_next(ChangeScan *scan)
{
	Page		page;
	OffsetNumber offset;

	while (scan->next == scan->count)
	{
		if (scan->block == scan->blocks)
			return NULL;
		read_page(scan);
	}
	offset = scan->visible[scan->next++];
	page = BufferGetPage(scan->buffer);
	scan->tuple.t_data = (HeapTupleHeader) PageGetItem(page, PageGetItemId(page, offset));
	scan->tuple.t_len = ItemIdGetLength(PageGetItemId(page, offset));
	ItemPointerSet(&scan->tuple.t_self, BufferGetBlockNumber(scan->buffer), offset);
	return ExecStoreBufferHeapTuple(&scan->tuple, scan->slot, scan->buffer);
}

void
change_scan_delete(ChangeScan *scan)
{
	simple_heap_delete(scan->log, &scan->tuple.t_self);
}

void
change_scan_end(ChangeScan *scan)
{
	ExecDropSingleTupleTableSlot(scan->slot);
	if (BufferIsValid(scan->buffer))
		ReleaseBuffer(scan->buffer);
	if (scan->strategy != NULL)
		FreeAccessStrategy(scan->strategy);
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
