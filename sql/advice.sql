-- What is silently dead, or means something else than it says.

CREATE FUNCTION twinset.condition_terms(condition twinset.target_condition)
RETURNS TABLE (path text, type text, misses boolean)
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 3 AS 'MODULE_PATHNAME', 'twinset_condition_terms';

COMMENT ON FUNCTION twinset.condition_terms(twinset.target_condition) IS
	'the tags that a condition names, the types that it compares them with (null: IS_DEFINED), and whether by a NOT or != that leaves out devices without the tag';

CREATE FUNCTION twinset.tag_distance(one text, other text) RETURNS integer
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'twinset_tag_distance';

COMMENT ON FUNCTION twinset.tag_distance(text, text) IS
	'how many characters differ between two names (Levenshtein); null: more than 255 bytes are not looked at';

-- Cost: one pass over the fleet, each device's tags counted; where some deployments are given, each
-- device matched with all; and where a device has not a tag that a NOT needs, with those conditions.
CREATE FUNCTION twinset.fleet_survey(shadowed text[])
RETURNS TABLE (fact text, deployment_id text, path text, detail text, devices bigint)
LANGUAGE c STABLE ROWS 20000 AS 'MODULE_PATHNAME', 'twinset_fleet_survey';

COMMENT ON FUNCTION twinset.fleet_survey(text[]) IS
	'what the live devices say of the conditions, counted in one pass: which tags there are, who wins the devices of these deployments, what a NOT leaves out; part of deployment_advice';
-- it tells what tags and deployments there are
REVOKE ALL ON FUNCTION twinset.fleet_survey(text[]) FROM PUBLIC;

-- Cost: that of fleet_survey(), once, however few rows are wanted: some microseconds a device, and some
-- tens of nanoseconds for each wholly shadowed deployment that targets it. Who reads it needs EXECUTE on
-- fleet_survey() and unsettled_tally().
CREATE VIEW twinset.deployment_advice AS
WITH status AS MATERIALIZED (
	-- null or empty is how a deployment is switched off: no mistake
	SELECT s.deployment_id, s.priority, s.target_condition, s.created_at, s.target, s.actual
	FROM twinset.deployment_status AS s WHERE s.target_condition <> ''
), survey AS MATERIALIZED (
	SELECT f.fact, f.deployment_id, f.path, f.detail, f.devices
	FROM twinset.fleet_survey(ARRAY(SELECT s.deployment_id FROM status AS s WHERE s.target > 0 AND s.actual = 0)) AS f
), fleet AS MATERIALIZED (
	SELECT f.devices FROM survey AS f WHERE f.fact = 'fleet'
), tag AS MATERIALIZED (
	SELECT f.path, sum(f.devices) AS devices, array_agg(f.detail) AS types,
		string_agg(format('%s on %s devices', CASE WHEN f.detail = 'null' THEN 'null' WHEN f.detail IN ('object', 'array')
			THEN 'an ' || f.detail ELSE 'a ' || f.detail END, f.devices), ', ' ORDER BY f.devices DESC, f.detail) AS has
	FROM survey AS f WHERE f.fact = 'tag' GROUP BY f.path
), term AS MATERIALIZED (
	SELECT DISTINCT d.deployment_id, t.path, t.type, t.misses
	FROM twinset.deployment AS d CROSS JOIN LATERAL twinset.condition_terms(d.target_condition) AS t
), unknown AS MATERIALIZED (
	SELECT u.path, n.path AS nearest, n.devices
	FROM (SELECT DISTINCT t.path FROM term AS t WHERE NOT EXISTS (SELECT FROM tag AS g WHERE g.path = t.path)) AS u
	CROSS JOIN fleet LEFT JOIN LATERAL (
		SELECT g.path, g.devices FROM tag AS g
		ORDER BY twinset.tag_distance(u.path, g.path), g.devices DESC, g.path COLLATE "C" LIMIT 1) AS n ON true
	WHERE fleet.devices > 0
), unknown_tag AS MATERIALIZED (
	SELECT t.deployment_id, format('no device has %s%s', u.path,
			'; the nearest that exists is ' || u.nearest || ', on ' || u.devices || ' devices') AS message
	FROM (SELECT DISTINCT t.deployment_id, t.path FROM term AS t) AS t JOIN unknown AS u ON u.path = t.path
), other_type AS MATERIALIZED (
	SELECT DISTINCT t.deployment_id, format('compares %s with %s, but it is %s',
			t.path, CASE WHEN t.type = 'null' THEN 'null' ELSE 'a ' || t.type END, g.has) AS message
	FROM term AS t JOIN tag AS g ON g.path = t.path AND t.type <> ALL (g.types)
), twin_deployment AS MATERIALIZED (
	SELECT e.deployment_id, format('has the condition and the priority of %s, which ranks above it', e.first) AS message
	FROM (
		SELECT s.deployment_id, first_value(s.deployment_id) OVER (PARTITION BY s.target_condition, s.priority
			ORDER BY s.created_at DESC, s.deployment_id DESC) AS first
		FROM status AS s) AS e
	WHERE e.deployment_id <> e.first
), shadow AS MATERIALIZED (
	SELECT f.deployment_id, string_agg(CASE f.fact WHEN 'shadow' THEN format('%s wins %s', f.detail, f.devices)
			ELSE format('%s others win %s', f.detail, f.devices) END, ', '
		ORDER BY f.fact = 'shadow' DESC, f.devices DESC, f.detail COLLATE "C") AS winners
	FROM survey AS f WHERE f.fact IN ('shadow', 'other shadows') GROUP BY f.deployment_id
), missed AS MATERIALIZED (
	SELECT t.deployment_id, string_agg(t.path, ' or ' ORDER BY t.path COLLATE "C") AS paths,
		string_agg(format('NOT IS_DEFINED(%s)', t.path), ' OR ' ORDER BY t.path COLLATE "C") AS instead
	FROM (SELECT DISTINCT t.deployment_id, t.path FROM term AS t WHERE t.misses) AS t
	JOIN tag AS g ON g.path = t.path CROSS JOIN fleet
	WHERE g.devices < fleet.devices
	GROUP BY t.deployment_id
)
SELECT s.deployment_id, 'targets nobody' AS kind,
	format('its condition is true of no device; explain_deployment(%L) says why', s.deployment_id) AS message
