--
-- The type manifest: ways in and out, comparison, what a device is given, and
-- what an error tells.
--
\getenv builddir PG_ABS_BUILDDIR
\cd :builddir
SET search_path = twinset, public;

\set agent '{"properties.desired": {"schemaVersion": "1.1", "runtime": {"type": "docker"}, "systemModules": {"edgeAgent": {"type": "docker", "settings": {"image": "agent:1"}}, "edgeHub": {"type": "docker", "status": "running", "restartPolicy": "always", "settings": {"image": "hub:1"}}}}}'
\set hub '{"properties.desired": {"schemaVersion": "1.1", "routes": {}, "storeAndForwardConfiguration": {"timeToLiveSecs": 7200}}}'
\set modules '{"$edgeAgent": ' :agent ', "$edgeHub": ' :hub '}'
\set current '{"modulesContent": ' :modules '}'
\set older '{"moduleContent": ' :modules ', "comment": "x"}'
\set export '{"id": "a", "content": {"moduleContent": null, "modulesContent": ' :modules ', "deviceContent": {}}, "labels": {"k": "v"}}'
\set spaced ' {"modulesContent" :\n\t{ "$edgeHub": ' :hub ' , "$edgeAgent":' :agent '} }\n'
\set numbers '{"modulesContent": {"$edgeAgent": ' :agent ', "$edgeHub": ' :hub ', "n": {"properties.desired": {"real": 0.30000000000000004, "exact": 1.10, "big": 9223372036854775807, "small": -9223372036854775808, "exponent": 1e2, "tiny": 1.5E-300, "minus": -0, "digits": 3.14159265358979323846264338327950288}}}}'

-- what can be assigned to a column, with and without a written cast
CREATE TEMP TABLE kept (n serial, content twinset.manifest);
INSERT INTO kept (content) VALUES (:'current');
INSERT INTO kept (content) SELECT :'current'::text;
INSERT INTO kept (content) SELECT :'current'::varchar;
INSERT INTO kept (content) SELECT :'current'::json;
INSERT INTO kept (content) SELECT :'current'::jsonb;
PREPARE untyped AS INSERT INTO kept (content) VALUES ($1);
EXECUTE untyped(:'current');
PREPARE typed(text) AS INSERT INTO kept (content) VALUES ($1);
EXECUTE typed(:'current');
INSERT INTO kept (content) VALUES (NULL);
INSERT INTO kept (content) SELECT :'current'::text::twinset.manifest;
INSERT INTO kept (content) SELECT CAST(:'current'::jsonb AS twinset.manifest);
UPDATE kept SET content = jsonb_set(content, '{note}', '1') WHERE n = 10;
SELECT n, content::text = :'current' AS as_written, content::jsonb = :'current'::jsonb AS same_value,
       content = :'current' AS equal, content ->> 'note' AS note
FROM kept ORDER BY n;

-- only assigned, never by the way
SELECT twinset.manifest_eq(:'current', :'current'::text);
CREATE FUNCTION pg_temp.takes_manifest(twinset.manifest) RETURNS integer LANGUAGE sql AS 'SELECT 1';
SELECT pg_temp.takes_manifest(:'current'::jsonb);
SELECT pg_temp.takes_manifest(:'current');

-- kept as it was written, and the same value as jsonb
SELECT name, content::twinset.manifest::text = content AS as_written,
       content::twinset.manifest::jsonb = content::jsonb AS same_value,
       content::twinset.manifest::json::text = content AS same_json
FROM (VALUES ('current', :'current'), ('older', :'older'), ('export', :'export'),
             ('spaced', :'spaced'), ('numbers', :'numbers')) AS v (name, content);

-- the way to jsonb is implicit, so its operators and functions are at hand
CREATE TEMP TABLE named (content twinset.manifest);
INSERT INTO named VALUES (:'numbers');
SELECT content -> 'modulesContent' -> 'n' -> 'properties.desired' ->> 'exact' AS exact,
       content #>> '{modulesContent,n,properties.desired,digits}' AS digits,
       content ? 'modulesContent' AS has,
       content @> '{"modulesContent": {"n": {}}}' AS contains,
       jsonb_typeof(content) AS type,
       jsonb_path_query_first(content, '$.modulesContent.n."properties.desired".real') AS path
FROM named;
SELECT row_to_json(n)::jsonb -> 'content' = content::jsonb AS row_to_json,
       to_json(content)::text = content::text AS to_json,
       to_jsonb(content) = content::jsonb AS to_jsonb,
       to_jsonb(n) -> 'content' = content::jsonb AS row_to_jsonb,
       jsonb_build_object('c', content) -> 'c' = content::jsonb AS build_object
