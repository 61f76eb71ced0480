/*-------------------------------------------------------------------------
 *
 * break_rules.c
 *	  The setting twinset.break_rule, of a build for tests.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "break_rules.h"

#ifdef TWINSET_BREAK_RULES

#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"

#include "deployments.h"
#include "owner.h"
#include "settlement.h"

#define RULE_NAME(rule) {#rule, RULE_##rule, false},

static const struct config_enum_entry rule_names[] = {
	{"none", NO_RULE, false},
	FOR_EACH_RULE(RULE_NAME)
	{NULL, 0, false}
};

int			broken_rule = NO_RULE;

/* Which deployments target it, as text. */
static char *
targeting(Datum device_id, Datum tags)
{
	text	   *id = DatumGetTextPP(device_id);
	Jsonb	   *of = DatumGetJsonbP(tags);
	DeploymentsAsked asked = deployments_ask();
	StringInfoData ids;
	ListCell   *cell;

	initStringInfo(&ids);
	foreach(cell, deployments_targeting(&asked, VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id), &of->root))
		appendStringInfo(&ids, "%s,", (char *) lfirst(cell));
	return ids.data;
}

bool
deployments_see_no_change(Datum device_id, Datum old_tags, Datum new_tags)
{
	OwnerContext owner;
	bool		same;

	owner_begin(&owner, settlement_table("settlement"));
	same = strcmp(targeting(device_id, old_tags), targeting(device_id, new_tags)) == 0;
	owner_end(&owner);
	return same;
}

void
break_rules_init(void)
{
	DefineCustomEnumVariable("twinset.break_rule",
							 "The rule that is taken out, so that a test can be seen to fail.",
							 NULL, &broken_rule, NO_RULE, rule_names,
							 PGC_SUSET, GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);
}

#endif							/* TWINSET_BREAK_RULES */
