-- What a matcher is measured with: matcher_bench() and two workloads, each
-- some conditions and devices.
-- Variables: module; sizes, an array: its third is how many conditions a
-- workload has.
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
