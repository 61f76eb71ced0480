/*-------------------------------------------------------------------------
 *
 * settle_changed.c
 *	  What changed deployments move.
 *
 * Only devices that an old or a new condition of theirs targets can have
 * another winner.  Of such a device it is known who won it before, and so
 * that no deployment that ranks above the winner targeted it.  With what the
 * changed deployments are now that mostly says who wins:
 *
 *	nobody won it, or one that has not changed	that one, or the best of the
 *						changed ones that target it now, whichever ranks higher
 *	a changed one won it, and the best of the changed ones that target it now
 *						ranks where that one did, or higher: this best one
 *
 * Otherwise somebody else can have come up from below, and the device is
 * matched with all deployments.
 *
 * The counts of the changed deployments are counted anew, those of the others
 * moved by the winners won and lost.  Where only what devices get has changed,
 * no winner moves, and nobody has reported the new revision: no device is
 * looked at, and what is stored by term stays.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "assignment.h"
#include "deployments.h"
#include "fleet.h"
#include "guard.h"
#include "postings.h"
#include "settle_changed.h"
#include "settlement.h"
#include "table_writer.h"
#include "tables.h"
#include "tally_table.h"

/* a deployment that changed, or that a device was or is assigned */
typedef struct Known
{
	char		deployment_id[DEPLOYMENT_ID_SIZE];	/* the key */
	bool		changed;		/* it did */
	bool		existed;		/* it did */
	bool		filed;			/* its postings are right */
	MatcherDeployment was;		/* what it was; where it has not changed, is */
	int			rank;			/* of a changed one, in the matcher; -1: it is gone */
	Tally		moved;			/* of the others: what devices won and lost add */
} Known;

typedef struct Change
{
	MemoryContext context;		/* of all that follows */
	HTAB	   *known;			/* Known, by id */
	Matcher    *matcher;		/* of the changed deployments, as they are now */
	MatcherDeployment *deployments; /* its deployments */
	int			count;
	Tally	   *tallies;		/* by rank, counted anew */
	TableWriter *assignments;
	DeploymentsAsked asked;		/* all deployments, as they are now */
	Guard	   *guard;			/* counts the devices that are moved; NULL */
} Change;

static Known *
enter(Change *change, const char *deployment_id, bool *found)
{
	Known	   *known = hash_search(change->known, deployment_id, HASH_ENTER, found);

	if (!*found)
	{
		memset((char *) known + DEPLOYMENT_ID_SIZE, 0, sizeof(Known) - DEPLOYMENT_ID_SIZE);
		known->rank = -1;
	}
	return known;
}

/* One that a device is assigned; read where it was not met before. */
static Known *
know(Change *change, const char *deployment_id)
{
	bool		found;
	Known	   *known = enter(change, deployment_id, &found);

	if (!found)
	{
		MemoryContext caller = MemoryContextSwitchTo(change->context);
		int			count;
		MatcherDeployment *read = deployments_read(list_make1(pstrdup(deployment_id)), &count);

		/* derived rows can have been damaged; reconcile() repairs them */
		known->existed = count > 0;
		if (known->existed)
			known->was = read[0];
		known->was.deployment_id = known->deployment_id;
		MemoryContextSwitchTo(caller);
	}
	return known;
}

/* The deployment that wins the device now, and best is the best of the changed ones that target it. */
static const char *
winner_of_device(Change *change, const SettledDevice *device, const char *device_id,
				 int device_id_length, const MatcherDeployment *best)
{
	Known	   *assigned;

	if (device->assignment.deployment_id == NULL)
		return best == NULL ? NULL : best->deployment_id;
	assigned = know(change, device->assignment.deployment_id);
	if (assigned->existed && !assigned->changed)
		return best != NULL && deployment_ranks_above(best, &assigned->was) ?
			best->deployment_id : assigned->deployment_id;
	if (assigned->existed && best != NULL && !deployment_ranks_above(&assigned->was, best))
		return best->deployment_id;
	return deployments_winner(&change->asked, device_id, device_id_length, device->now.tags);
}

