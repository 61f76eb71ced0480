-- Whatever way the planner takes, matches() gives what evaluate() gives: on
-- odd tags, for every condition made of the parts below, alone and paired.

CREATE TABLE odd_twin (
	device_id text COLLATE "C" PRIMARY KEY,
	tags jsonb NOT NULL
);
INSERT INTO odd_twin
	SELECT 'd' || row_number() OVER (ORDER BY ordinality), tags::jsonb
	FROM unnest(ARRAY[
		'{}', '[]', '1', '"a"', 'null', '[{"a": 1}]', '["a"]', '[1]', '[[{"a": 1}]]',
		'{"a": 1}', '{"a": 1.0}', '{"a": 1e0}', '{"a": -1}', '{"a": 0}', '{"a": -0.0}', '{"a": 1.5}',
		'{"a": 9007199254740993}', '{"a": 9007199254740992}', '{"a": 1e400}', '{"a": 1e-400}',
		'{"a": "1"}', '{"a": ""}', '{"a": "x"}', '{"a": "xy"}', '{"a": "é"}', '{"a": "a"}', '{"a": "\"\\"}',
		'{"a": true}', '{"a": false}', '{"a": "true"}', '{"a": null}', '{"a": "null"}',
		'{"a": {}}', '{"a": []}', '{"a": [1]}', '{"a": ["x"]}', '{"a": [[1]]}', '{"a": [null]}', '{"a": [true]}',
		'{"a": {"b": 1}}', '{"a": [{"b": 1}]}', '{"a": {"b": [1]}}', '{"a": {"b": {"c": 1}}}', '{"a": {"a": 1}}',
		'{"a": {"b": null}}', '{"a": {"b": "x"}}', '{"a": {"1": "x"}}', '{"1": "a"}', '{"x": "a"}', '{"x": 1}',
		'{"b": 1}', '{"a": 1, "b": 1}', '{"a": "x", "b": 1}', '{"a": "x", "b": "x"}', '{"a": true, "b": null}',
		'{"a.b": 1}', '{"": 1}', '{"a b": 1}', '{"A": 1}', '{"a": 1, "A": 2}', '{"b": {"a": 1}}',
		'{"a": {"b": 1}, "b": false}', '{"a": -1, "b": {"a": "x"}}']::text[])
		WITH ORDINALITY AS t(tags, ordinality);
-- enough twins, and some very common tags, for any plan to be possible
INSERT INTO odd_twin SELECT 'e' || i, jsonb_build_object('a', i % 7, 'b', i % 5 = 0) FROM generate_series(1, 60) i;

CREATE TABLE odd_twin_of_keys (LIKE odd_twin INCLUDING ALL);
INSERT INTO odd_twin_of_keys SELECT * FROM odd_twin;
CREATE TABLE odd_twin_with_nulls (device_id text COLLATE "C", tags jsonb);
INSERT INTO odd_twin_with_nulls SELECT * FROM odd_twin;
INSERT INTO odd_twin_with_nulls VALUES (NULL, '{"a": 1}'), ('n', NULL), (NULL, NULL);

CREATE INDEX ON odd_twin USING gin (tags jsonb_path_ops);
CREATE INDEX ON odd_twin_of_keys USING gin (tags);
CREATE INDEX ON odd_twin_with_nulls USING gin (tags jsonb_path_ops);
CREATE INDEX ON odd_twin_with_nulls (device_id);
ANALYZE odd_twin, odd_twin_of_keys, odd_twin_with_nulls;

