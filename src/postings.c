/*-------------------------------------------------------------------------
 *
 * postings.c
 *	  The deployments as they are stored by term: matching a few devices
 *	  without compiling anything.
 *
 * A connection that wants the winner of one device would compile all
 * deployments for it.  So the lists that the matcher keeps in memory are in a
 * table too, kept by who settles a deployment change:
 *
 *	term	one of those that the condition is stored under (terms.h); 0: it is
 *			residual
 *	rank	priority, created_at, deployment_id
 *	target_condition, but for a long one that is filed under several: it is
 *			read from the deployment's row
 *
 * with an index on term and rank.  A device's terms are looked up, each list
 * read from its best rank on, the lists merged, and the first candidate whose
 * condition holds is the winner.
 *
 * A condition is filed under those of its terms that have the shortest lists
 * when it is stored.  That is only a matter of speed.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "lib/binaryheap.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "deployments.h"
#include "key_lookup.h"
#include "owner.h"
#include "postings.h"
#include "settlement.h"
#include "table_writer.h"
#include "tables.h"
#include "terms.h"

PG_FUNCTION_INFO_V1(twinset_filed_rightly);

/* the term of residual conditions */
#define RESIDUAL_TERM	INT64CONST(0)

/*
 * A condition of more bytes is not copied for each of its terms: a list of a
 * thousand ids would be stored a thousand times.
 */
#define LONG_CONDITION	1000

/* a list that is longer counts as this long */
#define LONG_LIST		1000

/* a term's list, read from the best rank on */
typedef struct PostingList
{
	KeyLookup  *rows;
	TupleTableSlot *slot;		/* the row at hand; NULL: there is no more */
} PostingList;

typedef struct PostingScan
{
	Relation	table;
	Oid			index;			/* by term and rank */
	binaryheap *lists;			/* of PostingList, the best rank first */
	List	   *open;			/* all of them */
	KeyLookup  *asked;			/* used again for each term that is asked for */
	Relation	deployments;	/* opened for the first long condition; NULL: there was none */
	KeyLookup  *conditions;		/* its rows */
	const char *device_id;
	int			device_id_length;
	JsonbContainer *tags;
	MemoryContext per_row;
} PostingScan;

/* how long a term's list is, as far as we know */
typedef struct ListLength
{
	uint64		term;			/* the key */
	uint32		length;
} ListLength;

typedef struct ListLengths
{
	HTAB	   *known;			/* ListLength, by term */
	KeyLookup  *lists;			/* the rows of others */
} ListLengths;

static int32
row_priority(TupleTableSlot *row)
{
	bool		isnull;

	return DatumGetInt32(slot_getattr(row, Anum_posting_priority, &isnull));
}

static TimestampTz
row_created_at(TupleTableSlot *row)
{
	bool		isnull;

	return DatumGetTimestampTz(slot_getattr(row, Anum_posting_created_at, &isnull));
}

/* Positive where a ranks above b: what a binaryheap puts first. */
static int
compare_ranks(Datum a, Datum b, void *arg)
{
	TupleTableSlot *left = ((PostingList *) DatumGetPointer(a))->slot;
	TupleTableSlot *right = ((PostingList *) DatumGetPointer(b))->slot;
	bool		isnull;
	text	   *left_id;
	text	   *right_id;
	int			order;

	if (row_priority(left) != row_priority(right))
		return row_priority(left) > row_priority(right) ? 1 : -1;
	if (row_created_at(left) != row_created_at(right))
		return row_created_at(left) > row_created_at(right) ? 1 : -1;
	left_id = DatumGetTextPP(slot_getattr(left, Anum_posting_deployment_id, &isnull));
	right_id = DatumGetTextPP(slot_getattr(right, Anum_posting_deployment_id, &isnull));
	order = memcmp(VARDATA_ANY(left_id), VARDATA_ANY(right_id),
				   Min(VARSIZE_ANY_EXHDR(left_id), VARSIZE_ANY_EXHDR(right_id)));
	return order != 0 ? order : (int) VARSIZE_ANY_EXHDR(left_id) - (int) VARSIZE_ANY_EXHDR(right_id);
}

/* Open the list of a term that the device has. */
static void
open_list(void *arg, uint64 term)
{
	PostingScan *scan = arg;
	PostingList *list = palloc(sizeof(PostingList));

	CHECK_FOR_INTERRUPTS();
	list->rows = key_lookup_begin_by(scan->table, scan->index, BackwardScanDirection, GetActiveSnapshot());
	list->slot = key_lookup(list->rows, Int64GetDatum((int64) term));
	scan->open = lappend(scan->open, list);
}

/* Is there anything in the list? */
static bool
has_list(void *arg, uint64 term)
{
	PostingScan *scan = arg;

	CHECK_FOR_INTERRUPTS();
	return key_lookup(scan->asked, Int64GetDatum((int64) term)) != NULL;
}

