-- The type target_condition: input and output, casts, order, limits, NULLs.

-- without the schema on the search path = and < would be those of text
SET search_path = public, twinset;
CREATE TABLE condition_value (id integer PRIMARY KEY, c twinset.target_condition);
INSERT INTO condition_value VALUES
	(1, 'tags.a=1'), (2, '  tags.a  = 1.0'), (3, 'tags.a = 1'), (4, '*'), (5, ''), (6, ' '), (7, NULL),
	(8, 'tags.b=1 or(tags.a=2 not tags.c in(''x'',null))'),
	(9, 'tags.[[é]] > ''ü''');
SELECT id, c FROM condition_value ORDER BY id;

-- equality, order (by the text, byte by byte), hash
SELECT a.id, b.id FROM condition_value a JOIN condition_value b ON a.c = b.c AND a.id < b.id ORDER BY 1, 2;
SELECT a.id, a.c < b.c AS lt, a.c <= b.c AS le, a.c = b.c AS eq, a.c <> b.c AS ne, a.c >= b.c AS ge, a.c > b.c AS gt
FROM condition_value a, condition_value b WHERE b.id = 3 ORDER BY 1;
SELECT id, c FROM condition_value ORDER BY c, id;
SELECT count(*) AS pairs, count(*) FILTER (WHERE (a.c < b.c) <> (a.c::text COLLATE "C" < b.c::text)) AS differ
FROM condition_value a, condition_value b WHERE a.c IS NOT NULL AND b.c IS NOT NULL;
SELECT c, count(*) FROM condition_value GROUP BY c ORDER BY c;
SET enable_hashagg = off;
SELECT DISTINCT c FROM condition_value ORDER BY c;
RESET enable_hashagg;
SET enable_sort = off;
SELECT count(*) FROM (SELECT DISTINCT c FROM condition_value) d;
RESET enable_sort;
SELECT count(*) FROM condition_value a JOIN condition_value b ON a.c IS NOT DISTINCT FROM b.c;
SELECT count(DISTINCT twinset.target_condition_hash(c)), count(DISTINCT twinset.target_condition_hash_extended(c, 7)) FROM condition_value;
SELECT bool_and(twinset.target_condition_hash_extended(c, 0) & 4294967295
	= twinset.target_condition_hash(c)::bigint & 4294967295) AS low_half_is_the_hash FROM condition_value;
SELECT min(id) FROM condition_value WHERE c = 'tags.a = 1.00';
CREATE UNIQUE INDEX condition_value_unique ON condition_value (c, id);
CREATE INDEX condition_value_hash ON condition_value USING hash (c);
SET enable_seqscan = off;
SELECT id FROM condition_value WHERE c = 'tags.a = 1' ORDER BY id;
SELECT id FROM condition_value WHERE c > 'tags.a = 1' ORDER BY c;
RESET enable_seqscan;

-- casts: assigned from text and varchar, a text wherever one is wanted
CREATE TABLE condition_cast (from_text twinset.target_condition, from_varchar twinset.target_condition);
INSERT INTO condition_cast SELECT 'tags.a  =  1'::text, 'tags.a  =  1'::varchar(20);
INSERT INTO condition_cast SELECT 'tags.a  =  "'::text, NULL;
UPDATE condition_cast SET from_text = from_varchar, from_varchar = NULL::varchar;
SELECT *, length(from_text), upper(from_text), concat(from_text, '!') AS joined, from_text LIKE '%= 1' AS like_text FROM condition_cast;
SELECT pg_typeof(coalesce(from_text, 'tags.b = 2'::twinset.target_condition)) FROM condition_cast;
SELECT row_to_json(condition_cast) FROM condition_cast;
SELECT 'tags.a = 1'::text::twinset.target_condition, 'tags.a = 1'::varchar::twinset.target_condition, NULL::text::twinset.target_condition;
SELECT from_text = 'tags.a=1' AS as_condition, from_text = 'tags.a = 1'::text AS as_text FROM condition_cast;

