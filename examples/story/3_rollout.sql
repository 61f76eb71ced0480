-- A phased rollout in six steps
\set sensor_1 `cat examples/manifests/sensor-1.json`
\set sensor_2 `cat examples/manifests/sensor-2.json`

-- All of Washington State runs version 1, and is healthy.
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
VALUES ('wa-sensor-1', :'sensor_1', $$tags.country = 'US' AND tags.state = 'WA'$$, 1010);
SELECT twinset.report_status(device_id, revision, 200) AS reported, count(*)
FROM twinset.device_status WHERE deployment_id = 'wa-sensor-1' GROUP BY reported;

-- Step 1.  Establish a test environment that mirrors production: three gateways
-- in the lab, with the tags of real ones but for the environment.
INSERT INTO twinset.twin (device_id, tags)
SELECT replace(device_id, 'gw-', 'lab-'), tags || '{"environment": "test", "lab": true}'
FROM twinset.twin WHERE device_id IN ('gw-us-135541', 'gw-us-135542', 'gw-us-135543');

-- Step 2.  Create the deployment; its condition targets the test environment only.
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
VALUES ('wa-sensor-2', :'sensor_2',
        $$tags.country = 'US' AND tags.state = 'WA' AND tags.environment = 'test'$$, 1020);
SELECT deployment_id, target, actual, healthy, unhealthy, unknown
FROM twinset.deployment_status WHERE deployment_id LIKE 'wa-%' ORDER BY deployment_id;

-- Step 3.  Validate it there.  The lab has a failure, so the manifest is mended:
-- a new revision, of which nothing is known until the devices report on it.
SELECT twinset.report_status(device_id, revision,
    CASE WHEN tags ? 'lab' THEN 500 ELSE 200 END,
    CASE WHEN tags ? 'lab' THEN 'filter: no such input' END) AS reported, count(*)
FROM twinset.device_status WHERE deployment_id = 'wa-sensor-2' GROUP BY reported ORDER BY reported;
SELECT device_id, code, description FROM twinset.deployment_device
WHERE deployment_id = 'wa-sensor-2' AND status = 'unhealthy' ORDER BY device_id;
UPDATE twinset.deployment SET content = replace(content::text, '2.0.0', '2.0.1')
WHERE deployment_id = 'wa-sensor-2';
SELECT deployment_id, target, actual, healthy, unhealthy, unknown
FROM twinset.deployment_status WHERE deployment_id = 'wa-sensor-2';
SELECT twinset.report_status(device_id, revision, 200) AS reported, count(*)
FROM twinset.device_status WHERE deployment_id = 'wa-sensor-2' GROUP BY reported;

-- Step 4.  Widen the condition to a part of production.  Its priority is higher
-- than that of what these devices run; a preview says what would happen.
SELECT target, actual, takes_over_from, left_without, blocked_by
FROM twinset.preview($$tags.country = 'US' AND tags.state = 'WA' AND (tags.environment = 'test'
    OR tags.environment = 'prod' AND SAMPLE(10, 'wa-sensor-2'))$$, 1020, 'wa-sensor-2');
UPDATE twinset.deployment
SET target_condition = $$tags.country = 'US' AND tags.state = 'WA' AND (tags.environment = 'test'
    OR tags.environment = 'prod' AND SAMPLE(10, 'wa-sensor-2'))$$
WHERE deployment_id = 'wa-sensor-2';

-- Step 5.  Verify on the status that it succeeded there.
SELECT deployment_id, target, actual, healthy, unhealthy, unknown
FROM twinset.deployment_status WHERE deployment_id LIKE 'wa-%' ORDER BY deployment_id;
SELECT twinset.report_status(device_id, revision, 200) AS reported, count(*)
FROM twinset.device_status WHERE deployment_id = 'wa-sensor-2' AND status = 'unknown' GROUP BY reported;
SELECT deployment_id, target, actual, healthy, unhealthy, unknown
FROM twinset.deployment_status WHERE deployment_id LIKE 'wa-%' ORDER BY deployment_id;

-- Step 6.  Target all that remains of production.
UPDATE twinset.deployment
SET target_condition = $$tags.country = 'US' AND tags.state = 'WA' AND tags.environment IN ['test', 'prod']$$
WHERE deployment_id = 'wa-sensor-2';
SELECT twinset.report_status(device_id, revision, 200) AS reported, count(*)
FROM twinset.device_status WHERE deployment_id = 'wa-sensor-2' AND status = 'unknown' GROUP BY reported;
SELECT deployment_id, target, actual, healthy, unhealthy, unknown
FROM twinset.deployment_status WHERE deployment_id LIKE 'wa-%' ORDER BY deployment_id;