FROM status AS s
WHERE s.target = 0 AND NOT EXISTS (SELECT FROM unknown_tag AS u WHERE u.deployment_id = s.deployment_id)
	AND NOT EXISTS (SELECT FROM other_type AS o WHERE o.deployment_id = s.deployment_id)
UNION ALL
SELECT s.deployment_id, 'shadowed', format('applies to none of its %s target devices: %s', s.target, h.winners)
FROM shadow AS h JOIN status AS s ON s.deployment_id = h.deployment_id
WHERE NOT EXISTS (SELECT FROM twin_deployment AS e WHERE e.deployment_id = h.deployment_id)
UNION ALL
SELECT u.deployment_id, 'unknown tag', u.message FROM unknown_tag AS u
UNION ALL
SELECT o.deployment_id, 'other type', o.message FROM other_type AS o
UNION ALL
SELECT e.deployment_id, 'duplicate', e.message FROM twin_deployment AS e
UNION ALL
SELECT s.deployment_id, 'left out by NOT', format(
	'%s devices that have no %s are left out, since NOT and != are not true of a missing tag; to have them too, write (%s OR NOT ...)',
	f.devices, m.paths, m.instead)
FROM survey AS f JOIN missed AS m ON m.deployment_id = f.deployment_id
JOIN status AS s ON s.deployment_id = f.deployment_id
-- where a NOT is about a tag that no device has, that alone leaves devices out
WHERE f.fact = 'left out' AND NOT EXISTS (
	SELECT FROM term AS t JOIN unknown AS u ON u.path = t.path WHERE t.deployment_id = f.deployment_id AND t.misses);

COMMENT ON VIEW twinset.deployment_advice IS
	'what is silently dead or likely to be a mistake: one row for a deployment and a kind of mistake. Reading it costs one pass over the fleet';
COMMENT ON COLUMN twinset.deployment_advice.deployment_id IS 'the deployment';
COMMENT ON COLUMN twinset.deployment_advice.kind IS
	'targets nobody; shadowed: it targets devices and others win all of them; unknown tag: no device has a tag that it names; other type: no device has a value of the type that it compares with; duplicate: another has its condition and priority; left out by NOT: devices that have not the tag';
COMMENT ON COLUMN twinset.deployment_advice.message IS 'what is wrong, with names and numbers';
