-- The device's side: many reports at once, what is to be delivered, what modules do, who is silent, and
-- the fleet in one row.

-- Cost: as report_status() for each device, without what a call takes.
CREATE FUNCTION twinset.report_statuses(reports jsonb)
RETURNS TABLE (entry integer, device_id text, status text, sqlstate text, message text)
LANGUAGE c VOLATILE ROWS 1000 AS 'MODULE_PATHNAME', 'twinset_report_statuses';

COMMENT ON FUNCTION twinset.report_statuses(jsonb) IS
	'takes in up to 10,000 reports: an array of objects with report_status()''s arguments by name; a row for each, with the device''s status after all of them, or what is wrong with this one';
REVOKE ALL ON FUNCTION twinset.report_statuses(jsonb) FROM PUBLIC;

-- How often a gateway has taken a device that should run something: of interest until it reports on it.
-- A row that is of another revision than the device's says nothing, and is overwritten.
CREATE TABLE twinset.asking (
	device_id text COLLATE "C" CONSTRAINT asking_pkey PRIMARY KEY,
	revision bigint NOT NULL,
	asked bigint NOT NULL,
	asked_at timestamptz NOT NULL
);

COMMENT ON TABLE twinset.asking IS 'internal: how often a device was asked to run a revision, by take_pending()';

-- As device_status, but each table looked up by key (OFFSET 0 keeps it so): a page costs its devices,
-- wherever it begins. The planner would take health() = 'unknown', which is this, for rare, and read the
-- whole fleet for a page.
CREATE VIEW twinset.pending_device AS
SELECT t.device_id, d.deployment_id, d.revision, r.revision AS reported_revision,
	greatest(twinset.current_assigned_at(t.device_id, a.assigned_at), twinset.revision_time(d.revision)) AS pending_since,
	coalesce(k.asked, 0) AS asked, k.asked_at
FROM twinset.twin AS t
LEFT JOIN LATERAL (SELECT a.deployment_id, a.assigned_at FROM twinset.assignment AS a
	WHERE a.device_id = t.device_id OFFSET 0) AS a ON true
JOIN twinset.deployment AS d ON d.deployment_id = twinset.current_winner(t.device_id, a.deployment_id)
LEFT JOIN LATERAL (SELECT r.revision FROM twinset.report AS r
	WHERE r.device_id = t.device_id OFFSET 0) AS r ON true
LEFT JOIN LATERAL (SELECT k.asked, k.asked_at FROM twinset.asking AS k
	WHERE k.device_id = t.device_id AND k.revision = d.revision OFFSET 0) AS k ON true
WHERE t.iot_edge AND t.retired_at IS NULL AND r.revision IS DISTINCT FROM d.revision;

COMMENT ON VIEW twinset.pending_device IS 'one row a device that has not reported on what it should run; by pages: WHERE device_id > the last one''s ORDER BY device_id LIMIT n';
COMMENT ON COLUMN twinset.pending_device.device_id IS 'the device';
COMMENT ON COLUMN twinset.pending_device.deployment_id IS 'the deployment that applies to it';
COMMENT ON COLUMN twinset.pending_device.revision IS 'what it should run';
COMMENT ON COLUMN twinset.pending_device.reported_revision IS 'what it runs, by its latest report; null: it has not reported';
COMMENT ON COLUMN twinset.pending_device.pending_since IS 'since when it should run this';
COMMENT ON COLUMN twinset.pending_device.asked IS 'how often take_pending() has taken it for this revision';
COMMENT ON COLUMN twinset.pending_device.asked_at IS 'when it last did';

-- Several gateways that take devices at once get different ones: who comes second to a device waits
-- for the other's transaction, and then leaves it out and looks further. So fewer than were asked for
-- says that there are no more.
-- Cost: devices are looked at in the order of their ids until enough are pending; a row written for each.
CREATE FUNCTION twinset.take_pending(devices integer DEFAULT 100, after text DEFAULT '', again interval DEFAULT '5 minutes')
RETURNS TABLE (device_id text, deployment_id text, revision bigint, asked bigint)
LANGUAGE plpgsql VOLATILE ROWS 100 SECURITY DEFINER SET search_path = pg_catalog, pg_temp
-- in the order of the key, until there are enough; what is off has a cost that would have it compiled
SET enable_seqscan = off SET enable_sort = off SET enable_hashjoin = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
	behind text := after;
	missing integer := devices;
	looked_at integer;
	taken integer := 0;
	device record;
