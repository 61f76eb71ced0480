-- The example fleet, as a temporary view fleet (device_id, tags) over the real
-- places of places.tsv.gz: a gateway in each, more in larger ones.  Run by psql
-- from the top of the tree.  Variables:
--
--   devices  how many (default and at least: one a place, 138,398)
--   only     a condition on place (country, state, name, population) to have
--            the devices of some places only
--
-- Nothing is random: everything follows from SHA-256 over the place's id (its
-- line in the file) or the device's.  So a device has the same tags in every
-- fleet that it is in, whatever the number of devices.
--
-- tags: country, state, city, city_code (what a condition can name), size,
-- population, environment, operator (1,000, Zipf), site (10,000), model (20),
-- firmware (200, Zipf), memory_mb, cellular.  A place without a state or with
-- an unknown population lacks the tags that follow from it.

\if :{?only}
\else
	\set only true
\endif

CREATE TEMP TABLE place (
	id			integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	country		text NOT NULL,
	state		text NOT NULL,
	name		text NOT NULL,
	population	integer NOT NULL
);
\copy place (country, state, name, population) FROM PROGRAM 'gzip -dc examples/fleet/places.tsv.gz'
DELETE FROM place WHERE NOT (:only);
ANALYZE place;

\if :{?devices}
\else
	SELECT count(*) AS devices FROM place \gset
\endif

-- number i of the sixteen in a hash, from 0 to below 1
CREATE FUNCTION pg_temp.draw(hash bytea, i integer) RETURNS double precision
LANGUAGE sql IMMUTABLE
RETURN (get_byte(hash, 2 * i) * 256 + get_byte(hash, 2 * i + 1)) / 65536::double precision;

-- one of 1 to n; the k-th comes up about as often as 1/k says (Zipf)
CREATE FUNCTION pg_temp.zipf(draw double precision, n integer) RETURNS integer
LANGUAGE sql IMMUTABLE
RETURN floor(power(n + 1, draw))::integer;

CREATE TEMP VIEW fleet AS
WITH populated AS (
	SELECT *, sum(population) OVER (ORDER BY id) AS up_to,
		   sum(population) OVER () AS all_people,
		   greatest(:devices - count(*) OVER (), 0) AS more
	FROM place
), counted AS (
	-- a place's share of the devices beyond one a place; the shares add up
	SELECT *, 1 + (more * up_to / all_people - more * (up_to - population) / all_people) AS devices
	FROM populated
), device AS (
	SELECT counted.*, sha256(convert_to('place ' || id, 'UTF8')) AS place_hash,
		   'gw-' || lower(country) || '-' || id || CASE WHEN i > 1 THEN '-' || i ELSE '' END AS device_id
	FROM counted, generate_series(1, devices) AS i
), hashed AS (
	SELECT *, sha256(convert_to(device_id, 'UTF8')) AS hash FROM device
	OFFSET 0	-- so that a hash is computed once, not wherever it is used
), drawn AS (
	SELECT *, pg_temp.draw(hash, 0) AS draw_environment,
		   200 - pg_temp.zipf(pg_temp.draw(hash, 2), 200) AS draw_firmware
	FROM hashed
	OFFSET 0
)
SELECT device_id, jsonb_strip_nulls(jsonb_build_object(
	'country', country,
	'state', nullif(state, ''),
	'city', name,
	'city_code', trim(BOTH '-' FROM regexp_replace(lower(name COLLATE "C"),
		'[\u0001-\u002f\u003a-\u0060\u007b-\u007f]+', '-', 'g')),
	'size', CASE WHEN population = 0 THEN NULL
				 WHEN population < 5000 THEN 'village'
				 WHEN population < 50000 THEN 'town'
				 WHEN population < 500000 THEN 'city'
				 ELSE 'metropolis' END,
	'population', nullif(population, 0),
	'environment', CASE WHEN draw_environment < 0.61 THEN 'prod'
						WHEN draw_environment < 0.78 THEN 'dev'
						WHEN draw_environment < 0.90 THEN 'test'
						WHEN draw_environment < 0.999 THEN 'stage'
						ELSE 'canary' END,
	'operator', 'op-' || pg_temp.zipf(pg_temp.draw(place_hash, 0), 1000),
	'site', 'site-' || floor(pg_temp.draw(place_hash, 1) * 10000),
	'model', 'EG-' || 100 * floor(1 + pg_temp.draw(hash, 1) * 20),
	-- the commonest is the newest: 4.9.4, 4.9.3 and so on down to 1.0.0
	'firmware', 1 + draw_firmware / 50 || '.' || draw_firmware / 5 % 10 || '.' || draw_firmware % 5,
	'memory_mb', 1024 << floor(pg_temp.draw(hash, 3) * 4)::integer,
	'cellular', pg_temp.draw(hash, 4) < 0.3)) AS tags
FROM drawn;
