/*-------------------------------------------------------------------------
 *
 * change_pack.h
 *	  Many entries of the log in one row.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_CHANGE_PACK_H
#define TWINSET_CHANGE_PACK_H

#include "compat.h"

#include "executor/tuptable.h"
#include "lib/stringinfo.h"

/* entries that are being packed */
typedef struct ChangePack
{
	StringInfoData data;		/* a bytea; see change_pack.c */
	int			count;			/* of entries */
} ChangePack;

/* a pack of this many bytes is full */
#define CHANGE_PACK_FULL	(128 * 1024)

/* an empty pack, in the current memory context */
extern void change_pack_init(ChangePack *pack);
extern void change_pack_reset(ChangePack *pack);

/* add an entry: the log's columns, of which those that are the row's are left out */
extern void change_pack_add(ChangePack *pack, TupleDesc log, const Datum *values, const bool *nulls);

/* what goes into the log's column packed */
extern Datum change_pack_datum(ChangePack *pack);

/* entries that are being unpacked */
typedef struct ChangeUnpack
{
	char	   *data;			/* a copy of our own */
	Size		size;
	Size		at;				/* of the next entry */
} ChangeUnpack;

/* packed is of the log's column; what is kept is in the current memory context */
extern void change_unpack_begin(ChangeUnpack *unpack, Datum packed);

/*
 * change_unpack_next: the next entry, with those of its columns set that a
 * pack has; it points into the pack.  false at the end.
 */
extern bool change_unpack_next(ChangeUnpack *unpack, TupleDesc log, Datum *values, bool *nulls);

extern void change_unpack_end(ChangeUnpack *unpack);

#endif							/* TWINSET_CHANGE_PACK_H */
