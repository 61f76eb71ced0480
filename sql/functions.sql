-- The functions that users call. SECURITY DEFINER: nobody needs rights on an internal table.

-- Cost: one row of twin read and written, as an UPDATE. For whom may UPDATE twin.
CREATE FUNCTION twinset.set_tags(device_id text, patch jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	new_tags jsonb;
BEGIN
	IF set_tags.device_id IS NULL OR patch IS NULL THEN
		RAISE EXCEPTION 'null value not allowed' USING ERRCODE = '22004',
			DETAIL = 'set_tags() needs a device_id and a patch.';
	ELSIF jsonb_typeof(patch) <> 'object' THEN
		RAISE EXCEPTION 'patch must be a JSON object' USING ERRCODE = '22023',
			DETAIL = format('It is of type %s.', jsonb_typeof(patch)),
			HINT = 'In a JSON merge patch null removes a key: {"old_key": null, "new_key": 1}.';
	END IF;
	UPDATE twinset.twin AS t SET tags = twinset.merge_patch(t.tags, patch)
		WHERE t.device_id = set_tags.device_id RETURNING t.tags INTO new_tags;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'device "%" does not exist', set_tags.device_id USING ERRCODE = 'P0002',
			HINT = 'INSERT INTO twinset.twin provisions it.';
	END IF;
	RETURN new_tags;
END $$;

COMMENT ON FUNCTION twinset.set_tags(text, jsonb) IS
	'merges a JSON merge patch (null removes a key) into a device''s tags; returns the new tags';
REVOKE ALL ON FUNCTION twinset.set_tags(text, jsonb) FROM PUBLIC;

-- Cost: four look-ups by key; a device whose twin changed since the last settlement is matched.
CREATE FUNCTION twinset.device_manifest(device_id text, known_revision bigint DEFAULT NULL)
RETURNS TABLE (deployment_id text, revision bigint, content jsonb)
LANGUAGE c STABLE ROWS 1 AS 'MODULE_PATHNAME', 'twinset_device_manifest';

COMMENT ON FUNCTION twinset.device_manifest(text, bigint) IS
	'what a device should run now; no row: the known revision is the current one, no deployment applies, or the device is unknown';
REVOKE ALL ON FUNCTION twinset.device_manifest(text, bigint) FROM PUBLIC;

-- Cost: as device_manifest(), one row of report written, and one of the log where the revision or the
-- code is another than before.
CREATE FUNCTION twinset.report_status(device_id text, revision bigint, code integer, description text DEFAULT NULL,
	modules jsonb DEFAULT NULL, reported_at timestamptz DEFAULT pg_catalog.now()) RETURNS text
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'twinset_report_status';

COMMENT ON FUNCTION twinset.report_status(text, bigint, integer, text, jsonb, timestamptz) IS
	'takes in a device''s report, unless a later one is stored; returns the device''s status now';
REVOKE ALL ON FUNCTION twinset.report_status(text, bigint, integer, text, jsonb, timestamptz) FROM PUBLIC;

-- Cost: the device matched, and a look-up by key for each deployment that targets it.
CREATE FUNCTION twinset.explain_device(device_id text)
RETURNS TABLE (rank integer, deployment_id text, priority integer, created_at timestamptz, target_condition text, actual boolean)
LANGUAGE plpgsql STABLE ROWS 10 SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	IF explain_device.device_id IS NULL THEN
		RAISE EXCEPTION 'null value not allowed' USING ERRCODE = '22004',
			DETAIL = 'explain_device() needs a device_id.';
	END IF;
	RETURN QUERY
	SELECT m.rank, d.deployment_id, d.priority, d.created_at, d.target_condition::text, m.rank = 1
	FROM twinset.twin AS t
	CROSS JOIN LATERAL twinset.targeting(t.device_id, t.tags) AS m
	JOIN twinset.deployment AS d ON d.deployment_id = m.deployment_id
	WHERE t.device_id = explain_device.device_id AND t.iot_edge AND t.retired_at IS NULL
	ORDER BY m.rank;
END $$;

COMMENT ON FUNCTION twinset.explain_device(text) IS
	'all deployments that target a device, in the order of their rank: the first applies to it';
REVOKE ALL ON FUNCTION twinset.explain_device(text) FROM PUBLIC;

-- Cost: one pass over the fleet; waits for another settlement's transaction, as a deployment change does.
CREATE FUNCTION twinset.reconcile(OUT checked bigint, OUT repaired bigint)
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'twinset_reconcile';

COMMENT ON FUNCTION twinset.reconcile() IS
	'settles, computes all derived data anew and repairs what is stored wrong; safe at any time, beside any load';
REVOKE ALL ON FUNCTION twinset.reconcile() FROM PUBLIC;
