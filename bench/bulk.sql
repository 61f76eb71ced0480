-- See bench/bulk.
\pset footer off
SET client_min_messages = warning;
CREATE EXTENSION twinset;
\ir ../examples/fleet/fleet.sql
CREATE TABLE source AS SELECT device_id, tags FROM fleet;
COPY source TO :'file';

CREATE TABLE figure (no integer GENERATED ALWAYS AS IDENTITY, what text, baseline interval, this interval);
-- each of the two in turn, twice: the better one counts
CREATE FUNCTION timed(command text) RETURNS interval LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz := clock_timestamp();
BEGIN
	EXECUTE command;
	RETURN clock_timestamp() - began;
END $$;
CREATE FUNCTION compare(what text, baseline text, this text, rounds integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	a interval[] := '{}';
	b interval[] := '{}';
BEGIN
	FOR i IN 1 .. rounds LOOP
		a := a || timed(baseline);
		b := b || timed(this);
	END LOOP;
	INSERT INTO figure (what, baseline, this)
	SELECT compare.what, (SELECT min(x) FROM unnest(a) AS x), (SELECT min(x) FROM unnest(b) AS x);
END $$;

-- the same twin table with its key and its GIN index, and nothing else
CREATE TABLE bare (device_id text COLLATE "C" PRIMARY KEY, tags jsonb NOT NULL DEFAULT '{}',
	iot_edge boolean NOT NULL DEFAULT true, retired_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX ON bare USING gin (tags jsonb_path_ops);

\echo deployments, made for a part of the fleet
INSERT INTO twinset.twin (device_id, tags) SELECT device_id, tags FROM source ORDER BY device_id LIMIT 20000;
\ir ../examples/fleet/deployments.sql
TRUNCATE twinset.twin;
VACUUM ANALYZE twinset.change, twinset.assignment, twinset.tally;

\echo COPY
SELECT format('COPY bare (device_id, tags) FROM %L', :'file') AS bare_copy,
	format('COPY twinset.twin (device_id, tags) FROM %L', :'file') AS twin_copy \gset
CHECKPOINT;
SELECT clock_timestamp() AS t \gset
:bare_copy;
SELECT clock_timestamp() - :'t'::timestamptz AS bare_time \gset
CHECKPOINT;
SELECT clock_timestamp() AS t \gset
:twin_copy;
SELECT clock_timestamp() - :'t'::timestamptz AS twin_time \gset
INSERT INTO figure (what, baseline, this) VALUES
	(format('COPY of %s twins, %s deployments, settled', :'devices', :'deployments'), :'bare_time', :'twin_time');
SELECT count(*) AS left_in_the_log FROM twinset.change;
SELECT count(*) AS devices, count(deployment_id) AS with_a_deployment FROM twinset.device_status;
VACUUM ANALYZE bare, twinset.twin, twinset.assignment;

\echo a deployment that wins most devices
CREATE TABLE narrow AS SELECT * FROM twinset.assignment;
ALTER TABLE narrow ADD PRIMARY KEY (device_id);
VACUUM ANALYZE narrow;
CHECKPOINT;
SELECT clock_timestamp() AS t \gset
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
	SELECT 'prod', content, 'tags.environment = ''prod''', 2000 FROM twinset.deployment LIMIT 1;
SELECT clock_timestamp() - :'t'::timestamptz AS twin_time \gset
SELECT actual FROM twinset.deployment_status WHERE deployment_id = 'prod' \gset
CHECKPOINT;
SELECT clock_timestamp() AS t \gset
UPDATE narrow SET deployment_id = 'prod', assigned_at = now() FROM bare
	WHERE bare.device_id = narrow.device_id AND bare.tags @> '{"environment": "prod"}';
SELECT clock_timestamp() - :'t'::timestamptz AS bare_time \gset
INSERT INTO figure (what, baseline, this) VALUES
	(format('a deployment that wins %s devices, against the UPDATE of as many rows', :'actual'), :'bare_time', :'twin_time');

\echo verify() and reconcile()
SELECT clock_timestamp() AS t \gset
SELECT count(*) AS rows_of_verify FROM twinset.verify();
SELECT clock_timestamp() - :'t'::timestamptz AS verify_time \gset
SELECT clock_timestamp() AS t \gset
SELECT * FROM twinset.reconcile();
SELECT clock_timestamp() - :'t'::timestamptz AS reconcile_time \gset
INSERT INTO figure (what, this) VALUES ('verify()', :'verify_time'), ('reconcile()', :'reconcile_time');

\echo matches(), against the hand-written query on the same table
SELECT tags->>'site' AS site, tags->>'operator' AS operator, device_id FROM source ORDER BY device_id OFFSET 12345 LIMIT 1 \gset
SELECT compare('=', format($$SELECT count(*) FROM twinset.twin WHERE tags @> '{"operator": "%s"}'$$, :'operator'),
	format($$SELECT count(*) FROM twinset.twin WHERE twinset.matches(device_id, tags, 'tags.operator = ''%s''')$$, :'operator'), 5);
SELECT compare('AND', format($$SELECT count(*) FROM twinset.twin WHERE tags @> '{"operator": "%s"}' AND tags @> '{"environment": "prod"}'$$, :'operator'),
	format($$SELECT count(*) FROM twinset.twin WHERE twinset.matches(device_id, tags, 'tags.operator = ''%s'' AND tags.environment = ''prod''')$$, :'operator'), 5);
SELECT compare('OR', format($$SELECT count(*) FROM twinset.twin WHERE tags @> '{"operator": "%s"}' OR tags @> '{"operator": "op-77"}'$$, :'operator'),
	format($$SELECT count(*) FROM twinset.twin WHERE twinset.matches(device_id, tags, 'tags.operator = ''%s'' OR tags.operator = ''op-77''')$$, :'operator'), 5);
SELECT compare('IN', $$SELECT count(*) FROM twinset.twin WHERE tags @> '{"operator": "op-70"}' OR tags @> '{"operator": "op-71"}' OR tags @> '{"operator": "op-72"}'$$,
	$$SELECT count(*) FROM twinset.twin WHERE twinset.matches(device_id, tags, 'tags.operator IN [''op-70'', ''op-71'', ''op-72'']')$$, 5);
SELECT compare('AND NOT', format($$SELECT count(*) FROM twinset.twin WHERE tags @> '{"operator": "%s"}' AND tags ? 'environment' AND NOT tags @> '{"environment": "prod"}'$$, :'operator'),
	format($$SELECT count(*) FROM twinset.twin WHERE twinset.matches(device_id, tags, 'tags.operator = ''%s'' AND NOT tags.environment = ''prod''')$$, :'operator'), 5);
SELECT compare('deviceId =', format($$SELECT count(*) FROM twinset.twin WHERE device_id = %L$$, :'device_id'),
	format($$SELECT count(*) FROM twinset.twin WHERE twinset.matches(device_id, tags, 'deviceId = ''%s''')$$, :'device_id'), 5);

SELECT split_part(version(), ' on ', 1) AS server, :devices AS devices, :deployments AS deployments;
SELECT what, round(extract(epoch FROM baseline) * 1000, 2) AS baseline_ms, round(extract(epoch FROM this) * 1000, 2) AS this_ms,
	round(extract(epoch FROM this) / extract(epoch FROM baseline), 2) AS ratio FROM figure ORDER BY no;
\echo the plans
SELECT format($$EXPLAIN (COSTS OFF) SELECT * FROM twinset.twin WHERE twinset.matches(device_id, tags, %L)$$, condition)
FROM (VALUES (1, format('tags.operator = ''%s''', :'operator')),
	(2, format('tags.operator = ''%s'' AND tags.environment = ''prod''', :'operator')),
	(3, format('tags.operator = ''%s'' OR tags.operator = ''op-77''', :'operator')),
	(4, 'tags.operator IN [''op-70'', ''op-71'', ''op-72'']'),
	(5, format('tags.operator = ''%s'' AND NOT tags.environment = ''prod''', :'operator')),
	(6, format('deviceId = ''%s''', :'device_id'))) AS c (no, condition) ORDER BY no
\gexec
EXPLAIN (COSTS OFF) SELECT d.deployment_id, count(*) FROM twinset.deployment AS d JOIN twinset.twin AS t
	ON twinset.matches(t.device_id, t.tags, d.target_condition) WHERE d.labels @> '{"kind": "two-term"}' GROUP BY 1;