/* A winner that has not changed itself: its counts move. */
static void
move(Change *change, const char *deployment_id, const DeviceState *state, int sign)
{
	Known	   *known;

	if (deployment_id == NULL)
		return;
	known = know(change, deployment_id);
	if (!known->changed)
		tally_won(&known->moved, known->was.revision, state, sign);
}

static void
visit(void *arg, const SettledDevice *device)
{
	Change	   *change = arg;
	text	   *device_id = DatumGetTextPP(device->device_id);
	const char *assigned = device->assignment.deployment_id;
	const char *winner;
	const int  *ranks;
	int			count = matcher_all(change->matcher, VARDATA_ANY(device_id), VARSIZE_ANY_EXHDR(device_id),
									device->now.tags, &ranks);
	MatcherDeployment *best = count > 0 ? &change->deployments[ranks[0]] : NULL;

	for (int i = 0; i < count; i++)
		change->tallies[ranks[i]].target++;
	winner = winner_of_device(change, device, VARDATA_ANY(device_id), VARSIZE_ANY_EXHDR(device_id), best);
	if (best != NULL && winner != NULL && strcmp(winner, best->deployment_id) == 0)
		tally_winner(change->tallies, change->matcher, ranks[0], &device->now, 1);

	if (same_winner(winner, assigned))
		return;
	guard_moved(change->guard, assigned, winner, 1);
	move(change, assigned, &device->now, -1);
	move(change, winner, &device->now, 1);
	assignment_write(change->assignments, device->device_id, &device->assignment, winner,
					 GetCurrentTransactionStartTimestamp());
}

/* Stored alike?  If not they can still mean the same. */
static bool
same_condition(const Condition *one, const Condition *other)
{
	if (one == NULL || other == NULL)
		return one == other;
	return VARSIZE(one) == VARSIZE(other) && memcmp(one, other, VARSIZE(one)) == 0;
}

/* The conditions of the list, and this one, if it targets anything and is not among them. */
static List *
add_condition(List *conditions, const Condition *condition)
{
	ListCell   *cell;

	if (condition == NULL || condition->root.kind == CONDITION_NOTHING)
		return conditions;
	if (list_length(conditions) <= FLEET_MAX_CONDITIONS)
	{
		foreach(cell, conditions)
		{
			if (same_condition(lfirst(cell), condition))
				return conditions;
		}
	}
	return lappend(conditions, (void *) condition);
}

/* Has it the rank and the condition that it had? */
static bool
wins_the_same(const Known *known, const MatcherDeployment *is)
{
	const MatcherDeployment *was = &known->was;

	return known->existed && was->priority == is->priority && was->created_at == is->created_at &&
		same_condition(was->condition, is->condition);
}

/* Has only what devices get changed, and can no device have reported it yet? */
static bool
only_delivery_changed(const Known *known, const MatcherDeployment *is, int64 reported)
{
	return is->revision > reported && wins_the_same(known, is);
}

static void
write_counts(Change *change)
{
	TallyTable *table = tally_table_begin();
	HASH_SEQ_STATUS sequence;
	Known	   *known;

	hash_seq_init(&sequence, change->known);
	while ((known = hash_seq_search(&sequence)) != NULL)
	{
		if (!known->changed)
			tally_table_move(table, known->deployment_id, &known->moved);
		else if (known->rank < 0)
			tally_table_remove(table, known->deployment_id);
		else
			tally_table_set(table, known->deployment_id, &change->tallies[known->rank]);
	}
	(void) tally_table_end(table);
}

/* Enter the deployments that have changed, as they were; returns their ids. */
static List *
enter_images(Change *change, List *images)
{
	List	   *ids = NIL;
	ListCell   *cell;

	foreach(cell, images)
	{
		DeploymentImage *image = lfirst(cell);
		bool		found;
		Known	   *known = enter(change, image->was.deployment_id, &found);

		known->changed = true;
		known->existed = image->existed;
		known->was = image->was;
		known->was.deployment_id = known->deployment_id;
		ids = lappend(ids, known->deployment_id);
	}
	return ids;
}

