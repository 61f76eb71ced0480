/*-------------------------------------------------------------------------
 *
 * settle.c
 *	  Bringing the settled state up to date.
 *
 * Settled state is what brute force gives for the twins and reports of one
 * snapshot, S, and for the deployments: in assignment each device's winner,
 * in tally each deployment's counts.  What changed since S is in the log.
 *
 * A settlement holds the settlement lock, takes one snapshot after it got the
 * lock, and does all with that:
 *
 *	1. the log, for the deployments as they were: each of its devices adds to
 *	   the tally the difference between what it was and what it is, and its
 *	   winner is written where it is another; then its entries are deleted,
 *	   those that the snapshot sees;
 *	2. the deployments that changed (settle_changed.c).
 *
 * So S becomes this snapshot, and the next settlement waits until it can see
 * all of it.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "assignment.h"
#include "break_rules.h"
#include "change_scan.h"
#include "deployments.h"
#include "fleet.h"
#include "kept_matcher.h"
#include "owner.h"
#include "postings.h"
#include "settle.h"
#include "settle_changed.h"
#include "settlement.h"
#include "tally_sum.h"
#include "tally_table.h"
#include "unsettled.h"

typedef struct Settlement
{
	OwnerContext owner;
	MemoryContext context;		/* for the settlement */
	Snapshot	snapshot;		/* S */
	TallyDevices fleet;			/* while the whole fleet is counted */
	FleetTally	moved;			/* the fleet's counts */
	TableWriter *assignments;	/* while winners are written */
	int64		reported;		/* the newest revision that a device has reported */
	int64		assigned;		/* devices of the fleet that had a row of assignment */
	uint64		devices;		/* that were looked at */
	uint64		rows;			/* that were written */
} Settlement;

