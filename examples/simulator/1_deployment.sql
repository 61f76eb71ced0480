-- Simulated devices: a deployment
\set sensor_1 `cat examples/manifests/sensor-1.json`

-- A deployment for all of them.  Each asks within some seconds, pulls, and reports.
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
VALUES ('sim-sensor', :'sensor_1', 'tags.simulated = true', 1400);
