-- So many deployments in a database of fleet.sql's, and a report of almost each device.
-- Variable: deployments.

SET client_min_messages = warning;
\ir ../examples/fleet/deployments.sql

-- as examples/fleet/reports.sql: 970 of 1,000 succeed, 20 fail, 10 are silent
INSERT INTO twinset.report (device_id, revision, code, description, reported_at)
SELECT device_id, revision, CASE WHEN n % 1000 < 970 THEN 200 ELSE 500 END,
	CASE WHEN n % 1000 >= 970 THEN 'sensor: exited with code 1' END, now()
FROM (SELECT *, substr(device_id, 4)::bigint * 7919 AS n FROM twinset.device_status) AS s
WHERE deployment_id IS NOT NULL AND n % 1000 < 990;
INSERT INTO bare.report SELECT * FROM twinset.report;

-- The rival's, as a restore brings them: it would take hours to find the winners by
-- its trigger.  They are checked by its own query after each row that it is in.
INSERT INTO rival.report SELECT * FROM twinset.report;
ALTER TABLE rival.deployment DISABLE TRIGGER USER;
INSERT INTO rival.deployment SELECT deployment_id, target_condition::text, priority, revision, created_at FROM twinset.deployment;
ALTER TABLE rival.deployment ENABLE TRIGGER USER;
INSERT INTO rival.branch
SELECT d.deployment_id, d.priority, d.created_at, b.device_id, b.has, b.lacks, b.keys
FROM rival.deployment AS d CROSS JOIN LATERAL rival.branches(d.target_condition) AS b;
ALTER TABLE rival.twin DISABLE TRIGGER USER;
UPDATE rival.twin AS t SET deployment_id = a.deployment_id, assigned_at = a.assigned_at
FROM twinset.assignment AS a WHERE a.device_id = t.device_id;
ALTER TABLE rival.twin ENABLE TRIGGER USER;

-- Devices in prod or stage: does the other one give it another winner?
CREATE TABLE bench.chosen AS
SELECT device_id, twinset.winner_of(device_id, tags) IS DISTINCT FROM twinset.winner_of(device_id, bench.toggled(tags)) AS changes,
	row_number() OVER (ORDER BY sha256(device_id::bytea)) AS n
FROM (SELECT * FROM twinset.twin WHERE tags->>'environment' IN ('prod', 'stage') ORDER BY sha256(device_id::bytea) LIMIT 30000) AS t;

SELECT * FROM twinset.reconcile();
VACUUM FULL rival.twin;
VACUUM ANALYZE;

-- A copied database is on disk alone, and what was done here has read more of one peer's than of
-- another's: all of it is read now, so that no peer pays for being the first to touch a page.
CREATE EXTENSION pg_prewarm;
SELECT sum(pg_prewarm(oid)) AS pages FROM pg_class
WHERE relnamespace IN ('bare'::regnamespace, 'rival'::regnamespace, 'twinset'::regnamespace) AND relkind IN ('r', 'i');
CHECKPOINT;
