-- Simulated devices: who fails, and why

-- The failing module has a name, and each device that it fails on.
SELECT module, devices, running, failed, missing, unknown
FROM twinset.module_status WHERE deployment_id = 'sim-sensor' ORDER BY module COLLATE "C";
SELECT device_id, module, state, exit_code, restarts
FROM twinset.device_module WHERE deployment_id = 'sim-sensor' AND state = 'failed' ORDER BY device_id LIMIT 5;
SELECT provisioned, retired, without_deployment, actual, healthy, unhealthy, unknown, silent_hour FROM twinset.fleet_overview;
