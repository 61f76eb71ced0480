/*-------------------------------------------------------------------------
 *
 * row_visit.c
 *	  The rows of a query, each as it is made.
 *
 * A cursor would copy each row into a table of rows first, which costs more
 * than most of what is done with one here; so this is a destination that the
 * executor sends its rows to.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "utils/memutils.h"

#include "row_visit.h"

typedef struct VisitReceiver
{
	DestReceiver receiver;		/* what the executor knows */
	RowVisitor	visitor;
	void	   *arg;			/* its first argument */
	MemoryContext per_row;
} VisitReceiver;

static bool
visit_row(TupleTableSlot *row, DestReceiver *self)
{
	VisitReceiver *visit = (VisitReceiver *) self;
	MemoryContext caller = MemoryContextSwitchTo(visit->per_row);

	CHECK_FOR_INTERRUPTS();
	visit->visitor(visit->arg, row);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(visit->per_row);
	return true;
}

static void
begin_visit(DestReceiver *self, int operation, TupleDesc row_type)
{
}

static void
end_visit(DestReceiver *self)
{
}

void
row_visit(const char *query, ParamListInfo params, RowVisitor visitor, void *arg)
{
	VisitReceiver visit = {
		.receiver = {visit_row, begin_visit, end_visit, end_visit, DestNone},
		.visitor = visitor,
		.arg = arg,
		.per_row = AllocSetContextCreate(CurrentMemoryContext, "twinset visited row", ALLOCSET_DEFAULT_SIZES),
	};
	SPIExecuteOptions options = {.params = params,.read_only = true,.dest = &visit.receiver};
	int			result = SPI_execute_extended(query, &options);

	if (result < 0)
		elog(ERROR, "SPI_execute_extended failed: %s", SPI_result_code_string(result));
	MemoryContextDelete(visit.per_row);
}
