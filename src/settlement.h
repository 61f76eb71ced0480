/*-------------------------------------------------------------------------
 *
 * settlement.h
 *	  The settlement lock, and what its row keeps.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_SETTLEMENT_H
#define TWINSET_SETTLEMENT_H

#include "compat.h"

#include "access/transam.h"
#include "datatype/timestamp.h"

typedef enum SettlementScope
{
	SETTLEMENT_OF_ALL,			/* reads twins, deployments and reports; deployments may change: draws a version */
	SETTLEMENT_OF_NO_TWINS,		/* twin is being emptied: no deployment is read */
} SettlementScope;

/*
 * settlement_lock: take the settlement lock until the transaction ends, and
 * before it the tables that a settlement reads, in the order that everybody
 * takes them in.
 *
 * Waits for another settlement's transaction.  Where the transaction has a
 * snapshot of its own that is older than another settlement, it fails:
 * 40001.
 */
extern void settlement_lock(SettlementScope scope);

/* the same without waiting for anybody; false: somebody else has it */
extern bool settlement_try_lock(void);

/* of the whole fleet */
typedef struct FleetTally
{
	int64		provisioned;	/* devices that there are */
	int64		live;			/* of these, Edge devices that are not retired */
	int64		not_edge;		/* of these, not provisioned as Edge devices */
	int64		retired;		/* of these, retired */
} FleetTally;

/* what the lock's row keeps */
typedef struct SettlementRow
{
	int64		version;		/* see settlement_version() */
	int64		newest_revision;	/* ever given */
	FullTransactionId settled_before;	/* the log holds no entry of a transaction before this one */
	FleetTally	fleet;			/* when it was last settled */
} SettlementRow;

/* the row as the active snapshot sees it */
extern SettlementRow settlement_read(void);

/* the time in microseconds since 1970: what a revision is drawn from */
extern int64 settlement_clock(void);

/* for assertions: does this transaction hold the settlement lock, and the tables that come before it? */
#ifdef USE_ASSERT_CHECKING
extern bool settlement_is_locked(void);
#endif

/*
 * settlement_version: which deployments the active snapshot sees.  Drawn anew
 * by each statement on deployment, when it begins and when it has changed some,
 * from a sequence, so a rollback can't bring one back for other deployments.
 */
extern int64 settlement_version(void);

/*
 * settlement_next_version: draw the version of what has been changed; under the
 * settlement lock.  What a snapshot sees that was taken before, in the midst of
 * the statement, is of another version.  Writes down the newest revision too.
 */
extern int64 settlement_next_version(void);

/* a revision fits the numbers of every language: 2^53 - 1, in the year 2255 */
#define MAX_REVISION	INT64CONST(9007199254740991)

/* a time in microseconds since 1970, as revisions are */
static inline int64
revision_of_time(TimestampTz time)
{
	return time + (int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}

/*
 * settlement_draw_revision: a revision larger than every one ever given; under
 * the settlement lock.  Fails where a restore has given the largest: 22003.
 */
extern int64 settlement_draw_revision(void);

/* a revision was given by a restore */
extern void settlement_note_revision(int64 revision);

/* write down the newest revision, where it is newer than the row's */
extern void settlement_keep_revision(void);

/*
 * settlement_keep: write down what has been settled: the newest revision; that
 * the log holds no entry of a transaction before this one, where it is valid;
 * and by how much the fleet's counts have moved.
 */
extern void settlement_keep(TransactionId settled_before, const FleetTally *moved);

/* the newest revision that was known when this transaction last took the lock */
extern int64 settlement_revision_before(void);

/* what the settlement has written is seen by what it does next, with the same snapshot */
extern void settlement_next_command(void);

/* the OID of one of the extension's tables; InvalidOid where there is none */
extern Oid	settlement_table(const char *name);

#endif							/* TWINSET_SETTLEMENT_H */
