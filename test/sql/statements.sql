-- Winners and counts are exact at the end of every kind of statement, also when it writes both
-- tables, or is rolled back. Nothing is settled by commits here, so that the log is what counts.
\set SHOW_CONTEXT never
SET search_path = twinset, public;
SET twinset.settle_after = 0;
CREATE TEMP TABLE sample AS SELECT '{"modulesContent": {"$edgeAgent": {"properties.desired": {"schemaVersion": "1.1",
 "runtime": {"type": "docker", "settings": {}}, "systemModules": {
 "edgeAgent": {"type": "docker", "settings": {"image": "registry.example/agent:1"}},
 "edgeHub": {"type": "docker", "status": "running", "restartPolicy": "always", "settings": {"image": "registry.example/hub:1"}}},
 "modules": {}}}, "$edgeHub": {"properties.desired": {"schemaVersion": "1.1", "routes": {},
 "storeAndForwardConfiguration": {"timeToLiveSecs": 7200}}}}}'::text AS content;
CREATE FUNCTION pg_temp.counts() RETURNS text LANGUAGE sql AS $$
 SELECT coalesce(string_agg(format('%s %s/%s/%s/%s/%s', deployment_id, target, actual, healthy, unhealthy, unknown), ', ' ORDER BY deployment_id), '-')
	|| coalesce((SELECT ' BUT ' || string_agg(v::text, ' ') FROM twinset.verify() AS v WHERE kind <> 'part'), '') FROM twinset.deployment_status $$;
INSERT INTO twin (device_id, tags)
 SELECT 'd' || i, jsonb_build_object('environment', CASE WHEN i % 2 = 0 THEN 'prod' ELSE 'test' END) FROM generate_series(1, 10) AS i;
INSERT INTO deployment (deployment_id, content, target_condition, priority)
 SELECT 'all', content, '*', 1 FROM sample UNION ALL SELECT 'prod', content, 'tags.environment = ''prod''', 10 FROM sample;
SELECT pg_temp.counts();

-- UPDATE of several rows, of none, of nothing that counts
UPDATE twin SET tags = '{"environment": "prod"}' WHERE device_id IN ('d1', 'd3');
SELECT pg_temp.counts();
UPDATE twin SET tags = tags WHERE device_id = 'd1';
UPDATE twin SET tags = '{}' WHERE false;
SELECT pg_temp.counts();
-- retire, bring back, no Edge device
UPDATE twin SET retired_at = now() WHERE device_id = 'd1';
UPDATE twin SET iot_edge = false WHERE device_id = 'd2';
SELECT pg_temp.counts();
UPDATE twin SET retired_at = 'infinity' WHERE device_id = 'd1';
UPDATE twin SET retired_at = NULL, tags = '{}' WHERE device_id = 'd1';
SELECT pg_temp.counts();
-- DELETE, INSERT, both in one query
DELETE FROM twin WHERE device_id = 'd3';
INSERT INTO twin (device_id, tags) VALUES ('d3', '{"environment": "test"}'), ('d11', '{"environment": "prod"}');
WITH gone AS (DELETE FROM twin WHERE device_id = 'd4' RETURNING *) INSERT INTO twin SELECT * FROM gone;
SELECT pg_temp.counts();
-- COPY
COPY twin (device_id, tags) FROM stdin;
d12	{"environment": "prod"}
d13	{}
\.
SELECT pg_temp.counts();
-- ON CONFLICT, twice the same row by two statements of one transaction
BEGIN;
INSERT INTO twin (device_id, tags) VALUES ('d12', '{}'), ('d14', '{"environment": "prod"}')
 ON CONFLICT (device_id) DO UPDATE SET tags = excluded.tags;
INSERT INTO twin (device_id, tags) VALUES ('d12', '{"environment": "prod"}') ON CONFLICT (device_id) DO UPDATE SET tags = excluded.tags;
INSERT INTO twin (device_id) VALUES ('d12') ON CONFLICT DO NOTHING;
SELECT pg_temp.counts();
COMMIT;
-- MERGE that inserts, updates and deletes
MERGE INTO twin AS t USING (VALUES ('d12', 'test'), ('d13', 'gone'), ('d15', 'prod')) AS s (id, environment) ON t.device_id = s.id
 WHEN MATCHED AND s.environment = 'gone' THEN DELETE
 WHEN MATCHED THEN UPDATE SET tags = jsonb_build_object('environment', s.environment)
 WHEN NOT MATCHED THEN INSERT (device_id, tags) VALUES (s.id, jsonb_build_object('environment', s.environment));
