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
 * On its way it finds the pages from which earlier settlements' entries are
 * gone, and offers them to who appends next.  So the log stays as long as a
 * few settlements, however seldom VACUUM comes.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_operator.h"
#include "common/pg_prng.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/freespace.h"
#include "storage/predicate.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "change_pack.h"
#include "change_scan.h"
#include "settlement.h"
#include "tables.h"

/* of a longer log an estimate reads fewer than this many pages */
#define SAMPLED_PAGES	256

struct ChangeScan
{
	Relation	log;
	Snapshot	snapshot;
	BufferAccessStrategy strategy;	/* a large log shall not push all else out of memory */
	TupleTableSlot *row;		/* of the table */
	TupleTableSlot *entry;		/* of a pack */
	ChangeUnpack pack;			/* that is being read; without data: none */
	ChangeFilter rows;			/* which of the table are read; NULL: all */
	void	   *arg;			/* to ask it with */
	BlockNumber block;			/* the next to read */
	BlockNumber stride;			/* every how many-th is read */
	BlockNumber blocks;			/* how many there were at the start */
	bool		reuse;			/* offer emptied pages */
	BlockNumber emptied;		/* the first of these, or InvalidBlockNumber */
	Buffer		buffer;			/* the page at hand, pinned; or invalid */
	HeapTupleData tuple;		/* the entry at hand */
	int			count;			/* of the page's visible entries */
	int			next;			/* of them */
	OffsetNumber visible[MaxHeapTuplesPerPage];
};

