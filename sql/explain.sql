-- Why a condition does not match a device, and why a deployment does not get its devices.

CREATE FUNCTION twinset.explain_condition(device_id text, tags jsonb, condition twinset.target_condition)
RETURNS TABLE (line integer, term text, found jsonb, result text)
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 5 AS 'MODULE_PATHNAME', 'twinset_explain_condition';

COMMENT ON FUNCTION twinset.explain_condition(text, jsonb, twinset.target_condition) IS
	'what each part of a condition gives on a device with these tags, as a tree: the value found, and true, false or undefined; the first line is the whole';

CREATE FUNCTION twinset.unmet_term(device_id text, tags jsonb, condition twinset.target_condition) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'twinset_unmet_term';

COMMENT ON FUNCTION twinset.unmet_term(text, jsonb, twinset.target_condition) IS
	'the first part of a condition that a device with these tags does not meet, and what it gives; null: it meets all';

-- Whether the device could get a deployment at all is not asked: explain_deployment() tells that.
-- Cost: one look-up by key, and each part of the condition evaluated.
CREATE FUNCTION twinset.explain_match(device_id text, condition text)
RETURNS TABLE (line integer, term text, found jsonb, result text)
LANGUAGE plpgsql STABLE ROWS 5 SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	-- null is what a deployment has that targets nothing
	explained CONSTANT twinset.target_condition := coalesce(explain_match.condition, '');
BEGIN
	IF explain_match.device_id IS NULL THEN
		RAISE EXCEPTION 'null value not allowed' USING ERRCODE = '22004',
			DETAIL = 'explain_match() needs a device_id.';
	END IF;
	RETURN QUERY
	SELECT e.line, e.term, e.found, e.result
	FROM twinset.twin AS t
	CROSS JOIN LATERAL twinset.explain_condition(t.device_id, t.tags, explained) AS e
	WHERE t.device_id = explain_match.device_id
	ORDER BY e.line;
END $$;

COMMENT ON FUNCTION twinset.explain_match(text, text) IS
	'what each part of a condition gives on a device, as a tree: the value found, and true, false or undefined; the first line is the whole, and only true targets the device';
REVOKE ALL ON FUNCTION twinset.explain_match(text, text) FROM PUBLIC;

-- Cost: one pass over the fleet and its settled winners, each device evaluated.
CREATE FUNCTION twinset.explain_deployment(deployment_id text)
RETURNS TABLE (reason text, devices bigint, example text)
LANGUAGE plpgsql STABLE ROWS 10 SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	condition twinset.target_condition;
BEGIN
	IF explain_deployment.deployment_id IS NULL THEN
		RAISE EXCEPTION 'null value not allowed' USING ERRCODE = '22004',
			DETAIL = 'explain_deployment() needs a deployment_id.';
	END IF;
	SELECT coalesce(d.target_condition, '') INTO condition
		FROM twinset.deployment AS d WHERE d.deployment_id = explain_deployment.deployment_id;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	RETURN QUERY
	WITH device AS (
		SELECT t.device_id, CASE
			WHEN t.retired_at IS NOT NULL THEN 'retired'
			WHEN NOT t.iot_edge THEN 'not an Edge device'
			ELSE coalesce(twinset.unmet_term(t.device_id, t.tags, condition),
				'won by ' || nullif(twinset.current_winner(t.device_id, a.deployment_id), explain_deployment.deployment_id))
			END AS reason
		FROM twinset.twin AS t LEFT JOIN twinset.assignment AS a ON a.device_id = t.device_id
	)
	SELECT v.reason, count(*), min(v.device_id) FROM device AS v
	WHERE v.reason IS NOT NULL GROUP BY v.reason ORDER BY count(*) DESC, v.reason COLLATE "C";
END $$;

COMMENT ON FUNCTION twinset.explain_deployment(text) IS
	'of all devices, how many a deployment does not apply to, and for what: retired, not an Edge device, the first part of its condition that is not true, or won by another; each such device counts once, so these and its actual devices are the fleet';
REVOKE ALL ON FUNCTION twinset.explain_deployment(text) FROM PUBLIC;