FROM named AS n;
SELECT jsonb_typeof(json_agg(n)::jsonb #> '{0,content}') AS json_agg,
       jsonb_typeof(jsonb_agg(content) -> 0) AS jsonb_agg
FROM named AS n;
SELECT (jsonb_populate_record(NULL::named, jsonb_build_object('content', content))).content = content AS populated
FROM named;

-- equal if a device is given the same: whatever the envelope, the order of keys, white space
CREATE TEMP TABLE written (name text, content twinset.manifest);
INSERT INTO written VALUES
    ('current', :'current'), ('older', :'older'), ('export', :'export'), ('spaced', :'spaced'),
    ('numbers', :'numbers'),
    ('numbers otherwise', replace(replace(:'numbers', '1e2', '100.0'), '1.10', '1.1'));
SELECT a.name, string_agg(b.name, ', ' ORDER BY b.name) AS equals,
       bool_and(twinset.manifest_hash(a.content) = twinset.manifest_hash(b.content)
                AND twinset.manifest_hash_extended(a.content, 0) = twinset.manifest_hash_extended(b.content, 0)
                AND twinset.manifest_cmp(a.content, b.content) = 0) AS hash_and_order_agree
FROM written AS a JOIN written AS b ON a.content = b.content
GROUP BY a.name ORDER BY a.name;
-- the operators are in the extension's schema: without it on the path, = is that
-- of jsonb, and what goes by the type's own order or hash stays as it is
SET search_path = public;
SELECT count(*) AS equal_as_jsonb FROM written AS a JOIN written AS b ON a.content = b.content;
SELECT count(*) AS equal FROM written AS a JOIN written AS b ON a.content OPERATOR(twinset.=) b.content;
SELECT count(*) AS groups FROM (SELECT content FROM written GROUP BY content) AS g;
SET search_path = twinset, public;
SELECT DISTINCT count(*) AS times FROM written GROUP BY content ORDER BY 1;
SELECT count(DISTINCT content) AS different FROM written;
SELECT a.content IS DISTINCT FROM b.content AS current_is_export
FROM written AS a, written AS b WHERE a.name = 'current' AND b.name = 'export';
SELECT count(*) FILTER (WHERE a.content < b.content) AS lt, count(*) FILTER (WHERE a.content <= b.content) AS le,
       count(*) FILTER (WHERE a.content = b.content) AS eq, count(*) FILTER (WHERE a.content <> b.content) AS ne,
       count(*) FILTER (WHERE a.content >= b.content) AS ge, count(*) FILTER (WHERE a.content > b.content) AS gt,
       count(*) FILTER (WHERE sign(twinset.manifest_cmp(a.content, b.content)) = -sign(twinset.manifest_cmp(b.content, a.content))) AS antisymmetric,
       count(*) FILTER (WHERE twinset.manifest_hash_extended(a.content, 0) <> twinset.manifest_hash_extended(a.content, 42)) AS seeded
FROM written AS a, written AS b;

-- as a hash join, a merge join, an index and a sort have it
SET enable_nestloop = off;
SET enable_mergejoin = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM written AS a JOIN written AS b USING (content);
SELECT count(*) FROM written AS a JOIN written AS b USING (content);
RESET enable_mergejoin;
SET enable_hashjoin = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM written AS a JOIN written AS b USING (content);
SELECT count(*) FROM written AS a JOIN written AS b USING (content);
RESET enable_hashjoin;
RESET enable_nestloop;
CREATE INDEX written_btree ON written (content);
CREATE INDEX written_hash ON written USING hash (content);
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT name FROM written WHERE content >= (SELECT content FROM written WHERE name = 'numbers') ORDER BY content;
SELECT name FROM written WHERE content >= (SELECT content FROM written WHERE name = 'numbers') ORDER BY content, name;
DROP INDEX written_btree;
EXPLAIN (COSTS OFF) SELECT count(*) FROM written WHERE content = (SELECT content FROM written WHERE name = 'older');
SELECT count(*) FROM written WHERE content = (SELECT content FROM written WHERE name = 'older');
RESET enable_seqscan;

-- what a device is given: always the same envelope, with every key below it
SELECT name, twinset.delivered(content) = jsonb_build_object('modulesContent', :'modules'::jsonb) AS modules,
       (SELECT string_agg(key, ', ') FROM jsonb_object_keys(twinset.delivered(content)) AS key) AS keys,
       twinset.delivered(content) = twinset.delivered(content::text) AS from_text
FROM written ORDER BY name;
SELECT twinset.delivered(content) #>> '{modulesContent,n,properties.desired,digits}' AS digits
FROM written WHERE name = 'numbers';

-- no statistics: they would be samples of secrets
ANALYZE written;
SELECT attname FROM pg_stats WHERE tablename = 'written' ORDER BY attname;

-- NULL is nothing
SELECT NULL::twinset.manifest IS NULL AS null_in, NULL::text::twinset.manifest IS NULL AS from_text,
       twinset.delivered(NULL::twinset.manifest) IS NULL AS delivered,
       NULL::twinset.manifest = :'current' IS NULL AS equal,
       (SELECT count(*) FROM twinset.check_manifest(NULL)) AS problems,
       (SELECT count(*) FROM twinset.manifest_modules(NULL::twinset.manifest)) AS modules;

-- a bad one raises where it enters
\set bad '{"modulesContent": {"$edgeAgent": {"properties.desired": {"schemaVersion": "9.0"}}, "other": null}}'
\set broken '{"modulesContent": {\n"password": "a-secret\n"}}'
SELECT * FROM check_manifest(:'bad');
SELECT :'bad'::manifest;
SELECT :'broken'::manifest;
INSERT INTO kept (content) VALUES (:'broken');
DO $$
DECLARE
    statement text;
    state text; said text; detail text; hint text; place text;
BEGIN
    FOREACH statement IN ARRAY ARRAY[
        'SELECT %L::twinset.manifest',
        'SELECT %L::text::twinset.manifest',
        'INSERT INTO kept (content) VALUES (%L)',
        'INSERT INTO kept (content) SELECT %L::text',
        'UPDATE kept SET content = %L',
        'SELECT twinset.delivered(%L::text)',
        'SELECT pg_temp.takes_manifest(%L)',
        'PREPARE p AS INSERT INTO kept (content) VALUES (%L)']
    LOOP
        BEGIN
            EXECUTE format(statement, '{"modulesContent": {"$edgeAgent": {"properties.desired": '
                           '{"schemaVersion": "9.0"}}, "other": null}}');
            RAISE WARNING 'no error: %', statement;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, said = MESSAGE_TEXT,
                detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, place = PG_EXCEPTION_CONTEXT;
            RAISE INFO E'%\n  % % | % | % | context: "%"', statement, state, said, detail, hint, place;
        END;
    END LOOP;
END $$;

-- COPY tells its line, and not what stands in it
COPY kept (content) FROM stdin;
{"modulesContent": {"password": "a-secret}}
\.
COPY kept (n, content) FROM stdin (FORMAT csv);
1,"{""password"": ""a-secret""}"
\.
COPY kept (content) FROM stdin;
\N
{"password": "a-secret"}
\.

-- a statement in a function is not quoted either
CREATE FUNCTION pg_temp.writes(content text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO kept (content) VALUES (%L)', content);
END $$;
SELECT pg_temp.writes('{"password": "a-secret"}');
SELECT count(*) FROM kept;

-- the binary form has a version
CREATE TEMP TABLE bytes (content bytea);
INSERT INTO bytes VALUES ('\x02' || convert_to(:'current', 'UTF8'));
\copy bytes to 'results/manifest.copy' (format binary)
\copy kept (content) from 'results/manifest.copy' (format binary)
TRUNCATE bytes;
INSERT INTO bytes VALUES (NULL), ('');
\copy bytes to 'results/manifest.copy' (format binary)
\copy kept (content) from 'results/manifest.copy' (format binary)
TRUNCATE bytes;
INSERT INTO bytes VALUES ('\x01' || convert_to(:'current', 'UTF8') || '\x00');
\copy bytes to 'results/manifest.copy' (format binary)
\copy kept (content) from 'results/manifest.copy' (format binary)
SELECT twinset.manifest_send(:'current') = '\x01' || convert_to(:'current', 'UTF8') AS sent;

-- a client with another encoding: text and binary form are converted both ways
SET client_encoding = LATIN1;
CREATE TEMP TABLE latin (content twinset.manifest);
INSERT INTO latin VALUES (replace(:'current', '"routes"', U&'"gr\00F6\00DFe": 1, "routes"'));
\copy latin to 'results/manifest.copy' (format binary)
\copy latin from 'results/manifest.copy' (format binary)
RESET client_encoding;
SELECT count(*), count(DISTINCT content::text), bool_and(content::text ~ 'größe') FROM latin;

-- modules: choices in lower case, edgeAgent's fixed ones, the registry
SELECT module, system, version, type, status, restart_policy, image, registry
FROM twinset.manifest_modules(jsonb_set(jsonb_set(:'current'::jsonb,
        '{modulesContent,$edgeAgent,properties.desired,modules}',
        '{"a": {"type": "DOCKER", "status": "Stopped", "restartPolicy": "NEVER", "version": "", "settings": {"image": "\t INDEX.docker.io/a/b:1 "}},
          "b": {"type": "docker", "status": "running", "restartPolicy": "always", "version": "1", "settings": {"image": "$upstream:8000/b"}}}'),
        '{modulesContent,$edgeAgent,properties.desired,systemModules,edgeAgent}',
        '{"type": "Docker", "status": "stopped", "restartPolicy": 7, "startupOrder": "x", "version": "1.5", "settings": {"image": "Reg.example/agent"}}')::text);