static ChangeScan *
begin_scan(Snapshot snapshot, LOCKMODE lock)
{
	ChangeScan *scan = palloc0(sizeof(ChangeScan));

	scan->log = table_open(settlement_table("change"), lock);
	scan->snapshot = snapshot;
	scan->blocks = RelationGetNumberOfBlocks(scan->log);
	if (scan->blocks > (BlockNumber) NBuffers / 4)
		scan->strategy = GetAccessStrategy(BAS_BULKREAD);
	scan->row = table_slot_create(scan->log, NULL);
	scan->entry = MakeSingleTupleTableSlot(RelationGetDescr(scan->log), &TTSOpsVirtual);
	scan->stride = 1;
	scan->buffer = InvalidBuffer;
	scan->emptied = InvalidBlockNumber;
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

/* Half of the page is free or more: who appends next may have it. */
static void
offer_page(ChangeScan *scan, Size space)
{
	BlockNumber block = BufferGetBlockNumber(scan->buffer);

	if (space < BLCKSZ / 2)
		return;
	RecordPageWithFreeSpace(scan->log, block, space);
	if (scan->emptied == InvalidBlockNumber)
		scan->emptied = block;
}

static void
read_page(ChangeScan *scan)
{
	Page		page;
	OffsetNumber last;
	Size		space;

	if (BufferIsValid(scan->buffer))
		ReleaseBuffer(scan->buffer);
	CHECK_FOR_INTERRUPTS();
	scan->buffer = ReadBufferExtended(scan->log, MAIN_FORKNUM, scan->block, RBM_NORMAL, scan->strategy);
	scan->block += scan->stride;
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
	space = PageGetHeapFreeSpace(page);
	LockBuffer(scan->buffer, BUFFER_LOCK_UNLOCK);
	if (scan->reuse)
		offer_page(scan, space);
}

/* The next row of the table, an entry or a pack. */
static TupleTableSlot *
next_row(ChangeScan *scan)
{
	Page		page;
	OffsetNumber offset;

	while (scan->next == scan->count)
	{
		if (scan->block >= scan->blocks)
			return NULL;
		read_page(scan);
	}
	offset = scan->visible[scan->next++];
	page = BufferGetPage(scan->buffer);
	scan->tuple.t_data = (HeapTupleHeader) PageGetItem(page, PageGetItemId(page, offset));
	scan->tuple.t_len = ItemIdGetLength(PageGetItemId(page, offset));
	ItemPointerSet(&scan->tuple.t_self, BufferGetBlockNumber(scan->buffer), offset);
	return ExecStoreBufferHeapTuple(&scan->tuple, scan->row, scan->buffer);
}

/* The row's pack is read from here on; false: it has none. */
static bool
begin_pack(ChangeScan *scan)
{
	bool		isnull;
	Datum		packed = slot_getattr(scan->row, Anum_change_packed, &isnull);

	if (!isnull)
		change_unpack_begin(&scan->pack, packed);
	return !isnull;
}

static TupleTableSlot *
next_of_pack(ChangeScan *scan)
{
	static const AttrNumber common[] = {
		Anum_change_ordinal, Anum_change_transaction, Anum_change_statement, Anum_change_changed_at
	};
	TupleTableSlot *entry = ExecClearTuple(scan->entry);

	CHECK_FOR_INTERRUPTS();
	if (!change_unpack_next(&scan->pack, entry->tts_tupleDescriptor, entry->tts_values, entry->tts_isnull))
	{
		change_unpack_end(&scan->pack);
		scan->pack.data = NULL;
		return NULL;
	}
	for (int i = 0; i < (int) lengthof(common); i++)
		entry->tts_values[common[i] - 1] =
			slot_getattr(scan->row, common[i], &entry->tts_isnull[common[i] - 1]);
	return ExecStoreVirtualTuple(entry);
}

ChangeScan *
change_scan_begin(Snapshot snapshot)
{
	return begin_scan(snapshot, AccessShareLock);
}

TupleTableSlot *
change_scan_next(ChangeScan *scan)
{
	for (;;)
	{
		TupleTableSlot *entry;

		if (scan->pack.data != NULL)
		{
			if ((entry = next_of_pack(scan)) != NULL)
				return entry;
		}
		else if ((entry = next_row(scan)) == NULL)
			return NULL;
		else if ((scan->rows == NULL || scan->rows(scan->arg, entry)) && !begin_pack(scan))
			return entry;
	}
}

void
change_scan_end(ChangeScan *scan)
{
	ExecDropSingleTupleTableSlot(scan->row);
	ExecDropSingleTupleTableSlot(scan->entry);
	if (scan->pack.data != NULL)
		change_unpack_end(&scan->pack);
	if (BufferIsValid(scan->buffer))
		ReleaseBuffer(scan->buffer);
	if (scan->strategy != NULL)
		FreeAccessStrategy(scan->strategy);
	table_close(scan->log, NoLock);
	pfree(scan);
}

Tuplesortstate *
change_scan_sorted(Snapshot snapshot, ChangeFilter rows, ChangeFilter filter, void *arg, uint64 *count)
{
	AttrNumber	columns[] = {Anum_change_device_id, Anum_change_ordinal};
	Oid			operators[] = {TextLessOperator, Int8LessOperator};
	Oid			collations[] = {C_COLLATION_OID, InvalidOid};
	bool		nulls_first[] = {false, false};
	ChangeScan *scan = change_scan_begin(snapshot);
	Tuplesortstate *sort = tuplesort_begin_heap(RelationGetDescr(scan->log), lengthof(columns), columns,
												operators, collations, nulls_first, work_mem, NULL,
												TUPLESORT_NONE);
	TupleTableSlot *entry;

	scan->rows = rows;
	scan->arg = arg;
	*count = 0;
	while ((entry = change_scan_next(scan)) != NULL)
	{
		if (filter != NULL && !filter(arg, entry))
			continue;
		tuplesort_puttupleslot(sort, entry);
		++*count;
	}
	change_scan_end(scan);
	tuplesort_performsort(sort);
	return sort;
}

/*
 * Delete those of a pack's entries of which the filter says so: the row goes,
 * and what is left of it comes back as another.  false: nothing is left.
 */
static bool
repack(ChangeScan *scan, ChangeFilter filter, void *arg, ChangePack *rest)
{
	TupleTableSlot *entry;
	int			before = 0;

	change_pack_reset(rest);
	while ((entry = next_of_pack(scan)) != NULL)
	{
		before++;
		if (!filter(arg, entry))
			change_pack_add(rest, entry->tts_tupleDescriptor, entry->tts_values, entry->tts_isnull);
	}
	if (rest->count == before)
		return true;
	if (rest->count > 0)
	{
		HeapTuple	tuple;
		Datum		values[Natts_change];
		bool		nulls[Natts_change];

		heap_deform_tuple(&scan->tuple, RelationGetDescr(scan->log), values, nulls);
		values[Anum_change_packed - 1] = change_pack_datum(rest);
		tuple = heap_form_tuple(RelationGetDescr(scan->log), values, nulls);
		simple_heap_insert(scan->log, tuple);
		heap_freetuple(tuple);
	}
	return false;
}

void
change_delete(Snapshot snapshot, ChangeFilter filter, void *arg)
{
	ChangeScan *scan = begin_scan(snapshot, RowExclusiveLock);
	TupleTableSlot *row;
	ChangePack	rest;

	Assert(settlement_is_locked());
	change_pack_init(&rest);
	scan->reuse = true;
	while ((row = next_row(scan)) != NULL)
	{
		ItemPointerData place = scan->tuple.t_self;

		if (filter != NULL &&
			(begin_pack(scan) ? repack(scan, filter, arg, &rest) : !filter(arg, row)))
			continue;
		simple_heap_delete(scan->log, &place);
	}
	if (scan->emptied != InvalidBlockNumber)
		FreeSpaceMapVacuumRange(scan->log, scan->emptied, scan->blocks);
	change_scan_end(scan);
}

bool
change_scan_any(void)
{
	ChangeScan *scan = change_scan_begin(GetActiveSnapshot());
	bool		any = change_scan_next(scan) != NULL;

	change_scan_end(scan);
	return any;
}

/*
 * Entries stand in long runs of pages, in the order in which they came, so
 * evenly spaced pages tell more than pages at random.
 */
uint64
change_scan_estimate(uint64 limit)
{
	ChangeScan *scan = change_scan_begin(GetActiveSnapshot());
	uint64		count = 0;

	scan->stride = scan->blocks / SAMPLED_PAGES + 1;
	scan->block = pg_prng_uint64_range(&pg_global_prng_state, 0, scan->stride - 1);
	while (count * scan->stride < limit && change_scan_next(scan) != NULL)
		count++;
	count *= scan->stride;
	change_scan_end(scan);
	return count;
}