static void
begin_scan(PostingScan *scan, const char *device_id, int device_id_length, JsonbContainer *tags)
{
	ListCell   *cell;

	memset(scan, 0, sizeof(*scan));
	scan->table = table_open(settlement_table("posting"), AccessShareLock);
	scan->index = settlement_table("posting_rank");
	scan->device_id = device_id;
	scan->device_id_length = device_id_length;
	scan->tags = tags;
	scan->per_row = AllocSetContextCreate(CurrentMemoryContext, "twinset posting",
										  ALLOCSET_SMALL_SIZES);

	scan->asked = key_lookup_begin_by(scan->table, scan->index, BackwardScanDirection, GetActiveSnapshot());
	open_list(scan, RESIDUAL_TERM);
	terms_of_device(device_id, device_id_length, tags, has_list, open_list, scan);
	scan->lists = binaryheap_allocate(list_length(scan->open), compare_ranks, NULL);
	foreach(cell, scan->open)
	{
		PostingList *list = lfirst(cell);

		if (list->slot != NULL)
			binaryheap_add_unordered(scan->lists, PointerGetDatum(list));
	}
	binaryheap_build(scan->lists);
}

/* A long condition, from its deployment's row; 0: there is none. */
static Datum
long_condition(PostingScan *scan, Datum deployment_id)
{
	TupleTableSlot *row;
	Datum		condition;
	bool		isnull;

	if (scan->deployments == NULL)
	{
		scan->deployments = table_open(settlement_table("deployment"), AccessShareLock);
		scan->conditions = key_lookup_begin(scan->deployments, GetActiveSnapshot());
	}
	row = key_lookup(scan->conditions, deployment_id);
	if (row == NULL)
		return (Datum) 0;
	condition = slot_getattr(row, Anum_deployment_target_condition, &isnull);
	return isnull ? (Datum) 0 : condition;
}

static bool
targets(PostingScan *scan, TupleTableSlot *row)
{
	MemoryContext caller;
	bool		isnull;
	bool		holds;
	Datum		condition = slot_getattr(row, Anum_posting_target_condition, &isnull);

	if (isnull)
		condition = long_condition(scan, slot_getattr(row, Anum_posting_deployment_id, &isnull));
	if (DatumGetPointer(condition) == NULL)
		return false;
	caller = MemoryContextSwitchTo(scan->per_row);
	holds = condition_evaluate(DatumGetConditionP(condition), scan->device_id, scan->device_id_length,
							   scan->tags) == CONDITION_RESULT_TRUE;
	MemoryContextSwitchTo(caller);
	MemoryContextReset(scan->per_row);
	return holds;
}

/* The next deployment that targets the device, in rank order; NULL at the end. */
static char *
next_targeting(PostingScan *scan, const char *previous)
{
	while (!binaryheap_empty(scan->lists))
	{
		PostingList *list = (PostingList *) DatumGetPointer(binaryheap_first(scan->lists));
		char	   *found = NULL;
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		if (targets(scan, list->slot))
			found = TextDatumGetCString(slot_getattr(list->slot, Anum_posting_deployment_id, &isnull));
		list->slot = key_lookup_more(list->rows);
		if (list->slot != NULL)
			binaryheap_replace_first(scan->lists, PointerGetDatum(list));
		else
			(void) binaryheap_remove_first(scan->lists);
		/* filed under two terms of the device, it comes twice, one time after the other */
		if (found != NULL && (previous == NULL || strcmp(found, previous) != 0))
			return found;
	}
	return NULL;
}

static void
end_scan(PostingScan *scan)
{
	ListCell   *cell;

	foreach(cell, scan->open)
		key_lookup_end(((PostingList *) lfirst(cell))->rows);
	key_lookup_end(scan->asked);
	if (scan->deployments != NULL)
	{
		key_lookup_end(scan->conditions);
		table_close(scan->deployments, NoLock);
	}
	table_close(scan->table, NoLock);
	MemoryContextDelete(scan->per_row);
}

char *
postings_winner(const char *device_id, int device_id_length, JsonbContainer *tags)
{
	PostingScan scan;
	char	   *winner;

	begin_scan(&scan, device_id, device_id_length, tags);
	winner = next_targeting(&scan, NULL);
	end_scan(&scan);
	return winner;
}

List *
postings_all(const char *device_id, int device_id_length, JsonbContainer *tags)
{
	PostingScan scan;
	List	   *all = NIL;
	char	   *found = NULL;

	begin_scan(&scan, device_id, device_id_length, tags);
	while ((found = next_targeting(&scan, found)) != NULL)
		all = lappend(all, found);
	end_scan(&scan);
	return all;
}

/* How many rows are filed under the term, up to what makes a long list. */
static uint32
list_length_of(KeyLookup *lists, uint64 term)
{
	uint32		length = 0;

	for (TupleTableSlot *row = key_lookup(lists, Int64GetDatum((int64) term));
		 row != NULL && length < LONG_LIST; row = key_lookup_more(lists))
		length++;
	return length;
}

static ListLength *
known_length(ListLengths *lengths, uint64 term)
{
	bool		found;
	ListLength *known = hash_search(lengths->known, &term, HASH_ENTER, &found);

	if (!found)
		known->length = list_length_of(lengths->lists, term);
	return known;
}

/* The longer a term's list already is, the less we file under it. */
static uint32
weigh_by_length(void *arg, uint64 term)
{
	return known_length(arg, term)->length + 1;
}