BEGIN
	IF devices IS NULL OR after IS NULL OR again IS NULL THEN
		RAISE EXCEPTION 'null value not allowed' USING ERRCODE = '22004',
			DETAIL = 'take_pending() needs a number of devices, a device id and an interval.';
	ELSIF devices < 0 THEN
		RAISE EXCEPTION 'devices must not be negative' USING ERRCODE = '22023', DETAIL = format('It is %s.', devices);
	END IF;
	LOOP
		looked_at := 0;
		FOR device IN
			WITH page AS MATERIALIZED (
				SELECT p.device_id, p.deployment_id, p.revision FROM twinset.pending_device AS p
				WHERE p.device_id > behind AND (p.asked_at IS NULL OR p.asked_at <= now() - again)
				ORDER BY p.device_id LIMIT missing
			), mine AS (
				INSERT INTO twinset.asking AS a (device_id, revision, asked, asked_at)
				SELECT g.device_id, g.revision, 1, now() FROM page AS g ORDER BY g.device_id
				ON CONFLICT ON CONSTRAINT asking_pkey DO UPDATE SET revision = excluded.revision,
					asked = CASE WHEN a.revision = excluded.revision THEN a.asked + 1 ELSE 1 END, asked_at = excluded.asked_at
				WHERE a.revision <> excluded.revision OR a.asked_at <= excluded.asked_at - again
				RETURNING a.device_id, a.asked
			)
			SELECT g.device_id, g.deployment_id, g.revision, t.asked
			FROM page AS g LEFT JOIN mine AS t ON t.device_id = g.device_id ORDER BY g.device_id
		LOOP
			looked_at := looked_at + 1;
			behind := device.device_id;
			CONTINUE WHEN device.asked IS NULL;
			device_id := device.device_id;
			deployment_id := device.deployment_id;
			revision := device.revision;
			asked := device.asked;
			taken := taken + 1;
			RETURN NEXT;
		END LOOP;
		-- what others took meanwhile is made up for by what comes behind
		EXIT WHEN looked_at < missing OR taken = devices;
		missing := devices - taken;
	END LOOP;
END $$;

COMMENT ON FUNCTION twinset.take_pending(integer, text, interval) IS
	'takes so many pending devices behind a device id, unless they were taken within the interval; device_manifest() gives what they should run';
REVOKE ALL ON FUNCTION twinset.take_pending(integer, text, interval) FROM PUBLIC;

CREATE FUNCTION twinset.module_state(reported jsonb, OUT state text, OUT exit_code bigint, OUT restarts bigint,
	OUT since timestamptz)
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'twinset_module_state';

COMMENT ON FUNCTION twinset.module_state(jsonb) IS
	'what a report says of a module: "running", or an object with state, exit_code, restarts, since (or, as the agent names them, runtimeStatus, exitCode, restartCount, lastStartTimeUtc)';

-- Cost: of a device, its manifest parsed.
CREATE VIEW twinset.device_module AS
SELECT t.device_id, m.module, d.deployment_id, d.revision, m.version, m.image, m.status,
	r.revision AS reported_revision, m.state, m.exit_code, m.restarts, m.since
FROM twinset.twin AS t
LEFT JOIN twinset.assignment AS a ON a.device_id = t.device_id
LEFT JOIN twinset.deployment AS d ON d.deployment_id = twinset.current_winner(t.device_id, a.deployment_id)
LEFT JOIN twinset.report AS r ON r.device_id = t.device_id
CROSS JOIN LATERAL (
	SELECT coalesce(w.module, x.key) AS module, w.version, w.image, w.status, s.state, s.exit_code, s.restarts, s.since
	FROM twinset.manifest_modules(d.content) AS w
	FULL JOIN pg_catalog.jsonb_each(r.modules) AS x ON x.key = w.module
	LEFT JOIN LATERAL twinset.module_state(x.value) AS s ON true) AS m
