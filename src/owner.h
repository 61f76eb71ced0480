/*-------------------------------------------------------------------------
 *
 * owner.h
 *	  Acting as the extension's owner.
 *
 * Settling reads and writes tables that are granted to nobody, on behalf of
 * whoever changed a deployment or committed a twin.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_OWNER_H
#define TWINSET_OWNER_H

#include "compat.h"

#include "executor/spi.h"

typedef struct OwnerContext
{
	Oid			user;			/* the caller's */
	int			security;		/* the caller's security context */
	int			guc_level;		/* settings changed here end with it */
} OwnerContext;

/*
 * owner_begin: from here on SPI is connected and its queries run as the owner
 * of the table given, with a search path that no caller can bend.  An error's
 * abort undoes it.
 */
extern void owner_begin(OwnerContext *context, Oid table);
extern void owner_end(OwnerContext *context);

/*
 * owner_plan: *plan, prepared at its first use and kept for the session.
 * Everything in the query is qualified.
 */
extern SPIPlanPtr owner_plan(SPIPlanPtr *plan, const char *query, int nargs, const Oid *types);

/*
 * owner_execute: run a plan with the snapshot given, and what this transaction
 * has done until now; with NULL by the rule of the isolation level.  crosscheck
 * as in SPI_execute_snapshot().  Returns the number of rows.
 */
extern uint64 owner_execute(SPIPlanPtr plan, Datum *values, Snapshot snapshot, Snapshot crosscheck);

/* owner_read: a plan that only reads, with the active snapshot */
extern uint64 owner_read(SPIPlanPtr plan, Datum *values);

/* is the current user a superuser, or (a member of the role that is) the owner of this table? */
extern bool owner_is_current_user(Oid table);

#endif							/* TWINSET_OWNER_H */
