-- What a change of a manifest does.

-- A manifest's values by module and place.  What differs is what devices get: no row means that they
-- get the same.  Values below registryCredentials, env and createOptions (and what begins so: its pieces,
-- one with a wrong number too) are secret: "secret" stands for them, and that there is a row says that
-- they differ.  Of the first two the names are told, as in redacted(), and no key below: a value may be
-- an object.
-- Cost: both manifests parsed, each of their values visited.
CREATE FUNCTION twinset.manifest_difference(old twinset.manifest, new twinset.manifest)
RETURNS TABLE (module text, field text, old jsonb, new jsonb)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 10
BEGIN ATOMIC
	WITH RECURSIVE content (is_new, value) AS (
		VALUES (false, twinset.delivered($1)->'modulesContent'), (true, twinset.delivered($2)->'modulesContent')
	), agent (is_new, value) AS (
		SELECT is_new, value->'$edgeAgent'->'properties.desired' FROM content
	), node (is_new, module, field, value, secret, whole) AS (
		SELECT a.is_new, m.key, '', m.value, false, false
		FROM agent AS a CROSS JOIN LATERAL pg_catalog.jsonb_each(coalesce(nullif(a.value->'modules', 'null'), '{}')) AS m
		UNION ALL
		SELECT a.is_new, m.name, '', a.value->'systemModules'->m.name, false, false
		FROM agent AS a CROSS JOIN (VALUES ('edgeAgent'), ('edgeHub')) AS m (name)
		UNION ALL
		SELECT a.is_new, '$edgeAgent', '', CASE WHEN pg_catalog.jsonb_typeof(a.value->'modules') = 'object'
				THEN pg_catalog.jsonb_set(a.value, '{modules}', '{}') ELSE a.value END
			#- '{systemModules,edgeAgent}' #- '{systemModules,edgeHub}', false, false
		FROM agent AS a
		UNION ALL
		-- a twin may be empty
		SELECT c.is_new, t.key, CASE WHEN t.key <> '$edgeHub' AND t.value ? 'properties.desired' THEN 'properties.desired' ELSE '' END,
			coalesce(t.value->'properties.desired', t.value), false, false
		FROM content AS c CROSS JOIN LATERAL pg_catalog.jsonb_each(c.value) AS t WHERE t.key <> '$edgeAgent'
		UNION ALL
		SELECT n.is_new, n.module, n.field || e.step, e.value, n.secret OR e.secret, e.whole
		FROM node AS n CROSS JOIN LATERAL (
			SELECT CASE n.field WHEN '' THEN '' ELSE '.' END ||
					CASE WHEN o.key ~ '^[A-Za-z_][A-Za-z0-9_]*$' THEN o.key ELSE pg_catalog.to_json(o.key)::text END,
				o.value, o.key ~ '^(registryCredentials$|env$|createOptions)', n.secret OR o.key ~ '^createOptions'
			FROM pg_catalog.jsonb_each(CASE pg_catalog.jsonb_typeof(n.value) WHEN 'object' THEN n.value ELSE '{}' END) AS o
			UNION ALL
			SELECT '[' || (a.place - 1) || ']', a.value, false, n.secret
			FROM pg_catalog.jsonb_array_elements(CASE pg_catalog.jsonb_typeof(n.value) WHEN 'array' THEN n.value ELSE '[]' END)
				WITH ORDINALITY AS a (value, place)
		) AS e (step, value, secret, whole)
		WHERE NOT n.whole
	), leaf AS (
		SELECT is_new, module, field, value, secret FROM node
		WHERE whole OR value IN ('{}', '[]') OR pg_catalog.jsonb_typeof(value) NOT IN ('object', 'array')
	)
	SELECT coalesce(a.module, b.module), coalesce(a.field, b.field),
		CASE WHEN a.secret THEN '"secret"' ELSE a.value END, CASE WHEN b.secret THEN '"secret"' ELSE b.value END
	FROM (SELECT * FROM leaf WHERE NOT is_new) AS a
	FULL JOIN (SELECT * FROM leaf WHERE is_new) AS b ON (b.module, b.field) = (a.module, a.field)
	WHERE a.value IS DISTINCT FROM b.value
	ORDER BY coalesce(a.module, b.module) COLLATE "C", coalesce(a.field, b.field) COLLATE "C";
END;

CREATE FUNCTION twinset.manifest_difference(old text, new text)
RETURNS TABLE (module text, field text, old jsonb, new jsonb)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 10
BEGIN ATOMIC
	SELECT * FROM twinset.manifest_difference($1::twinset.manifest, $2::twinset.manifest);
END;

COMMENT ON FUNCTION twinset.manifest_difference(twinset.manifest, twinset.manifest) IS
	'what differs between what two manifests give to devices, by module and field; null: there is none; a secret is shown as "secret"';
COMMENT ON FUNCTION twinset.manifest_difference(text, text) IS 'the same for manifests that come as text';
