-- A list of hundreds of ids is found by each of them, compiled or not, and is
-- not stored hundreds of times.
SET client_min_messages = error;
CREATE FUNCTION ids(first integer) RETURNS text LANGUAGE sql AS $$
	SELECT 'deviceId IN [' || string_agg('''d' || lpad(i::text, 7, '0') || '''', ', ') || ']'
	FROM generate_series(first, first + 199) AS i
$$;
INSERT INTO twinset.twin (device_id) SELECT 'd' || lpad(i::text, 7, '0') FROM generate_series(1, 410) AS i;
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
	SELECT id, '{"modulesContent": {"$edgeAgent": {"properties.desired": {"schemaVersion": "1.1",
			"runtime": {"type": "docker", "settings": {}},
			"systemModules": {
				"edgeAgent": {"type": "docker", "settings": {"image": "mcr.microsoft.com/azureiotedge-agent:1.5"}},
				"edgeHub": {"type": "docker", "status": "running", "restartPolicy": "always",
					"settings": {"image": "mcr.microsoft.com/azureiotedge-hub:1.5"}}},
			"modules": {}}},
		"$edgeHub": {"properties.desired": {"schemaVersion": "1.1", "routes": {}, "storeAndForwardConfiguration": {"timeToLiveSecs": 7200}}}}}',
		condition, priority
	FROM (VALUES ('first', ids(1), 1), ('second', ids(201), 1), ('short', 'tags.a IN [1, 2]', 1),
		('one', 'tags.b = ''' || repeat('x', 2000) || '''', 1)) AS d (id, condition, priority);

-- what is stored, and where: a condition for each term, or none
SELECT deployment_id, count(*) AS terms, count(target_condition) AS conditions FROM twinset.posting
GROUP BY deployment_id ORDER BY deployment_id;
SELECT coalesce(sum(pg_column_size(target_condition)), 0) < 10000 AS are_small FROM twinset.posting;

-- each device finds it, and none that is not in the list
SET twinset.match_by = postings;
CREATE VIEW found AS
	SELECT twinset.winner_of(device_id, '{}') AS winner, min(device_id) AS from_device, max(device_id) AS to_device, count(*)
	FROM twinset.twin GROUP BY 1 ORDER BY 1;
SELECT * FROM found;
SELECT twinset.winner_of('x', '{"a": 2}'), twinset.winner_of('x', jsonb_build_object('b', repeat('x', 2000)));
SELECT * FROM twinset.targeting('d0000007', '{"a": 1}');
SET twinset.match_by = matcher;
SELECT * FROM found;
SET twinset.match_by = postings;

-- changed, ranked anew, undone
BEGIN;
UPDATE twinset.deployment SET target_condition = ids(5), priority = 2 WHERE deployment_id = 'first';
SELECT * FROM found;
ROLLBACK;
SELECT * FROM found;
UPDATE twinset.deployment SET target_condition = NULL WHERE deployment_id = 'first';
SELECT * FROM found;
SELECT * FROM twinset.verify();

-- a term that is missing is seen, and what is left of a deployment that is gone
DELETE FROM twinset.posting WHERE ctid = (SELECT ctid FROM twinset.posting WHERE deployment_id = 'second' LIMIT 1);
UPDATE twinset.posting SET deployment_id = 'gone' WHERE deployment_id = 'short';
INSERT INTO twinset.posting (term, priority, created_at, deployment_id) VALUES (1, 1, '2024-01-01', 'none');
SELECT * FROM twinset.verify() ORDER BY deployment_id;
SELECT repaired > 0 AS repaired FROM twinset.reconcile();
SELECT * FROM twinset.verify();

TRUNCATE twinset.twin;
DELETE FROM twinset.deployment;
DROP VIEW found;
DROP FUNCTION ids(integer);
