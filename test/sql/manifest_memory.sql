--
-- Memory that jansson has is given back on every way out: what is valid, what
-- is bad in any way, and what is cancelled half-way.  And texts that were changed
-- at random never do more than raise their error.
--
\getenv srcdir PG_ABS_SRCDIR
\getenv builddir PG_ABS_BUILDDIR
\set data :srcdir '/data/manifests'
\cd :data
\set full `cat full.json`
\set routes `cat routes.json`
\set private_registry `cat private_registry.json`
\cd :builddir
CREATE TEMP TABLE sample AS SELECT * FROM (VALUES (0, :'full'), (1, :'routes'), (2, :'private_registry')) AS v (n, content);

-- the backend's memory in kB, malloc's with it (Linux)
CREATE FUNCTION pg_temp.resident() RETURNS integer LANGUAGE sql AS $$
    SELECT substring(pg_read_file('/proc/self/status') FROM 'VmRSS:\s+(\d+) kB')::integer
$$;
-- so many manifests of a kind; gives how many raised an error
CREATE FUNCTION pg_temp.check_many(how_many integer, content text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    errors integer := 0;
BEGIN
    FOR i IN 1..how_many LOOP
        BEGIN
            PERFORM twinset.manifest_modules(content);
        EXCEPTION
            WHEN invalid_text_representation OR invalid_parameter_value OR program_limit_exceeded THEN
                errors := errors + 1;
        END;
        PERFORM twinset.check_manifest(content);
    END LOOP;
    RETURN errors;
END $$;
CREATE TEMP TABLE kind AS
SELECT row_number() OVER () AS n, kind, v.content FROM sample, LATERAL (VALUES
    ('valid', content),
    ('no JSON at the end', content || ','),
    ('a duplicate key at the end', regexp_replace(content, '}\s*$', ', "a": {}, "a": {}}')),
    ('a number out of range', replace(content, '86400', '72e9999')),
    ('too many digits', replace(content, '86400', '72e-99999')),
    ('a problem', replace(content, '"docker"', '"Dacker"')),
    ('broken createOptions', replace(content, '{\"', '{\"\\x')),
    ('another envelope', replace(content, '"modulesContent"', '"modules"'))) AS v (kind, content)
WHERE sample.n = 0;

-- each once, so that what is kept for good is there
SELECT kind, pg_temp.check_many(100, content) AS errors FROM kind ORDER BY n;
SELECT pg_temp.resident() AS before \gset
-- 10,000 of the bad ones, and the valid one
SELECT kind, pg_temp.check_many(1500, content) AS errors FROM kind ORDER BY n;
SELECT pg_temp.resident() - :before < 1000 AS flat;

-- cancelled in the walk, with a document of tens of MB read each time
CREATE FUNCTION pg_temp.cancel_many(how_many integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    big text := (SELECT '{"modulesContent": {"m": {"properties.desired": {"a": ['
                        || string_agg('[]', ',') || ']}}}}' FROM generate_series(1, 300000));
    kept twinset.manifest;
    cancelled integer := 0;
BEGIN
    FOR i IN 1..how_many LOOP
        BEGIN
            -- nothing looks for the cancel between its coming and the walk
            kept := (CASE WHEN pg_cancel_backend(pg_backend_pid()) THEN big END)::twinset.manifest;
        EXCEPTION WHEN query_canceled THEN
            cancelled := cancelled + 1;
        END;
    END LOOP;
    RETURN cancelled;
END $$;
SELECT pg_temp.cancel_many(2) AS cancelled;
SELECT pg_temp.resident() AS before \gset
SELECT pg_temp.cancel_many(10) AS cancelled;
SELECT pg_temp.resident() - :before < 10000 AS flat;

-- texts changed at random: bytes swapped, dropped, repeated, replaced by others
-- that mean something.  Told and raised must agree, and jsonb must read what the
-- rules for text let pass.
CREATE FUNCTION pg_temp.mutated(content text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    pieces text[] := ARRAY['{', '}', '[', ']', '"', ',', ':', '\', 'null', '1', '-', 'e9', '.', ' ', E'\n', '$', '/', '(', ')',
                           'true', '\u0000', '\ud800', 'ä', '😀', '{}', '[]', '""', '\"', '0', 'FROM', '*', '${', '@', E'\x01'];
    at integer;
    span integer;
BEGIN
    FOR i IN 1..1 + floor(random() * 3) LOOP
        at := 1 + floor(random() * length(content));
        span := floor(random() * random() * 40);
        content := CASE floor(random() * 4)
            WHEN 0 THEN overlay(content PLACING '' FROM at FOR span)
            WHEN 1 THEN overlay(content PLACING pieces[1 + floor(random() * array_length(pieces, 1))] FROM at FOR span)
            WHEN 2 THEN overlay(content PLACING pieces[1 + floor(random() * array_length(pieces, 1))] FROM at FOR 0)
            ELSE overlay(content PLACING substr(content, 1 + floor(random() * length(content))::integer, span) FROM at FOR 0)
        END;
    END LOOP;
    RETURN content;
END $$;
CREATE FUNCTION pg_temp.mutate_many(how_many integer, OUT bad_json integer, OUT bad_manifest integer, OUT valid integer,
                                    OUT wrong integer, OUT example text) LANGUAGE plpgsql AS $$
DECLARE
    samples text[] := ARRAY(SELECT content FROM sample ORDER BY n);
    content text;
    told text[];
    raised text;
    modules integer;
BEGIN
    bad_json := 0; bad_manifest := 0; valid := 0; wrong := 0;
    FOR i IN 1..how_many LOOP
        content := pg_temp.mutated(samples[1 + i % 3]);
        told := ARRAY(SELECT format('invalid manifest at %s: %s', path, message) FROM twinset.check_manifest(content));
        raised := NULL;
        BEGIN
            modules := (SELECT count(*) FROM twinset.manifest_modules(content));
            IF twinset.delivered(content) <> twinset.delivered(content::twinset.manifest)
               OR content::twinset.manifest::text <> content OR modules < 2 THEN
                wrong := wrong + 1;
                example := content;
            END IF;
        EXCEPTION WHEN invalid_text_representation OR invalid_parameter_value OR program_limit_exceeded THEN
            raised := sqlerrm;
        END;
        IF raised IS DISTINCT FROM told[1] THEN
            wrong := wrong + 1;
            example := content;
        ELSIF told[1] ~ '^invalid manifest at \$: line ' THEN
            bad_json := bad_json + 1;
        ELSE
            IF jsonb_typeof(content::jsonb) IS NULL THEN
                wrong := wrong + 1;
            END IF;
            bad_manifest := bad_manifest + (told <> '{}')::integer;
            valid := valid + (told = '{}')::integer;
        END IF;
    END LOOP;
END $$;
SELECT setseed(0.42) \g /dev/null
SELECT * FROM pg_temp.mutate_many(200) \g /dev/null
SELECT pg_temp.resident() AS before \gset
SELECT bad_json > 100 AS bad_json, bad_manifest > 100 AS bad_manifest, valid > 100 AS valid, wrong, example
FROM pg_temp.mutate_many(2000);
SELECT pg_temp.resident() - :before < 1000 AS flat;
