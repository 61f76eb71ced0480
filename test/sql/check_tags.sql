-- What is wrong with tags, and what the constraints of twin say.
SET client_min_messages = warning;
TRUNCATE twinset.twin, twinset.deployment;

-- every problem, where it is
SELECT * FROM twinset.check_tags('{"a": 1, "b c": {"x": [1, {"$": 2}, [[[[[[[[[1, {"": 1}]]]]]]]]]]}, "": [], "a.b": [{}, [{" $": 1}]], "\u0007x": 1, "\u0085": {"q": 2}, "[[x]]": {"c-d": {".": 1}}}');
SELECT path, message FROM twinset.check_tags(jsonb_build_object(
	'a', repeat('x', 4097), repeat(U&'\00e9', 513), 1, 'z', jsonb_build_array(1, jsonb_build_array(repeat('y', 5000)))));
SELECT t AS tags, c.* FROM (VALUES ('[]'), ('"x"'), ('null'), ('{}'), ('{"a": [null, {}, []]}')) AS v (t),
	twinset.check_tags(t::jsonb) AS c;
SELECT count(*) FROM twinset.check_tags(NULL);
-- too many levels are told once, at the place that is too deep; what is below is not looked at
SELECT * FROM twinset.check_tags((repeat('{"a": ', 12) || '{"x y": 1}' || repeat('}', 12))::jsonb);
SELECT * FROM twinset.check_tags(('{"a": ' || repeat('[0, ', 11) || '[]' || repeat(']', 11) || ', "b": {"c d": 1}}')::jsonb);
-- a number's text can be long
SELECT * FROM twinset.check_tags('{"a": 1e8200, "b": {"a b": 1e100000}}');
-- many
SELECT count(*), count(DISTINCT path) FROM twinset.check_tags((SELECT jsonb_object_agg('k ' || n, n) FROM generate_series(1, 100000) AS n));

-- there are problems exactly where tags are not valid
SELECT count(*) AS tags, count(*) FILTER (WHERE twinset.tags_valid(t)) AS valid,
	count(*) FILTER (WHERE twinset.tags_valid(t) = EXISTS (SELECT FROM twinset.check_tags(t))) AS wrong
FROM (
	SELECT jsonb_build_object(k1, jsonb_build_array(v, jsonb_build_object(k2, v))) || jsonb_build_object('deep',
		(repeat('[', levels) || repeat(']', levels))::jsonb) AS t
	FROM unnest(ARRAY['k', '', 'a b', 'a.b', '$', U&'\0001', U&'\00e9', repeat('k', 1024), repeat('k', 1025)]) AS k1,
		unnest(ARRAY['k', 'a b', 'x', 'y', 'z']) AS k2,
		unnest(ARRAY['1', '"x"', '1e9000', to_json(repeat('x', 4096))::text, to_json(repeat('x', 4097))::text, to_json(repeat('"', 4090))::text]::jsonb[]) AS v,
		unnest(ARRAY[1, 10, 11]) AS levels) AS s;

-- the constraints: the device, the place and the rule
\set SHOW_CONTEXT never
CREATE FUNCTION pg_temp.refused(statement text) RETURNS TABLE (state text, message text, detail text, hint text, "table" text, "constraint" text)
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT,
		"table" = TABLE_NAME, "constraint" = CONSTRAINT_NAME;
	RETURN NEXT;
END $$;
\x on
INSERT INTO twinset.twin (device_id) VALUES ('press-1');
SELECT * FROM pg_temp.refused($$INSERT INTO twinset.twin (device_id, tags) SELECT 'press-' || n, jsonb_build_object('hall', CASE n WHEN 7 THEN '{"a b": 1, "c.d": 2}' ELSE '{}' END::jsonb) FROM generate_series(2, 9) AS n$$);
SELECT * FROM pg_temp.refused($$UPDATE twinset.twin SET tags = '[]'$$);
SELECT * FROM pg_temp.refused($$SELECT twinset.set_tags('press-1', '{"a": {"$x": 1}}')$$);
SELECT * FROM pg_temp.refused($$INSERT INTO twinset.twin (device_id, tags) VALUES ('press 3', '[]')$$);
SELECT * FROM pg_temp.refused($$INSERT INTO twinset.twin (device_id) VALUES (repeat(U&'\00e9', 100))$$);
SELECT * FROM pg_temp.refused($$INSERT INTO twinset.twin (device_id) VALUES ('press-1') ON CONFLICT (device_id) DO UPDATE SET tags = '{"": 1}'$$);
\x off
COPY twinset.twin (device_id, tags) FROM stdin;
press-2	{"hall": "north"}
press-3	{"hall": {"nor th": true}}
press-4	{"hall": "south"}
\.
\set SHOW_CONTEXT errors
SELECT device_id, tags FROM twinset.twin;
-- before a COPY: the bad ones of a table of one's own
CREATE TEMP TABLE incoming (device_id text, tags jsonb);
INSERT INTO incoming SELECT 'press-' || n, CASE WHEN n % 20000 = 7 THEN '{"ha ll": 1}' ELSE '{"hall": 1}' END::jsonb FROM generate_series(1, 50000) AS n;
SELECT i.device_id, c.path, c.message FROM incoming AS i, twinset.check_tags(i.tags) AS c ORDER BY 1;
DROP TABLE incoming;
TRUNCATE twinset.twin, twinset.deployment;
