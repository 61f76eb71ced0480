/*-------------------------------------------------------------------------
 *
 * settlement.c
 *	  The settlement lock, and what its row keeps.
 *
 * Settling is done by one transaction at a time, which holds the lock until
 * it ends.  The lock is the one row of the table settlement, and taking it is
 * updating it: so a transaction whose snapshot is older than another
 * settlement, and who would therefore settle from what is no longer so, fails
 * by itself with a serialization failure.
 *
 * The row keeps the version of the deployments (see settlement_version) and
 * the newest revision ever given.  A revision is the time of the change in
 * microseconds since 1970, made larger than every one before it.  And it keeps
 * before which transaction all are settled, so that a device's row tells
 * whether the log can hold it (device_winner.c), and the counts of the fleet.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "executor/tuptable.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "break_rules.h"
#include "owner.h"
#include "settlement.h"
#include "tables.h"

/* the tables that a settlement reads, in the order of their locks */
static const char *const settled_from[] = {"twin", "deployment", "report"};

/* the tables that it writes, or that nobody else writes beside it */
static const char *const settled_to[] = {"change", "assignment", "tally", "settlement", "deployment_version"};

/* the newest revision that this backend knows of: it never goes back */
static int64 newest_revision = 0;

/* the newest revision that the row had when the lock was taken, or has by now */
static int64 kept_revision = 0;

/* the newest revision when the lock was taken */
static int64 revision_before = 0;

Oid
settlement_table(const char *name)
{
	Oid			schema = get_namespace_oid(TWINSET_SCHEMA, true);

	return OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
}

/* With which the lock's row is updated: NULL, the transaction's own, so that an older one fails. */
static Snapshot
row_snapshot(void)
{
	return RULE_IS_BROKEN(lock_row_is_updated) ? GetLatestSnapshot() : NULL;
}

#ifdef USE_ASSERT_CHECKING

/* the transaction that has updated the row last, in this backend */
static TransactionId lock_holder = InvalidTransactionId;

static bool
table_is_locked(const char *name)
{
	Relation	table = RelationIdGetRelation(settlement_table(name));
	bool		locked = CheckRelationLockedByMe(table, AccessShareLock, true);

	RelationClose(table);
	return locked;
}

/* Are the tables locked that come before the row? */
static bool
tables_are_locked(SettlementScope scope)
{
	return table_is_locked("twin") && table_is_locked("report") &&
		(scope == SETTLEMENT_OF_NO_TWINS || table_is_locked("deployment"));
}

bool
settlement_is_locked(void)
{
	return TransactionIdIsValid(lock_holder) &&
		TransactionIdEquals(lock_holder, GetTopTransactionIdIfAny()) &&
		tables_are_locked(SETTLEMENT_OF_NO_TWINS);
}

#endif

static void
update_row(bool draw_version)
{
	static SPIPlanPtr draw_plan = NULL;
	static SPIPlanPtr keep_plan = NULL;
	bool		isnull;
	SPIPlanPtr	plan = draw_version ?
		owner_plan(&draw_plan, "UPDATE twinset.settlement"
				   " SET version = pg_catalog.nextval('twinset.settlement_version')"
				   " RETURNING newest_revision", 0, NULL) :
		owner_plan(&keep_plan, "UPDATE twinset.settlement SET version = version"
				   " RETURNING newest_revision", 0, NULL);

	if (owner_execute(plan, NULL, row_snapshot(), NULL) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"twinset.settlement\" must have one row"),
				 errhint("The extension twinset is damaged: drop and create it again.")));
	kept_revision = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	newest_revision = Max(newest_revision, kept_revision);
	revision_before = newest_revision;
#ifdef USE_ASSERT_CHECKING
	lock_holder = GetTopTransactionId();
#endif
}

void
settlement_lock(SettlementScope scope)
{
	OwnerContext owner;

	for (int i = 0; i < (int) lengthof(settled_from) && !RULE_IS_BROKEN(tables_before_lock); i++)
	{
		if (scope != SETTLEMENT_OF_NO_TWINS || strcmp(settled_from[i], "deployment") != 0)
			LockRelationOid(settlement_table(settled_from[i]), AccessShareLock);
	}
	/* the order of locks: the tables, then the row */
	Assert(RULE_IS_BROKEN(tables_before_lock) || tables_are_locked(scope));
	owner_begin(&owner, settlement_table("settlement"));
	update_row(scope == SETTLEMENT_OF_ALL);
	owner_end(&owner);
}

bool
settlement_try_lock(void)
{
	static SPIPlanPtr plan = NULL;
	OwnerContext owner;
	bool		locked;

	for (int i = 0; i < (int) lengthof(settled_from); i++)
	{
		if (!ConditionalLockRelationOid(settlement_table(settled_from[i]), AccessShareLock))
			return false;
	}
	for (int i = 0; i < (int) lengthof(settled_to); i++)
	{
		if (!ConditionalLockRelationOid(settlement_table(settled_to[i]), RowExclusiveLock))
			return false;
	}
	owner_begin(&owner, settlement_table("settlement"));
	owner_plan(&plan, "SELECT FROM twinset.settlement FOR NO KEY UPDATE SKIP LOCKED", 0, NULL);
	locked = owner_execute(plan, NULL, NULL, NULL) == 1;
	Assert(tables_are_locked(SETTLEMENT_OF_ALL));
	if (locked)
		update_row(false);
	owner_end(&owner);
	return locked;
}

/*
 * The row's first version stands at the table's beginning, and those that
 * replaced it are mostly found from there; if not, the table is read.
 */
