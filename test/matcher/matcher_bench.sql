-- How long a matcher takes: µs a device of the processor's time, the least of
-- some rounds.
-- Variables: module, sizes (of the workloads, an array), worst (of the worst
-- cases); see the Makefile.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET search_path = public, twinset;
SELECT setseed(0.5) \g /dev/null

CREATE FUNCTION matcher_bench(conditions target_condition[], device_ids text[], tags jsonb[], rounds integer,
							  OUT build_ms float8, OUT bytes float8, OUT look_up float8, OUT lists float8,
							  OUT winner float8, OUT won float8, OUT "all" float8, OUT matches float8,
							  OUT count float8, OUT counted float8, OUT patch float8, OUT patched_all float8)
LANGUAGE c VOLATILE STRICT AS :'module', 'matcher_bench';

CREATE TABLE condition (workload text, n integer, condition target_condition);
CREATE TABLE device (workload text, id text, tags jsonb);

CREATE FUNCTION uniform(integer) RETURNS integer LANGUAGE sql VOLATILE AS $$ SELECT floor(random() * $1)::integer $$;
-- the first few of many are much more frequent
CREATE FUNCTION zipf(integer) RETURNS integer LANGUAGE sql VOLATILE AS $$ SELECT floor($1 ^ random() - 1)::integer $$;

/*
 * Seven string attributes of 5 to 1,000 values; of five expressions one has
 * two terms, the others three; a tenth also has a NOT.  A device has all
 * seven, and matches one expression in two thousand.
 */
CREATE FUNCTION attribute_term(attribute integer) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT format('tags.a%s = ''v%s''', attribute, uniform(('{5,10,20,50,100,200,1000}'::integer[])[attribute]))
$$;
CREATE FUNCTION attribute_condition() RETURNS text LANGUAGE sql VOLATILE AS $$
	WITH attributes AS MATERIALIZED (
		SELECT array_agg(a ORDER BY random()) AS a FROM generate_series(1, 7) AS a)
	SELECT attribute_term(a[1]) || ' AND ' || attribute_term(a[2])
		|| CASE WHEN random() < 0.8 THEN ' AND ' || attribute_term(a[3]) ELSE '' END
		|| CASE WHEN random() < 0.1 THEN ' AND NOT ' || attribute_term(a[4]) ELSE '' END
	FROM attributes
$$;
INSERT INTO condition
SELECT 'attributes', n, attribute_condition()::target_condition FROM generate_series(1, (:'sizes'::integer[])[3]) AS n;
INSERT INTO device
SELECT 'attributes', 'd' || n, (
	SELECT jsonb_object_agg('a' || a, 'v' || uniform(('{5,10,20,50,100,200,1000}'::integer[])[a] + n - n))
	FROM generate_series(1, 7) AS a)
FROM generate_series(1, 5000) AS n;

/*
 * The fleet's: places, environments, models; some tags are no strings.
 */
CREATE FUNCTION fleet_device(OUT tags jsonb) LANGUAGE sql VOLATILE AS $$
	SELECT jsonb_build_object(
		'country', 'c' || city % 200, 'state', 's' || city % 3000, 'city', 'city-' || city, 'size', 'z' || city % 5,
		'environment', CASE WHEN e < 0.61 THEN 'prod' WHEN e < 0.8 THEN 'stage' WHEN e < 0.95 THEN 'test'
					   WHEN e < 0.999 THEN 'dev' ELSE 'canary' END,
		'operator', 'o' || zipf(1000), 'model', 'm' || uniform(20), 'firmware', 'f' || zipf(200),
		'site', 'site-' || uniform(10000), 'floor', uniform(30), 'indoor', random() < 0.5)
	FROM (SELECT zipf(30000) AS city, random() AS e) AS drawn
$$;
CREATE FUNCTION fleet_term(device jsonb, VARIADIC keys text[]) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT format('tags.%s = %s', key, CASE WHEN jsonb_typeof(device->key) = 'string'
					  THEN quote_literal(device->>key) ELSE device->>key END)
	FROM (SELECT keys[1 + uniform(cardinality(keys))] AS key) AS drawn
$$;
CREATE FUNCTION fleet_condition() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	draw	double precision := random();
	d		jsonb := fleet_device();
	place	text := fleet_term(d, 'country', 'state', 'city', 'site', 'operator');
	kind	text := fleet_term(d, 'environment', 'model', 'firmware', 'size', 'floor', 'indoor');
