-- A rollback in three steps

-- A day later, version 2 fails on the gateways with the least memory.
SELECT twinset.report_status(device_id, revision, 500, 'filter: out of memory') AS reported, count(*)
FROM twinset.device_status
WHERE deployment_id = 'wa-sensor-2' AND twinset.matches(device_id, tags, 'tags.memory_mb < 2048')
GROUP BY reported;
SELECT deployment_id, target, actual, healthy, unhealthy, unknown
FROM twinset.deployment_status WHERE deployment_id LIKE 'wa-%' ORDER BY deployment_id;

-- Step 1.  Confirm that a second deployment targets the same devices.  What it
-- would give up goes to version 1, and no device is left without a deployment.
-- (To remove all modules, the second one would be a manifest without any, such
-- as examples/manifests/base.json.)
SELECT gives_up_to, left_without FROM twinset.preview(NULL, 1020, 'wa-sensor-2');

-- Step 2.  Remove the condition of the one to roll back.
UPDATE twinset.deployment SET target_condition = NULL WHERE deployment_id = 'wa-sensor-2';

-- Step 3.  Verify on the status that the devices went over: the second one has
-- them all, and they are healthy when they have reported on it.
SELECT deployment_id, target, actual, healthy, unhealthy, unknown
FROM twinset.deployment_status WHERE deployment_id LIKE 'wa-%' ORDER BY deployment_id;
SELECT twinset.report_status(device_id, revision, 200) AS reported, count(*)
FROM twinset.device_status WHERE deployment_id = 'wa-sensor-1' AND status = 'unknown' GROUP BY reported;
SELECT deployment_id, target, actual, healthy, unhealthy, unknown
FROM twinset.deployment_status WHERE deployment_id LIKE 'wa-%' ORDER BY deployment_id;