WHERE t.iot_edge AND t.retired_at IS NULL;

COMMENT ON VIEW twinset.device_module IS 'one row a device and a module that it should run or has reported';
COMMENT ON COLUMN twinset.device_module.device_id IS 'the device';
COMMENT ON COLUMN twinset.device_module.module IS 'the module''s name';
COMMENT ON COLUMN twinset.device_module.deployment_id IS 'the deployment that applies to the device; null: none';
COMMENT ON COLUMN twinset.device_module.revision IS 'the deployment''s revision: what the device should run';
COMMENT ON COLUMN twinset.device_module.version IS 'the module''s version there; null where none is given';
COMMENT ON COLUMN twinset.device_module.image IS 'the image that it should run; null: the deployment does not have this module';
COMMENT ON COLUMN twinset.device_module.status IS 'running or stopped, as it should be; null likewise';
COMMENT ON COLUMN twinset.device_module.reported_revision IS 'the revision that the device''s latest report is for; null: it has not reported';
COMMENT ON COLUMN twinset.device_module.state IS 'the module''s state in that report; null: the report does not say';
COMMENT ON COLUMN twinset.device_module.exit_code IS 'its exit code there, likewise';
COMMENT ON COLUMN twinset.device_module.restarts IS 'how often it was restarted, likewise';
COMMENT ON COLUMN twinset.device_module.since IS 'since when it is in this state, likewise';

-- Cost: as deployment_device; filter it by deployment_id.
CREATE VIEW twinset.module_status AS
SELECT d.deployment_id, m.module, m.version, m.image, m.status, m.devices, m.running, m.stopped, m.failed,
	m.devices - m.running - m.stopped - m.failed - m.unknown AS missing, m.unknown
FROM twinset.deployment AS d
CROSS JOIN LATERAL (
	-- found once, and not for each module
	WITH device AS MATERIALIZED (
		SELECT CASE WHEN v.status <> 'unknown' THEN r.modules END AS modules
		FROM twinset.deployment_device AS v LEFT JOIN twinset.report AS r ON r.device_id = v.device_id
		WHERE v.deployment_id = d.deployment_id AND v.actual
	)
	SELECT w.module, w.version, w.image, w.status, c.devices, c.running, c.stopped, c.failed, c.unknown
	FROM twinset.manifest_modules(d.content) AS w
	CROSS JOIN LATERAL (
		SELECT count(*) AS devices,
			count(*) FILTER (WHERE s.state = 'running') AS running,
			count(*) FILTER (WHERE s.state = 'stopped') AS stopped,
			count(*) FILTER (WHERE s.state NOT IN ('running', 'stopped')) AS failed,
			count(*) FILTER (WHERE v.modules IS NULL) AS unknown
		FROM device AS v LEFT JOIN LATERAL twinset.module_state(v.modules->w.module) AS s ON true) AS c) AS m;

COMMENT ON VIEW twinset.module_status IS 'one row a deployment and a module of its manifest: what the devices say that it applies to';
COMMENT ON COLUMN twinset.module_status.deployment_id IS 'the deployment';
COMMENT ON COLUMN twinset.module_status.module IS 'the module''s name';
COMMENT ON COLUMN twinset.module_status.version IS 'its version; null where none is given';
COMMENT ON COLUMN twinset.module_status.image IS 'the image reference';
COMMENT ON COLUMN twinset.module_status.status IS 'running or stopped, as it should be';
COMMENT ON COLUMN twinset.module_status.devices IS 'devices that the deployment applies to: the sum of the five that follow';
COMMENT ON COLUMN twinset.module_status.running IS 'of these, devices whose latest report is for its revision and says that the module runs';
COMMENT ON COLUMN twinset.module_status.stopped IS 'likewise, that it is stopped';
COMMENT ON COLUMN twinset.module_status.failed IS 'likewise, that it is in any other state';
COMMENT ON COLUMN twinset.module_status.missing IS 'likewise, which speaks of modules and not of this one';
COMMENT ON COLUMN twinset.module_status.unknown IS 'devices that have not reported on its revision, or nothing of modules';

