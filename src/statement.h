/*-------------------------------------------------------------------------
 *
 * statement.h
 *	  Which statements on the extension's tables are open in this
 *	  transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_STATEMENT_H
#define TWINSET_STATEMENT_H

#include "compat.h"

#include "commands/trigger.h"

extern void statement_init(void);

/* note that the statement which this BEFORE STATEMENT trigger fires for is open */
extern void statement_open(TriggerData *trigger);

/* is a statement with the event of this trigger open on its relation? */
extern bool statement_is_open(TriggerData *trigger);

/*
 * Statements on one table that ran within one another, or the one that ran
 * alone.
 */
typedef struct StatementSpan
{
	int64		order;			/* of the first of them among the transaction's statements */
	CommandId	command;		/* of its query: what the table was before it, they all began with */
	bool		interleaved;	/* of several queries, perhaps? then a row can have been written by
								 * several, in whatever order */
} StatementSpan;

/* note that it is done */
extern StatementSpan statement_close(TriggerData *trigger);

/* what runs now is a statement of its own */
extern StatementSpan statement_alone(void);

/* is a statement on this table open? */
extern bool statement_is_open_on(Oid relation);

/* is any statement open? */
extern bool statement_any_open(void);

/*
 * statement_first_command: the command before which none of those that are open
 * on the table, or have run within one of them, had begun; InvalidCommandId:
 * none is open.
 */
extern CommandId statement_first_command(Oid relation);

#endif							/* TWINSET_STATEMENT_H */
