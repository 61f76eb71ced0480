-- Bad input gets an error that says what and where, and changes nothing.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET search_path = twinset, public;
-- one valid manifest for all that follows
CREATE TEMP TABLE sample AS SELECT '{"modulesContent": {"$edgeAgent": {"properties.desired": {"schemaVersion": "1.1",
 "runtime": {"type": "docker", "settings": {}}, "systemModules": {
 "edgeAgent": {"type": "docker", "settings": {"image": "registry.example/agent:1"}},
 "edgeHub": {"type": "docker", "status": "running", "restartPolicy": "always", "settings": {"image": "registry.example/hub:1"}}},
 "modules": {}}}, "$edgeHub": {"properties.desired": {"schemaVersion": "1.1", "routes": {},
 "storeAndForwardConfiguration": {"timeToLiveSecs": 7200}}}}}'::text AS content;
INSERT INTO twin (device_id, tags) VALUES ('d1', '{"environment": "prod"}'), ('d2', '{}');
INSERT INTO deployment (deployment_id, content, target_condition, priority)
 SELECT 'base', content, 'tags.environment = ''prod''', 10 FROM sample;
CREATE TEMP VIEW state AS
 SELECT (SELECT json_agg(t ORDER BY device_id) FROM twin AS t)::text AS twins,
        (SELECT json_agg(d ORDER BY deployment_id) FROM deployment AS d)::text AS deployments,
        (SELECT json_agg(s ORDER BY deployment_id) FROM deployment_status AS s)::text AS counts;
CREATE TEMP TABLE before AS SELECT * FROM state;

-- twins: identifiers (the server's detail is the row, with its times)
\set VERBOSITY terse
INSERT INTO twin (device_id) VALUES ('');
INSERT INTO twin (device_id) VALUES ('a b');
INSERT INTO twin (device_id) VALUES ('größe');
INSERT INTO twin (device_id) VALUES (repeat('x', 129));
INSERT INTO twin (device_id) VALUES (NULL);
INSERT INTO twin (device_id) VALUES ('d1');
-- twins: tags
INSERT INTO twin (device_id, tags) VALUES ('d3', NULL);
INSERT INTO twin (device_id, tags) VALUES ('d3', '[]');
INSERT INTO twin (device_id, tags) VALUES ('d3', '"text"');
INSERT INTO twin (device_id, tags) VALUES ('d3', '{"a.b": 1}');
INSERT INTO twin (device_id, tags) VALUES ('d3', '{"a": {"$b": 1}}');
INSERT INTO twin (device_id, tags) VALUES ('d3', '{"a": [{"": 1}]}');
UPDATE twin SET tags = '{"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": {"j": {"k": {"l": 1}}}}}}}}}}}}' WHERE device_id = 'd2';
INSERT INTO twin (device_id, iot_edge) VALUES ('d3', NULL);
\set VERBOSITY default
-- twins: what can't be changed
UPDATE twin SET device_id = 'd9' WHERE device_id = 'd1';
UPDATE twin SET created_at = '2020-01-01' WHERE device_id = 'd1';
UPDATE twin SET created_at = NULL WHERE device_id = 'd1';

-- deployments
INSERT INTO deployment (deployment_id, content) SELECT 'Upper', content FROM sample;
INSERT INTO deployment (deployment_id, content) SELECT '', content FROM sample;
INSERT INTO deployment (deployment_id, content) SELECT repeat('x', 129), content FROM sample;
INSERT INTO deployment (deployment_id, content) SELECT NULL, content FROM sample;
INSERT INTO deployment (deployment_id, content) SELECT 'base', content FROM sample;
INSERT INTO deployment (deployment_id, content) VALUES ('x', NULL);
INSERT INTO deployment (deployment_id, content) VALUES ('x', '{}');
INSERT INTO deployment (deployment_id, content) VALUES ('x', '{"password": ');
INSERT INTO deployment (deployment_id, content, priority) SELECT 'x', content, 0 FROM sample;
INSERT INTO deployment (deployment_id, content, priority) SELECT 'x', content, -1 FROM sample;
INSERT INTO deployment (deployment_id, content, priority) SELECT 'x', content, NULL FROM sample;
INSERT INTO deployment (deployment_id, content, labels) SELECT 'x', content, '[]' FROM sample;
INSERT INTO deployment (deployment_id, content, labels) SELECT 'x', content, '{"a": 1}' FROM sample;
INSERT INTO deployment (deployment_id, content, labels) SELECT 'x', content, NULL FROM sample;
INSERT INTO deployment (deployment_id, content, target_condition) SELECT 'x', content, 'tags.environment = prod' FROM sample;
INSERT INTO deployment (deployment_id, content, target_condition) SELECT 'x', content, 'tags.city = ''New York''' FROM sample;
INSERT INTO deployment (deployment_id, content, revision) SELECT 'x', content, 0 FROM sample;
INSERT INTO deployment (deployment_id, content, revision) SELECT 'x', content, 9007199254740992 FROM sample;
\set VERBOSITY terse
INSERT INTO deployment (deployment_id, content, revision) SELECT 'x', s.content, revision FROM sample AS s, deployment;
\set VERBOSITY default
UPDATE deployment SET deployment_id = 'x';
UPDATE deployment SET revision = revision + 1;
UPDATE deployment SET revision = NULL;
UPDATE deployment SET created_at = created_at - interval '1 s';

-- functions
SELECT set_tags('d1', NULL);
SELECT set_tags(NULL, '{}');
SELECT set_tags('nobody', '{}');
SELECT set_tags('d1', '[1]');
\set VERBOSITY terse
SELECT set_tags('d1', '{"a b": 1}');
\set VERBOSITY default
SELECT report_status(NULL, 1, 200);
SELECT report_status('d1', NULL, 200);
SELECT report_status('d1', 1, NULL);
SELECT report_status('nobody', 1, 200);
SELECT report_status('d1', 1, 200, modules => '[]');
\set VERBOSITY sqlstate
SELECT report_status('d1', 8999999999999999, 200);
\set VERBOSITY default
SELECT device_manifest(NULL);
SELECT explain_device(NULL);
SELECT preview('*', NULL);
SELECT preview('*', 0);
SELECT preview('tags.', 1);
SELECT preview('*', 1, 'nobody');
SELECT verify(-1);
SELECT twinset.log_twins();

-- what does not exist gives no row, and NULL nothing wrong
SELECT * FROM device_manifest('nobody');
SELECT * FROM explain_device('nobody');
SELECT * FROM check_condition(NULL);
SELECT * FROM check_manifest(NULL);
SELECT matches(NULL, '{}', '*'), matches('d1', NULL, '*'), matches('d1', '{}', NULL::target_condition), matches('d1', '{}', NULL::text);

-- nothing has changed
SELECT s = b AS unchanged FROM state AS s, before AS b;
SELECT * FROM verify();
TRUNCATE twin, deployment;
