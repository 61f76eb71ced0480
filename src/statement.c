/*-------------------------------------------------------------------------
 *
 * statement.c
 *	  Which statements on the extension's tables are open in this
 *	  transaction.
 *
 * AFTER triggers fire at the end of the whole query.  In
 *
 *	WITH a AS (UPDATE twin ...) UPDATE deployment ...
 *
 * and where a user's row trigger on twin writes a deployment, rows of twin
 * are changed and not in the log yet.  Nothing may be settled then.  So the
 * BEFORE STATEMENT triggers note that a statement is open, and the AFTER
 * STATEMENT triggers that it is done; whoever settles asks whether any is
 * open.  The notes are rolled back with their subtransaction.
 *
 * A note also keeps the order in which the statements were opened, which is
 * the log's order within a transaction, and the command id of the query.
 * Where statements on one table run within one another, all of them have the
 * order and the command of the first (see row_before.c for why).  A trigger's
 * can be several although they look like one: for the cascades of one query
 * the server runs a statement for each row, and fires statement triggers once.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "nodes/pg_list.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "break_rules.h"
#include "statement.h"

typedef struct OpenStatement
{
	Oid			relation;		/* the table that it writes */
	TriggerEvent event;			/* INSERT, UPDATE, DELETE or TRUNCATE */
	CommandId	command;		/* of its query */
	StatementSpan span;			/* since no other on the table was open */
	SubTransactionId subtransaction;	/* in which it was opened */
} OpenStatement;

/* the latest first; in TopTransactionContext */
static List *open_statements = NIL;

/* the order of the last statement that was opened; it never goes back */
static int64 last_order = 0;

static OpenStatement *
find_statement(TriggerData *trigger)
{
	ListCell   *cell;

	foreach(cell, open_statements)
	{
		OpenStatement *statement = lfirst(cell);

		if (statement->relation == RelationGetRelid(trigger->tg_relation) &&
			statement->event == (trigger->tg_event & TRIGGER_EVENT_OPMASK))
			return statement;
	}
	return NULL;
}

StatementSpan
statement_alone(void)
{
	StatementSpan span = {
		.order = ++last_order,
		.command = ActiveSnapshotSet() ? GetActiveSnapshot()->curcid : GetCurrentCommandId(false)
	};

	return span;
}

/* Is the statement, whose trigger this is, itself a trigger's? */
static bool
is_of_trigger(void)
{
	return DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, (Datum) 0)) > 1;
}

void
statement_open(TriggerData *trigger)
{
	MemoryContext caller = MemoryContextSwitchTo(TopTransactionContext);
	OpenStatement *statement = palloc(sizeof(OpenStatement));
	ListCell   *cell;

	statement->relation = RelationGetRelid(trigger->tg_relation);
	statement->event = trigger->tg_event & TRIGGER_EVENT_OPMASK;
	statement->span = statement_alone();
	statement->span.interleaved = is_of_trigger();
	statement->command = statement->span.command;
	foreach(cell, open_statements)
	{
		OpenStatement *other = lfirst(cell);

		if (other->relation != statement->relation)
			continue;
		if (other->command != statement->command)
			other->span.interleaved = true;
		statement->span.interleaved |= other->span.interleaved;
		statement->span.order = Min(statement->span.order, other->span.order);
		statement->span.command = Min(statement->span.command, other->span.command);
	}
	statement->subtransaction = GetCurrentSubTransactionId();
	open_statements = lcons(statement, open_statements);
	MemoryContextSwitchTo(caller);
}

bool
statement_is_open(TriggerData *trigger)
{
	return find_statement(trigger) != NULL;
}

StatementSpan
statement_close(TriggerData *trigger)
{
	OpenStatement *statement = find_statement(trigger);
	StatementSpan span;

	/* its BEFORE trigger was switched off */
	if (statement == NULL)
		return statement_alone();

	span = statement->span;
	open_statements = list_delete_ptr(open_statements, statement);
	pfree(statement);
	return span;
}

bool
statement_is_open_on(Oid relation)
{
	ListCell   *cell;

	foreach(cell, open_statements)
	{
		if (((OpenStatement *) lfirst(cell))->relation == relation)
			return true;
	}
	return false;
}

CommandId
statement_first_command(Oid relation)
{
	CommandId	first = InvalidCommandId;
	ListCell   *cell;

	foreach(cell, open_statements)
	{
		OpenStatement *statement = lfirst(cell);

		if (statement->relation == relation)
			first = Min(first, statement->span.command);
	}
	return first;
}

bool
statement_any_open(void)
{
	return open_statements != NIL && !RULE_IS_BROKEN(no_open_statement);
}

static void
statement_at_subtransaction_end(SubXactEvent event, SubTransactionId subtransaction,
								SubTransactionId parent, void *arg)
{
	ListCell   *cell;

	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;

	foreach(cell, open_statements)
	{
		OpenStatement *statement = lfirst(cell);

		if (statement->subtransaction != subtransaction)
			continue;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			statement->subtransaction = parent;
		else
			open_statements = foreach_delete_current(open_statements, cell);
	}
}

static void
statement_at_transaction_end(XactEvent event, void *arg)
{
	/* the list itself goes with TopTransactionContext */
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		open_statements = NIL;
}

void
statement_init(void)
{
	RegisterXactCallback(statement_at_transaction_end, NULL);
	RegisterSubXactCallback(statement_at_subtransaction_end, NULL);
}
