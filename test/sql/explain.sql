-- Why a condition does not match, and why a deployment has not its devices.
SET client_min_messages = warning;
TRUNCATE twinset.twin, twinset.deployment;
\set base `cat examples/manifests/base.json`

INSERT INTO twinset.twin (device_id, tags, iot_edge, retired_at) VALUES
	('d1', '{"site": "a", "floor": 3, "hw": {"ram": 4}}', true, NULL),
	('d2', '{"site": "a", "floor": "3"}', true, NULL),
	('d3', '{"site": "a"}', true, NULL),
	('d4', '{"site": "b", "floor": null}', true, NULL),
	('d5', '{"site": "b", "floor": [3]}', true, NULL),
	('d6', '{}', true, NULL),
	('d7', '{"site": "a", "floor": 3}', false, NULL),
	('d8', '{"site": "a", "floor": 3}', true, now()),
	('d9', '{"site": "a", "floor": 3}', false, now());

-- each part, with what was found: parts that decide nothing too
SELECT * FROM twinset.explain_match('d2', $$tags.site = 'a' AND NOT (tags.floor = 3 OR tags.floor > 7) OR deviceId = 'd2'$$);
SELECT * FROM twinset.explain_match('d1', $$tags.hw.ram IN [1, 2] OR tags.hw = 'x' OR tags.hw.ram.size > 1 OR IS_DEFINED(tags.hw) AND NOT STARTSWITH(tags.site, 'b')$$);
-- JSON null was found; nothing was found
SELECT *, found IS NULL AS nothing FROM twinset.explain_match('d4', 'tags.floor = NULL OR IS_DEFINED(tags.roof)');
-- SAMPLE: the device's place, below the percentage or not
SELECT e.*, e.result = CASE WHEN e.found::numeric < 10 THEN 'true' ELSE 'false' END AS as_found
FROM twinset.explain_match('d1', $$SAMPLE(10, 'x')$$) AS e;
SELECT count(*) AS devices, count(*) FILTER (WHERE e.result = 'true') AS picked,
	bool_and((e.found::numeric < 37.5) = (e.result = 'true') AND e.found::numeric BETWEEN 0 AND 99.999999) AS as_found
FROM generate_series(1, 1000) AS n, twinset.explain_condition('device-' || n, '{}', 'SAMPLE(37.5)') AS e;
-- all, nothing, null
SELECT * FROM twinset.explain_match('d1', '*');
SELECT * FROM twinset.explain_match('d1', ' ');
SELECT * FROM twinset.explain_match('d1', NULL);
-- of a device that can't get a deployment it is the condition's result all the same
SELECT * FROM twinset.explain_match('d8', 'tags.floor = 3');
SELECT * FROM twinset.explain_match('nobody', '*');
SELECT * FROM twinset.explain_match(NULL, '*');
SELECT * FROM twinset.explain_match('d1', 'tag.floor = 3');
-- deep, and long: a line a part
SELECT count(*), max(length(term)), max(result) FILTER (WHERE line = 1) AS whole
FROM twinset.explain_match('d1', repeat('NOT ', 1000) || 'tags.floor = 3');
SELECT count(*), count(*) FILTER (WHERE result = 'true') AS met
FROM twinset.explain_match('d1', 'tags.floor = 0' || (SELECT string_agg(' OR tags.floor = ' || n, '') FROM generate_series(1, 800) AS n));

-- which part is not met
SELECT t.device_id, twinset.unmet_term(t.device_id, t.tags, c::twinset.target_condition) AS unmet
FROM twinset.twin AS t, (VALUES ($$tags.site = 'a' AND NOT tags.floor = 3$$)) AS v (c) WHERE t.device_id < 'd7' ORDER BY 1;
SELECT c, twinset.unmet_term('d', '{"n": 1, "o": {"a": true}}', c::twinset.target_condition) AS unmet
FROM (VALUES (1, ''), (2, '*'), (3, 'tags.n = 1 AND (tags.n = 1 AND tags.n = 2 OR tags.m = 1)'), (4, $$NOT NOT tags.n = '1'$$),
	(5, 'tags.o > 1'), (6, 'tags.o.a < TRUE'), (7, 'tags.o.a.b = 1'), (8, $$STARTSWITH(tags.n, '1')$$), (9, 'tags.m IN [1, NULL]'),
	(10, 'IS_DEFINED(tags.m)'), (11, $$deviceId = 'e'$$), (12, 'SAMPLE(0)'), (13, 'NOT (tags.n = 1 OR tags.m = 1)'), (14, 'deviceId > 1')) AS v (n, c)
ORDER BY n;

-- a deployment: all devices that it does not get, each once
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority) VALUES
	('a', :'base', $$tags.site = 'a' AND tags.floor = 3$$, 10),
	('all', :'base', '*', 5),
	('typo', :'base', $$tags.sit = 'a'$$, 20),
	('off', :'base', NULL, 20),
	('empty', :'base', '', 20),
	('floor', :'base', 'NOT tags.floor = 4', 7),
	('none', :'base', 'tags.floor = 99 OR tags.hw = 1', 1);
SELECT s.deployment_id, e.* FROM twinset.deployment_status AS s CROSS JOIN LATERAL twinset.explain_deployment(s.deployment_id) AS e
ORDER BY s.deployment_id, e.devices DESC, e.reason;
-- with the devices that it has they are the fleet, also where the log holds changes
BEGIN;
UPDATE twinset.twin SET tags = tags || '{"site": "a", "floor": 3}' WHERE device_id IN ('d4', 'd5');
UPDATE twinset.twin SET retired_at = NULL WHERE device_id = 'd8';
DELETE FROM twinset.twin WHERE device_id = 'd1';
SELECT deployment_id, sum(e.devices) AS not_its_own, s.actual, sum(e.devices) + s.actual = (SELECT count(*) FROM twinset.twin) AS all_devices
FROM twinset.deployment_status AS s CROSS JOIN LATERAL twinset.explain_deployment(s.deployment_id) AS e
GROUP BY s.deployment_id, s.actual ORDER BY s.deployment_id;
SELECT * FROM twinset.explain_deployment('floor');
ROLLBACK;
-- an example is a device of that reason
SELECT s.deployment_id, e.reason, e.example FROM twinset.deployment_status AS s
CROSS JOIN LATERAL twinset.explain_deployment(s.deployment_id) AS e JOIN twinset.twin AS t ON t.device_id = e.example
WHERE CASE WHEN e.reason = 'retired' THEN t.retired_at IS NULL WHEN e.reason = 'not an Edge device' THEN t.iot_edge
	WHEN e.reason LIKE 'won by %' THEN (SELECT deployment_id FROM twinset.device_status AS v WHERE v.device_id = e.example) <> substr(e.reason, 8)
	ELSE twinset.matches(t.device_id, t.tags, s.target_condition) END;
SELECT * FROM twinset.explain_deployment('nobody');
SELECT * FROM twinset.explain_deployment(NULL);
-- both in a READ ONLY transaction
BEGIN READ ONLY;
SELECT count(*) FROM twinset.explain_match('d1', '*');
SELECT count(*) FROM twinset.explain_deployment('a');
ROLLBACK;
TRUNCATE twinset.twin, twinset.deployment;
