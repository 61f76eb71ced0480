-- Brute force: what the views must show, computed anew from the twins, the deployments and the reports.
--
-- Schema brute holds a view for each public view of twinset, with the columns that can be known beforehand; schema shown holds the
-- same columns as twinset shows them.  brute.difference compares them all in one statement, so with one snapshot: no row means that
-- twinset is exact.  matches() is all that is used of the extension, and that in the target list, where no planner support and no
-- index can come between.
--
--   SELECT * FROM brute.difference;
CREATE SCHEMA brute;
CREATE SCHEMA shown;

-- a row for each deployment and each device that it targets; rank 1 is the winner
CREATE VIEW brute.targeted AS
WITH pair AS MATERIALIZED (
  SELECT t.device_id, d.deployment_id, d.priority, d.created_at, d.target_condition::text AS target_condition, d.revision,
         twinset.matches(t.device_id, t.tags, d.target_condition) AS targeted
  FROM twinset.twin AS t CROSS JOIN twinset.deployment AS d
  WHERE t.iot_edge AND t.retired_at IS NULL)
SELECT device_id, deployment_id, priority, created_at, target_condition, revision,
       (row_number() OVER (PARTITION BY device_id
                           ORDER BY priority DESC, created_at DESC, deployment_id COLLATE "C" DESC))::integer AS rank
FROM pair WHERE targeted;

-- a row for each device that has a winner
CREATE VIEW brute.winner AS
SELECT w.device_id, w.deployment_id, w.revision,
       CASE WHEN r.revision IS DISTINCT FROM w.revision THEN 'unknown' WHEN r.code = 200 THEN 'healthy' ELSE 'unhealthy' END AS status
FROM brute.targeted AS w LEFT JOIN twinset.report AS r USING (device_id) WHERE w.rank = 1;

-- dated: assigned_at is there where it must be, and pending_since follows from it
CREATE VIEW brute.device_status AS
SELECT t.device_id, t.tags, w.deployment_id, w.revision, w.status,
       r.revision AS reported_revision, r.code, r.description, r.reported_at, true AS dated
FROM twinset.twin AS t LEFT JOIN brute.winner AS w USING (device_id) LEFT JOIN twinset.report AS r USING (device_id)
WHERE t.iot_edge AND t.retired_at IS NULL;

CREATE VIEW shown.device_status AS
SELECT device_id, tags, deployment_id, revision, status, reported_revision, code, description, reported_at,
       (assigned_at IS NULL) = (deployment_id IS NULL) AND pending_since IS NOT DISTINCT FROM
       CASE status WHEN 'unknown' THEN greatest(assigned_at, timestamptz 'epoch' + revision * interval '1 microsecond') END AS dated
FROM twinset.device_status;

CREATE VIEW brute.deployment_status AS
SELECT d.deployment_id, d.priority, d.target_condition::text AS target_condition, d.labels, d.revision, d.created_at,
       (SELECT count(*) FROM brute.targeted AS x WHERE x.deployment_id = d.deployment_id) AS target,
       count(w.device_id) AS actual,
       count(*) FILTER (WHERE w.status = 'healthy') AS healthy,
       count(*) FILTER (WHERE w.status = 'unhealthy') AS unhealthy,
       count(*) FILTER (WHERE w.status = 'unknown') AS unknown,
       timestamptz 'epoch' + d.revision * interval '1 microsecond' AS revised_at
FROM twinset.deployment AS d LEFT JOIN brute.winner AS w USING (deployment_id)
GROUP BY d.deployment_id;

CREATE VIEW shown.deployment_status AS
SELECT deployment_id, priority, target_condition, labels, revision, created_at,
       target, actual, healthy, unhealthy, unknown, revised_at
FROM twinset.deployment_status;

CREATE VIEW brute.deployment_device AS
SELECT x.deployment_id, x.device_id, x.rank = 1 AS actual, CASE x.rank WHEN 1 THEN w.status END AS status, w.deployment_id AS winner,
       r.code, r.description, r.reported_at
FROM brute.targeted AS x JOIN brute.winner AS w USING (device_id)
LEFT JOIN twinset.report AS r ON r.device_id = x.device_id AND x.rank = 1 AND w.status <> 'unknown';

CREATE VIEW shown.deployment_device AS
SELECT deployment_id, device_id, actual, status, winner, code, description, reported_at FROM twinset.deployment_device;

