-- The matcher gives the winner, and all deployments that target a device, as
-- matches() on every condition does: for random conditions and devices, and
-- for those at its edges.  Variables: module, seed (see the Makefile).
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET search_path = public, twinset;

SELECT plan(22);
SELECT diag('seed ' || :'seed');
SELECT setseed((:seed % 1000000) / 1000000.0) \g /dev/null

CREATE FUNCTION matcher_test_answers(ids text[], conditions target_condition[], priorities integer[],
									 created timestamptz[], device_ids text[], tags jsonb[],
									 OUT device integer, OUT winner text, OUT targeting text[])
RETURNS SETOF record LANGUAGE c VOLATILE STRICT AS :'module', 'matcher_test_answers';
CREATE FUNCTION matcher_test_differences(ids text[], conditions target_condition[], priorities integer[],
										 created timestamptz[], device_ids text[], before jsonb[], after jsonb[],
										 OUT device integer, OUT winner_before text, OUT winner text,
										 OUT lost text[], OUT gained text[])
RETURNS SETOF record LANGUAGE c VOLATILE STRICT AS :'module', 'matcher_test_differences';
CREATE FUNCTION matcher_test_growth(ids text[], conditions target_condition[], priorities integer[],
									created timestamptz[], device_ids text[], tags jsonb[])
RETURNS bigint LANGUAGE c VOLATILE STRICT AS :'module', 'matcher_test_growth';
CREATE FUNCTION matcher_test_patches(ids text[], conditions target_condition[], priorities integer[],
									 created timestamptz[], device_ids text[], tags jsonb[], seed bigint,
									 OUT differences integer, OUT failures integer)
RETURNS record LANGUAGE c VOLATILE STRICT AS :'module', 'matcher_test_patches';
CREATE FUNCTION matcher_test_terms(ids text[], conditions target_condition[], priorities integer[],
								   created timestamptz[], device_ids text[], tags jsonb[], seed bigint,
								   OUT missed integer, OUT found integer, OUT candidates integer, OUT residual integer)
RETURNS record LANGUAGE c VOLATILE STRICT AS :'module', 'matcher_test_terms';

-- fleets that know nothing of one another
CREATE TABLE deployment (
	fleet		text,
	id			text COLLATE "C",
	condition	target_condition,
	priority	integer DEFAULT 1,
	created		timestamptz DEFAULT '2024-01-01',
	PRIMARY KEY (fleet, id)
);
CREATE TABLE device (fleet text, id text, tags jsonb, PRIMARY KEY (fleet, id));

/*
 * What is random.  There are few paths and values, so that they meet often;
 * among the values those that one could take for another.
 */
CREATE FUNCTION one_of(VARIADIC choices text[]) RETURNS text
LANGUAGE sql VOLATILE AS $$ SELECT choices[1 + floor(random() * cardinality(choices))::integer] $$;

CREATE FUNCTION random_path() RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT one_of('deviceId', 'tags.a', 'tags.a', 'tags.b', 'tags.b', 'tags.c', 'tags.o', 'tags.o.a',
				  'tags.o.b', 'tags.o.o.a', 'tags.[[o.a]]', 'tags.[[é x]]', 'tags.wide', 'tags.w33')
$$;

CREATE FUNCTION random_literal() RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT one_of('''x''', '''x''', '''y''', '''''', '''1''', '''true''', '''null''', '''d-1''', '''d-7''',
				  '''é''', '1', '1.0', '1e0', '10', '1e1', '100000000', '1e8', '0', '-0', '-1', '0.1',
				  '12345678901234567890.5', 'TRUE', 'FALSE', 'NULL')
$$;

CREATE FUNCTION random_condition(depth integer) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	draw	double precision := random();
	parts	text[] := '{}';
