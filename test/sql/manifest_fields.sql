--
-- The document: envelope, twins, and each field of $edgeAgent and $edgeHub, at
-- the edges of what is allowed.  A patch is put into a manifest that is valid.
--
\pset format unaligned
\pset tuples_only on
CREATE TEMP TABLE base AS SELECT '{"modulesContent": {
    "$edgeAgent": {"properties.desired": {"schemaVersion": "1.1", "runtime": {"type": "docker", "settings": {}},
        "systemModules": {"edgeAgent": {"type": "docker", "settings": {"image": "agent"}},
                          "edgeHub": {"type": "docker", "status": "running", "settings": {"image": "hub"}}},
        "modules": {"m": {"type": "docker", "status": "running", "restartPolicy": "always", "settings": {"image": "m"}}}}},
    "$edgeHub": {"properties.desired": {"schemaVersion": "1.1", "routes": {},
        "storeAndForwardConfiguration": {"timeToLiveSecs": 1}}},
    "m": {"properties.desired": {}}}}'::jsonb AS content;

-- what is said, with the common parts of paths cut
CREATE FUNCTION pg_temp.said(content text) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(replace(replace(replace(replace(replace(replace(
                        concat(path, ' ', message),
                    '$.modulesContent', '$M'), '$M."$edgeAgent"."properties.desired"', 'agent'),
                    '$M."$edgeHub"."properties.desired"', 'hub'), '$M.m."properties.desired"', 'twin'),
                    'agent.modules.m.', 'm.'), 'agent.systemModules.', 'system.'),
                    ' | ' ORDER BY path COLLATE "C"), 'valid')
    FROM twinset.check_manifest(content)
