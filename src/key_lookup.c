/*-------------------------------------------------------------------------
 *
 * key_lookup.c
 *	  The row of a table that has a given key.
 *
 * One scan of an index is kept open, and started anew for each key; where the
 * keys ascend and are many, it goes on from one to the next.  It is not the
 * executor's: there is no plan to look up and no row to copy, and the caller
 * says which snapshot counts.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"

#include "key_lookup.h"

struct KeyLookup
{
	MemoryContext context;		/* an index scan allocates as it goes, and frees at its end */
	Relation	index;
	RegProcedure equal;			/* of the key's type */
	ScanDirection direction;
	AttrNumber	ascending;		/* the table's column that the keys ascend by; 0: they do not */
	bool		ended;			/* then: there are no more rows */
	IndexScanDesc scan;
	TupleTableSlot *slot;
};

static KeyLookup *
begin(Relation table, Oid index, int nkeys, ScanDirection direction, Snapshot snapshot)
{
	KeyLookup  *lookup = palloc0(sizeof(KeyLookup));

	lookup->context = CurrentMemoryContext;
	lookup->index = index_open(index, AccessShareLock);
	lookup->equal = TupleDescAttr(RelationGetDescr(lookup->index), 0)->atttypid == INT8OID ?
		F_INT8EQ : F_TEXTEQ;
	lookup->direction = direction;
	lookup->scan = index_beginscan(table, lookup->index, snapshot, nkeys, 0);
	lookup->slot = table_slot_create(table, NULL);
	return lookup;
}

KeyLookup *
key_lookup_begin(Relation table, Snapshot snapshot)
{
	return key_lookup_begin_by(table, RelationGetPrimaryKeyIndex(table), ForwardScanDirection, snapshot);
}

KeyLookup *
key_lookup_begin_by(Relation table, Oid index, ScanDirection direction, Snapshot snapshot)
{
	return begin(table, index, 1, direction, snapshot);
}

KeyLookup *
key_lookup_begin_ascending(Relation table, Snapshot snapshot)
{
	KeyLookup  *lookup = begin(table, RelationGetPrimaryKeyIndex(table), 0, ForwardScanDirection, snapshot);

	lookup->ascending = lookup->index->rd_index->indkey.values[0];
	index_rescan(lookup->scan, NULL, 0, NULL, 0);
	return lookup;
}

/* Go on to the key, or behind it where there is none. */
static TupleTableSlot *
go_on_to(KeyLookup *lookup, Datum key)
{
	for (;;)
	{
		int			order = -1;

		if (lookup->ended)
			return NULL;
		if (!TTS_EMPTY(lookup->slot))
		{
			bool		isnull;
			Datum		at = slot_getattr(lookup->slot, lookup->ascending, &isnull);

			order = DatumGetInt32(DirectFunctionCall2Coll(bttextcmp, C_COLLATION_OID, at, key));
		}
		if (order >= 0)
			return order == 0 ? lookup->slot : NULL;
		CHECK_FOR_INTERRUPTS();
		lookup->ended = key_lookup_more(lookup) == NULL;
	}
}

TupleTableSlot *
key_lookup(KeyLookup *lookup, Datum key)
{
	MemoryContext caller;
	ScanKeyData scan_key;

	if (lookup->ascending != 0)
		return go_on_to(lookup, key);
	caller = MemoryContextSwitchTo(lookup->context);
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
