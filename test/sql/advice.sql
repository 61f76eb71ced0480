-- deployment_advice on the demo's fleet: what is dead in it, then six planted mistakes.
SET client_min_messages = warning;
TRUNCATE twinset.twin, twinset.deployment;
\set ECHO none
\i examples/fleet/load.sql
\o /dev/null
\i examples/fleet/deployments.sql
\o
\set ECHO all
SELECT count(*) FROM twinset.twin;

-- The demo's priorities are drawn: many of its deployments apply to no device. The advice names
-- exactly these, each with who has its devices.
CREATE TEMP TABLE dead AS SELECT deployment_id, target FROM twinset.deployment_status WHERE actual = 0;
CREATE TEMP TABLE advice AS SELECT * FROM twinset.deployment_advice;
SELECT count(*) > 100 AS many FROM dead;
SELECT kind, count(*) = count(DISTINCT deployment_id) AS one_each, bool_and(deployment_id IN (SELECT deployment_id FROM dead)) AS dead
FROM advice GROUP BY kind ORDER BY kind;
SELECT deployment_id FROM dead EXCEPT SELECT deployment_id FROM advice;
-- the numbers are those of the devices that it targets, counted one by one
SELECT count(*) FILTER (WHERE told = counted) > 50 AS right_ones, count(*) FILTER (WHERE told IS DISTINCT FROM counted) AS wrong
FROM (
	SELECT a.deployment_id, substring(a.message FROM ': (.*)$') AS told, (
		SELECT string_agg(CASE WHEN place <= 3 THEN format('%s wins %s', winner, n) END, ', ' ORDER BY place)
			|| CASE WHEN count(*) > 3 THEN format(', %s others win %s', count(*) - 3, sum(n) FILTER (WHERE place > 3)) ELSE '' END
		FROM (SELECT winner, count(*) AS n, row_number() OVER (ORDER BY count(*) DESC, winner) AS place
			FROM twinset.deployment_device AS v WHERE v.deployment_id = a.deployment_id GROUP BY winner) AS w) AS counted
	FROM advice AS a WHERE a.kind = 'shadowed' ORDER BY a.deployment_id LIMIT 60) AS s;

-- without them there is nothing to advise
DELETE FROM twinset.deployment WHERE deployment_id IN (SELECT deployment_id FROM dead);
SELECT count(*) > 500 AS others FROM twinset.deployment;
SELECT * FROM twinset.deployment_advice;

-- six mistakes, one of each kind, among what is none
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
SELECT m.deployment_id, d.content, m.target_condition::twinset.target_condition, m.priority
FROM (VALUES
	('mistake-nobody', $$tags.environment = 'production' AND tags.size = 'village'$$, 2000),
	('mistake-shadowed', $$tags.country = 'US' AND tags.state = 'WA' AND tags.environment = 'prod'$$, 1998),
	('right-wa', $$tags.country = 'US' AND tags.state = 'WA'$$, 1999),
	('mistake-unknown-tag', $$tags.enviroment = 'prod' AND tags.country = 'US'$$, 2000),
	('mistake-other-type', $$tags.memory_mb = '4096' AND tags.country = 'DE'$$, 2000),
	('mistake-not', $$tags.country = 'DE' AND tags.state = '02' AND NOT tags.size = 'village'$$, 2000),
	('right-not', $$tags.country = 'DE' AND tags.state = '08' AND (NOT IS_DEFINED(tags.size) OR NOT tags.size = 'village')$$, 2000),
	('right-not-defined', $$tags.country = 'DE' AND tags.state = '12' AND IS_DEFINED(tags.size) AND NOT tags.size = 'village'$$, 2000),
	('right-off', NULL, 2000), ('right-empty', '', 2000)) AS m (deployment_id, target_condition, priority),
	LATERAL (SELECT content FROM twinset.deployment LIMIT 1) AS d;
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority, created_at)
SELECT 'mistake-duplicate', content, $$tags.state = 'WA' AND tags.country = 'US' AND tags.size = 'city'$$, 2001, timestamptz '2026-01-01' FROM twinset.deployment WHERE deployment_id = 'right-wa'
UNION ALL
SELECT 'right-newer', content, $$tags.state = 'WA' AND tags.country = 'US' AND tags.size = 'city'$$, 2001, '2026-01-02' FROM twinset.deployment WHERE deployment_id = 'right-wa';
-- (what they leave without a device of the demo's own deployments is dead by now, and goes)
DELETE FROM twinset.deployment WHERE labels <> '{}' AND deployment_id IN (SELECT deployment_id FROM twinset.deployment_status WHERE actual = 0);
SELECT * FROM twinset.deployment_advice ORDER BY deployment_id, kind;
-- the left out, counted one by one
SELECT count(*) FROM twinset.twin WHERE twinset.matches(device_id, tags, $$tags.country = 'DE' AND tags.state = '02' AND NOT IS_DEFINED(tags.size)$$);

-- other cases, on a fleet of six
TRUNCATE twinset.twin, twinset.deployment;
\set base `cat examples/manifests/base.json`
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority) VALUES
	('first', :'base', $$tags.a = 1 AND NOT tags.b = 'x'$$, 10);
