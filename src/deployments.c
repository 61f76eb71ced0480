/*-------------------------------------------------------------------------
 *
 * deployments.c
 *	  The deployments that a snapshot sees: read, or asked about devices.
 *
 * Who has compiled them asks the matcher (kept_matcher.c).  Who has not, as a
 * new connection, asks the stored postings, until it has asked so often that
 * compiling would have cost less.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "optimizer/plancat.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "deployments.h"
#include "kept_matcher.h"
#include "key_lookup.h"
#include "postings.h"
#include "settlement.h"
#include "tables.h"

/* how devices are matched: for tests, which force it */
typedef enum MatchBy
{
	MATCH_BY_COST,
	MATCH_BY_POSTINGS,
	MATCH_BY_MATCHER,
} MatchBy;

static const struct config_enum_entry match_by_values[] = {
	{"cost", MATCH_BY_COST, false},
	{"postings", MATCH_BY_POSTINGS, false},
	{"matcher", MATCH_BY_MATCHER, false},
	{NULL, 0, false}
};

static int	match_by = MATCH_BY_COST;

/* a device asked of the postings costs as much as compiling so many deployments */
#define DEVICE_COST		20

/* an entry settled costs as much as compiling so many deployments */
#define ENTRY_COST		4

/* devices asked of the postings since the last matcher was compiled */
static double asked_of_postings = 0;

/* What a row of deployment is to the matcher; in the current memory context. */
static MatcherDeployment
deployment_of_row(TupleTableSlot *row)
{
	MatcherDeployment deployment;
	Datum		value;
	bool		isnull;

	memset(&deployment, 0, sizeof(deployment));
	deployment.deployment_id = TextDatumGetCString(slot_getattr(row, Anum_deployment_deployment_id, &isnull));
	value = slot_getattr(row, Anum_deployment_target_condition, &isnull);
	deployment.condition = isnull ? NULL : (Condition *) PG_DETOAST_DATUM_COPY(value);
	deployment.priority = DatumGetInt32(slot_getattr(row, Anum_deployment_priority, &isnull));
	deployment.created_at = DatumGetTimestampTz(slot_getattr(row, Anum_deployment_created_at, &isnull));
	deployment.revision = DatumGetInt64(slot_getattr(row, Anum_deployment_revision, &isnull));
	return deployment;
}

MatcherDeployment *
deployments_read_all(int *count)
{
	int			limit = 1024;
	MatcherDeployment *deployments = palloc(sizeof(MatcherDeployment) * limit);
	Relation	table = table_open(settlement_table("deployment"), AccessShareLock);
	TableScanDesc scan = table_beginscan(table, GetActiveSnapshot(), 0, NULL);
	TupleTableSlot *row = table_slot_create(table, NULL);

	*count = 0;
	while (table_scan_getnextslot(scan, ForwardScanDirection, row))
	{
		CHECK_FOR_INTERRUPTS();
		if (*count == limit)
		{
			limit *= 2;
			deployments = repalloc_huge(deployments, sizeof(MatcherDeployment) * limit);
		}
		deployments[(*count)++] = deployment_of_row(row);
	}
	ExecDropSingleTupleTableSlot(row);
	table_endscan(scan);
	table_close(table, NoLock);
	return deployments;
}

MatcherDeployment *
deployments_read(List *ids, int *count)
{
	MatcherDeployment *deployments = MemoryContextAllocHuge(CurrentMemoryContext,
															sizeof(MatcherDeployment) * Max(list_length(ids), 1));
	Relation	table = table_open(settlement_table("deployment"), AccessShareLock);
	KeyLookup  *lookup = key_lookup_begin(table, GetActiveSnapshot());
	ListCell   *cell;

	*count = 0;
	foreach(cell, ids)
	{
		Datum		key = CStringGetTextDatum(lfirst(cell));
		TupleTableSlot *row = key_lookup(lookup, key);

		CHECK_FOR_INTERRUPTS();
		if (row != NULL)
			deployments[(*count)++] = deployment_of_row(row);
		pfree(DatumGetPointer(key));
	}
	key_lookup_end(lookup);
	table_close(table, NoLock);
	return deployments;
}

bool
deployment_ranks_above(const MatcherDeployment *a, const MatcherDeployment *b)
{
	if (a->priority != b->priority)
		return a->priority > b->priority;
	if (a->created_at != b->created_at)
		return a->created_at > b->created_at;
	return strcmp(a->deployment_id, b->deployment_id) > 0;
}

bool
deployment_is_restored(TupleTableSlot *inserted)
{
	TimestampTz now = GetCurrentTransactionStartTimestamp();
	bool		isnull;

	return DatumGetTimestampTz(slot_getattr(inserted, Anum_deployment_updated_at, &isnull)) < now &&
		DatumGetInt64(slot_getattr(inserted, Anum_deployment_revision, &isnull)) < revision_of_time(now);
}

/* About how many deployments are there? */
static double
estimated_count(void)
{
	Relation	table = table_open(settlement_table("deployment"), AccessShareLock);
	BlockNumber pages;
	double		tuples;
	double		all_visible;

	estimate_rel_size(table, NULL, &pages, &tuples, &all_visible);
	table_close(table, NoLock);
	return tuples;
}

uint64
deployments_compile_cost(void)
{
	return kept_matcher_compiled() ? 0 : estimated_count() / ENTRY_COST;
}

DeploymentsAsked
deployments_ask(void)
{
	DeploymentsAsked asked = {NULL, CurrentMemoryContext};

	if (match_by == MATCH_BY_MATCHER)
		asked.matcher = kept_matcher();
	else if (match_by == MATCH_BY_COST)
		asked.matcher = kept_matcher_at_hand();
	return asked;
}

/* One device more is asked about: go over to the matcher where that pays. */
static void
ask(DeploymentsAsked *asked)
{
	if (asked->matcher == NULL && match_by == MATCH_BY_COST &&
		++asked_of_postings * DEVICE_COST > estimated_count())
	{
		/* the caller's is reset with each device; and SPI leaves its own behind */
		MemoryContext caller = MemoryContextSwitchTo(asked->context);

		asked->matcher = kept_matcher();
		asked_of_postings = 0;
		MemoryContextSwitchTo(caller);
	}
}

const char *
deployments_winner(DeploymentsAsked *asked, const char *device_id, int device_id_length,
				   JsonbContainer *tags)
{
	int			winner;

	ask(asked);
	if (asked->matcher == NULL)
		return postings_winner(device_id, device_id_length, tags);
	winner = matcher_winner(asked->matcher, device_id, device_id_length, tags);
	return winner < 0 ? NULL : matcher_deployment_id(asked->matcher, winner);
}

List *
deployments_targeting(DeploymentsAsked *asked, const char *device_id, int device_id_length,
					  JsonbContainer *tags)
{
	List	   *targeting = NIL;
	const int  *ranks;
	int			matches;

	ask(asked);
	if (asked->matcher == NULL)
		return postings_all(device_id, device_id_length, tags);
	matches = matcher_all(asked->matcher, device_id, device_id_length, tags, &ranks);
	for (int i = 0; i < matches; i++)
		targeting = lappend(targeting, (void *) matcher_deployment_id(asked->matcher, ranks[i]));
	return targeting;
}

void
deployments_init(void)
{
	DefineCustomEnumVariable("twinset.match_by",
							 "How a device is matched: by what costs less, or always by one of the two.",
							 "For tests: the result is the same.",
							 &match_by, MATCH_BY_COST, match_by_values,
							 PGC_USERSET, GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);
}