-- binary: a version byte, then the text; COPY reads what it wrote
SELECT id, twinset.target_condition_send(c) FROM condition_value WHERE id IN (2, 5) ORDER BY id;
COPY condition_value TO PROGRAM 'cat > condition_value.binary' (FORMAT binary);
CREATE TABLE condition_copy (LIKE condition_value);
COPY condition_copy FROM PROGRAM 'cat condition_value.binary; rm condition_value.binary' (FORMAT binary);
SELECT count(*) FROM condition_value v JOIN condition_copy c ON v.id = c.id AND v.c IS NOT DISTINCT FROM c.c AND v.c::text IS NOT DISTINCT FROM c.c::text;
CREATE TABLE condition_received (c twinset.target_condition);
\set header 'PGCOPY\\n\\377\\r\\n\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\001\\000\\000\\000'
\set copy 'COPY condition_received FROM PROGRAM $$printf "'
\set end '\\377\\377"$$ (FORMAT binary);'
\set good :copy :header '\\002\\001*' :end
\set version :copy :header '\\002\\002*' :end
\set empty :copy :header '\\000' :end
\set syntax :copy :header '\\003\\001**' :end
\set utf8 :copy :header '\\003\\001*\\377' :end
\set zero :copy :header '\\003\\001*\\000' :end
:good
:version
:empty
:syntax
:utf8
:zero
SELECT * FROM condition_received;

-- every function with NULLs
SELECT * FROM twinset.check_condition(NULL);
SELECT device_id, tags, condition, twinset.matches(device_id, tags, condition) AS by_text,
	twinset.matches(device_id, tags, condition::twinset.target_condition) AS by_type,
	twinset.evaluate(device_id, tags, condition) AS evaluated
FROM (VALUES (NULL), ('d')) d(device_id), (VALUES (NULL::jsonb), ('{}')) t(tags), (VALUES (NULL), ('*')) c(condition)
ORDER BY 1, 2, 3;
SELECT twinset.matches(NULL, NULL, NULL), twinset.matches('d', '{}', NULL), twinset.matches(NULL, '{}', '*'), twinset.matches('d', NULL, '*');
SELECT twinset.condition_jsonpath(NULL);
-- a bad text is an error
SELECT twinset.matches('d', '{}', 'tags.a');
SELECT twinset.evaluate('d', '{}', 'tags.a = ''x y''');

-- tags that are no object: every path is missing
SELECT tags, twinset.evaluate('d', tags, 'tags.a = 1') AS a, twinset.evaluate('d', tags, 'IS_DEFINED(tags.a)') AS defined,
	twinset.evaluate('d', tags, 'deviceId = ''d''') AS device, twinset.matches('d', tags, '*') AS everything
FROM unnest(ARRAY['1', '"a"', 'null', '[]', '["a"]', '[{"a": 1}]', '{}']::jsonb[]) tags;

-- SAMPLE: the bucket as any program computes it
SELECT count(*) FILTER (WHERE sampled) BETWEEN 230 AND 370 AS three_percent, count(*) FILTER (WHERE sampled <> own) AS wrong
FROM (SELECT twinset.matches(id, '{}', 'SAMPLE(3.000000, ''s'')') AS sampled,
		floor((('x' || encode(substr(hash, 1, 4), 'hex'))::bit(32)::bigint::numeric * 4294967296
			+ ('x' || encode(substr(hash, 5, 4), 'hex'))::bit(32)::bigint::numeric) * 100000000 / 18446744073709551616) < 3000000 AS own
	FROM (SELECT 'device' || i AS id, sha256(('s'::bytea || '\x00'::bytea) || ('device' || i)::bytea) AS hash
		FROM generate_series(1, 10000) i) h) s;

-- limits: 1000 levels of NOT and parentheses, wherever they stand
CREATE FUNCTION verdict(condition text) RETURNS text
LANGUAGE sql AS $$
	SELECT coalesce(sqlstate || ' at ' || coalesce(position::text, 'no one place') || ': ' || message,
		'valid, ' || octet_length(canonical) || ' bytes')
	FROM twinset.check_condition(condition)