BEGIN
	IF depth > 0 AND draw < 0.5 THEN
		FOR i IN 1 .. 2 + floor(random() * 2) LOOP
			parts := parts || ('(' || random_condition(depth - 1) || ')');
		END LOOP;
		RETURN array_to_string(parts, one_of(' AND ', ' AND ', ' OR '));
	ELSIF depth > 0 AND draw < 0.6 THEN
		RETURN 'NOT (' || random_condition(depth - 1) || ')';
	ELSIF draw < 0.8 THEN
		RETURN random_path() || ' = ' || random_literal();
	ELSIF draw < 0.9 THEN
		FOR i IN 1 .. 1 + floor(random() * 5) LOOP
			parts := parts || random_literal();
		END LOOP;
		RETURN random_path() || one_of(' IN [', ' IN [', ' NOT IN [') || array_to_string(parts, ', ') || ']';
	ELSIF draw < 0.95 THEN
		RETURN random_path() || one_of(' != ', ' < ', ' >= ') || random_literal();
	ELSE
		RETURN one_of('IS_DEFINED(' || random_path() || ')', 'STARTSWITH(' || random_path() || ', ''d'')',
					  'SAMPLE(30)');
	END IF;
END $$;

/*
 * The same of what has no equality: numbers far and near, each end open or
 * not; prefixes of all lengths; salts.
 */
CREATE FUNCTION random_number() RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT one_of(floor(random() * 20)::text, floor(random() * 2000)::text, (random() * 4)::numeric(10, 3)::text,
				  (-random() * 100)::numeric(10, 1)::text, '1e5', '100001', '1e-7', '-1e-7', '1e-4', '2e14', '3e14',
				  '1e300', '-1e300', '0', '7.0', '1023.9999999999', '1024', '-1024')
$$;

CREATE FUNCTION random_string() RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT left(one_of(repeat('a', 200), repeat('ab', 100), 'building-001', 'building-012-floor-3', 'é' || repeat('a', 100), ''),
				one_of('0', '1', '2', '3', '4', '5', '8', '11', '12', '13', '24', '47', '48', '49', '50', '64', '70',
					   '96', '130')::integer)
$$;

CREATE FUNCTION random_factor() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	draw	double precision := random();
	path	text := one_of('tags.n', 'tags.n', 'tags.m', 'tags.o.n', 'deviceId', 'tags.s', 'tags.o.s');
