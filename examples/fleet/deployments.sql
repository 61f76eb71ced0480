-- Makes deployments for the fleet that is in twinset.twin, and prints how many
-- of each kind.  Run by psql from the top of the tree.  Variable:
--
--   deployments  how many (default 1,000)
--
-- The mix: 60 % two-term AND, 20 % three-term AND, 10 % OR, 5 % AND NOT, 3 % one
-- device, 1 % pure NOT, 1 % everything, of each hundred exactly; the label kind says
-- which.  The values are those of a device chosen by the deployment's number, so
-- common values are common in conditions, and almost all conditions target
-- something.
-- Priorities go from 1 to 1000; what targets almost everything (pure NOT,
-- everything) is kept below 51, as operators do: above, it would take all
-- devices from everything below it.
--
-- Nothing is random: all follows from the deployment's number and SHA-256 over it.

\if :{?deployments}
\else
	\set deployments 1000
\endif

\set manifest `cat examples/manifests/sensor-1.json`

-- number i of the eight in a hash, from 0 to below 1
CREATE OR REPLACE FUNCTION pg_temp.pick(hash bytea, i integer) RETURNS double precision
LANGUAGE sql IMMUTABLE
RETURN ((get_byte(hash, 4 * i)::bigint << 24) + (get_byte(hash, 4 * i + 1) << 16)
	+ (get_byte(hash, 4 * i + 2) << 8) + get_byte(hash, 4 * i + 3)) / 4294967296::double precision;

-- the comparison of a key with the value that a device has
CREATE OR REPLACE FUNCTION pg_temp.term(tags jsonb, key text) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN format('tags.%s = %s', key, CASE jsonb_typeof(tags->key)
	WHEN 'string' THEN '''' || replace(tags->>key, '''', '''''') || ''''
	ELSE tags->>key END);

CREATE TEMP TABLE numbered AS
SELECT row_number() OVER (ORDER BY device_id) AS n, device_id, tags FROM twinset.twin;
CREATE UNIQUE INDEX ON numbered (n);
ANALYZE numbered;

CREATE TEMP TABLE made AS
WITH drawn AS (
	SELECT i, hash, i * 37 % 100 AS kind_draw, pg_temp.pick(hash, 1) AS form_draw,
		   1 + floor(pg_temp.pick(hash, 2) * devices)::bigint AS one_n,
		   1 + floor(pg_temp.pick(hash, 3) * devices)::bigint AS other_n
	FROM generate_series(1, :deployments) AS i,
		 sha256(convert_to('deployment ' || i, 'UTF8')) AS hash,
		 (SELECT count(*) AS devices FROM numbered) AS fleet
), chosen AS (
	SELECT i, hash, kind, one.device_id, one.tags, other.tags AS other_tags,
		   keys[1 + floor(form_draw * array_length(keys, 1))::integer:
				1 + floor(form_draw * array_length(keys, 1))::integer] AS keys
	FROM drawn
	JOIN (VALUES
		(0, 60, 'two-term', ARRAY[
			['country', 'environment', NULL], ['operator', 'environment', NULL],
			['site', 'environment', NULL], ['country', 'model', NULL],
			['operator', 'firmware', NULL], ['city_code', 'country', NULL],
			['model', 'firmware', NULL], ['site', 'cellular', NULL],
			['country', 'memory_mb', NULL], ['operator', 'site', NULL]]),
		(60, 80, 'three-term', ARRAY[
			['country', 'environment', 'model'], ['operator', 'environment', 'firmware'],
			['country', 'operator', 'environment'], ['site', 'environment', 'model'],
			['country', 'firmware', 'cellular'], ['operator', 'model', 'memory_mb']]),
		(80, 90, 'or', ARRAY[
			['site', 'site', NULL], ['operator', 'operator', NULL],
			['city_code', 'city_code', NULL], ['site', 'operator', NULL]]),
		(90, 95, 'and-not', ARRAY[
			['operator', 'environment', NULL], ['site', 'model', NULL],
			['country', 'operator', NULL], ['operator', 'firmware', NULL]]),
		(95, 98, 'one-device', ARRAY[[NULL::text, NULL, NULL]]),
		(98, 99, 'not', ARRAY[
			['country', NULL, NULL], ['operator', NULL, NULL], ['environment', NULL, NULL]]),
		(99, 100, 'everything', ARRAY[[NULL::text, NULL, NULL]])) AS mix (above, below, kind, keys)
		ON kind_draw >= above AND kind_draw < below
	JOIN numbered AS one ON one.n = one_n
	JOIN numbered AS other ON other.n = other_n
)
SELECT i, kind, CASE kind
	WHEN 'two-term' THEN pg_temp.term(tags, keys[1][1]) || ' AND ' || pg_temp.term(tags, keys[1][2])
	WHEN 'three-term' THEN pg_temp.term(tags, keys[1][1]) || ' AND ' || pg_temp.term(tags, keys[1][2])
		|| ' AND ' || pg_temp.term(tags, keys[1][3])
	WHEN 'or' THEN pg_temp.term(tags, keys[1][1]) || ' OR ' || pg_temp.term(other_tags, keys[1][2])
	WHEN 'and-not' THEN pg_temp.term(tags, keys[1][1]) || ' AND NOT ' || pg_temp.term(other_tags, keys[1][2])
	WHEN 'one-device' THEN 'deviceId = ''' || replace(device_id, '''', '''''') || ''''
	WHEN 'not' THEN 'NOT ' || pg_temp.term(tags, keys[1][1])
	ELSE '*' END AS target_condition,
	1 + floor(pg_temp.pick(hash, 0) * CASE WHEN kind IN ('not', 'everything') THEN 50 ELSE 1000 END)::integer AS priority
FROM chosen;

INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority, labels)
SELECT 'fleet-' || i, replace(:'manifest', '1.4.2', '1.4.' || i % 100), target_condition,
	   priority, jsonb_build_object('kind', kind)
FROM made;

ANALYZE twinset.deployment;

SELECT kind, count(*) AS deployments, min(target_condition) AS for_example
FROM made GROUP BY kind ORDER BY count(*) DESC, kind;

DROP TABLE made, numbered;
