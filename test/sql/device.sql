-- The device's side: what a change of a manifest does, reports of modules, many at once, what is
-- pending, who is silent, the fleet in one row, and where secrets are shown.
SET client_min_messages = warning;
SET search_path = public, twinset;
TRUNCATE twin, deployment;
RESET client_min_messages;

-- a manifest with a secret in each place where there can be one
CREATE FUNCTION pg_temp.manifest(image text, secret text, settings jsonb DEFAULT '{}', envelope text DEFAULT 'modulesContent')
RETURNS text LANGUAGE sql AS $$
	SELECT jsonb_build_object(envelope, jsonb_build_object(
		'$edgeAgent', jsonb_build_object('properties.desired', jsonb_build_object('schemaVersion', '1.1',
			'runtime', jsonb_build_object('type', 'docker', 'settings', jsonb_build_object('registryCredentials',
				jsonb_build_object('acr', jsonb_build_object('address', 'acr.example.com', 'username', 'u', 'password', secret || '-password')))),
			'systemModules', jsonb_build_object(
				'edgeAgent', '{"type": "docker", "settings": {"image": "agent:1"}}'::jsonb,
				'edgeHub', '{"type": "docker", "status": "running", "settings": {"image": "hub:1"}}'::jsonb),
			'modules', jsonb_build_object('sensor', jsonb_build_object('type', 'docker', 'status', 'running', 'restartPolicy', 'always',
				'env', jsonb_build_object('TOKEN', jsonb_build_object('value', secret || '-env')),
				'settings', jsonb_build_object('image', image, 'createOptions', format('{"Env": ["A=%s-create"]}', secret)) || settings)))),
		'$edgeHub', '{"properties.desired": {"schemaVersion": "1.1", "routes": {"up": "FROM /messages/* INTO $upstream"}, "storeAndForwardConfiguration": {"timeToLiveSecs": 7200}}}'::jsonb))::text
$$;

-- what a change does
SELECT * FROM manifest_difference(pg_temp.manifest('sensor:1', 'xyzzy'), pg_temp.manifest('sensor:2', 'xyzzy'));
SELECT * FROM manifest_difference(pg_temp.manifest('sensor:1', 'xyzzy'), pg_temp.manifest('sensor:1', 'plugh'));
SELECT * FROM manifest_difference(pg_temp.manifest('sensor:1', 'xyzzy'), pg_temp.manifest('sensor:1', 'xyzzy', '{"createOptions": {"Env": []}}'));
-- of env and registryCredentials the names are told, and no key below: a value may be an object
SELECT * FROM manifest_difference(pg_temp.manifest('sensor:1', 'xyzzy'),
	replace(replace(pg_temp.manifest('sensor:1', 'xyzzy'), '"TOKEN": {', '"TOKEN": {"more": {"xyzzy": 1}, '), '"acr": {', '"acr": {"more": {"xyzzy": 1}, '));
