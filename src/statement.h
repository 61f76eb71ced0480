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
 * note that it is done; returns the command that the query is in its
 * transaction (of two that wrote one row, the lesser wrote it first)
 */
extern CommandId statement_close(TriggerData *trigger);

/* the command of the query that runs now */
extern CommandId statement_command(void);

/* is a statement on this table open? */
extern bool statement_is_open_on(Oid relation);

/* is any statement open? */
extern bool statement_any_open(void);

#endif							/* TWINSET_STATEMENT_H */