static void
begin_settlement(Settlement *settlement)
{
	memset(settlement, 0, sizeof(*settlement));
	owner_begin(&settlement->owner, settlement_table("settlement"));
	settlement->context = AllocSetContextCreate(CurrentMemoryContext, "twinset settlement",
												ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(settlement->context);

	/* rule: one snapshot a settlement, taken after the lock was got */
	Assert(settlement_is_locked());
	CommandCounterIncrement();
	if (RULE_IS_BROKEN(snapshot_after_lock))
	{
		PushCopiedSnapshot(GetActiveSnapshot());
		UpdateActiveSnapshotCommandId();
	}
	else
		PushActiveSnapshot(GetTransactionSnapshot());
	settlement->snapshot = RegisterSnapshot(GetActiveSnapshot());
}

/* all: the whole log was settled, as far as the snapshot sees it */
static void
end_settlement(Settlement *settlement, bool all)
{
	TransactionId before = all ? settlement->snapshot->xmin : InvalidTransactionId;
	FleetTally	moved = settlement->moved;

	PopActiveSnapshot();
	UnregisterSnapshot(settlement->snapshot);
	/* the context goes with SPI's */
	owner_end(&settlement->owner);
	settlement_keep(before, &moved);
}

/* Write the device's winner, where it is not the one that it had. */
static void
assign(Settlement *settlement, const SettledDevice *device)
{
	if (!same_winner(device->assignment.deployment_id, device->winner) ||
		(device->winner != NULL && device->winner_since != device->assignment.assigned_at))
		assignment_write(settlement->assignments, device->device_id, &device->assignment,
						 device->winner, device->winner_since);
}

/* A device of the log. */
static void
settle_unsettled(void *arg, const SettledDevice *device)
{
	Settlement *settlement = arg;

	if (device->now.reported)
		settlement->reported = Max(settlement->reported, device->now.revision);
	assign(settlement, device);
}

static void
move_counts(void *arg, const char *deployment_id, const Tally *by)
{
	tally_table_move(arg, deployment_id, by);
}

/*
 * Settle the log's devices, or those of them that a set takes in.  The
 * matcher is of the deployments as they were; NULL: they are as they were.
 */
static void
settle_entries(Settlement *settlement, Matcher *matcher, DeviceSet *set)
{
	DeploymentsAsked asked = {.matcher = matcher,.context = settlement->context};
	TallySum   *sum = tally_sum_begin(matcher);
	TallyTable *table;

	settlement->assignments = table_writer_begin("assignment");
	settlement->devices += unsettled_visit(&asked, sum, set, settle_unsettled, settlement);
	settlement->rows += table_writer_end(settlement->assignments);

	settlement->moved = *tally_sum_fleet(sum);
	table = tally_table_begin();
	tally_sum_each(sum, move_counts, table);
	settlement->rows += tally_table_end(table);
	unsettled_delete(RULE_IS_BROKEN(delete_what_was_read) ? GetLatestSnapshot() : settlement->snapshot, set);

	/* a device can hold a revision that a restore to an earlier time has lost */
	settlement_note_revision(settlement->reported);
}

void
settle_log(int limit)
{
	Settlement	settlement;

	begin_settlement(&settlement);
	if (change_scan_any())
		settle_entries(&settlement, NULL, limit > 0 ? device_set(limit) : NULL);
	end_settlement(&settlement, limit == 0 || settlement.devices < (uint64) limit);
}

void
settle_deployments(List *images)
{
	Settlement	settlement;

	begin_settlement(&settlement);
	settlement.reported = settlement_revision_before();
	if (change_scan_any())
	{
		settle_entries(&settlement, kept_matcher_before(images), NULL);
		settlement_next_command();
	}
	settle_changed(images, settlement.reported);
	end_settlement(&settlement, true);
}

/* A device of the whole fleet: it is looked at as if nothing were known. */
static void
settle_anew(void *arg, const SettledDevice *device)
{
	Settlement *settlement = arg;
	SettledDevice anew = *device;
	text	   *device_id = DatumGetTextPP(device->device_id);
	int			slot = tally_device(&settlement->fleet, VARDATA_ANY(device_id),
									VARSIZE_ANY_EXHDR(device_id), &device->now, 1);

	anew.winner = slot < 0 ? NULL : matcher_deployment_id(settlement->fleet.matcher, slot);
	anew.winner_since = same_winner(device->assignment.deployment_id, anew.winner) ?
		device->assignment.assigned_at : GetCurrentTransactionStartTimestamp();
	settlement->assigned += device->assignment.deployment_id != NULL;
	settle_unsettled(settlement, &anew);
}

/* How many devices had a row of assignment, in the fleet or not? */
static int64
count_assignments(Settlement *settlement)
{
	static SPIPlanPtr plan = NULL;
	bool		isnull;

	owner_plan(&plan, "SELECT pg_catalog.count(*) FROM twinset.assignment", 0, NULL);
	owner_execute(plan, NULL, settlement->snapshot, InvalidSnapshot);
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

/* Delete derived rows of what is not there any more. */
static uint64
remove_rest(Settlement *settlement)
{
	static SPIPlanPtr tally_plan = NULL;
	static SPIPlanPtr assignment_plan = NULL;
	uint64		rows;

	owner_plan(&tally_plan, "DELETE FROM twinset.tally AS t WHERE NOT EXISTS"
			   " (SELECT FROM twinset.deployment AS d WHERE d.deployment_id = t.deployment_id)", 0, NULL);
	owner_plan(&assignment_plan, "DELETE FROM twinset.assignment AS a WHERE NOT EXISTS"
			   " (SELECT FROM twinset.twin AS t WHERE t.device_id = a.device_id"
			   " AND t.iot_edge AND t.retired_at IS NULL)", 0, NULL);
	rows = owner_execute(tally_plan, NULL, settlement->snapshot, InvalidSnapshot);
	if (count_assignments(settlement) > settlement->assigned)
		rows += owner_execute(assignment_plan, NULL, settlement->snapshot, InvalidSnapshot);
	return rows;
}

/* Count the fleet anew: how many of its counts are stored wrong. */
static uint64
count_fleet(Settlement *settlement)
{
	static SPIPlanPtr plan = NULL;
	FleetTally	stored = settlement_read().fleet;
	int64	   *moved[] = {&settlement->moved.provisioned, &settlement->moved.live,
	&settlement->moved.not_edge, &settlement->moved.retired};
	int64		were[] = {stored.provisioned, stored.live, stored.not_edge, stored.retired};
	uint64		wrong = 0;

	owner_plan(&plan, "SELECT count(*), count(*) FILTER (WHERE iot_edge AND retired_at IS NULL),"
			   " count(*) FILTER (WHERE NOT iot_edge),"
			   " count(*) FILTER (WHERE retired_at IS NOT NULL) FROM twinset.twin", 0, NULL);
	(void) owner_read(plan, NULL);
	for (int i = 0; i < (int) lengthof(moved); i++)
	{
		bool		isnull;
		int64		counted = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
														  i + 1, &isnull));

		wrong += were[i] + *moved[i] != counted;
		*moved[i] = counted - were[i];
	}
	return wrong;
}

