-- A database with the fleet three times and no deployment: twinset's own tables,
-- bare (the same twin table and nothing more) and, by rival.sql, the rival.
-- Variables: devices, only (see examples/fleet/fleet.sql).

SET client_min_messages = warning;
CREATE EXTENSION twinset;
\ir ../examples/fleet/fleet.sql

CREATE SCHEMA bench;
CREATE SCHEMA bare;

-- The ids are counted, so that a load of pgbench's can draw one: gw-1000001 and on.
CREATE TABLE bench.source AS
SELECT 'gw-' || 1000000 + row_number() OVER (ORDER BY device_id) AS device_id, tags FROM fleet;

-- what keeps no winner: the table, its key, its GIN index
CREATE TABLE bare.twin (
	device_id text COLLATE "C" PRIMARY KEY,
	tags jsonb NOT NULL DEFAULT '{}',
	iot_edge boolean NOT NULL DEFAULT true,
	retired_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX twin_tags_idx ON bare.twin USING gin (tags jsonb_path_ops);

CREATE TABLE bare.report (
	device_id text COLLATE "C" PRIMARY KEY,
	revision bigint NOT NULL,
	code integer NOT NULL,
	description text,
	modules jsonb,
	reported_at timestamptz NOT NULL
);

INSERT INTO twinset.twin (device_id, tags) SELECT device_id, tags FROM bench.source;
INSERT INTO bare.twin (device_id, tags) SELECT device_id, tags FROM bench.source;
\ir rival.sql

-- the twins of a deployment change's devices, as narrow as a row can be: what any
-- way of keeping winners must write
CREATE TABLE bare.narrow (device_id text COLLATE "C" PRIMARY KEY, deployment_id text NOT NULL, assigned_at timestamptz NOT NULL);
INSERT INTO bare.narrow SELECT device_id, 'none', now() FROM bench.source;

-- One device's tags changed: prod becomes stage and back.
CREATE FUNCTION bench.toggled(tags jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN tags || CASE WHEN tags->>'environment' = 'prod' THEN '{"environment": "stage"}'::jsonb
	ELSE '{"environment": "prod"}' END;

-- inside_*(ids): microseconds of an UPDATE of each, prepared, in one transaction.
DO $do$
DECLARE
	peer text;
BEGIN
	FOREACH peer IN ARRAY '{bare, rival, twinset}'::text[] LOOP
		EXECUTE format($create$
			CREATE FUNCTION bench.inside_%1$s(ids text[]) RETURNS double precision LANGUAGE plpgsql AS $$
			DECLARE
				began timestamptz := clock_timestamp();
				id text;
			BEGIN
				FOREACH id IN ARRAY ids LOOP
					UPDATE %1$s.twin SET tags = bench.toggled(tags) WHERE device_id = id;
				END LOOP;
				RETURN extract(epoch FROM clock_timestamp() - began) * 1e6;
			END $$ $create$, peer);
	END LOOP;
END $do$;

-- Microseconds to plan and to execute a query, all its rows made and thrown away.
CREATE FUNCTION bench.query(query text, planning boolean DEFAULT true) RETURNS double precision LANGUAGE plpgsql AS $$
DECLARE
	answer json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, TIMING OFF, SUMMARY, FORMAT json) ' || query INTO answer;
	RETURN 1000 * ((answer->0->>'Execution Time')::double precision
		+ CASE WHEN planning THEN (answer->0->>'Planning Time')::double precision ELSE 0 END);
END $$;

-- The same for each of these devices, $1 of the query.
CREATE FUNCTION bench.each(query text, ids text[]) RETURNS double precision LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz := clock_timestamp();
	id text;
BEGIN
	FOREACH id IN ARRAY ids LOOP
		EXECUTE query USING id;
	END LOOP;
	RETURN extract(epoch FROM clock_timestamp() - began) * 1e6;
END $$;

VACUUM ANALYZE;