$$;
-- a value at a path below modulesContent; no value: removed
CREATE FUNCTION pg_temp.patched(path text[], value jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT (CASE WHEN value IS NULL THEN content #- (ARRAY['modulesContent'] || path)
            ELSE jsonb_set(content, ARRAY['modulesContent'] || path, value) END)::text
    FROM base
$$;
CREATE FUNCTION pg_temp.at(place text, path text[], value jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.said(pg_temp.patched(CASE place
        WHEN 'agent' THEN '{$edgeAgent,properties.desired}'::text[] || path
        WHEN 'hub' THEN '{$edgeHub,properties.desired}'::text[] || path
        WHEN 'twin' THEN '{m,properties.desired}'::text[] || path
        WHEN 'm' THEN '{$edgeAgent,properties.desired,modules,m}'::text[] || path
        WHEN 'system' THEN '{$edgeAgent,properties.desired,systemModules}'::text[] || path
        ELSE path END, value))
$$;
SELECT pg_temp.said(content::text) FROM base;

-- the envelope
SELECT content, pg_temp.said(content) FROM (VALUES
    ('{"modulesContent": null}'),
    ('{"modulesContent": {}, "moduleContent": {}}'),
    ('{"content": null}'),
    ('{"content": {}}'),
    ('{"content": {"content": {"modulesContent": {}}}}'),
    ('{"content": {"modulesContent": {}, "moduleContent": {}}}'),
    ('{"content": {"modulesContent": 1}}'),
    ('{"content": 1, "moduleContent": {}}'),
    ('{"content": [], "modulesContent": null}'),
    ('{"moduleContent": "x", "modulesContent": null, "content": null}'),
    ('{"modulescontent": {}}')) AS v (content);

-- twins
SELECT name, value, pg_temp.at('', ARRAY[name], value::jsonb) FROM (VALUES
    ('$edgeAgent', NULL), ('$edgeAgent', 'null'), ('$edgeAgent', '1'), ('$edgeAgent', '{}'), ('$edgeAgent', '{"properties.desired": null}'),
    ('$edgeAgent', '{"properties.desired": []}'), ('$edgeHub', '{"x": 1}'), ('$edgeHub', 'true'),
    ('n', 'null'), ('n', '{}'), ('n', '"x"'), ('n', '{"properties.desired": null}'), ('n', '{"properties.desired": 1.5}'),
    ('n', '{"properties.reported": null, "tags": {}, "properties.desired": {}}'), ('n', '{"properties": 1, "": 2, "properties.Desired": 3}'),
    ('', '{}'), ('edgeAgent', '{}'), ('edgeHub', '{"properties.desired": {"a.b": 1}}'), ('$edgeagent', '{}'), ('n.x', 'null'), ('ä', '{}'), ('n n', '{"x": 1}'),
    ('_-', '{}'), ('1', '{}'), (repeat('n', 128), '{}'), (repeat('n', 129), '{}'),
    ('properties.desired.x', '{}')) AS v (name, value);

-- layered deployments
SELECT name, value, pg_temp.at('', ARRAY[name], value::jsonb) FROM (VALUES
    ('n', '{"properties.desired.": null}'), ('n', '{"properties.desired.a.b": 1, "properties.desired": {"a b": 1}, "x": 1}'),
    ('$edgeAgent', '{"properties.desired.modules.x": {"type": 7}}'),
    ('$edgeHub', '{"properties.desired.routes.x": "y", "properties.desired": {}}'), ('n n', '{"properties.desired.x": 1}'), ('n', '{"properties.desiredx": 1}')) AS v (name, value);
SELECT pg_temp.said('{"modulesContent": {"n": {"properties.desired.x": 1}}}');
SELECT pg_temp.said('{"modulesContent": {"n": {"properties.desired.x": 1}, "$edgeAgent": null, "$edgeHub": {"properties.desired": null}}}');

-- names of modules
SELECT name, pg_temp.at('agent', ARRAY['modules', name], '{"type": "docker", "status": "running", "restartPolicy": "never", "settings": {"image": "x"}}') FROM (VALUES
    ('n'), ('_-9Az'), (repeat('n', 128)), (repeat('n', 129)), (''), ('a b'), ('a.b'), ('$a'), ('ä'), ('edgeAgent'), ('edgeHub'), ('edgehub'), ('$edgeHub'), (E'a\n')) AS v (name);

-- fields: which are required, and what a null is
SELECT place, path, pg_temp.at(place, path::text[], NULL) AS removed, pg_temp.at(place, path::text[], 'null') = pg_temp.at(place, path::text[], NULL) AS null_is_missing
FROM (VALUES
    ('agent', '{schemaVersion}'), ('agent', '{runtime}'), ('agent', '{runtime,type}'), ('agent', '{runtime,settings}'), ('agent', '{systemModules}'),
    ('agent', '{modules}'), ('system', '{edgeAgent}'), ('system', '{edgeHub}'), ('system', '{edgeAgent,type}'), ('system', '{edgeAgent,settings}'),
    ('system', '{edgeAgent,settings,image}'), ('system', '{edgeHub,type}'), ('system', '{edgeHub,status}'), ('system', '{edgeHub,settings}'),
    ('m', '{type}'), ('m', '{status}'), ('m', '{restartPolicy}'), ('m', '{settings}'), ('m', '{settings,image}'),
    ('hub', '{schemaVersion}'), ('hub', '{routes}'), ('hub', '{storeAndForwardConfiguration}'), ('hub', '{storeAndForwardConfiguration,timeToLiveSecs}')) AS v (place, path);

-- fields: their values
SELECT place, path, value, pg_temp.at(place, path::text[], value::jsonb) FROM (VALUES
    ('agent', '{schemaVersion}', '"1.0"'), ('agent', '{schemaVersion}', '"1.99"'), ('agent', '{schemaVersion}', '"1.10.0"'),
    ('agent', '{schemaVersion}', '"1.01"'), ('agent', '{schemaVersion}', '"1.00"'), ('agent', '{schemaVersion}', '"1.100"'), ('agent', '{schemaVersion}', '"1"'), ('agent', '{schemaVersion}', '"1."'),
    ('agent', '{schemaVersion}', '"1.1."'), ('agent', '{schemaVersion}', '"1.1.1"'), ('agent', '{schemaVersion}', '"1.1.00"'), ('agent', '{schemaVersion}', '"1.1.0.0"'), ('agent', '{schemaVersion}', '" 1.1"'), ('agent', '{schemaVersion}', '"1.1 "'),
    ('agent', '{schemaVersion}', '"2.0"'), ('agent', '{schemaVersion}', '"1.-1"'), ('agent', '{schemaVersion}', '""'), ('agent', '{schemaVersion}', '1.1'), ('agent', '{schemaVersion}', '{}'),
    ('agent', '{schemaVersion}', '"0123456789012345678901234567890123456789"'), ('agent', '{schemaVersion}', '"ä123456789\"12345678901234567890123456\\89x"'),
    ('agent', '{runtime}', '"docker"'), ('agent', '{runtime,type}', '"Docker"'), ('agent', '{runtime,type}', '1'), ('agent', '{runtime,settings}', '[]'),
    ('agent', '{runtime,settings,minDockerVersion}', '1'), ('agent', '{runtime,settings,minDockerVersion}', '""'), ('agent', '{runtime,settings,loggingOptions}', '{}'), ('agent', '{runtime,settings,registryCredentials}', '[]'),
    ('agent', '{runtime,settings,registryCredentials}', '{}'), ('agent', '{runtime,settings,registryCredentials}', '{"c": null, "d": "x", "e": {}}'),
    ('agent', '{systemModules}', '[]'), ('agent', '{systemModules,other}', '{"type": 7, "a.b": 1}'), ('agent', '{modules}', 'false'), ('agent', '{modules}', '{}'), ('agent', '{modules,n}', 'null'), ('agent', '{modules,n}', '"x"'), ('agent', '{modules,n}', '1.0'),
    ('m', '{type}', '"DOCKER"'), ('m', '{type}', '"docker "'), ('m', '{type}', '""'), ('m', '{type}', '{}'), ('m', '{status}', '"Running"'), ('m', '{status}', '"STOPPED"'), ('m', '{status}', '"unknown"'), ('m', '{status}', 'true'),
    ('m', '{restartPolicy}', '"Always"'), ('m', '{restartPolicy}', '"on-FAILURE"'), ('m', '{restartPolicy}', '"On-Unhealthy"'), ('m', '{restartPolicy}', '"NEVER"'), ('m', '{restartPolicy}', '"onfailure"'), ('m', '{restartPolicy}', '0'),
    ('m', '{startupOrder}', '0'), ('m', '{startupOrder}', '4294967295'), ('m', '{startupOrder}', '4294967296'), ('m', '{startupOrder}', '-1'), ('m', '{startupOrder}', '1.0'), ('m', '{startupOrder}', '1.5'), ('m', '{startupOrder}', '"1"'),
    ('m', '{imagePullPolicy}', '"ON-create"'), ('m', '{imagePullPolicy}', '"never"'), ('m', '{imagePullPolicy}', '"always"'), ('m', '{imagePullPolicy}', '"a \" quoted \\ value\n"'), ('m', '{imagePullPolicy}', '[]'),
    ('m', '{version}', '""'), ('m', '{version}', '1'), ('m', '{settings}', '"x"'), ('m', '{settings,image}', '7'), ('m', '{settings,image}', '""'),
    ('m', '{env}', '{}'), ('m', '{env}', '[]'), ('m', '{env}', '{"A": {}, "B": {"value": null}, "C": {"value": 1.5}, "D": {"value": 1}, "E": {"value": true}, "F": {"value": "x"}, "G": {"valu": {}}}'),
    ('m', '{env}', '{"A": null, "B": "x", "C": [], "D": {"value": {}}, "E": {"value": []}}'),
    ('system', '{edgeAgent}', '[]'), ('system', '{edgeAgent,status}', '"nonsense"'), ('system', '{edgeAgent,restartPolicy}', '7'), ('system', '{edgeAgent,startupOrder}', '{}'), ('system', '{edgeAgent,imagePullPolicy}', '"x"'), ('system', '{edgeAgent,version}', '1'), ('system', '{edgeAgent,env}', '1'),
    ('system', '{edgeHub,status}', '"nonsense"'), ('system', '{edgeHub,restartPolicy}', '"nonsense"'), ('system', '{edgeHub,startupOrder}', '-1'), ('system', '{edgeHub,type}', '"process"'),
    ('hub', '{schemaVersion}', '"1.x"'), ('hub', '{schemaVersion}', '[]'), ('hub', '{routes}', '[]'), ('hub', '{routes}', '"FROM /* INTO $upstream"'),
    ('hub', '{storeAndForwardConfiguration}', '1'), ('hub', '{storeAndForwardConfiguration,timeToLiveSecs}', '-2147483648'), ('hub', '{storeAndForwardConfiguration,timeToLiveSecs}', '2147483647'), ('hub', '{storeAndForwardConfiguration,timeToLiveSecs}', '-2147483649'),
    ('hub', '{storeAndForwardConfiguration,timeToLiveSecs}', '7200.0'), ('hub', '{storeAndForwardConfiguration,storeLimits}', '{}'), ('hub', '{storeAndForwardConfiguration,storeLimits}', '1'),
    ('hub', '{storeAndForwardConfiguration,storeLimits}', '{"maxSizeBytes": 9223372036854775807}'), ('hub', '{storeAndForwardConfiguration,storeLimits}', '{"maxSizeBytes": -1}'), ('hub', '{storeAndForwardConfiguration,storeLimits}', '{"maxSizeBytes": 1.0}')) AS v (place, path, value);

-- credentials
SELECT address, pg_temp.at('agent', '{runtime,settings,registryCredentials}', jsonb_build_object('c', jsonb_build_object('address', address, 'username', 'u', 'password', 'p')))
FROM (VALUES
    ('r.example'), ('r.example:5000'), ('https://index.docker.io/v1/'), ('$upstream:443'), ('$upstream:1'), ('$upstream:99999'), ('Ä'),
    (''), (' '), (E'\t\n'), ('r example'), (' r.example'), (E'r.example\n'), ('$upstream'), ('$upstream:'), ('$upstream:0'), ('$upstream:01'), ('$upstream:100000'), ('$upstream:443/'), ('$upstream:443 '), ('$UPSTREAM:443'), ('a$b'), ('${A}')) AS v (address);
SELECT what, pg_temp.at('agent', '{runtime,settings,registryCredentials}', what::jsonb) FROM (VALUES
    ('{"c": {"address": "r", "username": "", "password": " \t"}}'), ('{"c": {"address": null, "username": 1, "password": ["x"]}}'), ('{"c d": {"address": "r", "username": "u", "password": "$ x"}}')) AS v (what);

-- createOptions
SELECT settings, pg_temp.at('m', '{settings}', '{"image": "m"}'::jsonb || settings::jsonb) FROM (VALUES
    ('{"createOptions": null}'), ('{"createOptions": ""}'), ('{"createOptions": " \n\t\r"}'), ('{"createOptions": "{}"}'), ('{"createOptions": " {} "}'), ('{"createOptions": {}}'), ('{"createOptions": {"a.b": {"c d": 1}}}'),
    ('{"createOptions": "null"}'), ('{"createOptions": "1"}'), ('{"createOptions": "{} x"}'), ('{"createOptions": "{\"a\": 1, \"a\": 2}"}'), ('{"createOptions": "{\"a\": \"\\u0000\"}"}'), ('{"createOptions": "{\"a\": 1e999}"}'),
    ('{"createOptions": []}'), ('{"createOptions": [{"a.b": 1}]}'), ('{"createOptions": 1}'), ('{"createOptions": true}'),
    ('{"createOptions": "{", "createOptions01": "}"}'), ('{"createOptions": "", "createOptions01": "{}"}'), ('{"createOptions": "", "createOptions01": " "}'), ('{"createOptions": "{", "createOptions01": "x"}'),
    ('{"createOptions": "{", "createOptions01": null, "createOptions02": "}"}'), ('{"createOptions01": "{}"}'), ('{"createOptions02": "{}", "createOptions03": 1}'), ('{"createOptions": "x", "createOptions02": "", "createOptions05": ""}'),
    ('{"createOptions": {}, "createOptions01": ""}'), ('{"createOptions": {}, "createOptions02": {}}'), ('{"createOptions": "{", "createOptions01": 1, "createOptions02": {"a.b": 1}}'),
    ('{"createOptions": "{}", "createOptions1": 1, "createOptions00": 1, "createOptions100": 1, "createoptions01": 1, "createOptions0x": 1}')) AS v (settings);
SELECT 'a hundred pieces', pg_temp.at('m', '{settings}', (SELECT jsonb_object_agg(CASE n WHEN 0 THEN 'createOptions' ELSE 'createOptions' || to_char(n, 'FM00') END,
    CASE n WHEN 0 THEN '{"a": "' WHEN 99 THEN '"}' ELSE 'x' END) || '{"image": "m"}' FROM generate_series(0, 99) AS n));
SELECT levels, pg_temp.at('m', '{settings,createOptions}', to_jsonb('{"a":' || repeat('[', levels - 1) || repeat(']', levels - 1) || '}')) FROM (VALUES (64), (65)) AS v (levels);
SELECT 'in the system modules', pg_temp.at('system', '{edgeHub,settings,createOptions}', '"x"'), pg_temp.at('system', '{edgeAgent,settings,createOptions}', '{"a.b": 1}');
-- what is not a module's createOptions has keys of a twin
SELECT place, value, pg_temp.at(place, path::text[], value::jsonb) FROM (VALUES
    ('system', '{other}', '{"settings": {"createOptions": {"a.b": 1}}}'), ('agent', '{other}', '{"m": {"settings": {"createOptions": {"a.b": 1}}}}'),
    ('twin', '{modules}', '{"m": {"settings": {"createOptions": {"a.b": 1}}}}'), ('hub', '{modules}', '{"m": {"settings": {"createOptions": {"a.b": 1}}}}'),
    ('m', '{other}', '{"createOptions": {"a.b": 1}}'), ('m', '{settings}', '{"image": "m", "other": {"createOptions": {"a.b": 1}}, "createOptionsX": {"a.b": 1}}'),
    ('m', '{createOptions}', '{"a.b": 1}'), ('m', '{settings}', '{"image": "m", "createOptions": {"a": [{"b.c": {"createOptions": {" ": 1}}}]}}')) AS v (place, path, value);

-- routes
SELECT version, routes, pg_temp.said(jsonb_set(jsonb_set(content, '{modulesContent,$edgeHub,properties.desired,routes}', routes::jsonb),
    '{modulesContent,$edgeHub,properties.desired,schemaVersion}', version::jsonb)::text)
FROM base, (VALUES
    ('"1.0"', '{"r": {"route": "FROM /* INTO $upstream"}, "s": "FROM /* INTO $upstream"}'), ('"1.0.0"', '{"r": {"route": 1}}'), ('"1.1"', '{"r": {"route": "FROM /* INTO $upstream"}}'), ('"1.2.0"', '{"r": {"route": "x", "priority": null, "timeToLiveSecs": null, "other": 1}}'),
    ('"9"', '{"r": {"route": "FROM /* INTO $upstream"}}'), ('null', '{"r": {"route": "FROM /* INTO $upstream"}}'),
    ('"1.1"', '{"r": null, "s": 1, "t": [], "u": true, "v": {}, "w": ""}'), ('"1.1"', '{"r": {"route": {}, "priority": 0, "timeToLiveSecs": 4294967295}, "s": {"route": null, "priority": 9, "timeToLiveSecs": 0}}'),
    ('"1.1"', '{"r": {"route": "FROM /* INTO $upstream", "priority": 10, "timeToLiveSecs": 4294967296}, "s": {"route": "FROM /* INTO $upstream", "priority": -1, "timeToLiveSecs": -1}, "t": {"route": "FROM /* INTO $upstream", "priority": 1.0, "timeToLiveSecs": "x"}}')) AS v (version, routes);

-- what every twin keeps to
SELECT regexp_replace(desired, '(.)\1{29,}', '\1…', 'g'), regexp_replace(pg_temp.at('twin', '{}', desired::jsonb), '(.)\1{29,}', '\1…', 'g') FROM (VALUES
    ('{"a.b": 1}'), ('{"a$": 1}'), ('{" ": 1}'), ('{"": 1}'), ('{"\t": 1}'), ('{"\u001f": 1}'), ('{"\u007f": 1}'), ('{"\u0080": 1}'), ('{"\u009f": 1}'), ('{"\u00a0": 1}'), ('{"\u3000": 1}'), ('{"größe": 1, "/\\\"": {"<>": 1}}'),
    ('{"' || repeat('k', 1024) || '": 1}'), ('{"' || repeat('k', 1025) || '": 1}'), ('{"' || repeat('ä', 512) || '": 1}'), ('{"' || repeat('ä', 513) || '": 1}'),
    ('{"a b": {"c d": [{"e.f": "' || repeat('x', 4097) || '"}]}, "g": [[[{"": null}]]]}'),
    ('{"s": "' || repeat('ä', 2048) || '"}'), ('{"s": "' || repeat('ä', 2048) || 'x"}'), ('{"s": ["x", "' || repeat('x', 5000) || '"]}'), ('{"a.b": "' || repeat('x', 5000) || '"}'),
    ('{"a": [[[[[[[[[[1]]]]]]]]]]}'), ('{"a": [[[[[[[[[[[1]]]]]]]]]]]}'), ('{"a": [[[[[[[[[[{"b.c": "' || repeat('x', 5000) || '"}]]]]]]]]]], "d e": 1}'), ('{"a": [[[[[[[[[[[], {}]]]]]]]]]]}'),
    (repeat('{"a": ', 10) || '[]' || repeat('}', 10)), (repeat('{"a": ', 11) || '1' || repeat('}', 11)), (repeat('{"a": ', 40) || '1' || repeat('}', 40))) AS v (desired);
-- its size: of keys and strings the bytes, 8 a number, 4 a boolean or null
CREATE FUNCTION pg_temp.filled(bytes integer) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(format('"%s": "%s"', chr(96 + n), repeat('x', least(bytes - (n - 1) * 4097, 4097) - 1)), ', ')
    FROM generate_series(1, (bytes + 4096) / 4097) AS n
$$;
SELECT what, pg_temp.at('twin', '{}', format('{%s, %s}', pg_temp.filled(32768 - bytes), what)::jsonb) AS just, pg_temp.at('twin', '{}', format('{%s, %s}', pg_temp.filled(32769 - bytes), what)::jsonb) AS more FROM (VALUES
    ('"z": 1', 9), ('"z": 1.25', 9), ('"z": true', 5), ('"z": false', 5), ('"z": null', 5), ('"z": ""', 1), ('"z": []', 1), ('"z": {}', 1), ('"zz": [1, [2, null], {"z": "z"}]', 24), ('"ä": "ä😀"', 8), ('"\u0041": "\n"', 2)) AS v (what, bytes);
SELECT 'createOptions counts', pg_temp.at('m', '{settings,createOptions}', jsonb_build_object('a', (SELECT jsonb_agg(repeat('x', 4000)) FROM generate_series(1, 9)))),
    pg_temp.at('m', '{settings,createOptions}', to_jsonb('{"a": "' || repeat('x', 4096) || '"}'));
SELECT 'also below a place too deep', pg_temp.at('twin', '{}', ('{"a": [[[[[[[[[[["' || repeat('x', 33000) || '"]]]]]]]]]]]}')::jsonb);

-- one problem a place: the first rule's
SELECT path, message FROM twinset.check_manifest(pg_temp.patched('{a.b}', '7'));
SELECT path, message FROM twinset.check_manifest(pg_temp.patched('{$edgeAgent,properties.desired,modules,m,settings,image}', to_jsonb(repeat('X', 5000))));
SELECT path, message FROM twinset.check_manifest(pg_temp.patched('{$edgeAgent,properties.desired,modules,a.b}', 'null'));

-- paths, in the order of their bytes
SELECT path FROM twinset.check_manifest(pg_temp.patched('{m,properties.desired}',
    '{"a": {"": 1, "$": 1}, "aB": {"": 1}, "a_": {"": 1}, "a b": {"": 1}, "a\"\\": {"": 1}, "a\n": {"": 1}, "1a": {"": 1}, "_1": {"": 1}, "ä": {"": 1}, "😀": {"": 1}, "\u0080": {"": 1},
      "l": [{"": 1}, {"": 1}, {"": 1}, {"": 1}, {"": 1}, {"": 1}, {"": 1}, {"": 1}, {"": 1}, {"": 1}, [{"": 1}]]}')) WITH ORDINALITY AS p (path, message, n) ORDER BY n;
SELECT bool_and(path > before COLLATE "C") IS NOT FALSE AS in_order, count(*) FROM (
    SELECT path, lag(path) OVER (ORDER BY n) AS before FROM twinset.check_manifest((
        SELECT format('{"modulesContent": {%s}}', string_agg(format('"%s": {"properties.desired": {"k%s": [{"x": {"": 1}}], "": {" ": 1}}, "%s": 1}', chr(32 + n % 90 + (n % 90) / 2) || n, n % 7, chr(35 + n % 50)), ', '))
        FROM generate_series(1, 500) AS n WHERE chr(32 + n % 90 + (n % 90) / 2) NOT IN ('"', '\'))) WITH ORDINALITY AS p (path, message, n)) AS q;
