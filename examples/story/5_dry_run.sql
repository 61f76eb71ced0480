-- A dry run: any change, a look at the views, and back

-- All is exact within the transaction that makes the change: the counts, and for
-- each device the deployment that wins it.
BEGIN;
UPDATE twinset.deployment
SET target_condition = $$tags.country = 'US' AND tags.state = 'WA' AND tags.environment = 'stage'$$,
    priority = 1030
WHERE deployment_id = 'wa-sensor-2';
SELECT deployment_id, target, actual, healthy, unhealthy, unknown
FROM twinset.deployment_status WHERE deployment_id LIKE 'wa-%' ORDER BY deployment_id;

-- In the same transaction, this gateway's environment becomes stage.
SELECT device_id, deployment_id, status FROM twinset.device_status WHERE device_id = 'gw-us-135541';
UPDATE twinset.twin SET tags = tags || '{"environment": "stage"}' WHERE device_id = 'gw-us-135541';
SELECT device_id, deployment_id, status FROM twinset.device_status WHERE device_id = 'gw-us-135541';
ROLLBACK;

SELECT device_id, deployment_id, status FROM twinset.device_status WHERE device_id = 'gw-us-135541';
SELECT deployment_id, target, actual, healthy, unhealthy, unknown
FROM twinset.deployment_status WHERE deployment_id LIKE 'wa-%' ORDER BY deployment_id;
