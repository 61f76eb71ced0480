-- What an operator writes is what the device gets: 30 manifests of many kinds, each
-- in four envelopes.  test/round_trip makes them, and compares as JSON values.
SET client_min_messages = warning;
TRUNCATE twinset.twin, twinset.deployment;
CREATE TEMP TABLE made (n serial, name text, modules text);
\copy made (name, modules) FROM PROGRAM 'test/round_trip make'
SELECT count(*), sum(octet_length(modules)) > 2000000 AS large FROM made;
CREATE TEMP TABLE envelope (e integer, before text, after text);
INSERT INTO envelope VALUES
    (0, '{"modulesContent": ', '}'),
    (1, E'{"note": "\\u00e9",\n\t"moduleContent" :', ' }'),
    (2, '{"id": "x", "labels": {"a": "b"}, "priority": 0, "content": {"modulesContent": ', '}, "targetCondition": "*"}'),
    (3, '{"content": {"deviceContent": null, "modulesContent": null, "moduleContent":', '}, "etag": "MQ=="}');
CREATE TEMP VIEW written AS
SELECT n, name, modules, e, before || modules || after AS content FROM made, envelope;
-- all are valid
SELECT name, e, path, message FROM written, twinset.check_manifest(content);

-- a device and a deployment each, the envelopes in turn
INSERT INTO twinset.twin (device_id) SELECT 'device-' || n FROM made;
INSERT INTO twinset.deployment (deployment_id, content, target_condition)
SELECT 'made-' || n, content, 'deviceId = ''device-' || n || '''' FROM written WHERE e = n % 4;
CREATE TEMP TABLE revision AS SELECT deployment_id, revision FROM twinset.deployment;
SELECT count(*) AS as_written FROM written JOIN twinset.deployment AS d ON d.deployment_id = 'made-' || n AND d.content::text = written.content;

-- each device gets it
CREATE TEMP TABLE delivered AS
SELECT n, name, modules, m.content FROM made, twinset.device_manifest('device-' || n) AS m;
SELECT count(*), bool_and(content = jsonb_build_object('modulesContent', modules::jsonb)) AS same FROM delivered;
\copy (SELECT name, format('{"modulesContent": %s}', modules), content FROM delivered ORDER BY n) TO PROGRAM 'test/round_trip compare'

-- written again in each other envelope, and as a device got it: no new revision
UPDATE twinset.deployment AS d SET content = w.content FROM written AS w WHERE d.deployment_id = 'made-' || n AND e = (n + 1) % 4;
UPDATE twinset.deployment AS d SET content = w.content FROM written AS w WHERE d.deployment_id = 'made-' || n AND e = (n + 2) % 4;
UPDATE twinset.deployment AS d SET content = w.content FROM written AS w WHERE d.deployment_id = 'made-' || n AND e = (n + 3) % 4;
SELECT count(*) FILTER (WHERE d.revision = r.revision) AS kept, count(*) FROM twinset.deployment AS d JOIN revision AS r USING (deployment_id);
UPDATE twinset.deployment AS d SET content = g.content FROM delivered AS g
WHERE d.deployment_id = 'made-' || n AND name <> 'reals beyond 64 bits';
SELECT count(*) FILTER (WHERE d.revision = r.revision) AS kept, count(*) FROM twinset.deployment AS d JOIN revision AS r USING (deployment_id);
\copy (SELECT name, format('{"modulesContent": %s}', modules), m.content FROM made, twinset.device_manifest('device-' || n) AS m ORDER BY n) TO PROGRAM 'test/round_trip compare'
-- jsonb writes a real without an exponent, so these come back as integers that are too large
UPDATE twinset.deployment AS d SET content = g.content FROM delivered AS g
WHERE d.deployment_id = 'made-' || n AND name = 'reals beyond 64 bits';
-- but what is another value is a new one
UPDATE twinset.deployment AS d SET content = jsonb_set(g.content, '{modulesContent,$edgeHub,properties.desired,routes,new}', '"FROM /* INTO $upstream"')
FROM delivered AS g WHERE d.deployment_id = 'made-' || n AND name <> 'reals beyond 64 bits';
SELECT count(*) FILTER (WHERE d.revision > r.revision) AS new, count(*) FROM twinset.deployment AS d JOIN revision AS r USING (deployment_id);
\copy (SELECT name, format('{"modulesContent": %s}', modules), m.content FROM made, twinset.device_manifest('device-' || n) AS m WHERE n = 1) TO PROGRAM 'test/round_trip compare'
TRUNCATE twinset.twin, twinset.deployment;
