-- Priority: of the deployments that target a device, one applies
\set sensor_2 `cat examples/manifests/sensor-2.json`

-- A second deployment, of a higher priority, targets those with more memory.
-- What the first one targets stays; what it applies to falls.
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
VALUES ('westus-trial', :'sensor_2', $$tags.location = 'westus' AND tags.memory_mb >= 4096$$, 1200);
SELECT deployment_id, priority, target, actual, healthy, unhealthy, unknown
FROM twinset.deployment_status WHERE deployment_id LIKE 'westus-%' ORDER BY priority DESC;

-- Why does this gateway run what it runs?  All that targets it, the winner first.
SELECT deployment_id, priority, target_condition, actual
FROM twinset.explain_device('gw-us-135541') WHERE deployment_id LIKE 'westus-%' ORDER BY rank;

-- Raised above the second, the first takes its devices back.
UPDATE twinset.deployment SET priority = 1300 WHERE deployment_id = 'westus-sensor';
SELECT deployment_id, priority, target, actual, healthy, unhealthy, unknown
FROM twinset.deployment_status WHERE deployment_id LIKE 'westus-%' ORDER BY deployment_id;

-- Of equal priorities the one that was created last wins.
UPDATE twinset.deployment SET priority = 1300 WHERE deployment_id = 'westus-trial';
SELECT deployment_id, priority, target, actual, healthy, unhealthy, unknown
FROM twinset.deployment_status WHERE deployment_id LIKE 'westus-%' ORDER BY deployment_id;

DELETE FROM twinset.deployment WHERE deployment_id LIKE 'westus-%';
