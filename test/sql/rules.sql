--
-- What a column of twin or deployment may hold, and the merge patch.
--
-- Each table of cases prints what must hold as the case's name; "ok" says
-- whether it does.
--

-- identifiers: every ASCII character, alone
SELECT string_agg(chr(c), '' ORDER BY c) AS device_id_characters
FROM generate_series(1, 127) AS c
WHERE twinset.device_id_valid(chr(c));

SELECT string_agg(chr(c), '' ORDER BY c) AS deployment_id_characters
FROM generate_series(1, 127) AS c
WHERE twinset.deployment_id_valid(chr(c));

SELECT name, twinset.device_id_valid(id) AS device, twinset.deployment_id_valid(id) AS deployment
FROM (VALUES
    (1, 'empty', ''),
    (2, '1 character', 'a'),
    (3, '128 characters', repeat('a', 128)),
    (4, '129 characters', repeat('a', 129)),
    (5, '100000 characters', repeat('a', 100000)),
    (6, 'a wrong first character', '/' || repeat('a', 100)),
    (7, 'a wrong last character', repeat('a', 100) || '/'),
    (8, 'a capital letter', 'aBc'),
    (9, 'a letter that is not ASCII', 'caf' || U&'\00e9'),
    (10, 'a digit that is not ASCII', U&'\0661'),
    (11, 'a character of four bytes', U&'\+01F600'),
    (12, 'a space at the end', 'a '),
    (13, 'a new line at the end', E'a\n'),
    (14, 'null', NULL)) AS cases (n, name, id)
ORDER BY n;

-- tags: what they are
SELECT name, twinset.tags_valid(tags::jsonb) AS valid
FROM (VALUES
    (1, 'empty', '{}'),
    (2, 'each type of value', '{"s": "x", "n": -1.50, "t": true, "f": false, "z": null, "a": [1, "x", null, {}, []], "o": {"p": 1}}'),
    (3, 'an array', '[]'),
    (4, 'an array of an object', '[{"a": 1}]'),
    (5, 'a string', '"x"'),
    (6, 'a number', '1'),
    (7, 'true', 'true'),
    (8, 'JSON null', 'null'),
    (9, 'SQL NULL', NULL)) AS cases (n, name, tags)
ORDER BY n;

