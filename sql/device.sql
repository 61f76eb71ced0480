-- The device's side: many reports at once, what is to be delivered, what modules do, who is silent,
-- and the fleet in one row.

-- Cost: as report_status() for each device, without what a call takes.
CREATE FUNCTION twinset.report_statuses(reports jsonb)
RETURNS TABLE (entry integer, device_id text, status text, sqlstate text, message text)
LANGUAGE c VOLATILE ROWS 1000 AS 'MODULE_PATHNAME', 'twinset_report_statuses';

COMMENT ON FUNCTION twinset.report_statuses(jsonb) IS
	'takes in the reports of up to 10,000 devices: an array of objects with report_status()''s arguments; a row of result each';
REVOKE ALL ON FUNCTION twinset.report_statuses(jsonb) FROM PUBLIC;

-- How often a gateway has been given what a device should run: of interest while the device has not
-- reported on it.
CREATE TABLE twinset.asking (
	device_id text COLLATE "C" CONSTRAINT asking_pkey PRIMARY KEY,
	revision bigint NOT NULL,
	asked bigint NOT NULL,
	asked_at timestamptz NOT NULL
);

COMMENT ON TABLE twinset.asking IS 'internal: how often a device was asked to run a revision, by take_pending()';

CREATE VIEW twinset.pending_device AS
SELECT s.device_id, s.deployment_id, s.revision, s.reported_revision, s.pending_since,
	coalesce(a.asked, 0) AS asked, a.asked_at
FROM twinset.device_status AS s
LEFT JOIN twinset.asking AS a ON a.device_id = s.device_id AND a.revision = s.revision
WHERE s.status = 'unknown';

CREATE FUNCTION twinset.take_pending(devices integer DEFAULT 100, after text DEFAULT '', again interval DEFAULT '5 minutes')
RETURNS TABLE (device_id text, deployment_id text, revision bigint, content jsonb, asked bigint)
LANGUAGE sql VOLATILE ROWS 100 SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	WITH taken AS (
		INSERT INTO twinset.asking AS a (device_id, revision, asked, asked_at)
		SELECT p.device_id, p.revision, p.asked + 1, now() FROM twinset.pending_device AS p
		WHERE p.device_id > after AND (p.asked_at IS NULL OR p.asked_at <= now() - again)
		ORDER BY p.device_id LIMIT devices
		ON CONFLICT ON CONSTRAINT asking_pkey DO UPDATE SET revision = excluded.revision,
			asked = CASE WHEN a.revision = excluded.revision THEN a.asked + 1 ELSE 1 END, asked_at = excluded.asked_at
		WHERE a.revision <> excluded.revision OR a.asked_at <= now() - again
		RETURNING *
	)
	SELECT t.device_id, d.deployment_id, d.revision, twinset.delivered(d.content), t.asked
	FROM taken AS t JOIN twinset.deployment AS d ON d.revision = t.revision ORDER BY t.device_id;
$$;

COMMENT ON FUNCTION twinset.take_pending(integer, text, interval) IS
	'the next pending devices behind a device id, each with what it should run, and notes that they were asked; several gateways get different ones';
REVOKE ALL ON FUNCTION twinset.take_pending(integer, text, interval) FROM PUBLIC;

CREATE VIEW twinset.device_module AS
SELECT t.device_id, coalesce(m.module, m.key) AS module, d.deployment_id, d.revision, m.version, m.image, m.status,
	r.revision AS reported_revision, coalesce(m.value->>'state', m.value #>> '{}') AS state,
	(m.value->>'exit_code')::bigint AS exit_code, (m.value->>'restarts')::bigint AS restarts,
	(m.value->>'since')::timestamptz AS since
FROM twinset.twin AS t
LEFT JOIN twinset.assignment AS a ON a.device_id = t.device_id
LEFT JOIN twinset.deployment AS d ON d.deployment_id = twinset.current_winner(t.device_id, a.deployment_id)
LEFT JOIN twinset.report AS r ON r.device_id = t.device_id
CROSS JOIN LATERAL (SELECT m.module AS module, m.version, m.image, m.status, x.key, x.value
	FROM twinset.manifest_modules(d.content) AS m FULL JOIN pg_catalog.jsonb_each(r.modules) AS x ON x.key = m.module) AS m
WHERE t.iot_edge AND t.retired_at IS NULL;

CREATE VIEW twinset.module_status AS
SELECT m.deployment_id, m.module, m.image, m.status, count(v.device_id) AS devices,
	count(v.device_id) FILTER (WHERE v.state = 'running') AS running,
	count(v.device_id) FILTER (WHERE v.state = 'stopped') AS stopped,
	count(v.device_id) FILTER (WHERE v.state NOT IN ('running', 'stopped')) AS failed,
	count(v.device_id) FILTER (WHERE v.state IS NULL AND v.reported_revision = v.revision) AS missing,
	count(v.device_id) FILTER (WHERE v.reported_revision IS DISTINCT FROM v.revision) AS unknown
FROM twinset.deployment_module AS m
LEFT JOIN twinset.device_module AS v ON v.deployment_id = m.deployment_id AND v.module = m.module
GROUP BY m.deployment_id, m.module, m.image, m.status;

CREATE FUNCTION twinset.silent_devices(silent_for interval)
RETURNS TABLE (device_id text, deployment_id text, status text, reported_at timestamptz)
LANGUAGE sql STABLE ROWS 100
BEGIN ATOMIC
	SELECT s.device_id, s.deployment_id, s.status, s.reported_at FROM twinset.device_status AS s
	WHERE coalesce(s.reported_at, s.assigned_at) < pg_catalog.now() - silent_for;
END;

COMMENT ON FUNCTION twinset.silent_devices(interval) IS
	'devices that have not reported for so long, or have a deployment for so long and never reported';
REVOKE ALL ON FUNCTION twinset.silent_devices(interval) FROM PUBLIC;

CREATE VIEW twinset.fleet_overview AS
SELECT (SELECT count(*) FROM twinset.twin) AS provisioned,
	(SELECT count(*) FROM twinset.twin WHERE NOT iot_edge) AS not_edge,
	(SELECT count(*) FROM twinset.twin WHERE retired_at IS NOT NULL) AS retired,
	(SELECT count(*) FROM twinset.twin WHERE iot_edge AND retired_at IS NULL) - c.actual AS without_deployment,
	c.target, c.actual, c.healthy, c.unhealthy, c.unknown,
	(SELECT count(*) FROM twinset.silent_devices('1 hour')) AS silent_hour,
	(SELECT count(*) FROM twinset.silent_devices('1 day')) AS silent_day
FROM (SELECT coalesce(sum(target), 0)::bigint AS target, coalesce(sum(actual), 0)::bigint AS actual,
		coalesce(sum(healthy), 0)::bigint AS healthy, coalesce(sum(unhealthy), 0)::bigint AS unhealthy,
		coalesce(sum(unknown), 0)::bigint AS unknown
	FROM twinset.deployment_status) AS c;