CREATE TABLE odd_part (number integer, part text);
INSERT INTO odd_part SELECT ordinality, part FROM unnest(ARRAY[
	'tags.a = 1', 'tags.a = -1', 'tags.a = 0', 'tags.a = ''x''', 'tags.a = ''é''', 'tags.a = TRUE', 'tags.a = FALSE',
	'tags.a = NULL', 'tags.a != 1', 'tags.a != ''x''', 'tags.a != TRUE', 'tags.a != NULL', 'tags.a.b = 1',
	'tags.a.b = NULL', 'tags.a.a = 1', 'tags.[[a.b]] = 1', 'tags.[[1]] = ''a''', 'tags.[[a b]] = 1', 'tags.b = 1', 'tags.b = FALSE',
	'tags.a = 9007199254740993', 'tags.a = 1e400', 'tags.a = 1e-400', 'tags.a = ''''',
	'tags.a > 1', 'tags.a <= ''x''', 'tags.a < TRUE', 'tags.a IN [1, ''x'', NULL]', 'tags.a IN [TRUE]',
	'tags.a IN [TRUE, FALSE]', 'tags.a.b IN [1, ''x'']', 'tags.b IN [1, 2]',
	'deviceId = ''d10''', 'deviceId != ''d10''', 'deviceId = 1', 'deviceId != NULL', 'deviceId IN [''d10'', ''d11'', 5]',
	'deviceId IN [1, 2]', 'deviceId > ''d5''', 'STARTSWITH(deviceId, ''d2'')', 'STARTSWITH(deviceId, '''')',
	'STARTSWITH(tags.a, ''x'')', 'IS_DEFINED(tags.a)', 'IS_DEFINED(tags.a.b)', 'IS_DEFINED(deviceId)',
	'SAMPLE(50)', 'SAMPLE(0)', 'SAMPLE(100)']) WITH ORDINALITY AS t(part, ordinality);

CREATE TABLE odd_condition (condition twinset.target_condition, as_text text);
INSERT INTO odd_condition
	SELECT text::twinset.target_condition, text
	FROM (
		SELECT '*' UNION SELECT '' UNION SELECT NULL
		UNION SELECT part FROM odd_part
		UNION SELECT 'NOT ' || part FROM odd_part
		UNION SELECT 'NOT NOT ' || part FROM odd_part
		UNION SELECT form
		FROM odd_part p, odd_part q, odd_part r,
			LATERAL unnest(ARRAY[
				p.part || ' AND ' || q.part,
				p.part || ' OR ' || q.part,
				p.part || ' AND NOT ' || q.part,
				'NOT (' || p.part || ' AND ' || q.part || ')',
				'NOT (' || p.part || ' OR ' || q.part || ')',
				'NOT (NOT ' || p.part || ' OR ' || q.part || ')',
				'(' || p.part || ' OR NOT ' || q.part || ') AND ' || r.part,
				'NOT ((' || p.part || ' OR ' || q.part || ') AND NOT ' || r.part || ')',
				p.part || ' AND (' || q.part || ' OR ' || r.part || ' AND ' || p.part || ')'
			]) WITH ORDINALITY AS f(form, form_number)
		WHERE r.number = (p.number * 5 + q.number * 3) % 48 + 1 AND
			(p.number * 7 + q.number + form_number) % 40 = 0
	) t(text);
SELECT count(*) > 600 AS many FROM odd_condition;

-- Which devices, by each way: the ids together, null-safe.
CREATE FUNCTION by_query(query text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('SELECT string_agg(coalesce(device_id, ''?'') || coalesce(left(tags::text, 3), ''?''),'
		' '','' ORDER BY device_id, tags) FROM (%s) q', query) INTO result;
	RETURN result;
END
$$;

CREATE FUNCTION uses_index(query text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		IF line ~ 'Index Cond' THEN
			RETURN true;
		END IF;
	END LOOP;
	RETURN false;
END
$$;

CREATE TABLE odd_way (way text, query text);
INSERT INTO odd_way VALUES
	('constant, of the type', 'SELECT * FROM %1$I WHERE twinset.matches(device_id, tags, %2$L::twinset.target_condition)'),
	('constant, untyped', 'SELECT * FROM %1$I WHERE twinset.matches(device_id, tags, %2$L)'),
	('NOT of a constant', 'SELECT * FROM %1$I WHERE NOT twinset.matches(device_id, tags, %2$L)'),
	('join, of the type', 'SELECT t.* FROM odd_condition JOIN %1$I t ON twinset.matches(device_id, tags, condition) WHERE as_text IS NOT DISTINCT FROM %2$L'),
	('join, text', 'SELECT t.* FROM odd_condition JOIN %1$I t ON twinset.matches(device_id, tags, as_text) WHERE as_text IS NOT DISTINCT FROM %2$L');
CREATE INDEX ON odd_condition (as_text);
ANALYZE odd_condition;

SET jit = off;	-- a disabled scan costs enough to compile each query
SET enable_seqscan = off;
SET enable_indexonlyscan = off;

CREATE TABLE odd_result AS
	SELECT table_name, way, as_text, query,
		by_query(query) AS got,
		by_query(format('SELECT * FROM %1$I WHERE %3$s coalesce(twinset.evaluate(device_id, tags, %2$L), false)',
			table_name, as_text, CASE WHEN way ~ '^NOT' THEN 'NOT' ELSE '' END)) AS expected,
		uses_index(query) AS indexed
	FROM odd_condition,
		unnest(ARRAY['odd_twin', 'odd_twin_of_keys', 'odd_twin_with_nulls']) AS table_name,
		LATERAL (SELECT way, format(odd_way.query, table_name, as_text) AS query FROM odd_way) w;

-- how many, and what differs: nothing
SELECT table_name, way, count(*) > 600 AS many, count(*) FILTER (WHERE indexed) > 150 AS many_by_index,
	count(*) FILTER (WHERE got IS DISTINCT FROM expected) AS wrong
FROM odd_result GROUP BY table_name, way ORDER BY table_name, way;
SELECT table_name, way, as_text, got, expected FROM odd_result
WHERE got IS DISTINCT FROM expected ORDER BY table_name, way, as_text LIMIT 20;

-- matches() is never null, whatever is
SELECT count(*) FILTER (WHERE twinset.matches(device_id, tags, as_text) IS NULL) AS nulls, count(*) > 50000 AS many
FROM odd_twin_with_nulls, odd_condition;

RESET jit;
RESET enable_seqscan;
RESET enable_indexonlyscan;
DROP FUNCTION by_query(text);
DROP FUNCTION uses_index(text);
DROP TABLE odd_twin, odd_twin_of_keys, odd_twin_with_nulls, odd_part, odd_condition, odd_way, odd_result;