SELECT pg_temp.counts();
-- reports: for the revision, with another code, for something else, older than what is stored
SELECT report_status('d6', (SELECT revision FROM deployment WHERE deployment_id = 'prod'), 200),
       report_status('d8', (SELECT revision FROM deployment WHERE deployment_id = 'prod'), 500, 'no disk'),
       report_status('d10', (SELECT revision FROM deployment WHERE deployment_id = 'all'), 200),
       report_status('d6', 1, 500, reported_at => now() - interval '1 h'),
       report_status('d1', (SELECT revision FROM deployment WHERE deployment_id = 'all'), 200, modules => '{"edgeHub": {}}');
SELECT pg_temp.counts();
SELECT device_id, deployment_id, status, code, description FROM device_status WHERE code IS NOT NULL ORDER BY device_id;
-- a deleted device loses its report; of a retired one it is kept
DELETE FROM twin WHERE device_id = 'd1';
INSERT INTO twin (device_id) VALUES ('d1');
UPDATE twin SET retired_at = now() WHERE device_id = 'd6';
SELECT pg_temp.counts();
UPDATE twin SET retired_at = NULL WHERE device_id = 'd6';
SELECT pg_temp.counts();
-- a report for what comes to win later
SELECT report_status('d5', (SELECT revision FROM deployment WHERE deployment_id = 'prod'), 200);
UPDATE twin SET tags = '{"environment": "prod"}' WHERE device_id = 'd5';
SELECT pg_temp.counts();
-- savepoints
BEGIN;
UPDATE twin SET tags = '{"environment": "prod"}';
SAVEPOINT a;
DELETE FROM twin WHERE device_id < 'd5';
UPDATE deployment SET target_condition = 'deviceId = ''d6''' WHERE deployment_id = 'prod';
SELECT pg_temp.counts();
ROLLBACK TO a;
SELECT pg_temp.counts();
UPDATE deployment SET priority = 11 WHERE deployment_id = 'all';
SELECT pg_temp.counts();
ROLLBACK;
SELECT pg_temp.counts();
-- deployments: content that is another text with the same value, then another value
SELECT revision AS r, content::text AS c FROM deployment WHERE deployment_id = 'prod' \gset
UPDATE deployment SET content = replace(:'c', '{"modulesContent"', '  { "modulesContent"') WHERE deployment_id = 'prod';
SELECT revision = :r AS same FROM deployment WHERE deployment_id = 'prod';
SELECT pg_temp.counts();
UPDATE deployment SET content = replace(:'c', 'hub:1', 'hub:2') WHERE deployment_id = 'prod';
SELECT revision > :r AS newer FROM deployment WHERE deployment_id = 'prod';
SELECT pg_temp.counts();
UPDATE deployment SET content = :'c' WHERE deployment_id = 'prod';
SELECT revision > :r AS newer FROM deployment WHERE deployment_id = 'prod';
UPDATE deployment SET labels = '{"a": "b"}';
SELECT pg_temp.counts();
-- several deployments a statement; a condition that takes all; none
INSERT INTO deployment (deployment_id, content, target_condition, priority)
 SELECT 'p' || i, content, format('deviceId = ''d%s''', i), 20 + i FROM sample, generate_series(1, 3) AS i;
SELECT pg_temp.counts();
UPDATE deployment SET target_condition = CASE deployment_id WHEN 'p1' THEN NULL WHEN 'p2' THEN '*' ELSE '' END WHERE deployment_id LIKE 'p_';
SELECT pg_temp.counts();
MERGE INTO deployment AS d USING (VALUES ('p2', 5), ('p3', 0)) AS s (id, priority) ON d.deployment_id = s.id
 WHEN MATCHED AND s.priority = 0 THEN DELETE
 WHEN MATCHED THEN UPDATE SET priority = s.priority;
SELECT pg_temp.counts();
-- whole rows saved again change nothing
INSERT INTO deployment SELECT * FROM deployment ON CONFLICT (deployment_id) DO UPDATE SET
 content = excluded.content, target_condition = excluded.target_condition, priority = excluded.priority,
 labels = excluded.labels, revision = excluded.revision, created_at = excluded.created_at;
