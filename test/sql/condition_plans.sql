-- The plans that matches() gets, on 50,000 twins: their shape, never their cost.

SET default_statistics_target = 200;	-- so that ANALYZE reads every row
SET max_parallel_workers_per_gather = 0;

CREATE TABLE plan_twin (
	device_id text COLLATE "C" PRIMARY KEY,
	tags jsonb NOT NULL
);
INSERT INTO plan_twin
	SELECT 'd' || i, jsonb_build_object(
		'environment', (ARRAY['prod', 'test', 'dev'])[i % 3 + 1],
		'site', 's' || i % 500,
		'n', i % 1000,
		'flag', i % 2 = 0,
		'location', jsonb_build_object('city', 'c' || i % 300))
	FROM generate_series(1, 50000) i;
CREATE INDEX ON plan_twin USING gin (tags jsonb_path_ops);
ANALYZE plan_twin;

-- =, by an untyped literal, by text and by type: all the same
EXPLAIN (COSTS OFF) SELECT * FROM plan_twin
WHERE twinset.matches(device_id, tags, 'tags.site = ''s1''');
EXPLAIN (COSTS OFF) SELECT * FROM plan_twin
WHERE twinset.matches(device_id, tags, 'tags.site = ''s1'''::text);
EXPLAIN (COSTS OFF) SELECT * FROM plan_twin
WHERE twinset.matches(device_id, tags, 'tags.site = ''s1'''::varchar(80));
EXPLAIN (COSTS OFF) SELECT * FROM plan_twin
WHERE twinset.matches(device_id, tags, 'tags.site = ''s1'''::twinset.target_condition);

-- a nested path, a number, null
EXPLAIN (COSTS OFF) SELECT * FROM plan_twin
WHERE twinset.matches(device_id, tags, 'tags.location.city = ''c1'' AND tags.n = 1e1 AND tags.[[o p]] = NULL');

-- deviceId =
EXPLAIN (COSTS OFF) SELECT * FROM plan_twin
WHERE twinset.matches(device_id, tags, 'deviceId = ''d77''');

-- AND
EXPLAIN (COSTS OFF) SELECT * FROM plan_twin
WHERE twinset.matches(device_id, tags, 'tags.site = ''s1'' AND tags.n = 1');

-- OR, of both indexes
EXPLAIN (COSTS OFF) SELECT * FROM plan_twin
WHERE twinset.matches(device_id, tags, 'tags.site = ''s1'' OR tags.n = 2 OR deviceId = ''d77''');

-- IN
EXPLAIN (COSTS OFF) SELECT * FROM plan_twin
WHERE twinset.matches(device_id, tags, 'tags.site IN [''s1'', ''s2'']');
EXPLAIN (COSTS OFF) SELECT * FROM plan_twin
WHERE twinset.matches(device_id, tags, 'deviceId IN [''d1'', ''d2'', 3]');

-- AND NOT: looked up by the rest, and rechecked
EXPLAIN (COSTS OFF) SELECT * FROM plan_twin
WHERE twinset.matches(device_id, tags, 'tags.site = ''s1'' AND NOT tags.environment = ''prod''');
EXPLAIN (COSTS OFF) SELECT * FROM plan_twin
WHERE twinset.matches(device_id, tags,
	'tags.site = ''s1'' AND tags.n > 3 NOT deviceId = ''d1'' AND (tags.n = 5 OR SAMPLE(10))');

-- NOT where it still says a value: what is not true is false, what is not unequal is equal
EXPLAIN (COSTS OFF) SELECT * FROM plan_twin
WHERE twinset.matches(device_id, tags, 'NOT (tags.flag = TRUE OR tags.site != ''s1'' OR tags.n > 500)');

-- a prefix of the key
EXPLAIN (COSTS OFF) SELECT * FROM plan_twin
WHERE twinset.matches(device_id, tags, 'STARTSWITH(deviceId, ''d123'')');

-- an OR with a part that no index knows is no lookup; nor is SAMPLE, IS_DEFINED, a range
EXPLAIN (COSTS OFF) SELECT * FROM plan_twin
WHERE twinset.matches(device_id, tags, 'tags.site = ''s1'' OR tags.n > 3');
EXPLAIN (COSTS OFF) SELECT * FROM plan_twin
WHERE twinset.matches(device_id, tags, 'SAMPLE(10)');

-- everything, nothing, NULL
EXPLAIN (COSTS OFF) SELECT * FROM plan_twin WHERE twinset.matches(device_id, tags, '*');
EXPLAIN (COSTS OFF) SELECT * FROM plan_twin WHERE twinset.matches(device_id, tags, '');
EXPLAIN (COSTS OFF) SELECT * FROM plan_twin WHERE twinset.matches(device_id, tags, NULL);

-- NOT matches()
EXPLAIN (COSTS OFF) SELECT * FROM plan_twin
WHERE NOT twinset.matches(device_id, tags, 'tags.site = ''s1'' OR deviceId = ''d1''');

-- a bad text is an error when it is executed, not before
EXPLAIN (COSTS OFF) SELECT * FROM plan_twin WHERE twinset.matches(device_id, tags, 'tags.a = "');
SELECT * FROM plan_twin WHERE twinset.matches(device_id, tags, 'tags.a = "');

