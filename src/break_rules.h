/*-------------------------------------------------------------------------
 *
 * break_rules.h
 *	  Taking out one rule of docs/concurrency.md at a time, so that tests can
 *	  be seen to fail.
 *
 * Only a build with -DTWINSET_BREAK_RULES can (make COPT=-DTWINSET_BREAK_RULES);
 * it has a setting, twinset.break_rule.  In any other build no rule is broken,
 * and the compiler leaves out what hangs on it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_BREAK_RULES_H
#define TWINSET_BREAK_RULES_H

#include "compat.h"

#ifdef TWINSET_BREAK_RULES

/* name and number of each; what it says is in docs/concurrency.md */
#define FOR_EACH_RULE(RULE) \
	RULE(snapshot_after_lock) \
	RULE(delete_what_was_read) \
	RULE(lock_row_is_updated) \
	RULE(lock_before_rows) \
	RULE(tables_before_lock) \
	RULE(first_image) \
	RULE(order_of_row_locks) \
	RULE(order_of_opening) \
	RULE(live_before_not) \
	RULE(image_from_table) \
	RULE(deployment_from_table) \
	RULE(no_open_statement) \
	RULE(every_change) \
	RULE(no_hidden_twin) \
	RULE(truncate_by_latest) \
	RULE(no_hidden_report) \
	RULE(reports_by_latest) \
	RULE(reports_seen) \
	RULE(whole_devices) \
	RULE(at_commit_only) \
	RULE(without_waiting) \
	RULE(read_committed_only) \
	RULE(in_subtransaction) \
	RULE(snapshot_of_query) \
	RULE(versions) \
	RULE(second_version) \
	RULE(whole_snapshot)

#define RULE_NUMBER(rule) RULE_##rule,

typedef enum BreakableRule
{
	NO_RULE,
	FOR_EACH_RULE(RULE_NUMBER)
} BreakableRule;

/* the rule that is taken out */
extern int	broken_rule;

#define RULE_IS_BROKEN(rule)	(broken_rule == RULE_##rule)

extern void break_rules_init(void);

/* do the deployments that the writer can see treat a live device alike before and after? */
extern bool deployments_see_no_change(Datum device_id, Datum old_tags, Datum new_tags);

#else

#define RULE_IS_BROKEN(rule)	false
#define break_rules_init()		((void) 0)
#define deployments_see_no_change(device_id, old_tags, new_tags)	false

#endif

#endif							/* TWINSET_BREAK_RULES_H */
