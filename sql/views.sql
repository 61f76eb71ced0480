-- The views that users read: settled state, corrected by what the log holds.

CREATE VIEW twinset.deployment_status AS
SELECT d.deployment_id, d.priority, d.target_condition::text AS target_condition, d.labels, d.revision, d.created_at,
	coalesce(s.target, 0) + coalesce(u.target, 0) AS target,
	coalesce(s.actual, 0) + coalesce(u.actual, 0) AS actual,
	coalesce(s.healthy, 0) + coalesce(u.healthy, 0) AS healthy,
	coalesce(s.unhealthy, 0) + coalesce(u.unhealthy, 0) AS unhealthy,
	coalesce(s.actual - s.healthy - s.unhealthy, 0) + coalesce(u.actual - u.healthy - u.unhealthy, 0) AS unknown,
	twinset.revision_time(d.revision) AS revised_at
FROM twinset.deployment AS d
LEFT JOIN twinset.tally AS s ON s.deployment_id = d.deployment_id
LEFT JOIN twinset.unsettled_tally() AS u ON u.deployment_id = d.deployment_id;

COMMENT ON VIEW twinset.deployment_status IS 'one row a deployment, with its five counts';
COMMENT ON COLUMN twinset.deployment_status.deployment_id IS 'the deployment';
COMMENT ON COLUMN twinset.deployment_status.priority IS 'the larger wins';
COMMENT ON COLUMN twinset.deployment_status.target_condition IS 'which devices it targets; null where it is';
COMMENT ON COLUMN twinset.deployment_status.labels IS 'its labels';
COMMENT ON COLUMN twinset.deployment_status.revision IS 'of what its devices get';
COMMENT ON COLUMN twinset.deployment_status.created_at IS 'when it was created';
COMMENT ON COLUMN twinset.deployment_status.target IS 'devices that it targets';
COMMENT ON COLUMN twinset.deployment_status.actual IS 'of these, devices that it applies to: no other that targets them ranks higher';
COMMENT ON COLUMN twinset.deployment_status.healthy IS 'of the actual, devices whose latest report is for its revision, with code 200';
COMMENT ON COLUMN twinset.deployment_status.unhealthy IS 'of the actual, devices whose latest report is for its revision, with another code';
COMMENT ON COLUMN twinset.deployment_status.unknown IS 'of the actual, devices whose latest report, if any, is for something else';
COMMENT ON COLUMN twinset.deployment_status.revised_at IS 'since when it has this revision';

CREATE VIEW twinset.device_status AS
SELECT t.device_id, t.tags, d.deployment_id, d.revision,
	twinset.health(d.revision, r.revision, r.code) AS status,
	r.revision AS reported_revision, r.code, r.description, r.reported_at,
	twinset.current_assigned_at(t.device_id, a.assigned_at) AS assigned_at,
	CASE WHEN twinset.health(d.revision, r.revision, r.code) = 'unknown'
		THEN greatest(twinset.current_assigned_at(t.device_id, a.assigned_at),
			twinset.revision_time(d.revision)) END AS pending_since
FROM twinset.twin AS t
LEFT JOIN twinset.assignment AS a ON a.device_id = t.device_id
LEFT JOIN twinset.deployment AS d ON d.deployment_id = twinset.current_winner(t.device_id, a.deployment_id)
LEFT JOIN twinset.report AS r ON r.device_id = t.device_id
WHERE t.iot_edge AND t.retired_at IS NULL;

