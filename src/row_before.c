/*-------------------------------------------------------------------------
 *
 * row_before.c
 *	  What a row was before a command of this transaction.
 *
 * A statement's transition tables say what each of its rows was when it wrote
 * it.  Where statements run one within another (a user's trigger, a volatile
 * function, a cascade) they may write the same row, and neither the order in
 * which they begin nor that in which they end says who was first: a BEFORE
 * trigger's DELETE comes before the INSERT that fired it, an AFTER trigger's
 * UPDATE comes after.  What the row was before all of them is the table's to
 * say: a latest snapshot, put back to the command of the first of them, sees
 * what others have committed and what this transaction had done until then.
 * The row's lock is held, so nobody else has written it since.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "catalog/pg_collation.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "row_before.h"

struct RowBefore
{
	MemoryContext context;		/* an index scan allocates as it goes, and frees at its end */
	Relation	index;
	Snapshot	snapshot;
	IndexScanDesc scan;
	TupleTableSlot *slot;
};

RowBefore *
row_before_begin(Relation table, CommandId command)
{
	RowBefore  *lookup = palloc(sizeof(RowBefore));

	lookup->context = CurrentMemoryContext;
	lookup->index = index_open(RelationGetPrimaryKeyIndex(table), AccessShareLock);
	/* GetLatestSnapshot()'s is static, so what is registered is a copy of our own */
	lookup->snapshot = RegisterSnapshot(GetLatestSnapshot());
	lookup->snapshot->curcid = command;
	lookup->scan = index_beginscan(table, lookup->index, lookup->snapshot, 1, 0);
	lookup->slot = table_slot_create(table, NULL);
	return lookup;
}

TupleTableSlot *
row_before(RowBefore *lookup, Datum key)
{
	MemoryContext caller = MemoryContextSwitchTo(lookup->context);
	ScanKeyData scan_key;
	bool		found;

	ScanKeyInit(&scan_key, 1, BTEqualStrategyNumber, F_TEXTEQ, key);
	scan_key.sk_collation = C_COLLATION_OID;
	index_rescan(lookup->scan, &scan_key, 1, NULL, 0);
	found = index_getnext_slot(lookup->scan, ForwardScanDirection, lookup->slot);
	MemoryContextSwitchTo(caller);
	return found ? lookup->slot : NULL;
}

void
row_before_end(RowBefore *lookup)
{
	ExecDropSingleTupleTableSlot(lookup->slot);
	index_endscan(lookup->scan);
	UnregisterSnapshot(lookup->snapshot);
	index_close(lookup->index, AccessShareLock);
	pfree(lookup);
}
