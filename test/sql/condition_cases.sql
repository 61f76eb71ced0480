-- Every row of test/data/condition_cases.tsv, through SQL.

\set content `cat "$PG_ABS_SRCDIR/data/condition_cases.tsv"`

-- In the cells \t \n \r \\ \xHH \uHHHH stand for characters and \{text*N} for N times the text.
CREATE FUNCTION decode_cell(cell text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(string_agg(
			CASE
				WHEN m[1] = '\t' THEN E'\t'
				WHEN m[1] = '\n' THEN E'\n'
				WHEN m[1] = '\r' THEN E'\r'
				WHEN m[1] = '\\' THEN '\'
				WHEN m[1] ~ '^\\[xu]' THEN chr(('x' || lpad(substr(m[1], 3), 8, '0'))::bit(32)::integer)
				WHEN m[1] ~ '^\\{' THEN repeat(m[2], m[3]::integer)
				ELSE m[1]
			END, '' ORDER BY ordinality), '')
	FROM regexp_matches(cell,
			'(\\[tnr\\]|\\x[0-9A-F]{2}|\\u[0-9A-F]{4}|\\\{([^*}]*)\*([0-9]+)\}|[^\\]+)', 'g')
		WITH ORDINALITY AS r(m, ordinality)
$$;
SELECT decode_cell('a\t\x20\uFEFF\\b\{(*3}\{ *2}|') = E'a\t \uFEFF\\b(((  |' AS decodes;

CREATE TEMP TABLE raw AS
	SELECT line_number, string_to_array(line, E'\t') AS cell
	FROM string_to_table(:'content', E'\n') WITH ORDINALITY AS t(line, line_number)
	WHERE line !~ '^#' AND line !~ E'^kind\t' AND line <> '';

-- SQL can't send NUL: the harness in test/fuzz does.
SELECT count(*) FILTER (WHERE cell[2] LIKE '%\\x00%') AS by_the_harness,
	count(*) FILTER (WHERE cell[2] NOT LIKE '%\\x00%') AS here,
	count(*) FILTER (WHERE cardinality(cell) NOT IN (5, 6, 7)) AS malformed
FROM raw;

CREATE TEMP TABLE cases AS
	SELECT line_number, cell[1] AS kind,
		CASE WHEN cell[2] <> '\N' THEN decode_cell(cell[2]) END AS condition,
		decode_cell(cell[3]) AS device_id,
		CASE WHEN cell[1] = 'eval' THEN decode_cell(cell[4])::jsonb END AS tags,
		decode_cell(cell[5]) AS expected,
		nullif(cell[6], '')::integer AS position
	FROM raw
	WHERE cell[2] NOT LIKE '%\\x00%';

SELECT kind, count(*), count(position) AS with_position FROM cases GROUP BY kind ORDER BY kind;

-- What a text raises as a value of the type, in the shape of check_condition().
CREATE FUNCTION raised(condition text) RETURNS SETOF record
LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
	hint text;
	state text;
	given twinset.target_condition;
BEGIN
	given := format('%s', condition)::twinset.target_condition;
	RETURN NEXT (NULL::text, NULL::text, NULL::text, NULL::text, given::text);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
		hint = PG_EXCEPTION_HINT, state = RETURNED_SQLSTATE;
	RETURN NEXT (message, detail, nullif(hint, ''), state, NULL::text);
END
$$;

CREATE TEMP TABLE checked AS
	SELECT c.*, k.valid, k.message, k.detail, k.hint, k.position AS found_position,
		k.sqlstate, k.canonical, r.message AS raised_message, r.detail AS raised_detail,
		r.hint AS raised_hint, r.sqlstate AS raised_sqlstate, r.canonical AS output
	FROM cases c, twinset.check_condition(c.condition) k,
		raised(c.condition) AS r(message text, detail text, hint text, sqlstate text, canonical text);

-- Each of the following shows the rows that fail: none.
\pset tuples_only on

-- eval: the result, undefined told from false
SELECT line_number, left(condition, 60), device_id, tags, expected, got
FROM (SELECT *,
		CASE WHEN condition IS NULL THEN 'false'
			WHEN NOT valid THEN 'rejected: ' || message
			ELSE coalesce(twinset.evaluate(device_id, tags, condition)::text, 'undefined')
		END AS got
	FROM checked WHERE kind = 'eval') e
WHERE got IS DISTINCT FROM expected
ORDER BY line_number;

-- eval: matches(), by text and by type, is true for true and false for all else
SELECT line_number, left(condition, 60), expected, got_text, got_type
FROM (SELECT *,
		CASE WHEN valid THEN twinset.matches(device_id, tags, condition) END AS got_text,
		CASE WHEN valid THEN
			twinset.matches(device_id, tags, condition::twinset.target_condition)
		END AS got_type
	FROM checked WHERE kind = 'eval') e
WHERE got_text IS DISTINCT FROM (expected = 'true') OR got_type IS DISTINCT FROM (expected = 'true')
ORDER BY line_number;

-- eval: explain_condition() says the same of the whole, in its first line
SELECT c.line_number, left(c.condition, 60), c.expected, e.result
FROM checked AS c LEFT JOIN LATERAL twinset.explain_condition(c.device_id, c.tags, coalesce(c.condition, '')::twinset.target_condition) AS e
	ON e.line = 1
WHERE c.kind = 'eval' AND c.valid AND e.result IS DISTINCT FROM c.expected
ORDER BY c.line_number;

-- eval: … and of each part, which is a condition of its own
SELECT c.line_number, left(c.condition, 60), e.line, e.term, e.result
FROM checked AS c CROSS JOIN LATERAL twinset.explain_condition(c.device_id, c.tags, c.condition::twinset.target_condition) AS e
WHERE c.kind = 'eval' AND c.valid AND btrim(e.term) NOT IN ('AND', 'OR', 'NOT', '(nothing)')
	AND e.result IS DISTINCT FROM coalesce(twinset.evaluate(c.device_id, c.tags, btrim(e.term))::text, 'undefined')
ORDER BY c.line_number, e.line;

-- eval: explain_match() of a device with these tags, and matches()
CREATE FUNCTION of_a_device(device_id text, tags jsonb, condition text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	INSERT INTO twinset.twin (device_id, tags) VALUES (of_a_device.device_id, of_a_device.tags);
	SELECT e.result INTO result FROM twinset.explain_match(of_a_device.device_id, of_a_device.condition) AS e WHERE e.line = 1;
	IF (result = 'true') IS DISTINCT FROM (SELECT twinset.matches(t.device_id, t.tags, of_a_device.condition)
			FROM twinset.twin AS t WHERE t.device_id = of_a_device.device_id) THEN
		result := 'differs from matches(): ' || result;
	END IF;
	DELETE FROM twinset.twin AS t WHERE t.device_id = of_a_device.device_id;
	RETURN result;
END
$$;
SELECT line_number, left(condition, 60), expected, result
FROM (SELECT *, of_a_device(device_id, tags, condition) AS result FROM checked
	WHERE kind = 'eval' AND valid AND twinset.device_id_valid(device_id) AND twinset.tags_valid(tags)) AS e
WHERE result IS DISTINCT FROM expected
ORDER BY line_number;
DROP FUNCTION of_a_device(text, jsonb, text);

-- eval: what is not met is nothing where the condition is true, and something elsewhere
SELECT c.line_number, left(c.condition, 60), c.expected, u.term
FROM checked AS c CROSS JOIN LATERAL twinset.unmet_term(c.device_id, c.tags, coalesce(c.condition, '')::twinset.target_condition) AS u (term)
WHERE c.kind = 'eval' AND c.valid AND (u.term IS NULL) <> (c.expected = 'true')
ORDER BY c.line_number;

-- eval: the canonical text means the same
SELECT line_number, left(condition, 60), canonical
FROM checked
WHERE kind = 'eval' AND valid AND condition IS NOT NULL AND
	twinset.evaluate(device_id, tags, canonical)
		IS DISTINCT FROM twinset.evaluate(device_id, tags, condition)
ORDER BY line_number;

-- canonical: the text form
SELECT line_number, condition, expected, canonical, message
FROM checked
WHERE kind = 'canonical' AND canonical IS DISTINCT FROM expected
ORDER BY line_number;

-- what is valid: output reads as the same value, and that gives the same text
SELECT line_number, left(condition, 60), left(output, 60)
FROM checked
WHERE valid AND condition IS NOT NULL AND
	(output IS DISTINCT FROM canonical OR
	 (SELECT k.canonical FROM twinset.check_condition(output) k) IS DISTINCT FROM output OR
	 NOT output::twinset.target_condition = condition::twinset.target_condition)
ORDER BY line_number;

-- reject: SQLSTATE and position
SELECT line_number, left(condition, 60), expected, sqlstate, position, found_position, message
FROM checked
WHERE kind = 'reject' AND
	(valid OR sqlstate <> ALL (string_to_array(expected, '|')) OR
	 position IS NOT NULL AND found_position IS DISTINCT FROM position)
ORDER BY line_number;

-- reject: a message without a full stop, a detail that has the position, and no columns of what is valid
SELECT line_number, left(condition, 60), message, detail, hint
FROM checked
WHERE kind = 'reject' AND
	(message IS NULL OR message ~ '\.$' OR detail !~ '\.$' OR hint !~ '\.$' OR canonical IS NOT NULL OR
	 found_position IS NOT NULL AND detail !~ ('^At character ' || found_position || '[:,]'))
ORDER BY line_number;

-- raised as an error it says the same
SELECT line_number, left(condition, 60), message, raised_message, raised_sqlstate
FROM checked
WHERE condition IS NOT NULL AND
	(message, detail, hint, sqlstate) IS DISTINCT FROM
	(raised_message, raised_detail, raised_hint, raised_sqlstate)
ORDER BY line_number;

\pset tuples_only off
SELECT count(*) AS explained, count(*) FILTER (WHERE e.lines > 1) AS of_several_lines, count(*) FILTER (WHERE c.expected = 'undefined') AS undefined,
	count(*) FILTER (WHERE twinset.device_id_valid(c.device_id) AND twinset.tags_valid(c.tags)) AS of_a_device
FROM checked AS c CROSS JOIN LATERAL (
	SELECT count(*) AS lines FROM twinset.explain_condition(c.device_id, c.tags, coalesce(c.condition, '')::twinset.target_condition)) AS e
WHERE c.kind = 'eval' AND c.valid;
SELECT count(*) FILTER (WHERE kind = 'reject') AS rejects,
	count(*) FILTER (WHERE kind = 'reject' AND hint IS NOT NULL) AS with_a_hint
FROM checked;

DROP FUNCTION raised(text);
DROP FUNCTION decode_cell(text);
