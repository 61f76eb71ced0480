/*-------------------------------------------------------------------------
 *
 * deployment_versions.c
 *	  Which deployments changed with which version.
 *
 * A backend that has compiled the deployments of one version wants those of
 * another: this tells it which to compile anew.  A statement that changes
 * deployments draws a version and notes under it which they were.
 *
 * Statements on deployment follow one another, as each holds the settlement
 * lock until its transaction ends.  So a snapshot that sees a version's rows
 * sees those of all older versions that were not rolled back, and of its own
 * transaction's none that was rolled back while a newer one was not: who sees
 * the same newest version sees the same deployments.
 *
 * Only so many versions are kept; who comes from an older one compiles all.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "deployment_versions.h"
#include "owner.h"
#include "settlement.h"
#include "table_writer.h"
#include "tables.h"

/* deployments of one statement that are noted one by one */
#define MAX_NOTED		100

/* versions that are kept, and after how many the older ones are deleted */
#define KEPT_VERSIONS	10000
#define FORGET_EACH		100

static void
write_version(TableWriter *writer, int64 version, const char *deployment_id)
{
	Datum	   *values = table_writer_row(writer);

	values[Anum_deployment_version_version - 1] = Int64GetDatum(version);
	values[Anum_deployment_version_deployment_id - 1] = CStringGetTextDatum(deployment_id);
	table_writer_insert(writer);
}

static void
forget_versions(int64 before)
{
	static SPIPlanPtr plan = NULL;
	OwnerContext owner;
	Datum		argument = Int64GetDatum(before);

	owner_begin(&owner, settlement_table("settlement"));
	owner_plan(&plan, "DELETE FROM twinset.deployment_version WHERE version < $1", 1, (Oid[]) {INT8OID});
	owner_execute(plan, &argument, NULL, NULL);
	owner_end(&owner);
}

void
deployment_versions_note(List *ids)
{
	int64		version = settlement_next_version();
	TableWriter *writer = table_writer_begin("deployment_version");
	ListCell   *cell;

	if (ids == NIL || list_length(ids) > MAX_NOTED)
		write_version(writer, version, "");
	else
	{
		foreach(cell, ids)
			write_version(writer, version, lfirst(cell));
	}
	(void) table_writer_end(writer);
	/* a statement draws two */
	if (version % FORGET_EACH < 2)
		forget_versions(version - KEPT_VERSIONS);
}

int64
deployment_versions_newest(List *versions)
{
	static SPIPlanPtr plan = NULL;
	Datum	   *values = palloc(sizeof(Datum) * Max(list_length(versions), 1));
	Datum		argument;
	ListCell   *cell;
	int			count = 0;
	bool		isnull;

	foreach(cell, versions)
		values[count++] = Int64GetDatum(((DeploymentVersion *) lfirst(cell))->version);
	argument = PointerGetDatum(construct_array(values, count, INT8OID, sizeof(int64),
											   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	owner_plan(&plan, "SELECT coalesce(pg_catalog.max(version), 0) FROM twinset.deployment_version"
			   " WHERE version = ANY ($1)", 1, (Oid[]) {INT8ARRAYOID});
	owner_read(plan, &argument);
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

int64
deployment_versions_latest(void)
{
	static SPIPlanPtr plan = NULL;
	bool		isnull;

	owner_plan(&plan, "SELECT coalesce(pg_catalog.max(version), 0) FROM twinset.deployment_version", 0, NULL);
	owner_read(plan, NULL);
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

List *
deployment_versions_since(int64 version)
{
	static SPIPlanPtr plan = NULL;
	Datum		argument = Int64GetDatum(version);
	List	   *since = NIL;
	uint64		count;

	owner_plan(&plan, "SELECT version, deployment_id FROM twinset.deployment_version"
			   " WHERE version > $1 ORDER BY version", 1, (Oid[]) {INT8OID});
	count = owner_read(plan, &argument);
	for (uint64 i = 0; i < count; i++)
	{
		DeploymentVersion *one = palloc(sizeof(DeploymentVersion));
		char	   *deployment_id = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
												 Anum_deployment_version_deployment_id);
		bool		isnull;

		one->version = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
												   Anum_deployment_version_version, &isnull));
		one->deployment_id = deployment_id[0] == '\0' ? NULL : deployment_id;
		since = lappend(since, one);
	}
	return since;
}
