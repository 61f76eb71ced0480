/*-------------------------------------------------------------------------
 *
 * key_lookup.c
 *	  The row of a table that has a given key.
 *
 * One scan of an index is kept open, and started anew for each key.  It is not the executor's: there is no plan to look up and no row to
 * copy, and the caller says which snapshot counts.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "utils/fmgroids.h"

#include "key_lookup.h"

struct KeyLookup
{
	MemoryContext context;		/* an index scan allocates as it goes, and frees at its end */
	Relation	index;
	RegProcedure equal;			/* of the key's type */
	ScanDirection direction;
	IndexScanDesc scan;
	TupleTableSlot *slot;
};

KeyLookup *
key_lookup_begin(Relation table, Snapshot snapshot)
{
	return key_lookup_begin_by(table, RelationGetPrimaryKeyIndex(table), ForwardScanDirection, snapshot);
}

KeyLookup *
key_lookup_begin_by(Relation table, Oid index, ScanDirection direction, Snapshot snapshot)
{
	KeyLookup  *lookup = palloc(sizeof(KeyLookup));

	lookup->context = CurrentMemoryContext;
	lookup->index = index_open(index, AccessShareLock);
	lookup->equal = TupleDescAttr(RelationGetDescr(lookup->index), 0)->atttypid == INT8OID ?
		F_INT8EQ : F_TEXTEQ;
	lookup->direction = direction;
	lookup->scan = index_beginscan(table, lookup->index, snapshot, 1, 0);
	lookup->slot = table_slot_create(table, NULL);
	return lookup;
}

TupleTableSlot *
key_lookup(KeyLookup *lookup, Datum key)
{
	MemoryContext caller = MemoryContextSwitchTo(lookup->context);
	ScanKeyData scan_key;

	ScanKeyInit(&scan_key, 1, BTEqualStrategyNumber, lookup->equal, key);
	scan_key.sk_collation = lookup->equal == F_TEXTEQ ? C_COLLATION_OID : InvalidOid;
	index_rescan(lookup->scan, &scan_key, 1, NULL, 0);
	MemoryContextSwitchTo(caller);
	return key_lookup_more(lookup);
}

TupleTableSlot *
key_lookup_more(KeyLookup *lookup)
{
	MemoryContext caller = MemoryContextSwitchTo(lookup->context);
	bool		found = index_getnext_slot(lookup->scan, lookup->direction, lookup->slot);

	MemoryContextSwitchTo(caller);
	return found ? lookup->slot : NULL;
}

void
key_lookup_end(KeyLookup *lookup)
{
	ExecDropSingleTupleTableSlot(lookup->slot);
	index_endscan(lookup->scan);
	index_close(lookup->index, AccessShareLock);
	pfree(lookup);
}