uint64
settle_everything(uint64 *devices)
{
	Settlement	settlement;
	Matcher    *matcher;
	TallyTable *table;

	begin_settlement(&settlement);
	if (change_scan_any())
	{
		settle_entries(&settlement, NULL, NULL);
		settlement_next_command();
	}

	settlement.devices = settlement.rows = 0;
	matcher = kept_matcher();
	for (int slot = 0; slot < matcher_slots(matcher); slot++)
	{
		if (matcher_has(matcher, slot))
			settlement_note_revision(matcher_revision(matcher, slot));
	}
	settlement.assignments = table_writer_begin("assignment");
	settlement.fleet = tally_devices_begin(matcher);
	settlement.devices = fleet_visit(NIL, settle_anew, &settlement);
	tally_devices_end(&settlement.fleet);
	settlement.rows += table_writer_end(settlement.assignments);
	settlement_note_revision(settlement.reported);

	table = tally_table_begin();
	for (int slot = 0; slot < matcher_slots(matcher); slot++)
	{
		if (matcher_has(matcher, slot))
			tally_table_set(table, matcher_deployment_id(matcher, slot), &settlement.fleet.tallies[slot]);
	}
	settlement.rows += tally_table_end(table);
	settlement.rows += count_fleet(&settlement);
	settlement.rows += postings_repair();
	settlement.rows += remove_rest(&settlement);
	end_settlement(&settlement, true);
	*devices = settlement.devices;
	return settlement.rows;
}

/* By which the log and the reports are emptied: the transaction's own can lack what others have written. */
static Snapshot
latest_snapshot(void)
{
	return RULE_IS_BROKEN(truncate_by_latest) ? NULL : GetLatestSnapshot();
}

/*
 * Above READ COMMITTED a snapshot can hold reports that others have replaced or
 * deleted.  They would count for a device that is inserted under that id, and
 * be settled.
 */
static void
refuse_hidden_reports(void)
{
	static SPIPlanPtr plan = NULL;

	owner_plan(&plan, "SELECT FROM twinset.report LIMIT 1", 0, NULL);
	if (owner_execute(plan, NULL, NULL, NULL) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent update"),
				 errhint("The transaction might succeed if retried.")));
}

void
settle_without_twins(void)
{
	static SPIPlanPtr report_plan = NULL;
	static SPIPlanPtr asking_plan = NULL;
	static SPIPlanPtr change_plan = NULL;
	static SPIPlanPtr assignment_plan = NULL;
	static SPIPlanPtr tally_plan = NULL;
	static SPIPlanPtr fleet_plan = NULL;
	OwnerContext owner;

	owner_begin(&owner, settlement_table("settlement"));
	owner_plan(&report_plan, "DELETE FROM twinset.report", 0, NULL);
	owner_execute(report_plan, NULL, latest_snapshot(), InvalidSnapshot);
	if (IsolationUsesXactSnapshot() && !RULE_IS_BROKEN(no_hidden_report))
		refuse_hidden_reports();
	owner_plan(&asking_plan, "DELETE FROM twinset.asking", 0, NULL);
	owner_execute(asking_plan, NULL, latest_snapshot(), InvalidSnapshot);
	owner_plan(&change_plan, "DELETE FROM twinset.change", 0, NULL);
	owner_execute(change_plan, NULL, latest_snapshot(), InvalidSnapshot);
	owner_plan(&assignment_plan, "DELETE FROM twinset.assignment", 0, NULL);
	owner_execute(assignment_plan, NULL, NULL, NULL);
	owner_plan(&tally_plan, "UPDATE twinset.tally SET target = 0, actual = 0, healthy = 0, unhealthy = 0",
			   0, NULL);
	owner_execute(tally_plan, NULL, NULL, NULL);
	owner_plan(&fleet_plan, "UPDATE twinset.settlement SET provisioned = 0, live = 0, not_edge = 0, retired = 0", 0, NULL);
	owner_execute(fleet_plan, NULL, NULL, NULL);
	owner_end(&owner);
}
