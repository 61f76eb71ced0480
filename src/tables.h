/*-------------------------------------------------------------------------
 *
 * tables.h
 *	  The columns of the extension's tables, by number.
 *
 * sql/tables.sql and sql/settled.sql create them in this order; what users
 * add comes behind.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_TABLES_H
#define TWINSET_TABLES_H

#include "compat.h"

#include "catalog/namespace.h"
#include "executor/tuptable.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#define TWINSET_SCHEMA			"twinset"

/* twin */
#define Anum_twin_device_id		1
#define Anum_twin_tags			2
#define Anum_twin_iot_edge		3
#define Anum_twin_retired_at	4
#define Anum_twin_created_at	5
#define Anum_twin_updated_at	6

/* deployment */
#define Anum_deployment_deployment_id	1
#define Anum_deployment_content			2
#define Anum_deployment_target_condition	3
#define Anum_deployment_priority		4
#define Anum_deployment_labels			5
#define Anum_deployment_revision		6
#define Anum_deployment_created_at		7
#define Anum_deployment_updated_at		8

/* report */
#define Anum_report_device_id	1
#define Anum_report_revision	2
#define Anum_report_code		3
#define Anum_report_description	4
#define Anum_report_modules		5
#define Anum_report_reported_at	6
#define Natts_report			6

/* change, the log */
#define Anum_change_ordinal		1
#define Anum_change_transaction	2
#define Anum_change_statement	3
#define Anum_change_changed_at	4
#define Anum_change_device_id	5
#define Anum_change_live		6
#define Anum_change_tags		7
#define Anum_change_revision	8
#define Anum_change_code		9
#define Anum_change_packed		10
#define Natts_change			10

/* assignment */
#define Anum_assignment_device_id		1
#define Anum_assignment_deployment_id	2
#define Anum_assignment_assigned_at		3

/* tally */
#define Anum_tally_deployment_id		1
#define Anum_tally_target				2
#define Anum_tally_actual				3
#define Anum_tally_healthy				4
#define Anum_tally_unhealthy			5

/* settlement */
#define Anum_settlement_version			1
#define Anum_settlement_newest_revision	2
#define Anum_settlement_settled_before	3
#define Anum_settlement_provisioned		4
#define Anum_settlement_live			5
#define Anum_settlement_not_edge		6
#define Anum_settlement_retired			7

/* deployment_version */
#define Anum_deployment_version_version			1
#define Anum_deployment_version_deployment_id	2

/* posting */
#define Anum_posting_term				1
#define Anum_posting_priority			2
#define Anum_posting_created_at			3
#define Anum_posting_deployment_id		4
#define Anum_posting_target_condition	5

/* history */
#define Anum_history_deployment_id		1
#define Anum_history_at					2
#define Anum_history_transaction		3
#define Anum_history_role				4
#define Anum_history_login				5
#define Anum_history_actor				6
#define Anum_history_reason				7
#define Anum_history_operation			8
#define Anum_history_before_content		9
#define Anum_history_before_condition	10
#define Anum_history_before_priority	11
#define Anum_history_before_labels		12
#define Anum_history_before_revision	13
#define Anum_history_before_created_at	14
#define Anum_history_after_content		15
#define Anum_history_after_condition	16
#define Anum_history_after_priority		17
#define Anum_history_after_labels		18
#define Anum_history_after_revision		19
#define Anum_history_after_created_at	20

/*
 * companion: the OID of a table or sequence that stands beside the one that
 * a trigger fires on.  Looked up at each call and kept by nobody: the
 * relation can be another one the next time.
 */
static inline Oid
companion(Relation relation, const char *name)
{
	Oid			oid = get_relname_relid(name, RelationGetNamespace(relation));

	if (!OidIsValid(oid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s\" does not exist beside \"%s\"",
						name, RelationGetRelationName(relation)),
				 errhint("The extension twinset is damaged: drop and create it again.")));
	return oid;
}

/*
 * What a device's twin is: live is an Edge device that is not retired.  The log
 * keeps the number of one that is not live.
 */
typedef enum TwinKind
{
	TWIN_NONE = 0,				/* there is no such device */
	TWIN_NOT_EDGE = 1,
	TWIN_RETIRED = 2,
	TWIN_NOT_EDGE_RETIRED = 3,
	TWIN_LIVE = 4,
} TwinKind;

/* what a row of twin is; NULL: there is none */
static inline TwinKind
twin_kind(TupleTableSlot *twin)
{
	bool		edge;
	bool		in_service;
	bool		isnull;

	if (twin == NULL)
		return TWIN_NONE;
	edge = DatumGetBool(slot_getattr(twin, Anum_twin_iot_edge, &isnull));
	(void) slot_getattr(twin, Anum_twin_retired_at, &in_service);
	if (edge)
		return in_service ? TWIN_LIVE : TWIN_RETIRED;
	return in_service ? TWIN_NOT_EDGE : TWIN_NOT_EDGE_RETIRED;
}

#endif							/* TWINSET_TABLES_H */
