/*-------------------------------------------------------------------------
 *
 * twinset.c
 *	  The module's entry: what happens when a backend loads it.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "fmgr.h"
#include "utils/guc.h"

#include "break_rules.h"
#include "change_log.h"
#include "current_winner.h"
#include "deployment_change.h"
#include "deployments.h"
#include "guard.h"
#include "history.h"
#include "settle_at_commit.h"
#include "statement.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	/* the last to be registered is called first: it needs what the others keep */
	statement_init();
	change_log_init();
	deployment_change_init();
	history_init();
	guard_init();
	settle_at_commit_init();
	current_winner_init();
	deployments_init();
	break_rules_init();
	MarkGUCPrefixReserved("twinset");
}