static bool
find_row(Relation table, TupleTableSlot *slot)
{
	IndexFetchTableData *fetch = table_index_fetch_begin(table);
	ItemPointerData first;
	bool		again = false;
	bool		found;

	ItemPointerSet(&first, 0, FirstOffsetNumber);
	found = table_index_fetch_tuple(fetch, &first, GetActiveSnapshot(), slot, &again, NULL);
	table_index_fetch_end(fetch);
	if (!found)
	{
		TableScanDesc scan = table_beginscan(table, GetActiveSnapshot(), 0, NULL);

		found = table_scan_getnextslot(scan, ForwardScanDirection, slot);
		/* the row's header is the scan's, and goes with it */
		if (found)
			ExecMaterializeSlot(slot);
		table_endscan(scan);
	}
	return found;
}

SettlementRow
settlement_read(void)
{
	Relation	table = table_open(settlement_table("settlement"), AccessShareLock);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	SettlementRow row;
	bool		isnull;

	if (!find_row(table, slot))
		elog(ERROR, "table \"twinset.settlement\" must have one row");
	row.version = DatumGetInt64(slot_getattr(slot, Anum_settlement_version, &isnull));
	row.newest_revision = DatumGetInt64(slot_getattr(slot, Anum_settlement_newest_revision, &isnull));
	row.settled_before = DatumGetFullTransactionId(slot_getattr(slot, Anum_settlement_settled_before, &isnull));
	row.fleet.provisioned = DatumGetInt64(slot_getattr(slot, Anum_settlement_provisioned, &isnull));
	row.fleet.live = DatumGetInt64(slot_getattr(slot, Anum_settlement_live, &isnull));
	row.fleet.not_edge = DatumGetInt64(slot_getattr(slot, Anum_settlement_not_edge, &isnull));
	row.fleet.retired = DatumGetInt64(slot_getattr(slot, Anum_settlement_retired, &isnull));
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, NoLock);
	return row;
}

int64
settlement_version(void)
{
	return settlement_read().version;
}

int64
settlement_clock(void)
{
	return revision_of_time(GetCurrentTimestamp());
}

int64
settlement_next_version(void)
{
	static SPIPlanPtr plan = NULL;
	OwnerContext owner;
	Datum		revision = Int64GetDatum(newest_revision);
	int64		version;
	bool		isnull;

	owner_begin(&owner, settlement_table("settlement"));
	owner_plan(&plan, RULE_IS_BROKEN(second_version) ?
			   "UPDATE twinset.settlement SET newest_revision = greatest(newest_revision, $1) RETURNING version" :
			   "UPDATE twinset.settlement"
			   " SET version = pg_catalog.nextval('twinset.settlement_version'),"
			   " newest_revision = greatest(newest_revision, $1)"
			   " RETURNING version", 1, (Oid[]) {INT8OID});
	if (owner_execute(plan, &revision, row_snapshot(), NULL) != 1)
		elog(ERROR, "table \"twinset.settlement\" must have one row");
	version = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	owner_end(&owner);
	kept_revision = newest_revision;
	return version;
}

int64
settlement_draw_revision(void)
{
	if (newest_revision >= MAX_REVISION)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("no revision is left to be drawn"),
				 errdetail("Somebody has given a deployment the largest revision, " INT64_FORMAT ".", MAX_REVISION)));
	newest_revision = Max(newest_revision + 1, settlement_clock());
	return newest_revision;
}

void
settlement_note_revision(int64 revision)
{
	newest_revision = Max(newest_revision, revision);
}

/* A transaction's number that is not long ago, in full. */
static FullTransactionId
full_transaction(TransactionId transaction)
{
	FullTransactionId next = ReadNextFullTransactionId();
	uint32		epoch = EpochFromFullTransactionId(next);

	if (transaction > XidFromFullTransactionId(next))
		epoch--;
	return FullTransactionIdFromEpochAndXid(epoch, transaction);
}

void
settlement_keep(TransactionId settled_before, const FleetTally *moved)
{
	static SPIPlanPtr plan = NULL;
	OwnerContext owner;
	Datum		values[6];

	if (!TransactionIdIsValid(settled_before) && newest_revision <= kept_revision &&
		moved->provisioned == 0 && moved->live == 0 && moved->not_edge == 0 && moved->retired == 0)
		return;
	values[0] = Int64GetDatum(newest_revision);
	values[1] = FullTransactionIdGetDatum(TransactionIdIsValid(settled_before) ?
										  full_transaction(settled_before) : InvalidFullTransactionId);
	values[2] = Int64GetDatum(moved->provisioned);
	values[3] = Int64GetDatum(moved->live);
	values[4] = Int64GetDatum(moved->not_edge);
	values[5] = Int64GetDatum(moved->retired);
	owner_begin(&owner, settlement_table("settlement"));
	owner_plan(&plan, "UPDATE twinset.settlement SET newest_revision = greatest(newest_revision, $1),"
			   " settled_before = greatest(settled_before, $2), provisioned = provisioned + $3,"
			   " live = live + $4, not_edge = not_edge + $5, retired = retired + $6",
			   lengthof(values), (Oid[]) {INT8OID, XID8OID, INT8OID, INT8OID, INT8OID, INT8OID});
	owner_execute(plan, values, row_snapshot(), NULL);
	owner_end(&owner);
	kept_revision = newest_revision;
}

void
settlement_keep_revision(void)
{
	FleetTally	moved = {0};

	settlement_keep(InvalidTransactionId, &moved);
}

int64
settlement_revision_before(void)
{
	return revision_before;
}

void
settlement_next_command(void)
{
	Snapshot	snapshot = RegisterSnapshot(GetActiveSnapshot());

	PopActiveSnapshot();
	CommandCounterIncrement();
	PushCopiedSnapshot(snapshot);
	UpdateActiveSnapshotCommandId();
	UnregisterSnapshot(snapshot);
}
