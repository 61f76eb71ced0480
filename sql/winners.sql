-- What views and functions ask of the log and of the matcher.

CREATE FUNCTION twinset.health(revision bigint, reported_revision bigint, code integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN revision IS NULL THEN NULL
	WHEN reported_revision IS DISTINCT FROM revision THEN 'unknown'
	WHEN code = 200 THEN 'healthy' ELSE 'unhealthy' END;

COMMENT ON FUNCTION twinset.health(bigint, bigint, integer) IS
	'a device''s status: of its winner''s revision, the one its latest report is for, and that report''s code';

-- STABLE, because timestamptz + interval is; the result depends on the argument alone
CREATE FUNCTION twinset.revision_time(revision bigint) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN timestamptz 'epoch' + revision * interval '1 microsecond';

COMMENT ON FUNCTION twinset.revision_time(bigint) IS 'since when a deployment has this revision';

-- Views call the next three, so whoever may read those needs EXECUTE. STABLE: they read with the
-- snapshot of the query that calls them.

-- Cost: the log read once a query; then, for a device that it does not hold, a look into a hash table.
CREATE FUNCTION twinset.current_winner(device_id text, settled text) RETURNS text
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'twinset_current_winner';

COMMENT ON FUNCTION twinset.current_winner(text, text) IS
	'a device''s winner now: the settled one, unless it has changed since; part of device_status and deployment_device';

CREATE FUNCTION twinset.current_assigned_at(device_id text, settled timestamptz) RETURNS timestamptz
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'twinset_current_assigned_at';

COMMENT ON FUNCTION twinset.current_assigned_at(text, timestamptz) IS
	'since when a device has its winner: the settled time, unless it has changed since; part of device_status';

-- Cost: the log is read and sorted, its devices matched; nothing where it is empty.
CREATE FUNCTION twinset.unsettled_tally()
RETURNS TABLE (deployment_id text, target bigint, actual bigint, healthy bigint, unhealthy bigint)
LANGUAGE c STABLE ROWS 100 AS 'MODULE_PATHNAME', 'twinset_unsettled_tally';

COMMENT ON FUNCTION twinset.unsettled_tally() IS
	'what the devices in the log add to the settled counts; part of deployment_status';

CREATE FUNCTION twinset.unsettled_fleet(OUT provisioned bigint, OUT live bigint, OUT not_edge bigint, OUT retired bigint,
	OUT target bigint, OUT actual bigint, OUT healthy bigint, OUT unhealthy bigint)
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'twinset_unsettled_fleet';

COMMENT ON FUNCTION twinset.unsettled_fleet() IS
	'what the devices in the log add to the settled counts of the fleet; part of fleet_overview';

CREATE FUNCTION twinset.winner_of(device_id text, tags jsonb) RETURNS text
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'twinset_winner_of';

COMMENT ON FUNCTION twinset.winner_of(text, jsonb) IS 'the deployment that wins a live device with these tags';

CREATE FUNCTION twinset.targeting(device_id text, tags jsonb) RETURNS TABLE (rank integer, deployment_id text)
LANGUAGE c STABLE STRICT ROWS 10 AS 'MODULE_PATHNAME', 'twinset_targeting';

COMMENT ON FUNCTION twinset.targeting(text, jsonb) IS
	'all deployments that target a live device with these tags, the winner first';

-- ALTER TABLE ... ENABLE TRIGGER ALL, as a restore with --disable-triggers does it, forgets that a
-- trigger fires ALWAYS or in the role REPLICA. In PL/pgSQL, as what else verify() asks, which keeps the plan.
CREATE FUNCTION twinset.switched_triggers()
RETURNS TABLE (table_name text, trigger_name text, stored text, expected text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	SELECT c.relname::text, g.tgname::text, f.mode, e.mode
	FROM pg_catalog.pg_trigger AS g JOIN pg_catalog.pg_class AS c ON c.oid = g.tgrelid
	CROSS JOIN LATERAL (SELECT CASE g.tgenabled
		WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA' WHEN 'O' THEN 'ENABLE' ELSE 'DISABLE' END) AS f (mode)
	CROSS JOIN LATERAL (SELECT CASE g.tgname
		WHEN 'zz_twinset_keep' THEN 'ENABLE' WHEN '00_twinset_row' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END) AS e (mode)
	WHERE g.tgrelid IN ('twinset.twin'::regclass, 'twinset.deployment'::regclass, 'twinset.report'::regclass,
			'twinset.history'::regclass)
		AND pg_catalog.starts_with(pg_catalog.substr(g.tgname::text, 3), '_twinset_') AND f.mode <> e.mode
	ORDER BY g.tgrelid, g.tgname;
END $$;

COMMENT ON FUNCTION twinset.switched_triggers() IS
	'the extension''s triggers that do not fire as they must; reconcile() sets them right';
REVOKE ALL ON FUNCTION twinset.switched_triggers() FROM PUBLIC;

CREATE FUNCTION twinset.filed_rightly(condition twinset.target_condition, terms bigint[]) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'twinset_filed_rightly';

COMMENT ON FUNCTION twinset.filed_rightly(twinset.target_condition, bigint[]) IS
	'internal: is a condition found by each device that it targets, where it is filed under these terms?';

-- Cost: all deployments and their postings read.
CREATE FUNCTION twinset.misfiled_deployments() RETURNS TABLE (deployment_id text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	SELECT coalesce(d.deployment_id, p.deployment_id)
	FROM (SELECT d.deployment_id, d.priority, d.created_at, d.target_condition::text AS target_condition
		FROM twinset.deployment AS d WHERE d.target_condition::text <> '') AS d
	FULL JOIN (SELECT p.deployment_id, p.priority, p.created_at, p.target_condition::text AS target_condition,
			twinset.filed_rightly(p.target_condition, pg_catalog.array_agg(p.term)) AS rightly
		FROM (SELECT p.deployment_id, p.priority, p.created_at, p.term,
				coalesce(p.target_condition, l.target_condition) AS target_condition
			FROM twinset.posting AS p LEFT JOIN twinset.deployment AS l ON l.deployment_id = p.deployment_id) AS p
		GROUP BY p.deployment_id, p.priority, p.created_at, p.target_condition) AS p
		ON (p.deployment_id, p.priority, p.created_at, p.target_condition)
			= (d.deployment_id, d.priority, d.created_at, d.target_condition)
	WHERE p.rightly IS NOT TRUE OR d.deployment_id IS NULL
	GROUP BY 1;
END $$;

COMMENT ON FUNCTION twinset.misfiled_deployments() IS
	'internal: deployments that a look-up by term would miss, or find as they are not; reconcile() files them anew';
REVOKE ALL ON FUNCTION twinset.misfiled_deployments() FROM PUBLIC;

CREATE FUNCTION twinset.compiled_deployments(OUT deployments bigint, OUT bytes bigint)
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'twinset_compiled_deployments';

COMMENT ON FUNCTION twinset.compiled_deployments() IS
	'how many deployments this connection has compiled, and the memory that they take; 0: none yet';

-- Cost: the log read.
CREATE FUNCTION twinset.unsettled_changes(OUT changes bigint, OUT devices bigint)
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'twinset_unsettled_changes';

COMMENT ON FUNCTION twinset.unsettled_changes() IS
	'how many changes are not settled yet, and of how many devices: what reading costs more for';

-- they tell what deployments and devices there are
REVOKE ALL ON FUNCTION twinset.current_winner(text, text), twinset.current_assigned_at(text, timestamptz),
	twinset.unsettled_tally(), twinset.unsettled_fleet(), twinset.unsettled_changes(), twinset.winner_of(text, jsonb),
	twinset.targeting(text, jsonb), twinset.compiled_deployments() FROM PUBLIC;
