/*-------------------------------------------------------------------------
 *
 * settle_at_commit.c
 *	  Settling at the end of a transaction that wrote to the log.
 *
 * Nothing of this is needed to be right: readers add what is unsettled.  It
 * keeps the log short, so that they are fast.  A writer that finds much
 * unsettled settles it just before its commit, when the settlement lock is
 * held for a moment only, and only if that waits for nobody.  An error on the
 * way is not the user's: it is logged, and others settle.
 *
 * Most writers don't look.  Who has appended n entries looks with a chance of
 * n in an eighth of twinset.settle_after, and estimates how many there are.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "common/pg_prng.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "break_rules.h"
#include "change_log.h"
#include "change_scan.h"
#include "deployment_change.h"
#include "deployments.h"
#include "history.h"
#include "owner.h"
#include "settle.h"
#include "settle_at_commit.h"
#include "settlement.h"
#include "statement.h"

/* of the entries after which a commit settles, how many are settled at once */
#define SETTLE_FACTOR	10

/* entries after which a commit settles; 0: none does */
static int	settle_after = 1000;

static bool
worth_looking(uint64 appended)
{
	return appended * 8 >= (uint64) settle_after ||
		pg_prng_double(&pg_global_prng_state) * settle_after < appended * 8;
}

static bool
get_lock(void)
{
	if (!RULE_IS_BROKEN(without_waiting))
		return settlement_try_lock();
	settlement_lock(SETTLEMENT_OF_ALL);
	return true;
}

/*
 * Entries after which this commit settles.  A new connection would have to
 * compile the deployments: it leaves that to those that have, or until there
 * is so much to settle that it pays; but not for ever.
 */
static uint64
worth_settling(void)
{
	return settle_after + Min(deployments_compile_cost(), (uint64) settle_after * (SETTLE_FACTOR - 1));
}

/* Are there so many? */
static bool
much_is_unsettled(void)
{
	uint64		worth = worth_settling();

	return change_scan_estimate(worth) >= worth;
}

/*
 * A bulk load settles all, its own entries among it; any other a bounded part.
 */
static void
settle_much(uint64 appended)
{
	bool		bulk = appended >= (uint64) settle_after;

	/* no query runs any more; the settlement takes a snapshot of its own */
	PushActiveSnapshot(GetTransactionSnapshot());
	if ((bulk || much_is_unsettled()) && get_lock())
		settle_log(bulk ? 0 : settle_after * SETTLE_FACTOR);
	PopActiveSnapshot();
}

static void
try_to_settle(uint64 appended)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner resource_owner = CurrentResourceOwner;

	if (RULE_IS_BROKEN(in_subtransaction))
	{
		settle_much(appended);
		return;
	}
	BeginInternalSubTransaction("twinset settle");
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		settle_much(appended);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		ereport(LOG,
				(errcode(error->sqlerrcode),
				 errmsg("twinset could not settle at commit: %s", error->message),
				 errdetail("The transaction is committed; what it changed is settled later.")));
		FreeErrorData(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = resource_owner;
}

static void
settle_at_transaction_end(XactEvent event, void *arg)
{
	uint64		appended = change_log_appended();

	if (event != XACT_EVENT_PRE_COMMIT && event != XACT_EVENT_PRE_PREPARE)
		return;

	/* a statement's AFTER trigger was switched off half-way */
	history_flush();
	deployment_change_settle();

	if (event == XACT_EVENT_PRE_COMMIT && appended > 0 && settle_after > 0 &&
		(!IsolationUsesXactSnapshot() || RULE_IS_BROKEN(read_committed_only)) && !XactReadOnly && !statement_any_open() &&
		OidIsValid(settlement_table("settlement")) && worth_looking(appended))
		try_to_settle(appended);
}

void
settle_at_commit_init(void)
{
	DefineCustomIntVariable("twinset.settle_after",
							"Unsettled changes after which a commit settles them.",
							"Winners and counts are exact whatever it is; it keeps reading them cheap."
							" 0: no commit settles.",
							&settle_after, 1000, 0, INT_MAX / SETTLE_FACTOR,
							PGC_USERSET, 0, NULL, NULL, NULL);
	RegisterXactCallback(settle_at_transaction_end, NULL);
}
