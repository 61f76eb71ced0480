-- preview() and preview_tags() against doing it: 2,000 random cases, each done in a
-- subtransaction, counted, and undone.
SET client_min_messages = warning;
TRUNCATE twinset.twin, twinset.deployment;
\set base `cat examples/manifests/base.json`
SELECT setseed(0.14);

CREATE FUNCTION pg_temp.below(n integer) RETURNS integer LANGUAGE sql VOLATILE RETURN floor(random() * n)::integer;

CREATE FUNCTION pg_temp.some_tags() RETURNS jsonb LANGUAGE sql VOLATILE AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object('a', nullif(pg_temp.below(5), 0),
		'b', (ARRAY['x', 'y', 'z', NULL])[1 + pg_temp.below(4)], 'c', pg_temp.below(2) = 0,
		'd', CASE WHEN pg_temp.below(2) = 0 THEN jsonb_build_object('e', pg_temp.below(3)) END))
$$;

CREATE FUNCTION pg_temp.some_term() RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT CASE pg_temp.below(9)
		WHEN 0 THEN 'tags.a = ' || pg_temp.below(5) WHEN 1 THEN 'tags.b = ''' || chr(120 + pg_temp.below(3)) || ''''
		WHEN 2 THEN 'tags.c = true' WHEN 3 THEN 'NOT tags.a = ' || pg_temp.below(5) WHEN 4 THEN 'tags.a > ' || pg_temp.below(5)
		WHEN 5 THEN 'IS_DEFINED(tags.d)' WHEN 6 THEN 'tags.d.e != ' || pg_temp.below(3)
		WHEN 7 THEN 'SAMPLE(' || pg_temp.below(101) || ')' ELSE 'tags.b IN [''x'', ''y'']' END
$$;

CREATE FUNCTION pg_temp.some_condition() RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT CASE pg_temp.below(12) WHEN 0 THEN '*' WHEN 1 THEN NULL WHEN 2 THEN '' WHEN 3 THEN 'deviceId = ''d' || pg_temp.below(70) || ''''
		WHEN 4 THEN pg_temp.some_term() || ' AND ' || pg_temp.some_term() WHEN 5 THEN pg_temp.some_term() || ' OR ' || pg_temp.some_term()
		ELSE pg_temp.some_term() END
$$;

INSERT INTO twinset.twin (device_id, tags, iot_edge, retired_at)
SELECT 'd' || n, pg_temp.some_tags(), n % 11 <> 0, CASE WHEN n % 13 = 0 THEN now() END FROM generate_series(1, 60) AS n;
-- priorities and times that are equal, so that every rule of the rank decides somewhere
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority, created_at)
SELECT 'p' || n, :'base', (pg_temp.some_term() || ' AND ' || pg_temp.some_term())::twinset.target_condition, 1 + pg_temp.below(6),
	CASE WHEN n = 5 THEN 'infinity' ELSE timestamptz '2026-01-01' + pg_temp.below(3) * interval '1 day' END FROM generate_series(1, 20) AS n;

CREATE TEMP TABLE differs (n integer, given text, previewed text, counted text);
CREATE TEMP TABLE seen (n integer, what text);

CREATE FUNCTION pg_temp.try_preview(number integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	condition text := pg_temp.some_condition();
	new_priority integer := 1 + pg_temp.below(7);
	existing text := (SELECT deployment_id FROM twinset.deployment WHERE pg_temp.below(4) > 0 ORDER BY random() LIMIT 1);
	id text := coalesce(existing, 'zz-new');
	was jsonb;	-- who has what
	previewed record;
	counted record;
BEGIN
	SELECT p.* INTO previewed FROM twinset.preview(condition, new_priority, existing) AS p;
	SELECT jsonb_object_agg(s.device_id, s.deployment_id) INTO was FROM twinset.device_status AS s;
	BEGIN
		IF existing IS NULL THEN
			INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority, created_at)
			SELECT id, d.content, condition::twinset.target_condition, new_priority, 'infinity' FROM twinset.deployment AS d LIMIT 1;
		ELSE
			UPDATE twinset.deployment AS d SET target_condition = condition::twinset.target_condition, priority = new_priority
				WHERE d.deployment_id = id;
		END IF;
		WITH moved AS (
			SELECT was->>s.device_id AS was, s.deployment_id AS now, twinset.matches(s.device_id, s.tags, condition) AS targeted
			FROM twinset.device_status AS s
		)
		SELECT v.target, v.actual,
			(SELECT coalesce(jsonb_object_agg(s.was, n), '{}') FROM (SELECT m.was, count(*) AS n FROM moved AS m WHERE m.now = id AND m.was <> id GROUP BY m.was) AS s) AS takes_over_from,
			(SELECT coalesce(jsonb_object_agg(now, n), '{}') FROM (SELECT now, count(*) AS n FROM moved WHERE moved.was = id AND now <> id GROUP BY now) AS s) AS gives_up_to,
			(SELECT count(*) FROM moved WHERE moved.was = id AND now IS NULL) AS left_without,
			(SELECT coalesce(jsonb_object_agg(now, n), '{}') FROM (SELECT now, count(*) AS n FROM moved WHERE targeted AND now <> id AND moved.was IS DISTINCT FROM id GROUP BY now) AS s) AS blocked_by
		INTO counted FROM twinset.deployment_status AS v WHERE v.deployment_id = id;
		RAISE EXCEPTION 'undo' USING ERRCODE = 'TS000';
	EXCEPTION WHEN SQLSTATE 'TS000' THEN
		NULL;
	END;
	IF previewed::text IS DISTINCT FROM counted::text THEN
		INSERT INTO differs VALUES (number, format('%s, %s, %s', condition, new_priority, existing), previewed::text, counted::text);
	END IF;
	INSERT INTO seen VALUES (number, CASE WHEN existing IS NULL THEN 'new' ELSE 'changed' END),
		(number, CASE WHEN previewed.actual > 0 THEN 'actual' END), (number, CASE WHEN previewed.takes_over_from <> '{}' THEN 'takes_over_from' END),
		(number, CASE WHEN previewed.gives_up_to <> '{}' THEN 'gives_up_to' END), (number, CASE WHEN previewed.left_without > 0 THEN 'left_without' END),
		(number, CASE WHEN previewed.blocked_by <> '{}' THEN 'blocked_by' END);