CREATE VIEW brute.explain_device AS
SELECT device_id, rank, deployment_id, priority, created_at, target_condition, rank = 1 AS actual FROM brute.targeted;

CREATE VIEW shown.explain_device AS
SELECT t.device_id, e.rank, e.deployment_id, e.priority, e.created_at, e.target_condition, e.actual
FROM twinset.twin AS t CROSS JOIN LATERAL twinset.explain_device(t.device_id) AS e;

CREATE VIEW brute.fleet_overview AS
SELECT f.*, c.* FROM (
  SELECT count(*) AS provisioned, count(*) FILTER (WHERE NOT iot_edge) AS not_edge,
         count(*) FILTER (WHERE retired_at IS NOT NULL) AS retired,
         count(*) FILTER (WHERE iot_edge AND retired_at IS NULL) - (SELECT count(*) FROM brute.winner) AS without_deployment
  FROM twinset.twin) AS f
CROSS JOIN (
  SELECT (SELECT count(*) FROM brute.targeted) AS target, count(*) AS actual,
         count(*) FILTER (WHERE status = 'healthy') AS healthy,
         count(*) FILTER (WHERE status = 'unhealthy') AS unhealthy,
         count(*) FILTER (WHERE status = 'unknown') AS unknown
  FROM brute.winner) AS c;

CREATE VIEW shown.fleet_overview AS
SELECT provisioned, not_edge, retired, without_deployment, target, actual, healthy, unhealthy, unknown FROM twinset.fleet_overview;

-- what a device is given, and that it is given nothing where it knows
CREATE VIEW brute.device_manifest AS
SELECT device_id, deployment_id, revision, NULL::text AS again FROM brute.winner;

CREATE VIEW shown.device_manifest AS
SELECT t.device_id, m.deployment_id, m.revision, n.deployment_id AS again
FROM twinset.twin AS t CROSS JOIN LATERAL twinset.device_manifest(t.device_id) AS m
LEFT JOIN LATERAL twinset.device_manifest(t.device_id, m.revision) AS n ON true;

-- a report is its device's, and goes with it
CREATE VIEW brute.report AS
SELECT r.device_id FROM twinset.report AS r JOIN twinset.twin AS t USING (device_id);

CREATE VIEW shown.report AS
SELECT device_id FROM twinset.report;

CREATE VIEW brute.difference AS
SELECT 'device_status' AS view, 'missing' AS problem, to_jsonb(x)::text AS "row"
  FROM (SELECT * FROM brute.device_status EXCEPT ALL SELECT * FROM shown.device_status) AS x
UNION ALL SELECT 'device_status', 'wrong', to_jsonb(x)::text
  FROM (SELECT * FROM shown.device_status EXCEPT ALL SELECT * FROM brute.device_status) AS x
UNION ALL SELECT 'deployment_status', 'missing', to_jsonb(x)::text
  FROM (SELECT * FROM brute.deployment_status EXCEPT ALL SELECT * FROM shown.deployment_status) AS x
UNION ALL SELECT 'deployment_status', 'wrong', to_jsonb(x)::text
  FROM (SELECT * FROM shown.deployment_status EXCEPT ALL SELECT * FROM brute.deployment_status) AS x
UNION ALL SELECT 'deployment_device', 'missing', to_jsonb(x)::text
  FROM (SELECT * FROM brute.deployment_device EXCEPT ALL SELECT * FROM shown.deployment_device) AS x
UNION ALL SELECT 'deployment_device', 'wrong', to_jsonb(x)::text
  FROM (SELECT * FROM shown.deployment_device EXCEPT ALL SELECT * FROM brute.deployment_device) AS x
UNION ALL SELECT 'explain_device', 'missing', to_jsonb(x)::text
  FROM (SELECT * FROM brute.explain_device EXCEPT ALL SELECT * FROM shown.explain_device) AS x
UNION ALL SELECT 'explain_device', 'wrong', to_jsonb(x)::text
  FROM (SELECT * FROM shown.explain_device EXCEPT ALL SELECT * FROM brute.explain_device) AS x
UNION ALL SELECT 'fleet_overview', 'missing', to_jsonb(x)::text
  FROM (SELECT * FROM brute.fleet_overview EXCEPT ALL SELECT * FROM shown.fleet_overview) AS x
UNION ALL SELECT 'fleet_overview', 'wrong', to_jsonb(x)::text
  FROM (SELECT * FROM shown.fleet_overview EXCEPT ALL SELECT * FROM brute.fleet_overview) AS x