BEGIN
	IF draw < 0.3 THEN
		RETURN path || one_of(' < ', ' <= ', ' > ', ' >= ', ' = ', ' != ') || random_number();
	ELSIF draw < 0.45 THEN
		RETURN path || one_of(' > ', ' >= ') || random_number() || ' AND ' || path || one_of(' < ', ' <= ') || random_number();
	ELSIF draw < 0.55 THEN
		RETURN 'NOT (' || path || one_of(' > ', ' >= ') || random_number() || ' OR '
			|| path || one_of(' < ', ' <= ') || random_number() || ')';
	ELSIF draw < 0.7 THEN
		RETURN one_of('', 'NOT ') || 'STARTSWITH(' || path || ', ''' || random_string() || ''')';
	ELSIF draw < 0.8 THEN
		RETURN path || one_of(' = ', ' != ', ' < ', ' >= ') || '''' || random_string() || '''';
	ELSIF draw < 0.9 THEN
		RETURN one_of('', 'NOT ') || 'SAMPLE(' || one_of('0', '0.1', '1', '10', '50', '99.9', '100', '0.000001')
			|| one_of('', '', ', ''s''', ', ''t''') || ')';
	ELSIF draw < 0.95 THEN
		RETURN one_of('', 'NOT ') || 'IS_DEFINED(' || path || ')';
	ELSE
		RETURN path || one_of(' IN ', ' NOT IN ') || '[' || array_to_string(ARRAY(
			SELECT one_of(random_number(), '''' || random_string() || '''', 'TRUE', 'NULL', 'FALSE')
			FROM generate_series(1, 1 + floor(random() * 12)::integer)), ', ') || ']';
	END IF;
END $$;

CREATE FUNCTION random_range(depth integer) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	parts	text[] := '{}';
BEGIN
	IF depth = 0 OR random() < 0.2 THEN
		RETURN random_factor();
	END IF;
	FOR i IN 1 .. 2 + floor(random() * 2) LOOP
		parts := parts || (one_of('', '', '', 'NOT ') || '(' || random_range(depth - 1) || ')');
	END LOOP;
	RETURN array_to_string(parts, one_of(' AND ', ' AND ', ' OR '));
END $$;

CREATE FUNCTION random_object(depth integer) RETURNS jsonb LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	object	jsonb := '{}';
	key		text;
BEGIN
	FOREACH key IN ARRAY ARRAY['a', 'b', 'c', 'o', 'o.a', 'é x'] LOOP
		IF random() < 0.3 THEN
			CONTINUE;
		ELSIF depth > 0 AND (key = 'o' OR random() < 0.1) THEN
			object := jsonb_set(object, ARRAY[key], random_object(depth - 1));
		ELSE
			object := jsonb_set(object, ARRAY[key], one_of('"x"', '"x"', '"y"', '""', '"1"', '"true"', '"null"',
				'"d-1"', '"é"', '1', '1.00', '10', '100000000', '100000000.0', '0', '-0.0', '-1', '0.10',
				'12345678901234567890.50', '12345678901234567891', 'true', 'false', 'null', '[]', '["x"]',
				'[{"a": "x"}]', '{}')::jsonb);
		END IF;
	END LOOP;
	-- so many keys that their places in the object are written down anew (every 32nd is)
	IF random() < 0.1 THEN
		object := object || (SELECT jsonb_object_agg('w' || i, one_of('"x"', '1', 'null', '{"a": 1}')::jsonb)
							 FROM generate_series(1, 20 + floor(random() * 80)::integer) AS i)
			|| jsonb_build_object('wide', one_of('x', 'y', '1'));
	END IF;
	RETURN object;
END $$;

INSERT INTO deployment
SELECT 'random ' || fleet, 'd' || one_of('-', '_', '.', '!', '') || i,
	   CASE WHEN random() < 0.02 THEN NULL
			WHEN random() < 0.02 THEN ''
			WHEN random() < 0.02 THEN '*'
			ELSE random_condition(floor(random() * 4)::integer) END::target_condition,
	   1 + floor(random() * 4)::integer,
	   timestamptz '2024-01-01' + floor(random() * 3)::integer * interval '1 microsecond'
FROM generate_series(1, 40) AS fleet, generate_series(1, (fleet * fleet) % 300) AS i;
INSERT INTO device
SELECT 'random ' || fleet, 'd-' || i, random_object(2)
FROM generate_series(1, 40) AS fleet, generate_series(1, 60) AS i;

INSERT INTO deployment
SELECT 'random range ' || fleet, 'd' || one_of('-', '_', '') || i,
	   random_range(floor(random() * 3)::integer)::target_condition, 1 + floor(random() * 4)::integer,
	   timestamptz '2024-01-01' + floor(random() * 3)::integer * interval '1 microsecond'
FROM generate_series(1, 20) AS fleet, generate_series(1, (fleet * fleet) % 200) AS i;
INSERT INTO device
SELECT 'random range ' || fleet, one_of('building-', repeat('a', 60), 'd') || i, jsonb_strip_nulls(jsonb_build_object(
	'n', random_number()::numeric, 'm', one_of(random_number(), NULL, 'true', '"7"')::jsonb,
	's', one_of(random_string() || random_string(), random_string(), NULL),
	'o', one_of(NULL, jsonb_build_object('n', random_number()::numeric, 's', random_string())::text, '1')::jsonb))
FROM generate_series(1, 20) AS fleet, generate_series(1, 60) AS i;

/*
 * What is at an edge.
 */
INSERT INTO device VALUES
	('no deployments', 'd', '{"a": 1}'),
	('no conditions', 'd', '{"a": 1}'),
	('no equality', 'd', '{"a": 1}'),
	('no equality', 'e', '{"a": "x"}'),
	('one rank', 'd', '{"a": 1}'),
	('many literals', 'd', '{"a": 1999, "b": 3}'),
	('many literals', 'e', '{"a": 2001}'),
	('deep', 'd', '{"a": 1}'),
	('deep', 'e', '{"a": 2}'),
	('deep path', 'd', (repeat('{"a": ', 1000) || '1' || repeat('}', 1000))::jsonb),
	('deep path', 'e', (repeat('{"a": ', 1001) || '1' || repeat('}', 1001))::jsonb),
	('long values', 'd', jsonb_build_object('a', repeat('x', 4096))),
	('long values', 'e', jsonb_build_object('a', repeat('x', 4095)));
INSERT INTO device SELECT 'many lists', 'd' || i, (
	SELECT jsonb_object_agg('k' || k, k % i) FROM generate_series(1, 500) AS k)
FROM generate_series(1, 10) AS i;

INSERT INTO deployment VALUES ('no conditions', 'a', NULL), ('no conditions', 'b', '');
INSERT INTO deployment VALUES
	('no equality', 'a', '*'), ('no equality', 'b', 'NOT tags.a = ''y'''), ('no equality', 'c', 'tags.a > 0'),
	('no equality', 'd', 'tags.a = 2 OR NOT tags.b = 1'), ('no equality', 'e', 'tags.a = 1 OR tags.a > 0');
INSERT INTO deployment
SELECT 'one rank', id, 'tags.a = 1', 7, '2024-01-01' FROM unnest('{a,a-1,a.1,a_1,b!,a''b,%}'::text[]) AS id;
INSERT INTO deployment VALUES
	('one rank', 'later', 'tags.a = 1', 7, '2024-01-02'),
	('one rank', 'latest', 'tags.a = 1', 6, 'infinity'),
	('one rank', 'first', 'tags.a = 1', 2147483647, '-infinity');
INSERT INTO deployment
SELECT 'many literals', 'd' || n, format('tags.a IN [%s]', string_agg(i::text, ', '))::target_condition
FROM generate_series(1, 50) AS n, generate_series(1, 2000) AS i GROUP BY n;
INSERT INTO deployment VALUES ('many literals', 'e',
	(SELECT string_agg(format('tags.b = %s AND tags.a IN [%s, 1999]', i, i), ' OR ') FROM generate_series(1, 300) AS i));
INSERT INTO deployment VALUES
	('deep', 'parentheses', (SELECT string_agg('(tags.a = 1 ' || CASE WHEN i % 2 = 0 THEN 'AND ' ELSE 'OR ' END, '')
							 FROM generate_series(1, 900) AS i) || 'tags.a = 1' || repeat(')', 900)),
	('deep', 'even', repeat('NOT ', 1000) || 'tags.a = 1'),
	('deep', 'odd', repeat('NOT ', 999) || 'tags.a = 1');
INSERT INTO deployment VALUES
	('deep path', 'a', 'tags' || repeat('.a', 1000) || ' = 1'),
	('deep path', 'b', 'tags' || repeat('.a', 999) || ' = 1'),
	('deep path', 'c', 'tags' || repeat('.a', 1001) || ' = 1');
INSERT INTO deployment VALUES ('long values', 'a', 'tags.a = ''' || repeat('x', 4096) || '''');
INSERT INTO deployment
SELECT 'many lists', 'd' || k || '-' || v, format('tags.k%s = %s', k, v)::target_condition, 1 + (k * 7 + v) % 13
FROM generate_series(1, 500) AS k, generate_series(0, 4) AS v;

/*
 * Asked, and recomputed.
 */
CREATE TABLE asked AS
WITH fleet AS (
	SELECT fleet, array_agg(id ORDER BY id) AS device_ids, array_agg(tags ORDER BY id) AS tags
	FROM device GROUP BY fleet
), deployments AS (
	-- in an order that says nothing
	SELECT fleet, array_agg(id ORDER BY md5(id)) AS ids, array_agg(condition ORDER BY md5(id)) AS conditions,
		   array_agg(priority ORDER BY md5(id)) AS priorities, array_agg(created ORDER BY md5(id)) AS created
	FROM deployment GROUP BY fleet
)
SELECT fleet, device_ids, tags, coalesce(ids, '{}') AS ids, coalesce(conditions, '{}') AS conditions,
	   coalesce(priorities, '{}') AS priorities, coalesce(created, '{}') AS created
FROM fleet LEFT JOIN deployments USING (fleet);

CREATE TABLE answered AS
SELECT fleet, device_ids[device] AS id, winner, targeting
FROM asked, matcher_test_answers(ids, conditions, priorities, created, device_ids, tags);

CREATE TABLE expected AS
SELECT device.fleet, device.id, targeting[1] AS winner, targeting
FROM device, LATERAL (
	SELECT coalesce(array_agg(deployment.id::text ORDER BY priority DESC, created DESC, deployment.id COLLATE "C" DESC),
					'{}') AS targeting
	FROM deployment
	WHERE deployment.fleet = device.fleet AND matches(device.id, device.tags, deployment.condition)) AS recomputed;

CREATE VIEW difference AS
SELECT fleet, id, answered.winner, answered.targeting,
	   expected.winner AS expected_winner, expected.targeting AS expected_targeting
FROM answered FULL JOIN expected USING (fleet, id)
WHERE (answered.winner, answered.targeting) IS DISTINCT FROM (expected.winner, expected.targeting);

SELECT is_empty($$ SELECT * FROM difference WHERE fleet LIKE 'random %' $$,
				'random conditions and devices: every answer is the recomputed one');
-- of some 200,000 pairs; else what is random has become too much so to show anything
SELECT cmp_ok((SELECT sum(cardinality(targeting)) FROM expected WHERE fleet LIKE 'random %'), '>', 10000::bigint,
			  'random conditions target many of the random devices');
SELECT cmp_ok((SELECT count(DISTINCT winner) FROM expected WHERE fleet LIKE 'random %'), '>', 100::bigint,
			  'and many of them win one');

SELECT is_empty(format('SELECT * FROM difference WHERE fleet = %L', fleet),
				fleet || ': every answer is the recomputed one')
FROM (SELECT DISTINCT fleet FROM device WHERE fleet NOT LIKE 'random %' ORDER BY fleet) AS edge;

/*
 * A device's tags change: into all that another device has, or a part of it
 * (at some key, what the other has there, or nothing); it comes and goes.
 */
CREATE TABLE changed AS
SELECT fleet, id, tags AS before, tags AS after FROM device WHERE false;
INSERT INTO changed
SELECT device.fleet, device.id, device.tags, other.tags
FROM device JOIN LATERAL (SELECT tags FROM device AS d WHERE d.fleet = device.fleet
						  ORDER BY md5(d.id || device.id) LIMIT 1) AS other ON true;
INSERT INTO changed
SELECT device.fleet, device.id, device.tags,
	   CASE WHEN other.tags ? part.key THEN device.tags || jsonb_build_object(part.key, other.tags->part.key)
			ELSE device.tags - part.key END
FROM device JOIN LATERAL (SELECT id, tags FROM device AS d WHERE d.fleet = device.fleet
						  ORDER BY md5(d.id || device.id || 'part') LIMIT 4) AS other ON true
	 JOIN LATERAL (SELECT key FROM (SELECT jsonb_object_keys(device.tags || other.tags) AS key) AS k
				   ORDER BY md5(key || device.id || other.id) LIMIT 1) AS part ON true;
INSERT INTO changed SELECT fleet, id, tags, jsonb_set(tags, '{o,a}', '"x"') FROM device WHERE tags ? 'o';
INSERT INTO changed SELECT fleet, id, tags, tags #- '{o,b}' FROM device WHERE tags ? 'o';
INSERT INTO changed SELECT fleet, id, tags, NULL FROM device;
INSERT INTO changed SELECT fleet, id, NULL, tags FROM device;

CREATE TABLE answered_differences AS
SELECT asked.fleet, c.ids[device] AS id, c.before[device] AS before, c.after[device] AS after,
	   winner_before, winner, lost, gained
FROM asked JOIN (SELECT fleet, array_agg(id) AS ids, array_agg(before) AS before, array_agg(after) AS after
				 FROM changed GROUP BY fleet) AS c USING (fleet),
	 matcher_test_differences(asked.ids, conditions, priorities, created, c.ids, c.before, c.after);

CREATE TABLE expected_differences AS
SELECT fleet, id, before, after, was.targeting[1] AS winner_before, now.targeting[1] AS winner,
	   ARRAY(SELECT x FROM unnest(was.targeting) WITH ORDINALITY AS u (x, o)
			 WHERE x <> ALL (now.targeting) ORDER BY o) AS lost,
	   ARRAY(SELECT x FROM unnest(now.targeting) WITH ORDINALITY AS u (x, o)
			 WHERE x <> ALL (was.targeting) ORDER BY o) AS gained
FROM changed,
	LATERAL (SELECT coalesce(array_agg(deployment.id::text ORDER BY priority DESC, created DESC, deployment.id COLLATE "C" DESC)
							 FILTER (WHERE matches(changed.id, changed.before, deployment.condition)), '{}') AS targeting
			 FROM deployment WHERE deployment.fleet = changed.fleet) AS was,
	LATERAL (SELECT coalesce(array_agg(deployment.id::text ORDER BY priority DESC, created DESC, deployment.id COLLATE "C" DESC)
							 FILTER (WHERE matches(changed.id, changed.after, deployment.condition)), '{}') AS targeting
			 FROM deployment WHERE deployment.fleet = changed.fleet) AS now;

SELECT is((SELECT count(*) FROM answered_differences), (SELECT count(*) FROM changed), 'each change is answered');
SELECT is_empty($$ SELECT * FROM answered_differences EXCEPT SELECT * FROM expected_differences $$,
				'every difference is the recomputed one');
SELECT cmp_ok((SELECT count(*) FROM expected_differences WHERE lost <> '{}' AND gained <> '{}'), '>', 1000::bigint,
			  'many changes lose some and gain others');

SELECT is((SELECT targeting FROM answered WHERE fleet = 'one rank'),
		  ARRAY['first', 'later', 'b!', 'a_1', 'a.1', 'a-1', 'a''b', 'a', '%', 'latest'],
		  'the larger priority wins, then the later, then the larger id by bytes');
SELECT is((SELECT sum(matcher_test_growth(ids, conditions, priorities, created, device_ids, tags)) FROM asked), 0::numeric,
		  'asking again and again takes no more memory');

/*
 * Patched, and stored by terms.
 */
CREATE TABLE patches AS
SELECT fleet, patched.* FROM asked, matcher_test_patches(ids, conditions, priorities, created, device_ids, tags, :seed) AS patched;
SELECT is_empty($$ SELECT * FROM patches WHERE differences > 0 $$, 'a patched matcher answers as a new one');
SELECT cmp_ok((SELECT sum(failures) FROM patches), '>', 100::bigint, 'also after patches that failed');

CREATE TABLE stored AS
SELECT fleet, stored.* FROM asked, matcher_test_terms(ids, conditions, priorities, created, device_ids, tags, :seed) AS stored;
SELECT is_empty($$ SELECT * FROM stored WHERE missed > 0 $$, 'a device that a condition targets has a term that it is stored under');
SELECT cmp_ok((SELECT sum(found) FROM stored), '>', 5000::bigint, 'many conditions are found so');
SELECT cmp_ok((SELECT sum(candidates) FROM stored), '<',
			  (SELECT sum(cardinality(ids) * cardinality(device_ids)) / 2 FROM asked), 'and no more than half of all');

SELECT * FROM finish();
