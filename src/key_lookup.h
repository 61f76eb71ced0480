/*-------------------------------------------------------------------------
 *
 * key_lookup.h
 *	  The row of a table that has a given key.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_KEY_LOOKUP_H
#define TWINSET_KEY_LOOKUP_H

#include "compat.h"

#include "access/sdir.h"
#include "executor/tuptable.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

typedef struct KeyLookup KeyLookup;

/*
 * key_lookup_begin: look-ups, with this snapshot, in a table whose primary key
 * is one column of text in the collation "C".  The table and the snapshot are
 * the caller's, to be kept until the end.
 */
extern KeyLookup *key_lookup_begin(Relation table, Snapshot snapshot);

/*
 * key_lookup_begin_by: likewise by another index, whose first column is a text
 * in the collation "C", or a bigint.  direction says which of the rows with
 * one key comes first.
 */
extern KeyLookup *key_lookup_begin_by(Relation table, Oid index, ScanDirection direction,
									  Snapshot snapshot);

/*
 * key_lookup_begin_ascending: likewise by the primary key, where each key that
 * is asked for is larger than the one before, and most of the table's are.
 * Cost of all of them: one scan of the table in the index's order.
 */
extern KeyLookup *key_lookup_begin_ascending(Relation table, Snapshot snapshot);

/*
 * key_lookup: the (first) row with this key, NULL where there is none.  The
 * slot is good until the next look-up.  Cost: one index scan.
 */
extern TupleTableSlot *key_lookup(KeyLookup *lookup, Datum key);

/*
 * key_lookup_more: another row with the same key; NULL where there is none.
 * Even a primary key can have more: above READ COMMITTED a snapshot can see
 * what others have deleted beside what this transaction has inserted.
 */
extern TupleTableSlot *key_lookup_more(KeyLookup *lookup);

extern void key_lookup_end(KeyLookup *lookup);

#endif							/* TWINSET_KEY_LOOKUP_H */