COMMENT ON VIEW twinset.device_status IS 'one row an Edge device that is not retired: which deployment applies to it, and what it reports';
COMMENT ON COLUMN twinset.device_status.device_id IS 'the device';
COMMENT ON COLUMN twinset.device_status.tags IS 'its tags';
COMMENT ON COLUMN twinset.device_status.deployment_id IS 'the deployment that applies to it; null: none';
COMMENT ON COLUMN twinset.device_status.revision IS 'the deployment''s revision: what it should run';
COMMENT ON COLUMN twinset.device_status.status IS 'healthy, unhealthy, unknown; null where no deployment applies';
COMMENT ON COLUMN twinset.device_status.reported_revision IS 'the revision that its latest report is for: what it runs';
COMMENT ON COLUMN twinset.device_status.code IS 'its latest report''s code; 200: all is well';
COMMENT ON COLUMN twinset.device_status.description IS 'its latest report''s description';
COMMENT ON COLUMN twinset.device_status.reported_at IS 'its latest report''s time';
COMMENT ON COLUMN twinset.device_status.assigned_at IS 'when the deployment last became this device''s; a new revision does not move it';
COMMENT ON COLUMN twinset.device_status.pending_since IS 'where the status is unknown: since when; else null';

CREATE VIEW twinset.deployment_device AS
SELECT d.deployment_id, t.device_id, w.deployment_id IS NOT DISTINCT FROM d.deployment_id AS actual,
	CASE WHEN w.deployment_id = d.deployment_id THEN twinset.health(d.revision, r.revision, r.code) END AS status,
	w.deployment_id AS winner,
	CASE WHEN w.deployment_id = d.deployment_id AND r.revision = d.revision THEN r.code END AS code,
	CASE WHEN w.deployment_id = d.deployment_id AND r.revision = d.revision THEN r.description END AS description,
	CASE WHEN w.deployment_id = d.deployment_id AND r.revision = d.revision THEN r.reported_at END AS reported_at
FROM twinset.deployment AS d
JOIN twinset.twin AS t ON twinset.matches(t.device_id, t.tags, d.target_condition)
	AND t.iot_edge AND t.retired_at IS NULL
LEFT JOIN twinset.assignment AS a ON a.device_id = t.device_id
CROSS JOIN LATERAL (SELECT twinset.current_winner(t.device_id, a.deployment_id) AS deployment_id OFFSET 0) AS w
LEFT JOIN twinset.report AS r ON r.device_id = t.device_id;

COMMENT ON VIEW twinset.deployment_device IS 'one row for a deployment and a device that it targets';
COMMENT ON COLUMN twinset.deployment_device.deployment_id IS 'the deployment';
COMMENT ON COLUMN twinset.deployment_device.device_id IS 'a device that it targets';
COMMENT ON COLUMN twinset.deployment_device.actual IS 'does it apply to the device?';
COMMENT ON COLUMN twinset.deployment_device.status IS 'healthy, unhealthy, unknown; null unless it applies';
COMMENT ON COLUMN twinset.deployment_device.winner IS 'the deployment that applies to the device';
COMMENT ON COLUMN twinset.deployment_device.code IS 'the latest report''s code, where it counts for this status';
COMMENT ON COLUMN twinset.deployment_device.description IS 'the latest report''s description, likewise';
COMMENT ON COLUMN twinset.deployment_device.reported_at IS 'the latest report''s time, likewise';

CREATE VIEW twinset.deployment_module AS
SELECT d.deployment_id, m.module, m.system, m.version, m.type, m.status, m.restart_policy, m.image, m.registry
FROM twinset.deployment AS d CROSS JOIN LATERAL twinset.manifest_modules(d.content) AS m;

COMMENT ON VIEW twinset.deployment_module IS 'the manifests as rows: one for a deployment and a module';
COMMENT ON COLUMN twinset.deployment_module.deployment_id IS 'the deployment';
COMMENT ON COLUMN twinset.deployment_module.module IS 'the module''s name; edgeAgent and edgeHub are the system''s';
COMMENT ON COLUMN twinset.deployment_module.system IS 'is it edgeAgent or edgeHub?';
COMMENT ON COLUMN twinset.deployment_module.version IS 'its version; null where none is given';
COMMENT ON COLUMN twinset.deployment_module.type IS 'docker';
COMMENT ON COLUMN twinset.deployment_module.status IS 'running or stopped';
COMMENT ON COLUMN twinset.deployment_module.restart_policy IS 'always, on-failure, on-unhealthy or never';
COMMENT ON COLUMN twinset.deployment_module.image IS 'the image reference';
COMMENT ON COLUMN twinset.deployment_module.registry IS 'the host that the image comes from';
