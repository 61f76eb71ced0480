-- The counts: ten devices are targeted, then fifteen
\set sensor_1 `cat examples/manifests/sensor-1.json`

-- An operator tags ten production gateways in Washington State.
SELECT count(twinset.set_tags(device_id, '{"location": "westus"}'))
FROM (SELECT device_id FROM twinset.twin
      WHERE twinset.matches(device_id, tags,
          $$tags.country = 'US' AND tags.state = 'WA' AND tags.environment = 'prod'$$)
      ORDER BY device_id LIMIT 10) AS gateway;

-- A deployment: what to run, on which devices, and how it ranks among others.
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority, labels)
VALUES ('westus-sensor', :'sensor_1',
        $$tags.environment = 'prod' AND tags.location = 'westus'$$, 1100, '{"team": "northwest"}');
SELECT module, system, version, status, restart_policy, image
FROM twinset.deployment_module WHERE deployment_id = 'westus-sensor' ORDER BY module COLLATE "C";

-- A device asks what it should run; all ten install it and report code 200.
SELECT deployment_id, content->'modulesContent'->'sensor' AS sensor
FROM twinset.device_manifest('gw-us-135541');
SELECT twinset.report_status(device_id, revision, 200) AS reported, count(*)
FROM twinset.device_status WHERE deployment_id = 'westus-sensor' GROUP BY reported;
SELECT target, actual, healthy, unhealthy, unknown
FROM twinset.deployment_status WHERE deployment_id = 'westus-sensor';

-- Five more gateways get the tag: they are targeted at once, and unknown until they report.
UPDATE twinset.twin SET tags = tags || '{"location": "westus"}'
WHERE device_id IN (
    SELECT device_id FROM twinset.twin
    WHERE twinset.matches(device_id, tags,
        $$tags.country = 'US' AND tags.state = 'WA' AND tags.environment = 'prod'$$)
    ORDER BY device_id OFFSET 10 LIMIT 5);
SELECT target, actual, healthy, unhealthy, unknown
FROM twinset.deployment_status WHERE deployment_id = 'westus-sensor';
SELECT device_id FROM twinset.deployment_device
WHERE deployment_id = 'westus-sensor' AND status = 'unknown' ORDER BY device_id;

-- One of them fails, the others succeed.  Who failed, and why?
SELECT twinset.report_status(device_id, revision,
    CASE WHEN device_id = 'gw-us-135559' THEN 500 ELSE 200 END,
    CASE WHEN device_id = 'gw-us-135559' THEN 'sensor: image not found' END) AS reported, count(*)
FROM twinset.device_status WHERE deployment_id = 'westus-sensor' AND status = 'unknown'
GROUP BY reported ORDER BY reported;
SELECT target, actual, healthy, unhealthy, unknown
FROM twinset.deployment_status WHERE deployment_id = 'westus-sensor';
SELECT device_id, code, description FROM twinset.deployment_device
WHERE deployment_id = 'westus-sensor' AND status = 'unhealthy';