CREATE FUNCTION twinset.require_interval(silent_for interval) RETURNS interval
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
	IF silent_for IS NULL THEN
		RAISE EXCEPTION 'null value not allowed' USING ERRCODE = '22004', DETAIL = 'silent_devices() needs an interval.';
	END IF;
	RETURN silent_for;
END $$;

COMMENT ON FUNCTION twinset.require_interval(interval) IS 'internal: the argument of silent_devices(), or its error';

-- Healthy does not age: what a device reported last stays its status, however long ago that was.
-- Raises 22004 for a NULL. Cost: each device and its report read.
CREATE FUNCTION twinset.silent_devices(silent_for interval)
RETURNS TABLE (device_id text, deployment_id text, status text, reported_at timestamptz)
LANGUAGE sql STABLE ROWS 1000
BEGIN ATOMIC
	SELECT s.device_id, s.deployment_id, s.status, s.reported_at FROM twinset.device_status AS s
	WHERE coalesce(s.reported_at, s.assigned_at) < pg_catalog.now() - twinset.require_interval(silent_for);
END;

COMMENT ON FUNCTION twinset.silent_devices(interval) IS
	'devices that have not reported for so long, or have had a deployment for so long and never reported';
REVOKE ALL ON FUNCTION twinset.silent_devices(interval) FROM PUBLIC;

-- Cost: the tally and the log read, for the two about silence each device; a column that is not asked
-- for costs nothing.
CREATE VIEW twinset.fleet_overview AS
SELECT s.provisioned + u.provisioned AS provisioned, s.not_edge + u.not_edge AS not_edge, s.retired + u.retired AS retired,
	s.live + u.live - t.actual - u.actual AS without_deployment,
	t.target + u.target AS target, t.actual + u.actual AS actual, t.healthy + u.healthy AS healthy,
	t.unhealthy + u.unhealthy AS unhealthy,
	t.actual + u.actual - t.healthy - u.healthy - t.unhealthy - u.unhealthy AS unknown,
	(SELECT count(*) FROM twinset.silent_devices('1 hour')) AS silent_hour,
	(SELECT count(*) FROM twinset.silent_devices('1 day')) AS silent_day
FROM twinset.settlement AS s
CROSS JOIN (SELECT coalesce(sum(target), 0)::bigint AS target, coalesce(sum(actual), 0)::bigint AS actual,
		coalesce(sum(healthy), 0)::bigint AS healthy, coalesce(sum(unhealthy), 0)::bigint AS unhealthy
	FROM twinset.tally) AS t
CROSS JOIN twinset.unsettled_fleet() AS u;

COMMENT ON VIEW twinset.fleet_overview IS 'one row: the whole fleet in numbers';
COMMENT ON COLUMN twinset.fleet_overview.provisioned IS 'devices that there are';
COMMENT ON COLUMN twinset.fleet_overview.not_edge IS 'of these, not provisioned as Edge devices';
COMMENT ON COLUMN twinset.fleet_overview.retired IS 'of these, retired';
COMMENT ON COLUMN twinset.fleet_overview.without_deployment IS 'Edge devices that are not retired, and that no deployment applies to';
COMMENT ON COLUMN twinset.fleet_overview.target IS 'the sum of all deployments'' target: a device counts for each that targets it';
COMMENT ON COLUMN twinset.fleet_overview.actual IS 'devices that a deployment applies to';
COMMENT ON COLUMN twinset.fleet_overview.healthy IS 'of these, healthy';
COMMENT ON COLUMN twinset.fleet_overview.unhealthy IS 'of these, unhealthy';
COMMENT ON COLUMN twinset.fleet_overview.unknown IS 'of these, unknown';
COMMENT ON COLUMN twinset.fleet_overview.silent_hour IS 'silent_devices() for an hour; all devices are looked at for it';
COMMENT ON COLUMN twinset.fleet_overview.silent_day IS 'silent_devices() for a day, likewise';