-- a piece of createOptions with a number that is ignored is one all the same
SELECT * FROM manifest_difference(pg_temp.manifest('sensor:1', 'xyzzy'), pg_temp.manifest('sensor:1', 'xyzzy', '{"createOptions1": "plugh"}'));
-- a module comes, another goes
SELECT module, count(*), count(old) AS old, count(new) AS new
FROM manifest_difference(pg_temp.manifest('sensor:1', 'xyzzy'), replace(pg_temp.manifest('sensor:1', 'xyzzy'), '"sensor"', '"Sensor"'))
GROUP BY module ORDER BY module COLLATE "C";
-- from nothing, to nothing
SELECT count(*), count(old) AS old, count(new) AS new FROM manifest_difference(NULL, pg_temp.manifest('sensor:1', 'xyzzy'));
SELECT count(*), count(old) AS old, count(new) AS new FROM manifest_difference(pg_temp.manifest('sensor:1', 'xyzzy')::manifest, NULL);
SELECT count(*) FROM manifest_difference(NULL::text, NULL);
-- a row only where devices get something else: whatever the envelope, and for every pair of these
SELECT count(*) FROM manifest_difference(pg_temp.manifest('sensor:1', 'xyzzy'), pg_temp.manifest('sensor:1', 'xyzzy', '{}', 'moduleContent'));
WITH m AS (
	SELECT jsonb_set(pg_temp.manifest('sensor:1', 'xyzzy')::jsonb, '{modulesContent,$edgeAgent,properties.desired}',
		(pg_temp.manifest('sensor:1', 'xyzzy')::jsonb #> '{modulesContent,$edgeAgent,properties.desired}') || p)::text AS content
	FROM unnest('{"{}", "{\"modules\": {}}", "{\"modules\": null}", "{\"extra\": {}}", "{\"extra\": []}", "{\"extra\": null}", "{\"extra\": [1, {\"a-b\": 2}]}", "{\"extra\": [1, {\"a-b\": 2.0}]}", "{\"extra\": \"1\"}", "{\"extra\": 1}", "{\"extra\": {\"env\": 1}}", "{\"extra\": {\"env\": 2}}"}'::jsonb[]) AS p
	UNION ALL
	SELECT jsonb_set(pg_temp.manifest('sensor:1', 'xyzzy')::jsonb, '{modulesContent,twin}', p)::text
	FROM unnest('{"{}", "{\"properties.desired\": null}", "{\"properties.desired\": {}}", "{\"properties.desired\": {\"env\": 1}}"}'::jsonb[]) AS p
)
SELECT count(*) AS pairs, count(*) FILTER (WHERE (a.content::manifest = b.content::manifest)
	<> NOT EXISTS (SELECT FROM manifest_difference(a.content, b.content))) AS wrong
FROM m AS a CROSS JOIN m AS b;
SELECT module, field, old, new FROM manifest_difference(pg_temp.manifest('sensor:1', 'xyzzy'),
	jsonb_set(pg_temp.manifest('sensor:1', 'xyzzy')::jsonb, '{modulesContent,sensor}', '{"properties.desired": {"a-b": [1, {"deep": true}], "n": null}}')::text);

-- a fleet
INSERT INTO twin (device_id, tags) SELECT format('gw-%s', to_char(n, 'FM00')), jsonb_build_object('site', CASE WHEN n <= 6 THEN 'a' ELSE 'b' END)
FROM generate_series(1, 8) AS n;
INSERT INTO twin (device_id, iot_edge, retired_at) VALUES ('no-edge', false, NULL), ('retired', true, now()), ('neither', false, now());
INSERT INTO deployment (deployment_id, content, target_condition) VALUES ('base', pg_temp.manifest('sensor:1', 'xyzzy'), 'tags.site = ''a''');
SELECT revision FROM deployment \gset

-- modules in a report, in each form; what is not known of is left out, and nothing is an error
SELECT r, s.* FROM unnest('{"\"Running\"", "{\"state\": \"failed\", \"exit_code\": 137, \"restarts\": 3, \"since\": \"2026-03-01T12:00:00+01:00\"}",
	"{\"runtimeStatus\": \"backoff\", \"exitCode\": 1, \"restartCount\": 2, \"lastStartTimeUtc\": \"2026-03-01T12:00:00.1234567Z\"}",
	"{\"state\": 1, \"exit_code\": \"1\", \"restarts\": 1.5, \"since\": \"2026-02-30T00:00:00Z\"}",
	"{\"restarts\": 1e30, \"since\": \"yesterday\"}", "{}", "[]", "1", "null"}'::jsonb[]) AS r, module_state(r) AS s;

SELECT report_status('gw-01', :revision, 200, modules => '{"edgeAgent": "running", "edgeHub": "running", "sensor": {"state": "running", "restarts": 1}}'),
	report_status('gw-02', :revision, 500, 'sensor: exited', '{"edgeAgent": "running", "edgeHub": "running", "sensor": {"state": "failed", "exit_code": 1}, "left": "running"}'),
	report_status('gw-03', :revision, 200, modules => '{"edgeAgent": "running", "edgeHub": "stopped"}'),
	report_status('gw-04', :revision, 200),
	report_status('gw-05', 7, 200, modules => '{"edgeAgent": "running"}'),
	report_status('gw-07', 7, 200, modules => '{"old": "running"}');
SELECT device_id, module, deployment_id, image, status, reported_revision = :revision AS current, state, exit_code, restarts
FROM device_module WHERE device_id IN ('gw-02', 'gw-05', 'gw-07', 'gw-08', 'retired') ORDER BY device_id, module COLLATE "C";
SELECT deployment_id, module, status, devices, running, stopped, failed, missing, unknown FROM module_status ORDER BY module COLLATE "C";

-- many at once: each device's latest, whichever comes last, and the bad ones named
SELECT * FROM report_statuses(format($$[
	{"device_id": "gw-06", "revision": %1$s, "code": 500},
	{"device_id": "gw-06", "revision": %1$s, "code": 200, "description": "later"},
	{"device_id": "gw-05", "revision": 7, "code": 404, "reported_at": "2020-01-01T00:00:00Z"},
	{"device_id": "gw-04", "revision": %1$s, "code": 200, "reported_at": "2999-01-01T00:00:00Z", "modules": {"sensor": "running"}},
	{"device_id": "gw-04", "revision": 7, "code": 200, "reported_at": "2020-01-01T00:00:00Z"},
	{"device_id": "retired", "revision": %1$s, "code": 200, "description": null, "modules": null, "reported_at": null, "more": 1},
	{"device_id": "nobody", "revision": 1, "code": 200}, {"device_id": "nobody", "revision": 2, "code": 200},
	{"revision": 1, "code": 200}, {"device_id": "gw-01", "code": 200}, {"device_id": "gw-01", "revision": 1, "code": null},
	{"device_id": 1, "revision": 1, "code": 200}, {"device_id": "gw-01", "revision": 1.5, "code": 200},
	{"device_id": "gw-01", "revision": "1", "code": 200}, {"device_id": "gw-01", "revision": 1, "code": 2147483648},
	{"device_id": "gw-01", "revision": 9223372036854775807, "code": 200}, {"device_id": "gw-01", "revision": 1e100, "code": 200},
	{"device_id": "gw-01", "revision": 1, "code": 200, "modules": "running"},
	{"device_id": "gw-01", "revision": 1, "code": 200, "description": ["x"]},
	{"device_id": "gw-01", "revision": 1, "code": 200, "reported_at": "now"}, [], null]$$, :revision)::jsonb)
	AS r;
SELECT device_id, status, code, description, reported_at <= now() AS past FROM device_status WHERE device_id IN ('gw-01', 'gw-04', 'gw-05', 'gw-06') ORDER BY device_id;
SELECT count(*) FROM report_statuses('[]');
SELECT * FROM report_statuses(NULL);
SELECT * FROM report_statuses('{}');
SELECT count(*) FROM report_statuses((SELECT jsonb_agg(1) FROM generate_series(1, 10001)));
-- the limits
SELECT report_status('gw-01', 1, 200, repeat('ü', 2049));
SELECT report_status('gw-01', 1, 200, modules => jsonb_build_object('m', repeat('x', 32760)));
SELECT sqlstate, message FROM report_statuses(jsonb_build_array(jsonb_build_object('device_id', 'gw-01', 'revision', 1, 'code', 200, 'description', repeat('x', 4097))));
-- a short number can be a long text; one entry of them does not fail the others
SELECT report_status('gw-01', 1, 200, modules => '{"m": 1e32768}');
SELECT entry, status, sqlstate, message FROM report_statuses((
	SELECT jsonb_build_array('{"device_id": "gw-08", "revision": 1, "code": 200}'::jsonb,
		jsonb_build_object('device_id', 'gw-01', 'revision', 1, 'code', 200, 'modules', jsonb_object_agg(n, 1e131071)))
	FROM generate_series(1, 10000) AS n));
BEGIN;
SELECT report_status('gw-01', 1, 200, repeat('ü', 2048), modules => jsonb_build_object('m', repeat('x', 32759)));
ROLLBACK;
-- the statement's way and the direct one do the same: above READ COMMITTED, and with a trigger of somebody else's
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT report_status('gw-01', :revision, 500), report_status('gw-01', :revision, 200);
SELECT healthy, unhealthy, unknown FROM deployment_status;
ROLLBACK;
CREATE FUNCTION pg_temp.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '% %', new.device_id, new.code; RETURN new; END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE ON report FOR EACH ROW EXECUTE FUNCTION pg_temp.note();
SELECT report_status('gw-01', :revision, 200);
SELECT status FROM report_statuses(format('[{"device_id": "gw-01", "revision": %s, "code": 200}]', :revision)::jsonb);
DROP TRIGGER note ON report;

-- pending, by pages and by gateways
SELECT device_id, deployment_id, revision = :revision AS current, reported_revision, pending_since IS NOT NULL AS since, asked FROM pending_device ORDER BY device_id;
UPDATE deployment SET content = pg_temp.manifest('sensor:2', 'xyzzy');
SELECT device_id, asked FROM pending_device WHERE device_id > 'gw-02' ORDER BY device_id LIMIT 2;
SELECT t.device_id, t.deployment_id, t.revision = m.revision AS current, m.content = delivered(pg_temp.manifest('sensor:2', 'xyzzy')) AS content, t.asked
FROM take_pending(2) AS t CROSS JOIN LATERAL device_manifest(t.device_id) AS m;
SELECT device_id, asked FROM take_pending(2);
SELECT device_id, asked FROM take_pending(again => '0', after => 'gw-03');
SELECT device_id, asked FROM take_pending();
SELECT device_id, asked, asked_at <= now() AS asked_at FROM pending_device ORDER BY device_id;
-- a page is read by the key, and costs no look at the whole fleet
CREATE FUNCTION pg_temp.page_plan() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	plan text := '';
BEGIN
	FOR line IN EXPLAIN (COSTS OFF) SELECT * FROM twinset.pending_device WHERE device_id > 'page-1' ORDER BY device_id LIMIT 100 LOOP
		plan := plan || line;
	END LOOP;
	RETURN CASE WHEN plan ~ 'Sort' THEN 'sorted, ' ELSE '' END || CASE WHEN plan ~ 'Index Scan using twin_pkey' THEN 'by key' ELSE plan END;
END $$;
BEGIN;
INSERT INTO twin (device_id, tags) SELECT 'page-' || n, '{"site": "a"}' FROM generate_series(1, 20000) AS n;
ANALYZE twin;
SELECT pg_temp.page_plan();
ROLLBACK;
ANALYZE twin;
-- a device that reports is not pending; one that is deleted is as new
SELECT report_status('gw-01', revision, 200) FROM deployment;
DELETE FROM twin WHERE device_id = 'gw-02';
INSERT INTO twin (device_id, tags) VALUES ('gw-02', '{"site": "a"}');
SELECT device_id, asked FROM pending_device WHERE device_id < 'gw-04' ORDER BY device_id;
UPDATE deployment SET content = pg_temp.manifest('sensor:3', 'xyzzy');
SELECT max(asked) FROM pending_device;
SELECT take_pending(NULL);
SELECT take_pending(-1);

-- silence
SELECT report_status(device_id, revision, 200, reported_at => now() - CASE device_id WHEN 'gw-04' THEN interval '2 h' WHEN 'gw-05' THEN interval '2 days' ELSE '0' END)
FROM device_status WHERE deployment_id IS NOT NULL ORDER BY device_id;
SELECT device_id, deployment_id, status FROM silent_devices('1 hour') ORDER BY device_id;
DELETE FROM report WHERE device_id IN ('gw-04', 'gw-05');
SELECT report_status(device_id, revision, 200, reported_at => now() - CASE device_id WHEN 'gw-04' THEN interval '2 h' ELSE interval '2 days' END)
FROM device_status WHERE device_id IN ('gw-04', 'gw-05') ORDER BY device_id;
SELECT device_id, deployment_id, status FROM silent_devices('1 hour') ORDER BY device_id;
SELECT count(*) FROM silent_devices(NULL);
PREPARE silent AS SELECT count(*) FROM silent_devices($1);
EXECUTE silent(NULL);
DEALLOCATE silent;

-- the fleet in one row, in the midst of a transaction too, settled or not
SELECT * FROM fleet_overview;
BEGIN;
UPDATE twin SET iot_edge = NOT iot_edge WHERE device_id IN ('gw-01', 'no-edge', 'neither');
UPDATE twin SET retired_at = CASE WHEN retired_at IS NULL THEN now() END WHERE device_id IN ('gw-02', 'retired');
INSERT INTO twin (device_id, iot_edge) VALUES ('new', false);
SELECT provisioned, not_edge, retired, without_deployment, target, actual, healthy FROM fleet_overview;
WITH d AS (DELETE FROM twin WHERE device_id = 'neither' RETURNING device_id) INSERT INTO twin (device_id, iot_edge) SELECT 'other', false FROM d;
SELECT provisioned, not_edge, retired, without_deployment FROM fleet_overview;
SELECT * FROM reconcile();
SELECT provisioned, not_edge, retired, without_deployment, target, actual, healthy FROM fleet_overview;
SELECT * FROM verify();
TRUNCATE twin;
SELECT * FROM fleet_overview;
ROLLBACK;
SELECT * FROM verify();
-- counts that were written by hand are named and mended
SET client_min_messages = error;
BEGIN;
UPDATE settlement SET provisioned = 1, retired = 100;
SELECT kind, stored, expected FROM verify();
SELECT repaired FROM reconcile();
SELECT * FROM verify();
ROLLBACK;
RESET client_min_messages;

-- secrets: of all that there is in the schema, and in pg_stats, these show them; history is granted to
-- nobody, and what was changed is undone from it
ANALYZE deployment;
CREATE TABLE pg_temp.shown (place text, secret boolean);
DO $$
DECLARE
	place text;
	found boolean;
BEGIN
	FOR place IN
		SELECT c.oid::regclass::text FROM pg_class AS c WHERE c.relnamespace = 'twinset'::regnamespace AND c.relkind IN ('r', 'v')
		UNION ALL SELECT 'pg_stats'
		UNION ALL SELECT * FROM unnest('{device_manifest(''gw-01''), take_pending(again => ''0''), explain_device(''gw-01''), verify(), silent_devices(''0''),
			"preview(''*'', 5)", "check_manifest((SELECT replace(content::text, ''sensor:3'', ''UPPER:3'') FROM deployment))",
			"manifest_difference(NULL, (SELECT content::text FROM deployment))", "manifest_modules((SELECT content FROM deployment))"}'::text[])
	LOOP
		EXECUTE format('SELECT coalesce(bool_or(x::text ~ ''xyzzy''), false) FROM %s AS x', place) INTO found;
		INSERT INTO pg_temp.shown VALUES (place, found);
	END LOOP;
END $$;
SELECT place FROM pg_temp.shown WHERE secret ORDER BY place COLLATE "C";
SELECT count(*) > 20 AS looked_at FROM pg_temp.shown;
-- … and no error of the extension
CREATE FUNCTION pg_temp.error(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	primary_message text;
	detail text;
	hint text;
BEGIN
	EXECUTE query;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS primary_message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN CASE WHEN concat(primary_message, detail, hint) ~ 'xyzzy' THEN concat(primary_message, detail, hint) ELSE 'no secret' END;
END $$;
SELECT pg_temp.error(query), count(*) FROM (
	SELECT format('INSERT INTO twinset.deployment (deployment_id, content%s) VALUES (%L, %L%s)', c.columns, c.id, c.content, c.more)
	FROM (VALUES ('', 'BAD', pg_temp.manifest('sensor:1', 'xyzzy'), ''), ('', 'base', pg_temp.manifest('sensor:1', 'xyzzy'), ''),
		(', priority', 'x', pg_temp.manifest('sensor:1', 'xyzzy'), ', 0'), (', priority', 'x', pg_temp.manifest('sensor:1', 'xyzzy'), ', NULL'),
		(', labels', 'x', pg_temp.manifest('sensor:1', 'xyzzy'), ', ''{"a": 1}'''), (', revision', 'x', pg_temp.manifest('sensor:1', 'xyzzy'), ', 0'),
		('', 'x', pg_temp.manifest('Sensor:1', 'xyzzy'), ''), ('', 'x', pg_temp.manifest('sensor:1', 'xyzzy', '{"createOptions": "xyzzy"}'), ''),
		('', 'x', pg_temp.manifest('sensor:1', 'xyzzy') || 'xyzzy', ''), ('', 'x', '{"xyzzy": "xyzzy', ''),
		('', 'x', pg_temp.manifest('sensor:1', repeat('xyzzy', 10000)), '')) AS c (columns, id, content, more)
	UNION ALL SELECT format('SELECT twinset.manifest_difference(%L, ''{}'')', pg_temp.manifest('sensor:1', 'xyzzy'))
	UNION ALL SELECT 'UPDATE twinset.deployment SET deployment_id = ''other'''
	UNION ALL SELECT 'UPDATE twinset.deployment SET revision = 1'
	UNION ALL SELECT 'UPDATE twinset.deployment SET content = replace(content::text, ''docker'', ''podman'')'
) AS q (query) GROUP BY 1;

SET client_min_messages = warning;
TRUNCATE twin, deployment;
RESET search_path;
