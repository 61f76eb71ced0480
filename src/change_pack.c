/*-------------------------------------------------------------------------
 *
 * change_pack.c
 *	  Many entries of the log in one row.
 *
 * A statement that writes a million twins would leave a million rows in the
 * log, each to be deleted when it is settled, and a file whose empty pages
 * every reader goes over from then on.  So its entries are packed, and lie
 * beside the table (TOAST), where nobody comes who does not need them.
 *
 * What is one for all entries of a statement stays in the row: ordinal,
 * transaction, statement, changed_at.  The rest of each is a minimal tuple of
 * the log's own columns, the others null:
 *
 *	padding		to where a tuple may begin, behind the bytea's header
 *	tuple		its length is its first field
 *	padding		to where the next may
 *	tuple
 *	...
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "fmgr.h"

#include "change_pack.h"
#include "tables.h"

/* where the first tuple begins, in the datum */
#define PACK_START	MAXALIGN(VARHDRSZ)

void
change_pack_init(ChangePack *pack)
{
	initStringInfo(&pack->data);
	change_pack_reset(pack);
}

void
change_pack_reset(ChangePack *pack)
{
	resetStringInfo(&pack->data);
	appendStringInfoSpaces(&pack->data, PACK_START);
	memset(pack->data.data, 0, PACK_START);
	pack->count = 0;
}

void
change_pack_add(ChangePack *pack, TupleDesc log, const Datum *values, const bool *nulls)
{
	Datum		entry_values[Natts_change];
	bool		entry_nulls[Natts_change];
	MinimalTuple tuple;
	int			padding;

	memcpy(entry_values, values, sizeof(entry_values));
	memcpy(entry_nulls, nulls, sizeof(entry_nulls));
	entry_nulls[Anum_change_ordinal - 1] = entry_nulls[Anum_change_transaction - 1] = true;
	entry_nulls[Anum_change_statement - 1] = entry_nulls[Anum_change_changed_at - 1] = true;
	entry_nulls[Anum_change_packed - 1] = true;
	/* what lies beside the table that it came from would not be kept for us */
	if (!entry_nulls[Anum_change_tags - 1])
		entry_values[Anum_change_tags - 1] =
			PointerGetDatum(PG_DETOAST_DATUM_PACKED(entry_values[Anum_change_tags - 1]));

	tuple = heap_form_minimal_tuple(log, entry_values, entry_nulls);
	appendBinaryStringInfo(&pack->data, (char *) tuple, tuple->t_len);
	padding = MAXALIGN(pack->data.len) - pack->data.len;
	if (padding > 0)
		appendBinaryStringInfo(&pack->data, "\0\0\0\0\0\0\0", padding);
	pfree(tuple);
	pack->count++;
}

Datum
change_pack_datum(ChangePack *pack)
{
	SET_VARSIZE(pack->data.data, pack->data.len);
	return PointerGetDatum(pack->data.data);
}

void
change_unpack_begin(ChangeUnpack *unpack, Datum packed)
{
	struct varlena *copy = PG_DETOAST_DATUM_COPY(packed);

	unpack->data = (char *) copy;
	unpack->size = VARSIZE(copy);
	unpack->at = PACK_START;
}

bool
change_unpack_next(ChangeUnpack *unpack, TupleDesc log, Datum *values, bool *nulls)
{
	MinimalTuple tuple;
	HeapTupleData heap_tuple;

	if (unpack->at >= unpack->size)
		return false;
	tuple = (MinimalTuple) (unpack->data + unpack->at);
	heap_tuple.t_len = tuple->t_len + MINIMAL_TUPLE_OFFSET;
	heap_tuple.t_data = (HeapTupleHeader) ((char *) tuple - MINIMAL_TUPLE_OFFSET);
	heap_deform_tuple(&heap_tuple, log, values, nulls);
	unpack->at += MAXALIGN(tuple->t_len);
	return true;
}

void
change_unpack_end(ChangeUnpack *unpack)
{
	pfree(unpack->data);
}