-- no devices: nothing to compare with, but nobody is targeted
SELECT * FROM twinset.deployment_advice;
INSERT INTO twinset.twin (device_id, tags, iot_edge, retired_at) VALUES
	('d1', '{"a": 1, "b": "x", "hw": {"ram": 4, "key-d": 1}}', true, NULL), ('d2', '{"a": 1, "b": "y", "hw": "none"}', true, NULL),
	('d3', '{"a": 1, "c": null}', true, NULL), ('d4', '{"a": 2, "hw": {"ram": "8"}}', true, NULL),
	('d5', '{"retired": 1, "b": 1}', true, now()), ('d6', '{"no_edge": 1}', false, NULL);
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority) VALUES
	('ne', :'base', $$tags.b != 'x'$$, 1), ('not-in', :'base', $$NOT tags.b IN ['x']$$, 2), ('not-starts', :'base', $$NOT STARTSWITH(tags.b, 'x')$$, 3),
	('not-and', :'base', $$NOT (tags.a = 1 AND tags.b = 'x')$$, 4), ('not-ne', :'base', $$NOT tags.b != 'x'$$, 5),
	('not-not', :'base', $$NOT NOT tags.b = 'x'$$, 6), ('not-is', :'base', $$NOT IS_DEFINED(tags.b)$$, 7), ('retired', :'base', 'tags.retired = 1', 8),
	('no-edge', :'base', 'NOT tags.no_edge = 1', 9), ('types', :'base', $$tags.hw = 4 OR tags.hw.ram IN [1, '8', NULL, TRUE] OR tags.c = 'x'$$, 11),
	('deep', :'base', $$tags.hw.rom = 1 OR tags.hw.[[key-d]] = 2 OR IS_DEFINED(tags.hw.ram.size)$$, 12),
	('by-id', :'base', $$deviceId = 'nobody' OR NOT deviceId != 'nobody'$$, 13), ('all', :'base', '*', 14), ('sample', :'base', 'NOT SAMPLE(0)', 15);
SELECT * FROM twinset.deployment_advice ORDER BY deployment_id, kind, message;
-- what NOT leaves out, against brute force: devices that the meant condition has besides
SELECT d.deployment_id, count(*) FILTER (WHERE twinset.matches(t.device_id, t.tags, m.meant) AND NOT twinset.matches(t.device_id, t.tags, d.target_condition)) AS left_out
FROM (VALUES ('first', $$tags.a = 1 AND (NOT IS_DEFINED(tags.b) OR NOT tags.b = 'x')$$), ('ne', $$NOT IS_DEFINED(tags.b) OR tags.b != 'x'$$),
	('not-in', $$NOT IS_DEFINED(tags.b) OR NOT tags.b IN ['x']$$), ('not-starts', $$NOT IS_DEFINED(tags.b) OR NOT STARTSWITH(tags.b, 'x')$$),
	('not-and', $$NOT (IS_DEFINED(tags.a) AND tags.a = 1 AND IS_DEFINED(tags.b) AND tags.b = 'x')$$)) AS m (deployment_id, meant)
JOIN twinset.deployment AS d ON d.deployment_id = m.deployment_id, twinset.twin AS t
WHERE t.iot_edge AND t.retired_at IS NULL GROUP BY 1 ORDER BY 1;
-- names without end: of those that no condition names some are not counted
INSERT INTO twinset.twin (device_id, tags) SELECT 'many-' || n, jsonb_build_object('key-' || n, 1, 'b', 'z') FROM generate_series(1, 12000) AS n;
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority) VALUES
	('known', :'base', 'tags.key-11999 = 1', 20), ('near', :'base', 'tags.bb = 1', 21);
SELECT deployment_id, kind, message FROM twinset.deployment_advice WHERE deployment_id IN ('known', 'near') ORDER BY 1;
SELECT count(*) FROM twinset.fleet_survey(NULL) WHERE fact = 'tag';
-- a name that is too long to be compared
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
	SELECT 'long', :'base', format('tags.%s = 1', repeat('x', 300))::twinset.target_condition, 22;
SELECT deployment_id, kind, length(message) FROM twinset.deployment_advice WHERE deployment_id = 'long';
-- an unsettled change counts, and it works in a READ ONLY transaction
BEGIN;
UPDATE twinset.twin SET tags = '{"a": 1}' WHERE device_id = 'd1';
SET TRANSACTION READ ONLY;
SELECT message FROM twinset.deployment_advice WHERE deployment_id = 'first';
ROLLBACK;
-- an unknown tag that no NOT is about does not hide what a NOT leaves out; one that it is about stands for it
BEGIN;
TRUNCATE twinset.twin, twinset.deployment;
INSERT INTO twinset.twin (device_id, tags) VALUES ('d1', '{"a": 1}'), ('d2', '{"c": 1}'), ('d3', '{"a": 2, "c": 2}');
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority) VALUES
	('asked', :'base', 'NOT (tags.a = 1 OR IS_DEFINED(tags.z))', 1), ('missed', :'base', 'NOT (tags.c = 1 OR tags.z = 1)', 2);
SELECT * FROM twinset.deployment_advice ORDER BY deployment_id, kind, message;
ROLLBACK;
TRUNCATE twinset.twin, twinset.deployment;
