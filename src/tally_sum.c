/*-------------------------------------------------------------------------
 *
 * tally_sum.c
 *	  What the devices in the log add to the settled counts.
 *
 * Most of what a fleet does is report.  A device of which the log holds the
 * report alone has kept its winner, so its counts move without a match, and
 * who settles or reads only such devices compiles no deployments: the winners'
 * revisions are looked up instead.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "deployments.h"
#include "kept_matcher.h"
#include "tally_sum.h"

/* a deployment that devices have kept */
typedef struct Kept
{
	char		deployment_id[DEPLOYMENT_ID_SIZE];	/* the key */
	int64		revision;		/* 0: there is no such deployment */
	Tally		by;				/* what their reports add to its counts */
} Kept;

struct TallySum
{
	MemoryContext context;		/* of all that follows */
	Matcher    *matcher;		/* NULL: not needed yet */
	TallyDevices devices;		/* that were matched; without tallies: none yet */
	FleetTally	fleet;
	HTAB	   *kept;			/* Kept, by id */
};

TallySum *
tally_sum_begin(Matcher *matcher)
{
	HASHCTL		control = {.keysize = DEPLOYMENT_ID_SIZE,.entrysize = sizeof(Kept),.hcxt = CurrentMemoryContext};
	TallySum   *sum = palloc0(sizeof(TallySum));

	sum->context = CurrentMemoryContext;
	sum->matcher = matcher;
	sum->kept = hash_create("twinset kept winners", 64, &control, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	return sum;
}

Matcher *
tally_sum_matcher(TallySum *sum)
{
	if (sum->devices.tallies == NULL)
	{
		/* the caller's context is a device's; and SPI leaves its own behind */
		MemoryContext caller = MemoryContextSwitchTo(sum->context);

		if (sum->matcher == NULL)
			sum->matcher = kept_matcher();
		sum->devices = tally_devices_begin(sum->matcher);
		MemoryContextSwitchTo(caller);
	}
	return sum->matcher;
}

FleetTally *
tally_sum_fleet(TallySum *sum)
{
	return &sum->fleet;
}

int
tally_sum_changed(TallySum *sum, const char *device_id, int device_id_length,
				  const DeviceState *before, const DeviceState *now)
{
	tally_kind(&sum->fleet, before->kind, -1);
	tally_kind(&sum->fleet, now->kind, 1);
	(void) tally_device(&sum->devices, device_id, device_id_length, before, -1);
	return tally_device(&sum->devices, device_id, device_id_length, now, 1);
}

/* The deployment's revision; 0: there is none. */
static int64
revision_of(TallySum *sum, char *deployment_id)
{
	MatcherDeployment *read;
	int			count;

	if (sum->matcher != NULL)
	{
		int			slot = matcher_find(sum->matcher, deployment_id);

		return slot < 0 ? 0 : matcher_revision(sum->matcher, slot);
	}
	read = deployments_read(list_make1(deployment_id), &count);
	return count == 0 ? 0 : read[0].revision;
}

void
tally_sum_kept(TallySum *sum, const char *deployment_id, const DeviceState *before, const DeviceState *now)
{
	bool		found;
	Kept	   *kept = hash_search(sum->kept, deployment_id, HASH_ENTER, &found);

	if (!found)
	{
		memset(&kept->by, 0, sizeof(kept->by));
		kept->revision = revision_of(sum, kept->deployment_id);
	}
	/* derived rows can have been damaged; reconcile() repairs them */
	if (kept->revision == 0)
		return;
	tally_won(&kept->by, kept->revision, before, -1);
	tally_won(&kept->by, kept->revision, now, 1);
}

void
tally_sum_each(TallySum *sum, TallyVisitor visitor, void *arg)
{
	HASH_SEQ_STATUS kept_ones;
	Kept	   *kept;
	Tally	   *tallies = sum->devices.tallies;

	if (tallies != NULL)
		tally_devices_end(&sum->devices);
	hash_seq_init(&kept_ones, sum->kept);
	while ((kept = hash_seq_search(&kept_ones)) != NULL)
	{
		int			slot = tallies == NULL ? -1 : matcher_find(sum->matcher, kept->deployment_id);

		if (slot >= 0)
			tally_add(&tallies[slot], &kept->by);
		else if (!tally_is_zero(&kept->by))
			visitor(arg, kept->deployment_id, &kept->by);
	}
	for (int slot = 0; tallies != NULL && slot < matcher_slots(sum->matcher); slot++)
	{
		if (matcher_has(sum->matcher, slot) && !tally_is_zero(&tallies[slot]))
			visitor(arg, matcher_deployment_id(sum->matcher, slot), &tallies[slot]);
	}
	hash_destroy(sum->kept);
}