-- a join: an index scan for each deployment
CREATE TABLE plan_deployment (
	deployment_id text COLLATE "C" PRIMARY KEY,
	target_condition twinset.target_condition,
	as_text text
);
INSERT INTO plan_deployment
	SELECT 'x' || i, condition, condition
	FROM (SELECT i, format('tags.site = ''s%s'' AND tags.environment = ''prod''', i) AS condition
		FROM generate_series(1, 50) i) c;
ANALYZE plan_deployment;

EXPLAIN (COSTS OFF) SELECT * FROM plan_deployment d
JOIN plan_twin t ON twinset.matches(t.device_id, t.tags, d.target_condition);
EXPLAIN (COSTS OFF) SELECT * FROM plan_deployment d
LEFT JOIN plan_twin t ON twinset.matches(t.device_id, t.tags, d.target_condition);
EXPLAIN (COSTS OFF) SELECT * FROM plan_deployment d
JOIN plan_twin t ON twinset.matches(t.device_id, t.tags, d.as_text);
EXPLAIN (COSTS OFF) SELECT (SELECT count(*) FROM plan_twin t
	WHERE twinset.matches(t.device_id, t.tags, d.target_condition)) FROM plan_deployment d;

SELECT count(*), sum(hashtext(t.device_id)) FROM plan_deployment d
JOIN plan_twin t ON twinset.matches(t.device_id, t.tags, d.target_condition);
SELECT count(*), sum(hashtext(t.device_id)) FROM plan_deployment d
JOIN plan_twin t ON t.tags @> jsonb_build_object('environment', 'prod', 'site', 's' || substr(deployment_id, 2));

-- a parameter whose value the plan does not know
SET plan_cache_mode = force_generic_plan;
PREPARE devices(text) AS SELECT count(*) FROM plan_twin WHERE twinset.matches(device_id, tags, $1);
EXPLAIN (COSTS OFF) EXECUTE devices('');
EXECUTE devices('tags.site = ''s1''');
EXECUTE devices(NULL);
EXECUTE devices('SAMPLE(100)');
DEALLOCATE devices;
RESET plan_cache_mode;

-- where a column can be null the call stays, beside a lossy predicate
EXPLAIN (COSTS OFF) SELECT d.deployment_id, twinset.matches(t.device_id, t.tags, 'tags.n = 2')
FROM plan_deployment d LEFT JOIN plan_twin t ON t.device_id = d.deployment_id
WHERE NOT twinset.matches(t.device_id, t.tags, 'tags.n = 2');
EXPLAIN (COSTS OFF) SELECT * FROM plan_deployment d
LEFT JOIN plan_twin t ON twinset.matches(t.device_id, t.tags, 'tags.site = ''s2'' AND tags.n = 2');
EXPLAIN (VERBOSE, COSTS OFF) SELECT device_id, twinset.matches(device_id, tags, 'tags.n = 2')
FROM plan_twin GROUP BY GROUPING SETS ((device_id, tags), ());

ALTER TABLE plan_twin ALTER tags DROP NOT NULL;
EXPLAIN (COSTS OFF) SELECT * FROM plan_twin
WHERE twinset.matches(device_id, tags, 'tags.site = ''s1'' AND tags.n > 5');

-- children need not inherit NOT NULL
ALTER TABLE plan_twin ALTER tags SET NOT NULL;
CREATE TABLE plan_child () INHERITS (plan_twin);
ALTER TABLE plan_child ALTER tags DROP NOT NULL;
INSERT INTO plan_child VALUES ('child', NULL);
SELECT device_id, tags FROM plan_twin
WHERE NOT twinset.matches(device_id, tags, 'tags.site = ''s1''') AND device_id = 'child';
DROP TABLE plan_child;

-- equality of a nondeterministic collation is not that of a condition
CREATE COLLATION plan_any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE plan_any_case (device_id text COLLATE plan_any_case PRIMARY KEY, tags jsonb NOT NULL);
INSERT INTO plan_any_case VALUES ('D1', '{"a": 1}'), ('d1', '{"a": 1}') ON CONFLICT DO NOTHING;
SELECT count(*) FILTER (WHERE device_id = 'd1') AS equal,
	count(*) FILTER (WHERE twinset.matches(device_id, tags, 'deviceId = ''d1''')) AS matching
FROM plan_any_case;
EXPLAIN (COSTS OFF) SELECT * FROM plan_any_case
WHERE twinset.matches(device_id, tags, 'deviceId IN [''d1'', ''d2''] AND tags.a = 1');
DROP TABLE plan_any_case;
DROP COLLATION plan_any_case;

-- rows are estimated from the statistics: within a factor of two of what is there
CREATE FUNCTION estimated_rows(query text) RETURNS float
LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
	RETURN plan->0->'Plan'->>'Plan Rows';
END
$$;
SELECT condition,
	estimated_rows(format('SELECT * FROM plan_twin WHERE twinset.matches(device_id, tags, %L)', condition))
		BETWEEN rows / 2 AND rows * 2 AS fits
FROM (VALUES ('SAMPLE(10)', 5000), ('tags.n >= 500', 25000), ('NOT IS_DEFINED(tags.n)', 5),
	('IS_DEFINED(tags.n)', 50000), ('tags.environment != ''prod''', 33333),
	('tags.n > 800 OR tags.flag = TRUE', 30000)) v(condition, rows);

DROP FUNCTION estimated_rows(text);
DROP TABLE plan_twin, plan_deployment;