$$;
SELECT what, verdict(condition) FROM (VALUES
	('1000 parentheses', repeat('(', 1000) || 'tags.a = 1' || repeat(')', 1000)),
	('1001 parentheses', repeat('(', 1001) || 'tags.a = 1' || repeat(')', 1001)),
	('1000 NOT', repeat('NOT ', 1000) || 'tags.a = 1'),
	('1001 NOT', repeat('NOT ', 1001) || 'tags.a = 1'),
	('1000 with NOT IN', repeat('NOT ', 999) || 'tags.a NOT IN [1]'),
	('1001 with NOT IN', repeat('NOT ', 1000) || 'tags.a NOT IN [1]'),
	('1000 of both', repeat('NOT (', 500) || 'tags.a = 1' || repeat(')', 500)),
	('1001 of both', repeat('NOT (', 500) || 'NOT tags.a = 1' || repeat(')', 500)),
	('1000 that stay', repeat('(tags.a=1 OR tags.b=2 AND ', 490) || '(tags.a=1)' || repeat(')', 490)),
	('1000 NOT beside 1000 NOT', repeat('NOT ', 1000) || 'tags.a = 1 OR ' || repeat('NOT ', 1000) || 'tags.a = 1'),
	('16384 bytes', 'tags.a = 1' || repeat(' ', 16374)),
	('16385 bytes', 'tags.a = 1' || repeat(' ', 16375)),
	('16385 bytes of nonsense', repeat('é', 8192) || '"'),
	('canonical of 16384 bytes', (SELECT 'tags.a in [' || string_agg(CASE WHEN i <= 4 THEN '1111' ELSE '111' END, ',') || ']' FROM generate_series(1, 3274) i)),
	('canonical of 16385 bytes', (SELECT 'tags.a in [' || string_agg(CASE WHEN i <= 5 THEN '1111' ELSE '111' END, ',') || ']' FROM generate_series(1, 3274) i)),
	('2000 literals', (SELECT 'tags.a IN [' || string_agg(i::text, ', ') || ']' FROM generate_series(1, 2000) i)),
	('number of 4096', 'tags.a = ' || repeat('1', 4096)),
	('number of 4097', 'tags.a = ' || repeat('1', 4097)),
	('number of 4096 by its exponent', 'tags.a = 1e4095'),
	('number of 4097 by its exponent', 'tags.a = 1e4096'),
	('and with a sign', 'tags.a = -1e4095'),
	('decimals of 4096', 'tags.a = 1e-4094'),
	('decimals of 4097', 'tags.a = 1e-4095'),
	('integers of numeric', 'tags.a = 1e131071'),
	('more than that', 'tags.a = 1e131072'),
	('zero has no size', 'tags.a = 0e131072'),
	('decimals of numeric', 'tags.a = 1e-16383'),
	('more than that', 'tags.a = 0e-16384'),
	('exponent of numeric', 'tags.a = 0e1073741822'),
	('more than that', 'tags.a = 0e1073741823'),
	('quotes count once', 'tags.a = ''' || repeat('''''', 4096) || ''''),
	('and so 4097', 'tags.a = ''' || repeat('''''', 4097) || ''''),
	('bytes count', 'tags.a = ''' || repeat('é', 2049) || ''''),
	('a long key', 'tags.' || repeat('a', 16000) || ' = 1'),
	('many keys', 'tags' || repeat('.a', 8000) || ' = 1')
) v(what, condition);

-- what is deep or long is evaluated and looked up
SELECT twinset.matches('d', '{"a": 1}', repeat('NOT ', 1000) || 'tags.a = 1') AS even,
	twinset.matches('d', '{"a": 1}', repeat('(tags.a=1 OR tags.b=2 AND ', 490) || 'tags.a=1' || repeat(')', 490)) AS deep,
	twinset.matches('d', '{"a": 2000}', (SELECT 'tags.a IN [' || string_agg(i::text, ',') || ']' FROM generate_series(1, 2000) i)) AS long;
SELECT left(twinset.condition_jsonpath((repeat('NOT ', 1000) || 'tags.a = 1')::twinset.target_condition)::text, 20) AS too_deep,
	left(twinset.condition_jsonpath(('tags' || repeat('.a', 8000) || ' = 1')::twinset.target_condition)::text, 20) AS too_many_keys,
	length(twinset.condition_jsonpath(
		(SELECT 'tags.a IN [' || string_agg(i::text, ',') || ']' FROM generate_series(1, 2000) i)::twinset.target_condition)::text) > 10000 AS long;

-- a stack that is too small is an error like any other
SET max_stack_depth = '100kB';
\set VERBOSITY sqlstate
SELECT valid FROM twinset.check_condition(repeat('(', 1000) || 'tags.a = 1' || repeat(')', 1000));
\set VERBOSITY default
RESET max_stack_depth;

-- the predicate for an index
SELECT c AS condition, twinset.condition_jsonpath(c) FROM unnest(ARRAY[
	'*', '', 'tags.a = 1', 'tags.a = -1.50', 'tags.a = ''O''''Neil''', 'tags.[[a\b'']].c = NULL', 'tags.a != 1', 'tags.a > 1',
	'NOT tags.a != 1', 'NOT tags.a = TRUE', 'tags.a != FALSE', 'tags.a IN [1, ''x'', NULL]', 'tags.a NOT IN [1]',
	'deviceId = ''x''', 'deviceId = ''x'' AND tags.a = 1', 'deviceId = ''x'' OR tags.a = 1',
	'tags.a = 1 AND (tags.b = 2 OR tags.c = 3) AND SAMPLE(10)', 'NOT (tags.a != 1 AND tags.b != 2)',
	'IS_DEFINED(tags.a)', 'STARTSWITH(tags.a, ''x'')']::twinset.target_condition[]) c;