INSERT INTO twin SELECT * FROM twin ON CONFLICT (device_id) DO UPDATE SET tags = excluded.tags, created_at = excluded.created_at;
SELECT pg_temp.counts();
-- both tables in one query, in either order
WITH a AS (UPDATE twin SET tags = '{"environment": "prod"}' WHERE device_id = 'd3' RETURNING 1)
 UPDATE deployment SET priority = 30 WHERE deployment_id = 'prod';
SELECT pg_temp.counts();
WITH a AS (UPDATE deployment SET target_condition = 'NOT tags.environment = ''prod''' WHERE deployment_id = 'p1' RETURNING 1),
 b AS (INSERT INTO twin (device_id, tags) VALUES ('d16', '{"environment": "test"}') RETURNING 1),
 c AS (DELETE FROM deployment WHERE deployment_id = 'all' RETURNING 1)
 UPDATE twin SET tags = '{"environment": "test"}' WHERE device_id = 'd8';
SELECT pg_temp.counts();
-- a user's row trigger on twin that writes a deployment, and one that writes the same twin again
CREATE FUNCTION pg_temp.write_deployment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE twinset.deployment SET target_condition = format('deviceId = ''%s''', NEW.device_id) WHERE deployment_id = 'p2';
	RETURN NULL;
END $$;
CREATE TRIGGER user_deployment AFTER UPDATE ON twin FOR EACH ROW WHEN (NEW.tags ? 'p2') EXECUTE FUNCTION pg_temp.write_deployment();
CREATE FUNCTION pg_temp.write_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE twinset.twin SET tags = tags - 'again' || '{"environment": "prod"}' WHERE device_id = NEW.device_id;
	RETURN NULL;
END $$;
CREATE TRIGGER user_again AFTER INSERT OR UPDATE ON twin FOR EACH ROW WHEN (NEW.tags ? 'again') EXECUTE FUNCTION pg_temp.write_again();
UPDATE twin SET tags = '{"p2": true, "environment": "test"}' WHERE device_id IN ('d9', 'd10');
SELECT pg_temp.counts();
UPDATE twin SET tags = '{"again": true}' WHERE device_id IN ('d1', 'd2', 'd8');
INSERT INTO twin (device_id, tags) VALUES ('d17', '{"again": true, "environment": "test"}');
SELECT pg_temp.counts();
-- a user's trigger that deletes what its own query inserts, and so deletes first
CREATE FUNCTION pg_temp.replace_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('DELETE FROM %I.%I WHERE %I = $1', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_ARGV[0])
		USING to_jsonb(NEW)->>TG_ARGV[0];
	RETURN NEW;
END $$;
CREATE TRIGGER user_replace BEFORE INSERT ON twin FOR EACH ROW EXECUTE FUNCTION pg_temp.replace_row('device_id');
INSERT INTO twin (device_id, tags) VALUES ('d1', '{"environment": "test"}'), ('d18', '{"environment": "prod"}');
SELECT pg_temp.counts();
COPY twin (device_id, tags) FROM stdin;
d1	{"environment": "prod"}
d2	{}
\.
SELECT pg_temp.counts();
DROP TRIGGER user_replace ON twin;
-- a function of the same query that has deleted what the query then inserts
CREATE FUNCTION pg_temp.take_twin(id text) RETURNS jsonb LANGUAGE sql AS $$
	DELETE FROM twinset.twin WHERE device_id = id RETURNING tags $$;
WITH a AS MATERIALIZED (SELECT pg_temp.take_twin('d5') AS tags),
 b AS (INSERT INTO twin (device_id, tags) VALUES ('d5', '{"environment": "test"}') RETURNING 1)
 SELECT tags FROM a, b;
SELECT pg_temp.counts();
INSERT INTO twin (device_id, tags) SELECT 'd5', pg_temp.take_twin('d5') || '{"environment": "prod"}';
SELECT pg_temp.counts();
-- the same on deployment, and one that changes the same deployment again, beside an unsettled log
CREATE TRIGGER user_replace BEFORE INSERT ON deployment FOR EACH ROW EXECUTE FUNCTION pg_temp.replace_row('deployment_id');
UPDATE twin SET tags = '{"environment": "test"}' WHERE device_id IN ('d1', 'd18');
INSERT INTO deployment (deployment_id, content, target_condition, priority) SELECT 'prod', content, 'deviceId = ''d1''', 50 FROM sample;
SELECT pg_temp.counts();
DROP TRIGGER user_replace ON deployment;
CREATE FUNCTION pg_temp.change_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE twinset.deployment SET target_condition = 'tags.environment = ''prod''', priority = 60
		WHERE deployment_id = NEW.deployment_id AND priority = 55;
	RETURN NULL;