END $$;

CREATE FUNCTION pg_temp.try_preview_tags(number integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	condition text := pg_temp.some_condition();
	patch jsonb := CASE pg_temp.below(5) WHEN 0 THEN '{"a": null}' WHEN 1 THEN '{"d": {"e": 1}}' WHEN 2 THEN '{"d": null, "b": "x"}'
		ELSE pg_temp.some_tags() - 'c' END;
	was jsonb;
	previewed text;
	counted text;
BEGIN
	SELECT coalesce(string_agg(format('%s>%s:%s', p.from_deployment, p.to_deployment, p.devices), ' ' ORDER BY p.from_deployment, p.to_deployment), '')
		INTO previewed FROM twinset.preview_tags(patch, condition) AS p;
	SELECT jsonb_object_agg(s.device_id, s.deployment_id) INTO was FROM twinset.device_status AS s;
	BEGIN
		UPDATE twinset.twin AS t SET tags = twinset.merge_patch(t.tags, patch)
			WHERE twinset.matches(t.device_id, t.tags, condition) AND t.iot_edge AND t.retired_at IS NULL;
		SELECT coalesce(string_agg(format('%s>%s:%s', m.was, m.now, m.n), ' ' ORDER BY m.was, m.now), '') INTO counted
		FROM (SELECT was->>s.device_id AS was, s.deployment_id AS now, count(*) AS n FROM twinset.device_status AS s
			WHERE was->>s.device_id IS DISTINCT FROM s.deployment_id GROUP BY 1, 2) AS m;
		RAISE EXCEPTION 'undo' USING ERRCODE = 'TS000';
	EXCEPTION WHEN SQLSTATE 'TS000' THEN
		NULL;
	END;
	IF previewed IS DISTINCT FROM counted THEN
		INSERT INTO differs VALUES (number, format('%s, %s', patch, condition), previewed, counted);
	END IF;
	INSERT INTO seen VALUES (number, CASE WHEN previewed <> '' THEN 'tags move' ELSE 'tags move nothing' END),
		(number, CASE WHEN previewed ~ '(^| )>' THEN 'tags from none' END), (number, CASE WHEN previewed LIKE '%>:%' THEN 'tags to none' END);
END $$;

DO $$
BEGIN
	FOR n IN 1 .. 1000 LOOP
		PERFORM pg_temp.try_preview(n);
		PERFORM pg_temp.try_preview_tags(n);
		IF n % 20 = 0 THEN
			COMMIT;
			-- other devices, not settled yet, and now and then other deployments
			UPDATE twinset.twin SET tags = pg_temp.some_tags() WHERE device_id = 'd' || 1 + pg_temp.below(60);
		END IF;
		IF n % 100 = 0 THEN
			UPDATE twinset.deployment SET target_condition = pg_temp.some_term()::twinset.target_condition, priority = 1 + pg_temp.below(6)
				WHERE deployment_id = 'p' || 1 + pg_temp.below(20);
		END IF;
	END LOOP;
END $$;
SELECT * FROM differs ORDER BY n;
-- each kind of answer came up
SELECT what, count(*) > 5 AS often FROM seen WHERE what IS NOT NULL GROUP BY what ORDER BY what;

-- preview_tags() fails as the change would
\set SHOW_CONTEXT never
INSERT INTO twinset.twin (device_id, tags) VALUES ('full', jsonb_build_object('a', 1, 'pad', repeat('x', 4000), 'pad2', repeat('x', 4000)));
SELECT * FROM twinset.preview_tags(jsonb_build_object('pad3', repeat('x', 4000)), '*');
SELECT * FROM twinset.preview_tags('{"a b": 1}', $$deviceId = 'full'$$);
UPDATE twinset.twin SET tags = tags || '{"a b": 1}' WHERE device_id = 'full';
-- what it prints, in the server's log too, does not have the patch in it
DO $$
DECLARE
	context text;
BEGIN
	PERFORM FROM twinset.preview_tags(jsonb_build_object('pad3', repeat('x', 4000)), '*');
EXCEPTION WHEN check_violation THEN
	GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
	RAISE INFO 'the patch is in the context: %', position(repeat('x', 4000) IN context) > 0;
END $$;
SELECT * FROM twinset.preview_tags('[]', '*');
SELECT * FROM twinset.preview_tags(NULL, '*');
SELECT * FROM twinset.preview_tags('{}', NULL);
SELECT * FROM twinset.preview_tags('{}', 'tags.');
SELECT * FROM twinset.preview('tags.', 1);
\set SHOW_CONTEXT errors
BEGIN READ ONLY;
SELECT count(*) FROM twinset.preview('*', 100);
SELECT count(*) > 0 AS moves FROM twinset.preview_tags('{"a": 1, "b": "x"}', '*');
ROLLBACK;
TRUNCATE twinset.twin, twinset.deployment;
