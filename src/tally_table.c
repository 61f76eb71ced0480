/*-------------------------------------------------------------------------
 *
 * tally_table.c
 *	  The settled counts: the rows of the table tally.
 *
 * A deployment has a row for as long as it exists.  A settlement sums up what
 * it has to add, and writes each row once, and only where it changes.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/table.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "key_lookup.h"
#include "settlement.h"
#include "table_writer.h"
#include "tables.h"
#include "tally_table.h"

struct TallyTable
{
	Relation	relation;
	KeyLookup  *rows;
	TableWriter *writer;
};

TallyTable *
tally_table_begin(void)
{
	TallyTable *table = palloc(sizeof(TallyTable));

	table->relation = table_open(settlement_table("tally"), AccessShareLock);
	table->rows = key_lookup_begin(table->relation, GetActiveSnapshot());
	table->writer = table_writer_begin("tally");
	return table;
}

/* The deployment's row: counts as they are stored, and where; false: it has none. */
static bool
read_row(TallyTable *table, const char *deployment_id, Tally *counts, ItemPointer place)
{
	Datum		key = CStringGetTextDatum(deployment_id);
	TupleTableSlot *row = key_lookup(table->rows, key);
	bool		isnull;

	CHECK_FOR_INTERRUPTS();
	pfree(DatumGetPointer(key));
	memset(counts, 0, sizeof(*counts));
	if (row == NULL)
		return false;
	counts->target = DatumGetInt64(slot_getattr(row, Anum_tally_target, &isnull));
	counts->actual = DatumGetInt64(slot_getattr(row, Anum_tally_actual, &isnull));
	counts->healthy = DatumGetInt64(slot_getattr(row, Anum_tally_healthy, &isnull));
	counts->unhealthy = DatumGetInt64(slot_getattr(row, Anum_tally_unhealthy, &isnull));
	*place = row->tts_tid;
	return true;
}

/* place: of the row that it takes the place of; NULL: it is new */
static void
write_row(TallyTable *table, const char *deployment_id, const Tally *counts, ItemPointer place)
{
	Datum	   *values = table_writer_row(table->writer);

	values[Anum_tally_deployment_id - 1] = CStringGetTextDatum(deployment_id);
	values[Anum_tally_target - 1] = Int64GetDatum(counts->target);
	values[Anum_tally_actual - 1] = Int64GetDatum(counts->actual);
	values[Anum_tally_healthy - 1] = Int64GetDatum(counts->healthy);
	values[Anum_tally_unhealthy - 1] = Int64GetDatum(counts->unhealthy);
	if (place == NULL)
		table_writer_insert(table->writer);
	else
		table_writer_update(table->writer, place);
}

void
tally_table_move(TallyTable *table, const char *deployment_id, const Tally *by)
{
	Tally		counts;
	ItemPointerData place;

	/* without a row there is nothing that could be right: reconcile() makes one */
	if (tally_is_zero(by) || !read_row(table, deployment_id, &counts, &place))
		return;
	tally_add(&counts, by);
	write_row(table, deployment_id, &counts, &place);
}

void
tally_table_set(TallyTable *table, const char *deployment_id, const Tally *counts)
{
	Tally		stored;
	ItemPointerData place;
	bool		exists = read_row(table, deployment_id, &stored, &place);

	if (!exists || memcmp(&stored, counts, sizeof(Tally)) != 0)
		write_row(table, deployment_id, counts, exists ? &place : NULL);
}

void
tally_table_forget_reports(TallyTable *table, const char *deployment_id)
{
	Tally		counts;
	ItemPointerData place;

	if (!read_row(table, deployment_id, &counts, &place) ||
		(counts.healthy == 0 && counts.unhealthy == 0))
		return;
	counts.healthy = counts.unhealthy = 0;
	write_row(table, deployment_id, &counts, &place);
}

void
tally_table_remove(TallyTable *table, const char *deployment_id)
{
	Tally		counts;
	ItemPointerData place;

	if (read_row(table, deployment_id, &counts, &place))
		table_writer_delete(table->writer, &place);
}

uint64
tally_table_end(TallyTable *table)
{
	uint64		rows = table_writer_end(table->writer);

	key_lookup_end(table->rows);
	table_close(table->relation, NoLock);
	pfree(table);
	return rows;
}
