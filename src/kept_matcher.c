/*-------------------------------------------------------------------------
 *
 * kept_matcher.c
 *	  The compiled deployments that a backend keeps.
 *
 * The matcher is right for a snapshot that reads its version from the
 * settlement's row: each statement on deployment draws a new one before it
 * changes anything, and no rollback brings a version back for other
 * deployments (a new extension's versions begin anew, but its table has
 * another OID).  While such a statement is open the deployments change under
 * one version: then nothing is kept.  When it has changed them it draws another,
 * so what a cursor saw that a trigger opened half-way, and that is read later, is
 * not taken for the whole.
 *
 * For another version it is patched.  The backend remembers what it has
 * patched since the matcher was compiled:
 *
 *	base	what was compiled: all that version 7 and older ones changed
 *	8		deployment a
 *	9		deployment b
 *
 * A snapshot that sees version 11 (deployment c) and 8, but not 9, as that
 * was rolled back or comes later than the snapshot, has 8 as the newest in
 * common.  So what has to be compiled anew is b and c, as the snapshot sees
 * them.  What a settlement wants as it was before a change is patched under a
 * version that nobody sees, and so put right by the next who asks.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "break_rules.h"
#include "deployment_versions.h"
#include "deployments.h"
#include "kept_matcher.h"
#include "settlement.h"
#include "statement.h"

/* of what is patched that no snapshot sees */
#define NO_VERSION		PG_INT64_MAX

/* patches that are remembered; more: what they have made of it is the new base */
#define MAX_REMEMBERED	1000

/* of the deployments so many, and any so few, are patched rather than all compiled */
#define PATCHED_SHARE	10
#define FEW_PATCHED		100

typedef struct Kept
{
	Matcher    *matcher;		/* below CacheMemoryContext; NULL: none */
	int64		version;		/* of the settlement's row that it is right for; 0: it has been patched */
	Oid			settlement;		/* the table that has the row; InvalidOid: the matcher is of no use */
	MemoryContext context;		/* of what follows */
	List	   *patches;		/* DeploymentVersion: the base, then what was patched */
} Kept;

static Kept kept;

