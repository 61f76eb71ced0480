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
 * A note also keeps the command id of its query.  A user's trigger can write
 * a row again before the outer statement's AFTER trigger has logged it, so
 * the log's order within a transaction is that of the queries' beginning.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "statement.h"

typedef struct OpenStatement
{
	Oid			relation;		/* the table that it writes */
	TriggerEvent event;			/* INSERT, UPDATE, DELETE or TRUNCATE */
	CommandId	command;		/* of its query */
	SubTransactionId subtransaction;	/* in which it was opened */
} OpenStatement;

/* the latest first; in TopTransactionContext */
static List *open_statements = NIL;

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

CommandId
statement_command(void)
{
	return ActiveSnapshotSet() ? GetActiveSnapshot()->curcid : GetCurrentCommandId(false);
}

void
statement_open(TriggerData *trigger)
{
	MemoryContext caller = MemoryContextSwitchTo(TopTransactionContext);
	OpenStatement *statement = palloc(sizeof(OpenStatement));

	statement->relation = RelationGetRelid(trigger->tg_relation);
	statement->event = trigger->tg_event & TRIGGER_EVENT_OPMASK;
	statement->command = statement_command();
	statement->subtransaction = GetCurrentSubTransactionId();
	open_statements = lcons(statement, open_statements);
	MemoryContextSwitchTo(caller);
}

bool
statement_is_open(TriggerData *trigger)
{
	return find_statement(trigger) != NULL;
}

CommandId
statement_close(TriggerData *trigger)
{
	OpenStatement *statement = find_statement(trigger);
	CommandId	command;

	/* its BEFORE trigger was switched off: then it is the query that runs */
	if (statement == NULL)
		return statement_command();

	command = statement->command;
	open_statements = list_delete_ptr(open_statements, statement);
	pfree(statement);
	return command;
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

bool
statement_any_open(void)
{
	return open_statements != NIL;
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