-- numbers as numeric prints them, whatever their form
CREATE FUNCTION number_differs(number text) RETURNS boolean
LANGUAGE sql AS $$
	SELECT canonical IS DISTINCT FROM 'tags.a = ' || number::numeric::text
	FROM twinset.check_condition('tags.a = ' || number)
$$;
SELECT count(*) AS numbers, count(*) FILTER (WHERE number_differs(sign || integers || decimals || exponent)) AS differ
FROM unnest(ARRAY['', '-']) sign, unnest(ARRAY['0', '1', '9', '10', '123', '1000', '9999', '10000', '99999999', '120000000000']) integers,
	unnest(ARRAY['', '.0', '.5', '.00', '.0001', '.00010', '.12345', '.999999999']) decimals,
	unnest(ARRAY['', 'e0', 'E1', 'e+2', 'e3', 'e4', 'e5', 'e17', 'e-0', 'e-1', 'E-2', 'e-3', 'e-4', 'e-5', 'e-18', 'e00012']) exponent;

-- random changes of valid conditions: an answer or an error of ours, and what is valid comes back
SELECT setseed(0.11);
CREATE TABLE condition_mutant AS
	SELECT overlay(c PLACING m FROM 1 + floor(random() * length(c))::integer FOR floor(random() * 4)::integer) AS text
	FROM unnest(ARRAY['tags.a = 1 AND NOT deviceId IN [''x'', ''y'']', 'SAMPLE(10, ''s'') OR tags.[[a b]] != -1.5e3',
			'(tags.a.b <= ''z'' OR STARTSWITH(deviceId, ''p'')) NOT IS_DEFINED(tags.c)', 'NOT (NULL = tags.a OR TRUE <> tags.b)']) c,
		unnest(ARRAY['', ' ', '''', '(', ')', '[', ']]', 'NOT ', ' AND ', ' OR ', '=', '.', ',', '1', 'e9', 'tags.x', 'é', '"', '*', E'\t', 'IN', '-', '0']) m,
		generate_series(1, 50);
SELECT count(*) AS mutants,
	count(*) FILTER (WHERE valid) > 200 AS many_valid,
	count(*) FILTER (WHERE NOT valid AND (position NOT BETWEEN 1 AND length(text) + 1 OR message IS NULL)) AS without_a_place,
	count(*) FILTER (WHERE valid AND (SELECT k.canonical FROM twinset.check_condition(c.canonical) k) IS DISTINCT FROM c.canonical) AS not_restored
FROM condition_mutant, twinset.check_condition(text) c;

DROP FUNCTION verdict(text);
DROP FUNCTION number_differs(text);
DROP TABLE condition_value, condition_cast, condition_copy, condition_received, condition_mutant;
