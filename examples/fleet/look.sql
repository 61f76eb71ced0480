-- A look at the whole fleet

-- What the devices say, and the busiest of the deployments.
SELECT status, count(*) AS devices FROM twinset.device_status GROUP BY status ORDER BY count(*) DESC;
SELECT deployment_id, priority, target_condition, target, actual, healthy, unhealthy, unknown
FROM twinset.deployment_status ORDER BY actual DESC, deployment_id LIMIT 8;

-- The gateway in Paris goes over to another operator: another deployment wins it,
-- in the same transaction.
BEGIN;
SELECT rank, deployment_id, priority, target_condition, actual
FROM twinset.explain_device('gw-fr-51611') WHERE rank <= 3;
UPDATE twinset.twin SET tags = tags || '{"operator": "op-1"}' WHERE device_id = 'gw-fr-51611';
SELECT rank, deployment_id, priority, target_condition, actual
FROM twinset.explain_device('gw-fr-51611') WHERE rank <= 3;
COMMIT;

-- All that is derived, recomputed independently for a thousand devices: no row, no difference.
SELECT * FROM twinset.verify(1000);
