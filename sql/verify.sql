-- Everything derived, recomputed from the two tables and the reports with nothing but matches():
-- no matcher, no log, no settled state.

-- Cost: each deployment's devices found by index, or all devices where most are its own; much more
-- than reconcile(). With a number: so many devices matched with every deployment.
CREATE FUNCTION twinset.verify(devices integer DEFAULT NULL)
RETURNS TABLE (deployment_id text, device_id text, kind text, stored text, expected text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	IF devices < 0 THEN
		RAISE EXCEPTION 'devices must not be negative' USING ERRCODE = '22023',
			DETAIL = format('It is %s.', devices);
	END IF;

	RETURN QUERY
	WITH ranked AS MATERIALIZED (
		SELECT d.deployment_id, d.target_condition, d.revision,
			row_number() OVER (ORDER BY d.priority DESC, d.created_at DESC, d.deployment_id COLLATE "C" DESC) AS rank
		FROM twinset.deployment AS d
	), fleet AS (
		SELECT t.device_id, t.tags FROM twinset.twin AS t WHERE t.iot_edge AND t.retired_at IS NULL
	), sample AS MATERIALIZED (
		SELECT f.device_id, f.tags FROM fleet AS f WHERE devices IS NOT NULL ORDER BY random() LIMIT devices
	), counted AS MATERIALIZED (
		-- one pass gives each device's best rank and each deployment's number of devices
		SELECT f.device_id, r.rank AS of_rank, min(r.rank) AS rank, count(*) AS target
		FROM ranked AS r JOIN twinset.twin AS f ON twinset.matches(f.device_id, f.tags, r.target_condition)
		WHERE devices IS NULL AND f.iot_edge AND f.retired_at IS NULL
		GROUP BY GROUPING SETS ((f.device_id), (r.rank))
	), winner AS MATERIALIZED (
		SELECT c.device_id, r.deployment_id, r.revision FROM counted AS c JOIN ranked AS r ON r.rank = c.rank
		WHERE c.device_id IS NOT NULL
		UNION ALL
		SELECT s.device_id, b.deployment_id, b.revision FROM sample AS s CROSS JOIN LATERAL (
			SELECT r.deployment_id, r.revision FROM ranked AS r
			WHERE twinset.matches(s.device_id, s.tags, r.target_condition) ORDER BY r.rank LIMIT 1) AS b
	), stored AS (
		SELECT s.device_id, s.deployment_id FROM (
			SELECT coalesce(t.device_id, a.device_id) AS device_id,
				twinset.current_winner(coalesce(t.device_id, a.device_id), a.deployment_id) AS deployment_id
			FROM twinset.twin AS t FULL JOIN twinset.assignment AS a ON a.device_id = t.device_id
			OFFSET 0) AS s
		WHERE s.deployment_id IS NOT NULL
	), tally AS MATERIALIZED (
		SELECT w.deployment_id, count(*) AS actual,
			count(*) FILTER (WHERE p.revision = w.revision AND p.code = 200) AS healthy,
			count(*) FILTER (WHERE p.revision = w.revision AND p.code <> 200) AS unhealthy
		FROM winner AS w LEFT JOIN twinset.report AS p ON p.device_id = w.device_id
		WHERE devices IS NULL GROUP BY w.deployment_id
	), expected AS (
		SELECT r.deployment_id, coalesce(c.target, 0) AS target, coalesce(y.actual, 0) AS actual,
			coalesce(y.healthy, 0) AS healthy, coalesce(y.unhealthy, 0) AS unhealthy
		FROM ranked AS r
		LEFT JOIN counted AS c ON c.of_rank = r.rank
		LEFT JOIN tally AS y ON y.deployment_id = r.deployment_id
		WHERE devices IS NULL
	)
	SELECT coalesce(s.deployment_id, w.deployment_id), coalesce(s.device_id, w.device_id), 'winner',
		s.deployment_id, w.deployment_id
	FROM stored AS s FULL JOIN winner AS w ON w.device_id = s.device_id
	WHERE s.deployment_id IS DISTINCT FROM w.deployment_id
		AND (devices IS NULL OR coalesce(s.device_id, w.device_id) IN (SELECT p.device_id FROM sample AS p))
	UNION ALL
	SELECT e.deployment_id, NULL, k.kind, k.stored::text, k.expected::text
	FROM expected AS e JOIN twinset.deployment_status AS v ON v.deployment_id = e.deployment_id
	CROSS JOIN LATERAL (VALUES ('target', v.target, e.target), ('actual', v.actual, e.actual),
		('healthy', v.healthy, e.healthy), ('unhealthy', v.unhealthy, e.unhealthy),
		('unknown', v.unknown, e.actual - e.healthy - e.unhealthy)) AS k (kind, stored, expected)
	WHERE k.stored <> k.expected
	UNION ALL
	SELECT y.deployment_id, NULL, 'tally', 'a row', NULL FROM twinset.tally AS y
	WHERE devices IS NULL AND NOT EXISTS (SELECT FROM twinset.deployment AS d WHERE d.deployment_id = y.deployment_id)
	UNION ALL
	SELECT d.deployment_id, NULL, 'tally', NULL, 'a row' FROM twinset.deployment AS d
	WHERE devices IS NULL AND NOT EXISTS (SELECT FROM twinset.tally AS y WHERE y.deployment_id = d.deployment_id)
	UNION ALL
	SELECT m.deployment_id, NULL, 'posting', 'misfiled', 'as the deployment is' FROM twinset.misfiled_deployments() AS m
	UNION ALL
	SELECT NULL, NULL, k.kind, k.stored::text, k.expected::text
	FROM (SELECT count(*) AS provisioned, count(*) FILTER (WHERE NOT t.iot_edge) AS not_edge,
			count(*) FILTER (WHERE t.retired_at IS NOT NULL) AS retired,
			count(*) FILTER (WHERE t.iot_edge AND t.retired_at IS NULL) AS live
		FROM twinset.twin AS t WHERE devices IS NULL) AS e
	CROSS JOIN twinset.settlement AS s CROSS JOIN twinset.unsettled_fleet() AS u
	CROSS JOIN LATERAL (VALUES ('provisioned', s.provisioned + u.provisioned, e.provisioned),
		('not_edge', s.not_edge + u.not_edge, e.not_edge), ('retired', s.retired + u.retired, e.retired),
		('live', s.live + u.live, e.live)) AS k (kind, stored, expected)
	WHERE devices IS NULL AND k.stored <> k.expected
	UNION ALL
	SELECT NULL, NULL, 'settlement', count(*)::text, '1' FROM twinset.settlement HAVING count(*) <> 1
	UNION ALL
	SELECT d.deployment_id, NULL, 'revision', s.newest_revision::text, d.revision::text
	FROM twinset.deployment AS d CROSS JOIN twinset.settlement AS s WHERE d.revision > s.newest_revision
	UNION ALL
	SELECT NULL, NULL, 'trigger', format('%s TRIGGER %I ON %I', g.stored, g.trigger_name, g.table_name),
		format('%s TRIGGER %I ON %I', g.expected, g.trigger_name, g.table_name)
	FROM twinset.switched_triggers() AS g
	UNION ALL
	-- what a dump leaves out, and what is missing
	SELECT NULL, NULL, 'part', a.table_name || ': ' || a.part, m.table_name || ': ' || m.part
	FROM twinset.table_parts() AS a FULL JOIN twinset.table_part AS m ON (m.table_name, m.part) = (a.table_name, a.part)
	WHERE a.part IS NULL OR m.part IS NULL;
END $$;

COMMENT ON FUNCTION twinset.verify(integer) IS
	'everything derived, recomputed from scratch, against what is stored; no row: consistent. With a number: the winners of so many devices at random';
REVOKE ALL ON FUNCTION twinset.verify(integer) FROM PUBLIC;