-- tags: keys, and where a key stands
SELECT name, bool_and(twinset.tags_valid(place) = valid) AS ok, valid
FROM (VALUES
    (1, 'a key of no byte', '', false),
    (2, 'a key of 1 byte', 'k', true),
    (3, 'a key of 1024 bytes', repeat('k', 1024), true),
    (4, 'a key of 1025 bytes', repeat('k', 1025), false),
    (5, 'a key of 1024 bytes in 512 characters', repeat(U&'\00e9', 512), true),
    (6, 'a key of 1026 bytes in 513 characters', repeat(U&'\00e9', 513), false),
    (7, 'a dot', 'a.b', false),
    (8, 'a dollar', 'a$b', false),
    (9, 'a space', 'a b', false),
    (10, 'a dot first', '.a', false),
    (11, 'a dollar first', '$a', false),
    (12, 'a space last', 'a ', false),
    (13, 'a quote and a backslash', '"\', true),
    (14, 'other signs', '!#%&()*+,-/:;<=>?@[]^_`{|}~''', true),
    (15, 'a no-break space', U&'a\00a0b', true),
    (16, 'A with tilde, whose second byte is 83', U&'a\00c3b', true),
    (17, 'A with circumflex, whose second byte is 82', U&'\00c2', true),
    (18, 'a dash, whose bytes two and three are 80 93', U&'\2013', true),
    (19, 'a character of four bytes', U&'\+01F600', true)) AS cases (n, name, key, valid),
    LATERAL (VALUES
        (jsonb_build_object(key, 1)),
        (jsonb_build_object('a', 1, key, '{}'::jsonb)),
        (jsonb_build_object('a', jsonb_build_object(key, 1, 'zz', 2))),
        (jsonb_build_object('a', jsonb_build_array(1, jsonb_build_object(key, 1)))),
        (jsonb_build_object('a', jsonb_build_array(jsonb_build_array(jsonb_build_object(key, '[]'::jsonb)))))) AS places (place)
GROUP BY n, name, valid
ORDER BY n;

-- tags: every character up to U+0100, in the middle and at both ends of a key
SELECT string_agg(to_hex(c), ' ' ORDER BY c) AS not_in_a_key
FROM generate_series(1, 256) AS c
WHERE NOT twinset.tags_valid(jsonb_build_object('a' || chr(c) || 'b', 1))
    AND NOT twinset.tags_valid(jsonb_build_object(chr(c) || 'b', 1))
    AND NOT twinset.tags_valid(jsonb_build_object('a' || chr(c), 1));

SELECT string_agg(to_hex(c), ' ' ORDER BY c) AS only_in_a_place
FROM generate_series(1, 256) AS c
WHERE twinset.tags_valid(jsonb_build_object('a' || chr(c) || 'b', 1))
    IS DISTINCT FROM twinset.tags_valid(jsonb_build_object(chr(c) || 'b', 1))
    OR twinset.tags_valid(jsonb_build_object('a' || chr(c) || 'b', 1))
    IS DISTINCT FROM twinset.tags_valid(jsonb_build_object('a' || chr(c), 1));

-- tags: strings
SELECT name, bool_and(twinset.tags_valid(place) = valid) AS ok, valid
FROM (VALUES
    (1, 'a string of no byte', '', true),
    (2, 'a string of 4096 bytes', repeat('s', 4096), true),
    (3, 'a string of 4097 bytes', repeat('s', 4097), false),
    (4, 'a string of 4096 bytes in 2048 characters', repeat(U&'\00e9', 2048), true),
    (5, 'a string of 4098 bytes in 2049 characters', repeat(U&'\00e9', 2049), false),
    (6, 'what no key may hold', E'. $\n\x7f' || U&'\0085', true)) AS cases (n, name, string, valid),
    LATERAL (VALUES
        (jsonb_build_object('a', string)),
        (jsonb_build_object('a', jsonb_build_object('b', 1, 'c', string))),
        (jsonb_build_object('a', jsonb_build_array(1, string))),
        (jsonb_build_object('a', jsonb_build_array(jsonb_build_object('b', string), 1)))) AS places (place)
GROUP BY n, name, valid
ORDER BY n;

-- tags: levels below the object at the top
SELECT levels,
    twinset.tags_valid((repeat('{"a": ', levels) || '{}' || repeat('}', levels))::jsonb) AS objects,
    twinset.tags_valid((repeat('{"a": ', levels) || '{"b": 1}' || repeat('}', levels))::jsonb) AS filled,
    twinset.tags_valid(('{"a": ' || repeat('[', levels) || repeat(']', levels) || '}')::jsonb) AS arrays,
    twinset.tags_valid(('{"a": ' || repeat('[{"b": ', levels / 2) || repeat('[]', levels % 2) || repeat('1', (levels + 1) % 2)
        || repeat('}]', levels / 2) || '}')::jsonb) AS mixed
FROM (VALUES (1), (2), (9), (10), (11), (12), (1000)) AS cases (levels)
ORDER BY levels;

-- what is beside or after a deep value counts from its own place
SELECT twinset.tags_valid('{"a": [[[[[[[[[[]]]]]]]]]], "b": {"c": [[[[[[[[[]]]]]]]]]}, "d": [{}, {}, {}, [], [], [], [], [], [], [], []]}') AS ten,
    twinset.tags_valid('{"a": [[[[[[[[[[]]]]]]]]]], "b": {"c": [[[[[[[[[]]]]]]]]], "d": [[[[[[[[[[]]]]]]]]]]}}') AS eleven;

-- tags: the text has at most 8192 bytes, whatever it is made of
CREATE FUNCTION pg_temp.filled(content jsonb, bytes integer) RETURNS jsonb
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT jsonb_build_object('c', content, 'p', repeat('x', least(rest, 4096)), 'q', repeat('x', rest - 4096))
    FROM (SELECT bytes - octet_length(jsonb_build_object('c', content, 'p', '', 'q', '')::text)) AS room (rest);
END;

SELECT name,
    octet_length(pg_temp.filled(content, 8192)::text) = 8192 AS fits,
    twinset.tags_valid(pg_temp.filled(content, 8191)) AS "8191",
    twinset.tags_valid(pg_temp.filled(content, 8192)) AS "8192",
    twinset.tags_valid(pg_temp.filled(content, 8193)) AS "8193",
    twinset.tags_valid(pg_temp.filled(content, 8194)) AS "8194"
FROM (VALUES
    (1, 'null', 'null'::jsonb),
    (2, 'true', 'true'),
    (3, 'false', 'false'),
    (4, 'a string', '"abc"'),
    (5, 'a string of 1300 control characters, 6 bytes each', to_jsonb(repeat(E'\x1b', 1300))),
    (6, 'every character with an escape, and some without', to_jsonb((SELECT string_agg(chr(c), '') FROM generate_series(1, 300) AS c))),
    (7, 'a quote, a backslash, a slash', '"\"\\/"'),
    (8, 'characters of two, three and four bytes', to_jsonb(repeat(U&'\00e9\20ac\+01F600', 100))),
    (9, '0', '0'),
    (10, 'a negative number', '-12345.678'),
    (11, 'a number with zeros at its end', '1.5000000000'),
    (12, 'a number of 4001 digits, written shorter', '1e4000'),
    (13, 'a number of 4002 characters, written shorter', '1e-4000'),
    (14, 'two numbers, the sign', '[-1e4000, 1e-4000]'),
    (15, 'a number of 300 digits', repeat('7', 300)::jsonb),
    (16, 'an empty object', '{}'),
    (17, 'an object of 1', '{"a": 1}'),
    (18, 'an object of 2', '{"a": 1, "b": 2}'),
    (19, 'an object of 300', (SELECT jsonb_object_agg('k' || c, c) FROM generate_series(1, 300) AS c)),
    (20, 'an empty array', '[]'),
    (21, 'an array of 1', '[1]'),
    (22, 'an array of 2', '[1, 2]'),
    (23, 'an array of 1000', (SELECT jsonb_agg(c) FROM generate_series(1, 1000) AS c)),
    (24, 'arrays and objects in each other', '[[], {}, [[], {"a": [{"b": {}}, null]}], {"a": [], "b": {"c": [true]}}]'),
    (25, 'a key with a quote and a backslash', '{"\"\\": 1}'),
    (26, 'a key of 1024 bytes', jsonb_build_object(repeat(U&'\00e9', 512), 1))) AS cases (n, name, content)
ORDER BY n;

-- far too much, of each kind
SELECT name, twinset.tags_valid(tags) AS valid
FROM (VALUES
    (1, 'a number of 131072 digits', '{"a": 1e131071}'::jsonb),
    (2, 'a million nulls', jsonb_build_object('a', array_fill(NULL::integer, ARRAY[1000000]))),
    (3, 'a hundred thousand keys', (SELECT jsonb_object_agg('k' || c, c) FROM generate_series(1, 100000) AS c)),
    (4, 'strings of 4096 control characters', jsonb_build_object('a', repeat(E'\x01', 4096)))) AS cases (n, name, tags)
ORDER BY n;

-- labels
SELECT name, twinset.labels_valid(labels::jsonb) AS valid
FROM (VALUES
    (1, 'empty', '{}'),
    (2, 'strings', '{"team": "edge", "x": ""}'),
    (3, 'any key', '{"": "a", "a.b $": "c", "\u0001": "d"}'),
    (4, 'a long string', '{"a": "' || repeat('s', 10000) || '"}'),
    (5, 'a number', '{"a": "x", "b": 1}'),
    (6, 'a boolean', '{"a": true, "b": "x"}'),
    (7, 'a null', '{"a": null}'),
    (8, 'an array', '{"a": []}'),
    (9, 'an array of strings', '{"a": ["x"]}'),
    (10, 'an object', '{"a": {}}'),
    (11, 'an object of strings', '{"a": {"b": "x"}}'),
    (12, 'not an object but an array', '["a"]'),
    (13, 'not an object but a string', '"a"'),
    (14, 'not an object but null', 'null'),
    (15, 'SQL NULL', NULL)) AS cases (n, name, labels)
ORDER BY n;

-- the merge patch: the table of RFC 7396's appendix A
SELECT target, patch, twinset.merge_patch(target, patch) AS result,
    twinset.merge_patch(target, patch) = expected AS ok
FROM (VALUES
    (1, '{"a": "b"}'::jsonb, '{"a": "c"}'::jsonb, '{"a": "c"}'::jsonb),
    (2, '{"a": "b"}', '{"b": "c"}', '{"a": "b", "b": "c"}'),
    (3, '{"a": "b"}', '{"a": null}', '{}'),
    (4, '{"a": "b", "b": "c"}', '{"a": null}', '{"b": "c"}'),
    (5, '{"a": ["b"]}', '{"a": "c"}', '{"a": "c"}'),
    (6, '{"a": "c"}', '{"a": ["b"]}', '{"a": ["b"]}'),
    (7, '{"a": {"b": "c"}}', '{"a": {"b": "d", "c": null}}', '{"a": {"b": "d"}}'),
    (8, '{"a": [{"b": "c"}]}', '{"a": [1]}', '{"a": [1]}'),
    (9, '["a", "b"]', '["c", "d"]', '["c", "d"]'),
    (10, '{"a": "b"}', '["c"]', '["c"]'),
    (11, '{"a": "foo"}', 'null', 'null'),
    (12, '{"a": "foo"}', '"bar"', '"bar"'),
    (13, '{"e": null}', '{"a": 1}', '{"e": null, "a": 1}'),
    (14, '[1, 2]', '{"a": "b", "c": null}', '{"a": "b"}'),
    (15, '{}', '{"a": {"bb": {"ccc": null}}}', '{"a": {"bb": {}}}')) AS cases (n, target, patch, expected)
ORDER BY n;

-- and the example of its section 3
SELECT twinset.merge_patch(
    '{"title": "Goodbye!", "author": {"givenName": "John", "familyName": "Doe"}, "tags": ["example", "sample"], "content": "This will be unchanged"}',
    '{"title": "Hello!", "phoneNumber": "+01-123-456-7890", "author": {"familyName": null}, "tags": ["example"]}')
    = '{"title": "Hello!", "author": {"givenName": "John"}, "tags": ["example"], "content": "This will be unchanged", "phoneNumber": "+01-123-456-7890"}' AS ok;

-- what the table leaves open
SELECT name, twinset.merge_patch(target::jsonb, patch::jsonb) AS result
FROM (VALUES
    (1, 'an empty patch changes nothing', '{"a": {"b": [1, {"c": null}]}}', '{}'),
    (2, 'an empty object in a patch changes no object', '{"a": {"b": 1}}', '{"a": {}}'),
    (3, 'an empty object in a patch replaces what is no object', '{"a": [1]}', '{"a": {}}'),
    (4, 'an array is taken with its nulls', '{}', '{"a": [null, {"b": null}]}'),
    (5, 'a null for what is not there', '{"a": 1}', '{"b": null, "c": {"d": null}}'),
    (6, 'a null in the target stays', '{"a": {"b": null, "c": 1}}', '{"a": {"c": null}}'),
    (7, 'a scalar target', '1', '{"a": {"b": 1}}'),
    (8, 'an array of an object as the target', '[{"a": 1}]', '{"b": 2}'),
    (9, 'objects and arrays beside the change are kept', '{"a": {"x": [1, 2], "y": {"z": 1.50}}, "b": [[]]}', '{"a": {"w": 1}}'),
    (10, 'the empty key is a key', '{"": {"": 1}}', '{"": {"": null, "a": 2}}'),
    (11, 'a SQL NULL target', NULL, '{}'),
    (12, 'a SQL NULL patch', '{}', NULL)) AS cases (n, name, target, patch)
ORDER BY n;

-- keys of many lengths, more than one block of offsets
SELECT twinset.merge_patch(old, patch) = new AS ok
FROM (SELECT
        jsonb_object_agg(repeat('k', k % 7) || k, k) AS old,
        jsonb_object_agg(repeat('k', k % 7) || k, CASE k % 3 WHEN 0 THEN NULL ELSE -k END)
            FILTER (WHERE k % 3 < 2) AS patch,
        jsonb_object_agg(repeat('k', k % 7) || k, CASE k % 3 WHEN 1 THEN -k ELSE k END)
            FILTER (WHERE k % 3 > 0) AS new
    FROM generate_series(1, 1000) AS k) AS many;

-- 3000 levels
SELECT twinset.merge_patch((repeat('{"a": ', 3000) || '{"x": 1, "y": 2}' || repeat('}', 3000))::jsonb,
        (repeat('{"a": ', 3000) || '{"x": null}' || repeat('}', 3000))::jsonb)
    = (repeat('{"a": ', 3000) || '{"y": 2}' || repeat('}', 3000))::jsonb AS ok;

-- a planner may rely on all of them
SELECT oid::regprocedure AS function, provolatile AS volatility, proisstrict AS strict, proparallel AS parallel,
    obj_description(oid, 'pg_proc') IS NOT NULL AS comment
FROM pg_proc
WHERE pronamespace = 'twinset'::regnamespace
    AND proname IN ('device_id_valid', 'tags_valid', 'deployment_id_valid', 'labels_valid', 'merge_patch')
ORDER BY proname;
