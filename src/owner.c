/*-------------------------------------------------------------------------
 *
 * owner.c
 *	  Acting as the extension's owner.
 *
 * The trigger functions can't be SECURITY DEFINER: they run for every write
 * of a twin, where nothing needs the owner's rights, and a deployment's must
 * know who the caller is.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/syscache.h"

#include "owner.h"

static Oid
table_owner(Oid table)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", table);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

void
owner_begin(OwnerContext *context, Oid table)
{
	GetUserIdAndSecContext(&context->user, &context->security);
	SetUserIdAndSecContext(table_owner(table),
						   context->security | SECURITY_LOCAL_USERID_CHANGE);
	context->guc_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

void
owner_end(OwnerContext *context)
{
	SPI_finish();
	AtEOXact_GUC(false, context->guc_level);
	SetUserIdAndSecContext(context->user, context->security);
}

SPIPlanPtr
owner_plan(SPIPlanPtr *plan, const char *query, int nargs, const Oid *types)
{
	if (*plan == NULL)
	{
		SPIPlanPtr	prepared = SPI_prepare(query, nargs, (Oid *) types);

		if (prepared == NULL)
			elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
		SPI_keepplan(prepared);
		*plan = prepared;
	}
	return *plan;
}

uint64
owner_execute(SPIPlanPtr plan, Datum *values, Snapshot snapshot, Snapshot crosscheck)
{
	int			result = snapshot == NULL ?
		SPI_execute_plan(plan, values, NULL, false, 0) :
		SPI_execute_snapshot(plan, values, NULL, snapshot, crosscheck, false, true, 0);

	if (result < 0)
		elog(ERROR, "SPI_execute_plan failed: %s", SPI_result_code_string(result));
	return SPI_processed;
}

uint64
owner_read(SPIPlanPtr plan, Datum *values)
{
	int			result = SPI_execute_plan(plan, values, NULL, true, 0);

	if (result < 0)
		elog(ERROR, "SPI_execute_plan failed: %s", SPI_result_code_string(result));
	return SPI_processed;
}

bool
owner_is_current_user(Oid table)
{
	return pg_class_ownercheck(table, GetUserId());
}