END $$;
CREATE TRIGGER user_again AFTER UPDATE ON deployment FOR EACH ROW EXECUTE FUNCTION pg_temp.change_again();
UPDATE twin SET tags = '{"environment": "prod"}' WHERE device_id IN ('d1', 'd18');
UPDATE deployment SET target_condition = 'deviceId = ''d2''', priority = 55 WHERE deployment_id = 'prod';
SELECT pg_temp.counts();
DROP TRIGGER user_again ON deployment;
UPDATE deployment SET priority = priority;
SELECT * FROM reconcile();
SELECT pg_temp.counts();
-- within a statement there is no reconciling
WITH a AS (UPDATE twin SET tags = '{}' RETURNING (reconcile()).repaired) SELECT * FROM a;
-- the row of settlement has left its table's first page, as all its versions are in this transaction
BEGIN;
DO $$ BEGIN
 FOR i IN 1..300 LOOP
	UPDATE deployment SET priority = 10 + i WHERE deployment_id = 'prod';
 END LOOP;
END $$;
SELECT (ctid::text::point)[0] > 0 AS moved FROM settlement;
SELECT pg_temp.counts();
ROLLBACK;
-- what is stored by term stays as it was where only a manifest has changed
CREATE TEMP TABLE filed AS SELECT deployment_id, ctid AS place FROM posting;
UPDATE deployment SET content = replace(content::text, 'agent:1', 'agent:2')::manifest,
 priority = CASE deployment_id WHEN 'p1' THEN 90 ELSE priority END WHERE deployment_id IN ('p1', 'p2');
UPDATE deployment SET content = replace(content::text, 'agent:2', 'agent:3')::manifest WHERE deployment_id IN ('p1', 'p2');
SELECT DISTINCT deployment_id, place = posting.ctid AS stays FROM filed JOIN posting USING (deployment_id) ORDER BY 1;
SELECT pg_temp.counts();
-- a user's rules, and a view with one; what undoes deployments is refused by the server then
BEGIN;
CREATE RULE user_also AS ON UPDATE TO twin DO ALSO UPDATE deployment SET priority = priority + 1 WHERE deployment_id = 'prod';
CREATE RULE user_instead AS ON DELETE TO twin DO INSTEAD UPDATE twin SET retired_at = now() WHERE device_id = OLD.device_id;
CREATE RULE user_instead AS ON DELETE TO deployment DO INSTEAD UPDATE deployment SET target_condition = NULL WHERE deployment_id = OLD.deployment_id;
CREATE VIEW pg_temp.retagged AS SELECT device_id, tags FROM twin;
CREATE RULE user_view AS ON UPDATE TO pg_temp.retagged DO INSTEAD (
	DELETE FROM deployment WHERE deployment_id = 'p1'; UPDATE twin SET tags = NEW.tags WHERE device_id = OLD.device_id);
SELECT pg_temp.counts();
UPDATE twin SET tags = '{}' WHERE device_id IN ('d4', 'd5');
SELECT pg_temp.counts(), (SELECT priority FROM deployment WHERE deployment_id = 'prod');
DELETE FROM twin WHERE device_id = 'd6';
SELECT pg_temp.counts(), (SELECT retired_at IS NOT NULL AS retired FROM twin WHERE device_id = 'd6');
UPDATE pg_temp.retagged SET tags = '{"environment": "prod"}' WHERE device_id IN ('d4', 'd5');
SELECT pg_temp.counts();
SAVEPOINT a;
SELECT * FROM undo_transaction(pg_current_xact_id());
ROLLBACK TO a;
SELECT pg_temp.counts();
ROLLBACK;
-- TRUNCATE
BEGIN;
TRUNCATE twin;
INSERT INTO twin (device_id, tags) VALUES ('d1', '{"environment": "prod"}');
SELECT pg_temp.counts();
TRUNCATE deployment;
SELECT pg_temp.counts(), (SELECT count(*) FROM device_status WHERE deployment_id IS NULL) AS without;
ROLLBACK;
SELECT pg_temp.counts();
TRUNCATE twin, deployment;
SELECT pg_temp.counts();
SELECT * FROM reconcile();
DROP TRIGGER user_deployment ON twin;
DROP TRIGGER user_again ON twin;
