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

#include "utils/snapmgr.h"

#include "key_lookup.h"
#include "row_before.h"

struct RowBefore
{
	Snapshot	snapshot;		/* put back */
	KeyLookup  *rows;
};

RowBefore *
row_before_begin(Relation table, CommandId command)
{
	RowBefore  *lookup = palloc(sizeof(RowBefore));

	/* GetLatestSnapshot()'s is static, so what is registered is a copy of our own */
	lookup->snapshot = RegisterSnapshot(GetLatestSnapshot());
	lookup->snapshot->curcid = command;
	lookup->rows = key_lookup_begin(table, lookup->snapshot);
	return lookup;
}

TupleTableSlot *
row_before(RowBefore *lookup, Datum key)
{
	return key_lookup(lookup->rows, key);
}

void
row_before_end(RowBefore *lookup)
{
	key_lookup_end(lookup->rows);
	UnregisterSnapshot(lookup->snapshot);
	pfree(lookup);
}
