-- What a change would do, without doing it.

CREATE FUNCTION twinset.previewed_winners(condition twinset.target_condition, old_condition twinset.target_condition, deployment_id text)
RETURNS TABLE (winner text, next text, targeted boolean, devices bigint)
LANGUAGE c STABLE ROWS 100 AS 'MODULE_PATHNAME', 'twinset_previewed_winners';

COMMENT ON FUNCTION twinset.previewed_winners(twinset.target_condition, twinset.target_condition, text) IS
	'internal: the live devices that either condition targets, counted by who wins them now, who comes next where that is the deployment given, and whether the first condition targets them';
REVOKE ALL ON FUNCTION twinset.previewed_winners(twinset.target_condition, twinset.target_condition, text) FROM PUBLIC;

CREATE FUNCTION twinset.previewed_moves(patch jsonb, condition twinset.target_condition)
RETURNS TABLE (before text, after text, devices bigint)
LANGUAGE c STABLE ROWS 100 AS 'MODULE_PATHNAME', 'twinset_previewed_moves';

COMMENT ON FUNCTION twinset.previewed_moves(jsonb, twinset.target_condition) IS
	'internal: the live devices that the condition targets and whose tags the patch would change, counted by who wins them now and who would';
REVOKE ALL ON FUNCTION twinset.previewed_moves(jsonb, twinset.target_condition) FROM PUBLIC;

-- Cost: the devices that the condition targets, and those that the deployment targets now, each matched
-- once, and a look-up by key for each deployment that wins some of them.
CREATE FUNCTION twinset.preview(condition text, priority integer, deployment_id text DEFAULT NULL,
	OUT target bigint, OUT actual bigint, OUT takes_over_from jsonb, OUT gives_up_to jsonb,
	OUT left_without bigint, OUT blocked_by jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	new_condition CONSTANT twinset.target_condition := preview.condition;
	old_condition twinset.target_condition;
	created timestamptz := 'infinity';	-- a new one wins every tie
BEGIN
	IF preview.priority IS NULL THEN
		RAISE EXCEPTION 'null value not allowed' USING ERRCODE = '22004',
			DETAIL = 'preview() needs a priority.';
	ELSIF preview.priority < 1 THEN
		RAISE EXCEPTION 'priority must be greater than 0' USING ERRCODE = '22023',
			DETAIL = format('It is %s.', preview.priority);
	ELSIF preview.deployment_id IS NOT NULL THEN
		SELECT d.target_condition, d.created_at INTO old_condition, created
			FROM twinset.deployment AS d WHERE d.deployment_id = preview.deployment_id;
		IF NOT FOUND THEN
			RAISE EXCEPTION 'deployment "%" does not exist', preview.deployment_id USING ERRCODE = 'P0002',
				HINT = 'Leave deployment_id out to preview a new deployment.';
		END IF;
	END IF;

	WITH counted AS (
		-- other: who has the devices, or, where that is this one, would have them without it
		SELECT w.targeted, w.winner IS NOT NULL AND w.winner IS NOT DISTINCT FROM preview.deployment_id AS own,
			CASE WHEN w.winner = preview.deployment_id THEN w.next ELSE w.winner END AS other, sum(w.devices) AS devices
		FROM twinset.previewed_winners(new_condition, old_condition, preview.deployment_id) AS w
		GROUP BY 1, 2, 3
	), decided AS (
		SELECT c.targeted, c.own, c.other, c.devices, c.targeted AND (c.other IS NULL OR (
			SELECT (preview.priority, created, coalesce(preview.deployment_id, '') COLLATE "C")
					> (d.priority, d.created_at, d.deployment_id)
				OR preview.deployment_id IS NULL AND (preview.priority, created) = (d.priority, d.created_at)
			FROM twinset.deployment AS d WHERE d.deployment_id = c.other)) AS won
		FROM counted AS c
	)
	SELECT coalesce(sum(d.devices) FILTER (WHERE d.targeted), 0), coalesce(sum(d.devices) FILTER (WHERE d.won), 0),
		coalesce(jsonb_object_agg(d.other, d.devices) FILTER (WHERE d.won AND NOT d.own AND d.other IS NOT NULL), '{}'),
		-- of those that it gives up it may target some and others not
		(SELECT coalesce(jsonb_object_agg(g.other, g.devices), '{}') FROM (SELECT o.other, sum(o.devices) AS devices
			FROM decided AS o WHERE o.own AND NOT o.won AND o.other IS NOT NULL GROUP BY o.other) AS g),
		coalesce(sum(d.devices) FILTER (WHERE d.own AND NOT d.won AND d.other IS NULL), 0),
		coalesce(jsonb_object_agg(d.other, d.devices) FILTER (WHERE d.targeted AND NOT d.won AND NOT d.own), '{}')
	INTO target, actual, takes_over_from, gives_up_to, left_without, blocked_by
	FROM decided AS d;
END $$;

COMMENT ON FUNCTION twinset.preview(text, integer, text) IS
	'what a deployment created now with this condition and priority would do, or, with a deployment_id, what giving them to that one would do';
REVOKE ALL ON FUNCTION twinset.preview(text, integer, text) FROM PUBLIC;

-- Cost: the devices that the condition targets; of each the tags merged, and two matched.
CREATE FUNCTION twinset.preview_tags(patch jsonb, condition text)
RETURNS TABLE (from_deployment text, to_deployment text, devices bigint)
LANGUAGE plpgsql STABLE ROWS 10 SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	targeted CONSTANT twinset.target_condition := preview_tags.condition;
BEGIN
	IF preview_tags.patch IS NULL THEN
		RAISE EXCEPTION 'null value not allowed' USING ERRCODE = '22004',
			DETAIL = 'preview_tags() needs a patch.';
	ELSIF jsonb_typeof(preview_tags.patch) <> 'object' THEN
		RAISE EXCEPTION 'patch must be a JSON object' USING ERRCODE = '22023',
			DETAIL = format('It is of type %s.', jsonb_typeof(preview_tags.patch)),
			HINT = 'In a JSON merge patch null removes a key: {"old_key": null, "new_key": 1}.';
	END IF;
	RETURN QUERY
	SELECT m.before, m.after, sum(m.devices)::bigint
	FROM twinset.previewed_moves(preview_tags.patch, targeted) AS m
	WHERE m.before IS DISTINCT FROM m.after
	GROUP BY m.before, m.after
	ORDER BY sum(m.devices) DESC, m.before COLLATE "C", m.after COLLATE "C";
END $$;

COMMENT ON FUNCTION twinset.preview_tags(jsonb, text) IS
	'how many devices would move from one deployment to another (null: none) if a JSON merge patch were merged into the tags of all devices that the condition targets';
REVOKE ALL ON FUNCTION twinset.preview_tags(jsonb, text) FROM PUBLIC;
