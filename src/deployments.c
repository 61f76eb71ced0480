/*-------------------------------------------------------------------------
 *
 * deployments.c
 *	  The deployments that a snapshot sees, compiled.
 *
 * A backend keeps one compiled matcher.  It is valid for a snapshot that
 * reads the same version from the settlement's row: each statement on
 * deployment draws a new one before it changes anything, and no rollback
 * brings a version back for other deployments (a new extension's versions
 * begin anew, but its table has another OID).  While such a statement is
 * open the deployments change under one version: then nothing is kept.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "deployments.h"
#include "owner.h"
#include "settlement.h"
#include "statement.h"

static Matcher *kept_matcher = NULL;	/* below CacheMemoryContext */
static int64 kept_version = 0;	/* of its deployments */
static Oid	kept_settlement = InvalidOid;	/* the table that has the version */

/* Read the deployments that the active snapshot sees; SPI's memory. */
static MatcherDeployment *
read_deployments(int *count)
{
	static SPIPlanPtr plan = NULL;
	MatcherDeployment *deployments;
	TupleDesc	desc;

	owner_plan(&plan, "SELECT deployment_id, target_condition, priority, created_at, revision"
			   " FROM twinset.deployment", 0, NULL);
	*count = (int) owner_read(plan, NULL);
	desc = SPI_tuptable->tupdesc;
	deployments = MemoryContextAllocHuge(CurrentMemoryContext,
										 sizeof(MatcherDeployment) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		Datum		condition;
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		memset(&deployments[i], 0, sizeof(MatcherDeployment));
		deployments[i].deployment_id = TextDatumGetCString(SPI_getbinval(tuple, desc, 1, &isnull));
		condition = SPI_getbinval(tuple, desc, 2, &isnull);
		deployments[i].condition = isnull ? NULL : DatumGetConditionP(condition);
		deployments[i].priority = DatumGetInt32(SPI_getbinval(tuple, desc, 3, &isnull));
		deployments[i].created_at = DatumGetTimestampTz(SPI_getbinval(tuple, desc, 4, &isnull));
		deployments[i].revision = DatumGetInt64(SPI_getbinval(tuple, desc, 5, &isnull));
	}
	return deployments;
}

Matcher *
deployments_matcher(void)
{
	bool		in_between = statement_is_open_on(settlement_table("deployment"));
	Oid			settlement = settlement_table("settlement");
	int64		version = settlement_version();
	MatcherDeployment *deployments;
	Matcher    *matcher;
	int			count;

	if (kept_matcher != NULL && kept_version == version &&
		kept_settlement == settlement && !in_between)
		return kept_matcher;

	deployments = read_deployments(&count);
	if (in_between)
		return matcher_build(CurrentMemoryContext, deployments, count);

	matcher = matcher_build(CacheMemoryContext, deployments, count);
	if (kept_matcher != NULL)
		matcher_free(kept_matcher);
	kept_matcher = matcher;
	kept_version = version;
	kept_settlement = settlement;
	return kept_matcher;
}

HTAB *
deployment_table(long size)
{
	HASHCTL		control;

	memset(&control, 0, sizeof(control));
	control.keysize = DEPLOYMENT_ID_SIZE;
	control.entrysize = sizeof(DeploymentEntry);
	control.hcxt = CurrentMemoryContext;
	return hash_create("twinset deployments", Max(size, 16), &control,
					   HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
}

Matcher *
deployments_matcher_before(MemoryContext parent, List *images)
{
	int			count;
	MatcherDeployment *deployments = read_deployments(&count);
	HTAB	   *changed = deployment_table(list_length(images));
	ListCell   *cell;
	int			before = 0;

	deployments = repalloc_huge(deployments,
								sizeof(MatcherDeployment) * (count + list_length(images) + 1));
	foreach(cell, images)
		(void) hash_search(changed, ((DeploymentImage *) lfirst(cell))->was.deployment_id,
						   HASH_ENTER, NULL);
	for (int i = 0; i < count; i++)
	{
		if (hash_search(changed, deployments[i].deployment_id, HASH_FIND, NULL) == NULL)
			deployments[before++] = deployments[i];
	}
	foreach(cell, images)
	{
		DeploymentImage *image = lfirst(cell);

		if (image->existed)
			deployments[before++] = image->was;
	}
	hash_destroy(changed);
	return matcher_build(parent, deployments, before);
}