UNION ALL SELECT 'device_manifest', 'missing', to_jsonb(x)::text
  FROM (SELECT * FROM brute.device_manifest EXCEPT ALL SELECT * FROM shown.device_manifest) AS x
UNION ALL SELECT 'device_manifest', 'wrong', to_jsonb(x)::text
  FROM (SELECT * FROM shown.device_manifest EXCEPT ALL SELECT * FROM brute.device_manifest) AS x
UNION ALL SELECT 'report', 'wrong', to_jsonb(x)::text
  FROM (SELECT * FROM shown.report EXCEPT ALL SELECT * FROM brute.report) AS x;

-- a manifest that differs from the others in one image's tag
CREATE FUNCTION brute.manifest(tag text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT format('{"modulesContent": {
    "$edgeAgent": {"properties.desired": {
      "schemaVersion": "1.1",
      "runtime": {"type": "docker", "settings": {"minDockerVersion": "v1.25", "loggingOptions": ""}},
      "systemModules": {
        "edgeAgent": {"type": "docker", "settings": {"image": "mcr.microsoft.com/azureiotedge-agent:1.5"}},
        "edgeHub": {"type": "docker", "status": "running", "restartPolicy": "always",
                    "settings": {"image": "mcr.microsoft.com/azureiotedge-hub:%s"}}},
      "modules": {}}},
    "$edgeHub": {"properties.desired": {
      "schemaVersion": "1.1", "routes": {}, "storeAndForwardConfiguration": {"timeToLiveSecs": 7200}}}}}', tag)
$$;

-- tags; the isolation tester's language has no curly brackets
CREATE FUNCTION brute.env(env text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$ SELECT jsonb_build_object('env', env) $$;

-- What preview() foretells, by doing it: the change is made, looked at and rolled back.  Gives what differs, or null.  Several
-- snapshots are used, so nobody else may commit meanwhile.
CREATE FUNCTION brute.preview_difference(condition text, priority integer, changed text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  foretold jsonb;
  done jsonb;
  deployment text := coalesce(changed, 'preview');
  winner_before jsonb;
BEGIN
  SELECT to_jsonb(p) INTO STRICT foretold FROM twinset.preview(condition, priority, changed) AS p;
  SELECT coalesce(jsonb_object_agg(w.device_id, w.deployment_id), '{}') INTO winner_before FROM brute.winner AS w;
  BEGIN
    IF changed IS NULL THEN
      INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority, created_at)
      VALUES (deployment, brute.manifest('preview'), condition, preview_difference.priority, 'infinity');
    ELSE
      UPDATE twinset.deployment SET target_condition = condition, priority = preview_difference.priority WHERE deployment_id = changed;
    END IF;
    WITH device AS (
      SELECT t.device_id, winner_before->>t.device_id AS before, w.deployment_id AS after,
             EXISTS (SELECT FROM brute.targeted AS x WHERE x.device_id = t.device_id AND x.deployment_id = deployment) AS targeted
      FROM twinset.twin AS t LEFT JOIN brute.winner AS w USING (device_id)),
    counted AS (
      SELECT 'takes_over_from' AS what, before AS other, count(*) AS devices FROM device
      WHERE after = deployment AND before <> deployment GROUP BY before
      UNION ALL SELECT 'gives_up_to', after, count(*) FROM device WHERE before = deployment AND after <> deployment GROUP BY after
      UNION ALL SELECT 'blocked_by', after, count(*) FROM device
      WHERE targeted AND before <> deployment AND after <> deployment GROUP BY after)
    SELECT jsonb_build_object(
      'target', (SELECT count(*) FROM device WHERE targeted),
      'actual', (SELECT count(*) FROM device WHERE after = deployment),
      'left_without', (SELECT count(*) FROM device WHERE before = deployment AND after IS NULL))
      || (SELECT jsonb_object_agg(w.what, coalesce((SELECT jsonb_object_agg(c.other, c.devices) FROM counted AS c WHERE c.what = w.what), '{}'))
          FROM unnest('{takes_over_from,gives_up_to,blocked_by}'::text[]) AS w(what))
    INTO done;
    RAISE EXCEPTION SQLSTATE 'BF001';
  EXCEPTION WHEN SQLSTATE 'BF001' THEN
    NULL;
  END;
  RETURN format('foretold %s, done %s', foretold, done) WHERE foretold <> done;
END $$;
