-- A look at the whole fleet

-- What the devices say, and the busiest of the deployments.
SELECT status, count(*) AS devices FROM twinset.device_status GROUP BY status ORDER BY count(*) DESC;
SELECT deployment_id, priority, target_condition, target, actual, healthy, unhealthy, unknown
FROM twinset.deployment_status ORDER BY actual DESC, deployment_id LIMIT 8;

-- A tag is changed: in the same transaction another deployment wins the device.
SELECT device_id, deployment_id, status FROM twinset.device_status WHERE device_id = 'gw-is-76609';
SELECT count(*) AS deployments_that_target_it FROM twinset.explain_device('gw-is-76609');