/* Delete the rows of these deployments. */
static void
delete_postings(TableWriter *writer, Relation table, List *ids)
{
	KeyLookup  *rows = key_lookup_begin_by(table, settlement_table("posting_deployment"),
										   ForwardScanDirection, GetActiveSnapshot());
	ListCell   *cell;

	foreach(cell, ids)
	{
		Datum		key = CStringGetTextDatum(lfirst(cell));
		TupleTableSlot *row;

		CHECK_FOR_INTERRUPTS();
		for (row = key_lookup(rows, key); row != NULL; row = key_lookup_more(rows))
			table_writer_delete(writer, &row->tts_tid);
		pfree(DatumGetPointer(key));
	}
	key_lookup_end(rows);
}

static void
insert_posting(TableWriter *writer, uint64 term, const MatcherDeployment *deployment, bool with_condition)
{
	Datum	   *values = table_writer_row(writer);

	values[Anum_posting_term - 1] = Int64GetDatum((int64) term);
	values[Anum_posting_priority - 1] = Int32GetDatum(deployment->priority);
	values[Anum_posting_created_at - 1] = TimestampTzGetDatum(deployment->created_at);
	values[Anum_posting_deployment_id - 1] = CStringGetTextDatum(deployment->deployment_id);
	values[Anum_posting_target_condition - 1] = PointerGetDatum(deployment->condition);
	table_writer_nulls(writer)[Anum_posting_target_condition - 1] = !with_condition;
	table_writer_insert(writer);
}

uint64
postings_change(List *ids, const MatcherDeployment *deployments, int count)
{
	HASHCTL		control = {.keysize = sizeof(uint64),.entrysize = sizeof(ListLength),.hcxt = CurrentMemoryContext};
	Relation	table = table_open(settlement_table("posting"), RowExclusiveLock);
	TableWriter *writer = table_writer_begin("posting");
	ListLengths lengths;
	TermList	filed = {0};
	uint64		rows;

	delete_postings(writer, table, ids);
	lengths.known = hash_create("twinset posting lists", 1024, &control,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	lengths.lists = key_lookup_begin_by(table, settlement_table("posting_rank"),
										ForwardScanDirection, GetActiveSnapshot());
	for (int i = 0; i < count; i++)
	{
		const MatcherDeployment *deployment = &deployments[i];

		CHECK_FOR_INTERRUPTS();
		if (deployment->condition == NULL)
			continue;
		if (!terms_of_condition(deployment->condition, weigh_by_length, &lengths, &filed))
			insert_posting(writer, RESIDUAL_TERM, deployment, true);
		for (int term = 0; term < filed.count; term++)
		{
			insert_posting(writer, filed.terms[term], deployment,
						   filed.count == 1 || VARSIZE(deployment->condition) <= LONG_CONDITION);
			known_length(&lengths, filed.terms[term])->length++;
		}
	}
	key_lookup_end(lengths.lists);
	hash_destroy(lengths.known);
	rows = table_writer_end(writer);
	table_close(table, NoLock);
	return rows;
}

/* the terms under which a condition is stored */
typedef struct StoredTerms
{
	Datum	   *terms;			/* int8 */
	int			count;
} StoredTerms;

static bool
is_stored(StoredTerms *stored, uint64 term)
{
	for (int i = 0; i < stored->count; i++)
	{
		if (DatumGetInt64(stored->terms[i]) == (int64) term)
			return true;
	}
	return false;
}

/* What is not stored is too dear, so that the choice falls on what is, where it can. */
static uint32
weigh_by_stored(void *arg, uint64 term)
{
	return is_stored(arg, term) ? 1 : 1000000;
}

/*
 * filed_rightly(target_condition, terms bigint[]) -> boolean: does a device
 * that the condition targets have one of these terms?
 */
Datum
twinset_filed_rightly(PG_FUNCTION_ARGS)
{
	const Condition *condition = DatumGetConditionP(PG_GETARG_DATUM(0));
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(1);
	StoredTerms stored;
	TermList	filed = {0};
	bool		rightly = true;

	if (array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("null value not allowed")));
	deconstruct_array(array, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &stored.terms, NULL, &stored.count);
	if (!terms_of_condition(condition, weigh_by_stored, &stored, &filed))
		PG_RETURN_BOOL(is_stored(&stored, RESIDUAL_TERM));
	for (int i = 0; i < filed.count; i++)
		rightly &= is_stored(&stored, filed.terms[i]);
	PG_RETURN_BOOL(rightly);
}

uint64
postings_repair(void)
{
	static SPIPlanPtr plan = NULL;
	List	   *ids = NIL;
	MatcherDeployment *deployments;
	int			count;
	uint64		wrong;

	owner_plan(&plan, "SELECT deployment_id FROM twinset.misfiled_deployments()", 0, NULL);
	wrong = owner_read(plan, NULL);
	for (uint64 i = 0; i < wrong; i++)
		ids = lappend(ids, SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1));
	if (ids == NIL)
		return 0;
	deployments = deployments_read(ids, &count);
	return postings_change(ids, deployments, count);
}