/* Remember these, and only these, as what was patched. */
static void
remember(List *patches)
{
	MemoryContext context = AllocSetContextCreate(CacheMemoryContext, "twinset patches",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	List	   *copied = NIL;
	ListCell   *cell;

	if (list_length(patches) > MAX_REMEMBERED)
		patches = list_make1(llast(patches));
	foreach(cell, patches)
	{
		DeploymentVersion *patch = palloc(sizeof(DeploymentVersion));

		*patch = *(DeploymentVersion *) lfirst(cell);
		if (patch->deployment_id != NULL)
			patch->deployment_id = pstrdup(patch->deployment_id);
		copied = lappend(copied, patch);
	}
	MemoryContextSwitchTo(caller);
	if (kept.context != NULL)
		MemoryContextDelete(kept.context);
	kept.context = context;
	kept.patches = copied;
}

/* Add the id to the list, once. */
static List *
add_id(HTAB *seen, List *ids, char *deployment_id)
{
	bool		found;

	(void) hash_search(seen, deployment_id, HASH_ENTER, &found);
	return found ? ids : lappend(ids, deployment_id);
}

static void
patch(List *ids, const MatcherDeployment *deployments, int count)
{
	const char **removed = palloc(sizeof(char *) * Max(list_length(ids), 1));
	ListCell   *cell;
	int			removed_count = 0;

	foreach(cell, ids)
		removed[removed_count++] = lfirst(cell);
	matcher_patch(kept.matcher, removed, removed_count, deployments, count);
}

/* So few that the matcher is patched, rather than all compiled? */
static bool
are_few(int deployments)
{
	return deployments <= Max(matcher_slots(kept.matcher) / PATCHED_SHARE, FEW_PATCHED);
}

/* Patch the matcher for the active snapshot; false: compile it. */
static bool
bring_to(int64 version)
{
	HASHCTL		control = {.keysize = DEPLOYMENT_ID_SIZE,.entrysize = DEPLOYMENT_ID_SIZE,.hcxt = CurrentMemoryContext};
	int64		common;
	List	   *newer;
	List	   *patches = NIL;
	List	   *ids = NIL;
	MatcherDeployment *deployments;
	HTAB	   *seen;
	ListCell   *cell;
	int			count;

	if (kept.matcher == NULL || kept.settlement != settlement_table("settlement") ||
		matcher_worn(kept.matcher))
		return false;
	if (kept.version == version || RULE_IS_BROKEN(versions))
		return true;
	common = deployment_versions_newest(kept.patches);
	if (common == 0)
		return false;

	newer = deployment_versions_since(common);
	seen = hash_create("twinset patched deployments", 128, &control,
					   HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	foreach(cell, list_concat_copy(kept.patches, newer))
	{
		DeploymentVersion *one = lfirst(cell);

		if (one->version <= common)
		{
			patches = lappend(patches, one);
			continue;
		}
		if (one->deployment_id == NULL)
			return false;
		ids = add_id(seen, ids, one->deployment_id);
	}
	hash_destroy(seen);
	if (!are_few(list_length(ids)))
		return false;

	deployments = deployments_read(ids, &count);
	/* a failure between the two leaves a matcher that nothing tells of: it is compiled anew */
	kept.settlement = InvalidOid;
	patch(ids, deployments, count);
	remember(list_concat(patches, newer));
	kept.settlement = settlement_table("settlement");
	kept.version = version;
	return true;
}

static void
compile(int64 version)
{
	int			count;
	MatcherDeployment *deployments = deployments_read_all(&count);
	DeploymentVersion base = {.version = deployment_versions_latest()};
	Matcher    *matcher = matcher_build(CacheMemoryContext, deployments, count);

	if (kept.matcher != NULL)
		matcher_free(kept.matcher);
	kept.matcher = matcher;
	kept.settlement = InvalidOid;
	remember(list_make1(&base));
	kept.settlement = settlement_table("settlement");
	kept.version = version;
}

Matcher *
kept_matcher(void)
{
	int64		version = settlement_version();

	if (statement_is_open_on(settlement_table("deployment")))
	{
		int			count;
		MatcherDeployment *deployments = deployments_read_all(&count);

		return matcher_build(CurrentMemoryContext, deployments, count);
	}
	if (!bring_to(version))
		compile(version);
	return kept.matcher;
}

Matcher *
kept_matcher_at_hand(void)
{
	return !statement_is_open_on(settlement_table("deployment")) && bring_to(settlement_version()) ?
		kept.matcher : NULL;
}

/* A matcher of the deployments, but these as they were, that nobody keeps. */
static Matcher *
compile_before(List *images)
{
	HASHCTL		control = {.keysize = DEPLOYMENT_ID_SIZE,.entrysize = DEPLOYMENT_ID_SIZE,.hcxt = CurrentMemoryContext};
	HTAB	   *changed = hash_create("twinset changed deployments", list_length(images), &control,
									  HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	int			count;
	int			rest = 0;
	MatcherDeployment *deployments = deployments_read_all(&count);
	MatcherDeployment *were = MemoryContextAllocHuge(CurrentMemoryContext,
													 sizeof(MatcherDeployment) * ((Size) count + list_length(images)));
	ListCell   *cell;

	foreach(cell, images)
	{
		DeploymentImage *image = lfirst(cell);

		(void) hash_search(changed, image->was.deployment_id, HASH_ENTER, NULL);
		if (image->existed)
			were[rest++] = image->was;
	}
	for (int i = 0; i < count; i++)
	{
		if (hash_search(changed, deployments[i].deployment_id, HASH_FIND, NULL) == NULL)
			were[rest++] = deployments[i];
	}
	hash_destroy(changed);
	return matcher_build(CurrentMemoryContext, were, rest);
}

Matcher *
kept_matcher_before(List *images)
{
	Matcher    *matcher = kept_matcher();
	MatcherDeployment *was = palloc(sizeof(MatcherDeployment) * Max(list_length(images), 1));
	List	   *patches = list_copy(kept.patches);
	List	   *ids = NIL;
	ListCell   *cell;
	int			count = 0;

	if (!are_few(list_length(images)))
		return compile_before(images);
	foreach(cell, images)
	{
		DeploymentImage *image = lfirst(cell);
		DeploymentVersion *one = palloc(sizeof(DeploymentVersion));

		one->version = NO_VERSION;
		one->deployment_id = (char *) image->was.deployment_id;
		patches = lappend(patches, one);
		ids = lappend(ids, one->deployment_id);
		if (image->existed)
			was[count++] = image->was;
	}
	kept.version = 0;
	remember(patches);
	patch(ids, was, count);
	return matcher;
}

bool
kept_matcher_compiled(void)
{
	return kept.matcher != NULL;
}

Size
kept_matcher_size(int *deployments)
{
	*deployments = 0;
	if (kept.matcher == NULL)
		return 0;
	for (int slot = 0; slot < matcher_slots(kept.matcher); slot++)
		*deployments += matcher_has(kept.matcher, slot);
	return matcher_size(kept.matcher) + MemoryContextMemAllocated(kept.context, true);
}
