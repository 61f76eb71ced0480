--
-- Every case of test/data/manifests/manifest_cases.json: check_manifest() tells
-- each problem with its path and rule, input raises the first of them, and
-- manifest_modules() gives the modules.  Only what differs is printed; the last
-- query counts the cases.
--
\pset format unaligned
\getenv srcdir PG_ABS_SRCDIR
\getenv builddir PG_ABS_BUILDDIR
\set data :srcdir '/data/manifests'
\cd :data
\set cases `cat manifest_cases.json`
\set full `cat full.json`
\set minimal `cat minimal.json`
\set private_registry `cat private_registry.json`
\set routes `cat routes.json`
\set sensor_v1 `cat sensor_v1.json`
\set sensor_v2 `cat sensor_v2.json`
\cd :builddir

CREATE TEMP TABLE sample AS
SELECT * FROM (VALUES
    ('full.json', :'full'),
    ('minimal.json', :'minimal'),
    ('private_registry.json', :'private_registry'),
    ('routes.json', :'routes'),
    ('sensor_v1.json', :'sensor_v1'),
    ('sensor_v2.json', :'sensor_v2')) AS v (name, content);

-- what a patch says: strings in it may be repeated
CREATE FUNCTION pg_temp.expand(patch jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF jsonb_typeof(patch) <> 'object' THEN
        RETURN patch;
    ELSIF patch ? 'repeat' THEN
        RETURN to_jsonb(repeat(patch #>> '{repeat,0}', (patch #>> '{repeat,1}')::integer));
    END IF;
    RETURN (SELECT coalesce(jsonb_object_agg(key, pg_temp.expand(value)), '{}')
            FROM jsonb_each(patch));
END $$;

-- JSON merge patch (RFC 7396)
CREATE FUNCTION pg_temp.merge(target jsonb, patch jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    result jsonb := CASE WHEN jsonb_typeof(target) = 'object' THEN target ELSE '{}' END;
    entry record;
BEGIN
    IF jsonb_typeof(patch) <> 'object' THEN
        RETURN patch;
    END IF;
    FOR entry IN SELECT * FROM jsonb_each(patch) LOOP
        IF entry.value = 'null' THEN
            result := result - entry.key;
        ELSE
            result := jsonb_set(result, ARRAY[entry.key],
                                pg_temp.merge(result -> entry.key, entry.value));
        END IF;
    END LOOP;
    RETURN result;
END $$;

-- the text of a case, as bytes
CREATE FUNCTION pg_temp.content(base text, patch jsonb) RETURNS bytea
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN patch IS NULL THEN convert_to(base, 'UTF8')
        WHEN patch ? 'text' THEN convert_to(patch ->> 'text', 'UTF8')
        WHEN patch ? 'hex' THEN decode(patch ->> 'hex', 'hex')
        WHEN patch ? 'repeat' THEN convert_to((
            SELECT string_agg(CASE jsonb_typeof(part)
                                  WHEN 'array' THEN repeat(part ->> 0, (part ->> 1)::integer)
                                  ELSE part #>> '{}'
                              END, '' ORDER BY i)
            FROM jsonb_array_elements(patch -> 'repeat') WITH ORDINALITY AS p (part, i)), 'UTF8')
        WHEN patch ? 'replace' THEN
            convert_to(replace(base, patch #>> '{replace,0}', patch #>> '{replace,1}'), 'UTF8')
        ELSE convert_to(pg_temp.merge(base::jsonb, pg_temp.expand(patch))::text, 'UTF8')
    END
$$;

-- the rule that says so, from the table that the checker itself reads
CREATE FUNCTION pg_temp.rule_of(said text) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT string_agg(DISTINCT rule, '|')
    FROM twinset.manifest_rules()
    WHERE said ~ ('^(?:' || replace(regexp_replace(message, '([][().?*+^$\\{}|])', '\\\1', 'g'),
                                    '%s', '.*') || ')$')
$$;

-- a text that is no UTF-8 can't be a parameter of a function; a row of a
-- binary COPY can have it
CREATE TEMP TABLE bytes (content bytea);
CREATE TEMP TABLE received (content twinset.manifest);

CREATE TEMP TABLE test_case AS
SELECT number, c ->> 'name' AS name,
       pg_temp.content(s.content, c -> 'patch') AS bytes,
       (c -> 'patch' ? 'hex') IS TRUE AS binary_only,
       coalesce((SELECT jsonb_agg(jsonb_build_array(p ->> 'path', p ->> 'rule', p -> 'line') ORDER BY i)
                 FROM jsonb_array_elements(c -> 'problems') WITH ORDINALITY AS e (p, i)), '[]') AS problems,
       c -> 'modules' AS modules
FROM jsonb_array_elements(:'cases'::jsonb) WITH ORDINALITY AS e (c, number)
LEFT JOIN sample AS s ON s.name = c ->> 'base';

ALTER TABLE test_case ADD content text;
UPDATE test_case SET content = convert_from(bytes, 'UTF8') WHERE NOT binary_only;

-- Every problem, in order.
SELECT number, name, problems AS expected, found
FROM test_case,
     LATERAL (SELECT coalesce(jsonb_agg(jsonb_build_array(
                         path, pg_temp.rule_of(message),
                         (CASE WHEN rule_has_line THEN substring(message FROM '^line (\d+), column [1-9]\d*: ') END)::integer)
                         ORDER BY n), '[]') AS found
              FROM twinset.check_manifest(content) WITH ORDINALITY AS p (path, message, n),
                   LATERAL (SELECT problems #> '{0,2}' <> 'null') AS l (rule_has_line)) AS f
WHERE NOT binary_only AND found IS DISTINCT FROM problems
ORDER BY number;

-- Input: a valid text is kept as it is, a bad one raises its first problem.
CREATE FUNCTION pg_temp.raised(content text) RETURNS text[]
LANGUAGE plpgsql AS $$
DECLARE
    state text;
    said text;
    detail text;
    hint text;
    place text;
BEGIN
    IF content::twinset.manifest::text IS DISTINCT FROM content THEN
        RETURN ARRAY['changed'];
    END IF;
    IF content::twinset.manifest::jsonb IS DISTINCT FROM content::jsonb THEN
        RETURN ARRAY['another value as jsonb'];
    END IF;
    RETURN ARRAY['valid'];
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, said = MESSAGE_TEXT,
        detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, place = PG_EXCEPTION_CONTEXT;
    RETURN ARRAY[state, said, detail, hint, place];
END $$;

CREATE TEMP TABLE input AS
SELECT number, pg_temp.raised(content) AS found FROM test_case WHERE NOT binary_only;

SELECT number, name, found, expected
FROM test_case JOIN input USING (number),
     LATERAL (SELECT (array_agg(ARRAY[r.sqlstate, format('invalid manifest at %s: %s', path, message)]
                                ORDER BY n))[1:1] AS first, count(*) AS problem_count
              FROM twinset.check_manifest(content) WITH ORDINALITY AS p (path, message, n),
                   LATERAL (SELECT DISTINCT sqlstate FROM twinset.manifest_rules() AS mr
                            WHERE mr.rule = pg_temp.rule_of(p.message)) AS r) AS e,
     LATERAL (SELECT CASE problem_count WHEN 0 THEN ARRAY['valid'] ELSE
                  ARRAY[first[1][1], first[1][2],
                        CASE problem_count
                            WHEN 1 THEN ''
                            WHEN 2 THEN 'There is 1 further problem.'
                            ELSE format('There are %s further problems.', problem_count - 1)
                        END,
                        'twinset.check_manifest(text) lists every problem of a manifest.', '']
              END AS expected) AS x
WHERE found IS DISTINCT FROM expected
ORDER BY number;

-- The binary-only case, and that a binary COPY gives back what it took.
INSERT INTO bytes SELECT '\x01' || bytes FROM test_case WHERE binary_only;
SELECT count(*) AS binary_only FROM bytes;
\copy bytes to 'results/manifest_cases.copy' (format binary)
\copy received from 'results/manifest_cases.copy' (format binary)

TRUNCATE bytes;
INSERT INTO bytes SELECT '\x01' || bytes FROM test_case WHERE problems = '[]' ORDER BY number;
\copy bytes to 'results/manifest_cases.copy' (format binary)
\copy received from 'results/manifest_cases.copy' (format binary)
SELECT count(*) AS received,
       count(*) FILTER (WHERE twinset.manifest_send(r.content) IN (SELECT content FROM bytes)) AS same
FROM received AS r;

-- The modules of the cases that name them.
SELECT number, name, module, expected, found
FROM test_case, jsonb_each(modules) AS m (module, expected),
     LATERAL (SELECT (SELECT jsonb_build_array(system, version, type, status, restart_policy, image, registry)
                      FROM twinset.manifest_modules(content::twinset.manifest) AS mm
                      WHERE mm.module = m.module) AS found) AS f
WHERE problems = '[]' AND coalesce(found, 'null') IS DISTINCT FROM expected
ORDER BY number, module;

-- No secret is in what is said.
SELECT count(*) FILTER (WHERE content ~ 'not-a-real-secret|p@ss w0rd') AS with_secret,
       count(*) FILTER (WHERE found::text ~ 'not-a-real-secret|p@ss w0rd'
                        OR said::text ~ 'not-a-real-secret|p@ss w0rd') AS told
FROM test_case JOIN input USING (number),
     LATERAL (SELECT array_agg(p::text) AS said FROM twinset.check_manifest(content) AS p) AS c;

SELECT count(*) AS cases, count(*) FILTER (WHERE problems = '[]') AS valid,
       count(*) FILTER (WHERE modules IS NOT NULL) AS with_modules,
       (SELECT count(DISTINCT rule) FROM twinset.manifest_rules()
        WHERE rule NOT IN (SELECT p ->> 1 FROM test_case, jsonb_array_elements(problems) AS e (p)))
           AS rules_without_case
FROM test_case;