BEGIN
	RETURN CASE WHEN draw < 0.6 THEN place || ' AND ' || kind
		WHEN draw < 0.8 THEN place || ' AND ' || kind || ' AND ' || fleet_term(d, 'model', 'firmware', 'size')
		WHEN draw < 0.9 THEN place || ' OR ' || fleet_term(fleet_device(), 'city', 'site')
		WHEN draw < 0.95 THEN place || ' AND NOT ' || kind
		WHEN draw < 0.98 THEN 'deviceId = ''d' || uniform(1000000) || ''''
		WHEN draw < 0.99 THEN 'NOT ' || kind
		ELSE '*' END;
END $$;
INSERT INTO condition
SELECT 'fleet', n, fleet_condition()::target_condition FROM generate_series(1, (:'sizes'::integer[])[3]) AS n;
INSERT INTO device
SELECT 'fleet', 'd' || n, (SELECT tags FROM fleet_device() WHERE n = n) FROM generate_series(1, 5000) AS n;

/*
 * The worst that we know of.
 */
INSERT INTO condition
SELECT worst, n, CASE worst
	WHEN 'one term shared' THEN 'tags.a = ''x'' AND tags.n > 0'
	WHEN 'one term shared, none true' THEN 'tags.a = ''x'' AND NOT tags.b = ''y'''
	WHEN 'NOT another value' THEN format('NOT tags.a = ''v%s''', n)
	WHEN 'not defined' THEN format('NOT IS_DEFINED(tags.k%s)', n)
	WHEN 'greater, one end' THEN format('tags.n > %s', n)
	WHEN 'less, none true' THEN format('tags.n < %s', -n)
	WHEN 'windows' THEN format('tags.n >= %s AND tags.n < %s', n, n + 10)
	WHEN 'SAMPLE, one salt' THEN format('SAMPLE(%s)', (n % 100000) / 1000.0)
	WHEN 'STARTSWITH' THEN format('STARTSWITH(tags.s, ''building-%s'')', n)
	WHEN 'OR of 100' THEN (SELECT string_agg(format('tags.a = ''v%s'' AND tags.b = ''w%s''', n * 7 + i, i), ' OR ')
						   FROM generate_series(1, 100) AS i)
	WHEN 'IN of 100' THEN (SELECT format('tags.a IN [%s]', string_agg(format('''v%s''', n * 7 + i), ', '))
						   FROM generate_series(1, 100) AS i)
	END::target_condition
FROM unnest('{"one term shared","one term shared, none true","NOT another value","not defined","greater, one end",
			"less, none true",windows,"SAMPLE, one salt",STARTSWITH,"OR of 100","IN of 100"}'::text[]) AS worst,
	generate_series(1, :worst) AS n
WHERE worst NOT LIKE '% of 100' OR n <= :worst / 100;
INSERT INTO device
SELECT 'worst', 'd' || n, jsonb_build_object('a', CASE WHEN n % 2 = 0 THEN 'x' ELSE 'v' || uniform(:worst + n - n) END,
	'b', 'y', 'n', uniform(:worst + n - n), 's', 'building-' || uniform(:worst + n - n))
FROM generate_series(1, 100) AS n;

\pset footer off
\echo 'winner, all, count: from the tags; match: without looking the facts up; bytes: a deployment; patch: of one'
WITH sizes AS (
	SELECT workload, size FROM unnest('{attributes,fleet}'::text[]) AS workload, unnest(:'sizes'::integer[]) AS size
), devices AS (
	SELECT workload, array_agg(id) AS ids, array_agg(tags) AS tags FROM device GROUP BY workload
)
SELECT workload, size AS deployments, matches::numeric(10, 1), look_up::numeric(10, 2), winner::numeric(10, 2),
	(winner - look_up)::numeric(10, 2) AS match_winner, "all"::numeric(10, 2), ("all" - look_up)::numeric(10, 2) AS match_all,
	count::numeric(10, 2), patch::numeric(10, 2), patched_all::numeric(10, 2), bytes::numeric(10, 1), build_ms::numeric(10, 1)
FROM sizes JOIN devices USING (workload),
	LATERAL (SELECT array_agg(condition) AS conditions FROM condition
			 WHERE condition.workload = sizes.workload AND n <= size) AS c,
	matcher_bench(conditions, ids, tags, 15)
ORDER BY 1, 2;

SELECT condition.workload, cardinality(conditions) AS deployments, matches::numeric(10, 1), look_up::numeric(10, 2),
	winner::numeric(10, 2), "all"::numeric(10, 2), ("all" / greatest(matches, 1))::numeric(10, 4) AS all_a_match,
	patch::numeric(10, 2), bytes::numeric(10, 1), build_ms::numeric(10, 1)
FROM (SELECT workload, array_agg(condition) AS conditions FROM condition
	  WHERE workload NOT IN ('attributes', 'fleet') GROUP BY workload) AS condition,
	(SELECT array_agg(id) AS ids, array_agg(tags) AS tags FROM device WHERE workload = 'worst') AS device,
	matcher_bench(conditions, ids, tags, 2)
ORDER BY 1;
