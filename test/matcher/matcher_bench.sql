-- How long a matcher takes: µs a device of the processor's time, the least of
-- some rounds.
-- Variables: those of workloads.sql, whose sizes are measured; worst (of the worst
-- cases); see the Makefile.
\set ON_ERROR_STOP on
\ir workloads.sql

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