/* The postings of those that win otherwise now, or are gone. */
static void
file_anew(Change *change, List *ids, const MatcherDeployment *deployments, int count)
{
	MatcherDeployment *filed = MemoryContextAllocHuge(change->context, sizeof(MatcherDeployment) * Max(count, 1));
	int			filed_count = 0;
	List	   *changed = NIL;
	ListCell   *cell;

	for (int i = 0; i < count; i++)
	{
		Known	   *known = hash_search(change->known, deployments[i].deployment_id, HASH_FIND, NULL);

		known->filed = wins_the_same(known, &deployments[i]);
		if (!known->filed)
			filed[filed_count++] = deployments[i];
	}
	foreach(cell, ids)
	{
		Known	   *known = hash_search(change->known, lfirst(cell), HASH_FIND, NULL);

		if (!known->filed)
			changed = lappend(changed, known->deployment_id);
	}
	if (changed != NIL)
		(void) postings_change(changed, filed, filed_count);
	pfree(filed);
}

/*
 * Those of which only what devices get has changed are not changed for what
 * follows; the others stay.  Returns how many.
 */
static int
settle_deliveries(Change *change, MatcherDeployment *deployments, int count, int64 reported)
{
	TallyTable *table = tally_table_begin();
	int			rest = 0;

	for (int i = 0; i < count; i++)
	{
		Known	   *known = hash_search(change->known, deployments[i].deployment_id, HASH_FIND, NULL);

		if (only_delivery_changed(known, &deployments[i], reported))
		{
			tally_table_forget_reports(table, known->deployment_id);
			known->was.revision = deployments[i].revision;
			known->changed = false;
		}
		else
			deployments[rest++] = deployments[i];
	}
	(void) tally_table_end(table);
	return rest;
}

/* Has a restore brought them all?  It brings back what devices have. */
static bool
all_restored(List *images)
{
	ListCell   *cell;

	foreach(cell, images)
	{
		if (!((DeploymentImage *) lfirst(cell))->restored)
			return false;
	}
	return true;
}

void
settle_changed(List *images, int64 reported)
{
	HASHCTL		control = {.keysize = DEPLOYMENT_ID_SIZE,.entrysize = sizeof(Known),.hcxt = CurrentMemoryContext};
	Change		change = {.context = CurrentMemoryContext};
	List	   *conditions = NIL;
	HASH_SEQ_STATUS sequence;
	MatcherDeployment *deployments;
	List	   *ids;
	Known	   *known;

	change.known = hash_create("twinset known deployments", Max(list_length(images), 16), &control,
							   HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	ids = enter_images(&change, images);
	deployments = deployments_read(ids, &change.count);
	for (int i = 0; i < change.count; i++)
		settlement_note_revision(deployments[i].revision);
	file_anew(&change, ids, deployments, change.count);
	settlement_next_command();
	change.count = settle_deliveries(&change, deployments, change.count, reported);
	settlement_next_command();

	change.matcher = matcher_build(CurrentMemoryContext, deployments, change.count);
	change.deployments = MemoryContextAllocHuge(CurrentMemoryContext,
												sizeof(MatcherDeployment) * Max(change.count, 1));
	for (int i = 0; i < change.count; i++)
		change.deployments[matcher_find(change.matcher, deployments[i].deployment_id)] = deployments[i];
	change.tallies = MemoryContextAllocExtended(CurrentMemoryContext,
												sizeof(Tally) * Max(change.count, 1),
												MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int rank = 0; rank < change.count; rank++)
	{
		known = hash_search(change.known, change.deployments[rank].deployment_id, HASH_FIND, NULL);
		known->rank = rank;
		conditions = add_condition(conditions, change.deployments[rank].condition);
	}
	hash_seq_init(&sequence, change.known);
	while ((known = hash_seq_search(&sequence)) != NULL)
	{
		if (known->changed && known->existed)
			conditions = add_condition(conditions, known->was.condition);
	}

	change.asked = deployments_ask();
	change.guard = all_restored(images) ? NULL : guard_begin();
	change.assignments = table_writer_begin("assignment");
	if (conditions != NIL)
		(void) fleet_visit(conditions, visit, &change);
	(void) table_writer_end(change.assignments);
	guard_end(change.guard);
	write_counts(&change);
}
