--
-- The rules for a manifest's text, at their edges: the first problem alone, with
-- its line and column; and whatever gets past them is JSON for jsonb too.
--
\pset format unaligned
CREATE TEMP TABLE texts (n serial, name text, content text);
INSERT INTO texts (name, content) VALUES
    ('1 MiB of white space', repeat(' ', 1048576)),
    ('1 MiB and a byte', repeat(' ', 1048577)),
    ('1 MiB in characters, more in bytes', '"' || repeat('ä', 1048574) || '"'),
    ('1 MiB of lines and more', repeat(E'\n', 2000000)),
    ('a string of 1 MiB', '"' || repeat('x', 1048574) || '"'),
    ('size comes before depth', repeat('[', 1048577)),
    ('64 levels', repeat('[', 64) || repeat(']', 64)),
    ('65 levels', repeat(E'[\n', 65)),
    ('65 levels of objects', repeat('{"a":', 65) || '1' || repeat('}', 65)),
    ('64 levels of both kinds', repeat('{"a":[', 32) || '1' || repeat(']}', 32)),
    ('a hundred pairs side by side', '[' || repeat('{},[],', 100) || '1]'),
    ('levels in a string', '"' || repeat('[', 100) || '"'),
    ('levels after an escaped quote', '["\"' || repeat('[', 100) || '"]'),
    ('levels after an escaped backslash', '["\\",' || repeat('[', 100) || ']'),
    ('depth comes before JSON', '}}}' || repeat('[', 65)),
    ('a hundred thousand levels', repeat('[', 100000)),
    ('white space alone', E' \n\t\r\n '),
    ('a byte order mark', U&'\FEFF{}'),
    ('a form feed', E'\f{}'),
    ('a no-break space', U&'\00A0{}'),
    ('a string that does not end', E'{"a":\n"b'),
    ('a tab in a string', E'{"a": "\t"}'),
    ('a control character in a string', E'{"a": "\x01"}'),
    ('an unknown escape', '{"a": "\x"}'),
    ('an escape too short', '{"a": "\u12"}'),
    ('single quotes', '{''a'': 1}'),
    ('a key without quotes', '{a: 1}'),
    ('a comma too many', '[1,]'),
    ('no comma', E'[1\n2]'),
    ('no colon', '{"a" 1}'),
    ('two values', '{} {}'),
    ('a comment', '{} // a'),
    ('a comment of the other kind', '/* */ {}'),
    ('True', '[True]'),
    ('NaN', '[NaN]'),
    ('Infinity', '[-Infinity]'),
    ('a leading zero', '[01]'),
    ('a plus sign', '[+1]'),
    ('a point without digits', '[1.]'),
    ('a point without digits before', '[.5]'),
    ('an exponent without digits', '[1e]'),
    ('hexadecimal', '[0x10]'),
    ('the largest integer', '[9223372036854775807]'),
    ('one more', E'[\n9223372036854775808]'),
    ('the smallest integer', '[-9223372036854775808]'),
    ('one less', '[-9223372036854775809]'),
    ('a thousand digits', '[' || repeat('1', 1000) || ']'),
    ('the largest real', '[1.7976931348623157e308]'),
    ('a larger real', '[1.8e308]'),
    ('a smaller real', '[-1e309]'),
    ('a number with a sign and too many digits', '[1, -1e-99999]'),
    ('a small real', '[5e-324]'),
    ('a real that is zero for double', '[1e-400]'),
    ('all digits that numeric keeps', '[1e-16383]'),
    ('one digit more', E'[1,\n 1e-16384]'),
    ('one digit more, all written', '[0.' || repeat('0', 16383) || '1]'),
    ('zero with an exponent', '[0e1073741822, 0e-16383, 0E+1, 0.0e0]'),
    ('zero with an exponent that numeric does not read', '[0e1073741823]'),
    ('zero with an exponent of thirty digits', '[0e123456789012345678901234567890]'),
    ('digits that an exponent makes fewer', '[1.' || repeat('1', 16390) || 'e7]'),
    ('one digit too many with an exponent', '[1.' || repeat('1', 16391) || 'e7]'),
    ('one digit too many with a plus', '[1.' || repeat('1', 16391) || 'e+7]'),
    ('digits in a string', '["1e-99999", "\"1e-99999"]'),
    ('a number after an escaped backslash', '["\\", 1e-99999]'),
    ('a duplicate key', E'{"a": {"b": 1,\n"c": 2,\n"b": 3}}'),
    ('a duplicate empty key', '{"": 1, "": 2}'),
    ('a duplicate key before bad syntax', E'{"a": 1, "a": 2,\n}'),
    ('bad syntax before a duplicate key', E'{"a": 1,, \n"a": 2}'),
    ('the same key on two levels', '{"a": {"a": 1}}'),
    ('\u0000 in a string', E'{"a":\n\n"x\\u0000"}'),
    ('\u0000 in a key', E'{"a": 1,\n"\\u0000": 1}'),
    ('an escaped backslash before u0000', '{"a": "\\u0000"}'),
    ('\u0001', '{"a": "\u0001"}'),
    ('a surrogate pair', '{"a": "\ud83d\ude00"}'),
    ('the second half of a pair', '{"a": "\ude00"}'),
    ('two first halves', '{"a": "\ud83d\ud83d"}'),
    ('half a pair and a letter', '{"a": "\ud83dx"}'),
    ('a noncharacter', '{"a": "\uffff"}'),
    ('characters of four bytes', '{"😀": "😀"}'),
    ('the column counts characters', '{"😀😀äö": x}'),
    ('a string', '"x"'),
    ('an integer', '1'),
    ('a real number', '1.0'),
    ('a boolean', 'true'),
    ('null', 'null'),
    ('an array', '[]');

SELECT n, name, path, message
FROM texts LEFT JOIN LATERAL twinset.check_manifest(content) ON true
ORDER BY n, path;

-- jsonb takes each text whose JSON is right (its own error would end the query)
SELECT count(*) AS taken, bool_and(content::jsonb IS NOT NULL) AS by_jsonb_too
FROM texts
WHERE NOT EXISTS (SELECT FROM twinset.check_manifest(content) WHERE message ~ '^line');

-- what input raises: limits, JSON, and all else
CREATE FUNCTION pg_temp.sqlstate_of(content text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM content::twinset.manifest;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RETURN sqlstate;
END $$;
SELECT pg_temp.sqlstate_of(content) AS sqlstate,
       regexp_replace(regexp_replace(message, '^line \d+, column \d+: ', ''), '\d{7}', 'N') AS message,
       count(*) AS texts
FROM texts, LATERAL twinset.check_manifest(content)
GROUP BY 1, 2 ORDER BY 1, 2;

-- bytes that are no UTF-8 come only in binary
\getenv builddir PG_ABS_BUILDDIR
\cd :builddir
CREATE TEMP TABLE bytes (content bytea);
CREATE TEMP TABLE received (content twinset.manifest);
CREATE FUNCTION pg_temp.bytes(content bytea) RETURNS void LANGUAGE sql
    AS $$ TRUNCATE bytes; INSERT INTO bytes SELECT '\x01' || content $$;
SELECT pg_temp.bytes('{"a":\012"\303"}') \g /dev/null
\copy bytes to 'results/manifest_text.copy' (format binary)
\copy received from 'results/manifest_text.copy' (format binary)
SELECT pg_temp.bytes('"\300\257"') \g /dev/null
\copy bytes to 'results/manifest_text.copy' (format binary)
\copy received from 'results/manifest_text.copy' (format binary)
SELECT pg_temp.bytes('"\355\240\200"') \g /dev/null
\copy bytes to 'results/manifest_text.copy' (format binary)
\copy received from 'results/manifest_text.copy' (format binary)
SELECT pg_temp.bytes('"\364\220\200\200"') \g /dev/null
\copy bytes to 'results/manifest_text.copy' (format binary)
\copy received from 'results/manifest_text.copy' (format binary)
SELECT pg_temp.bytes('"a\000"') \g /dev/null
\copy bytes to 'results/manifest_text.copy' (format binary)
\copy received from 'results/manifest_text.copy' (format binary)
SELECT pg_temp.bytes('\000\377') \g /dev/null
\copy bytes to 'results/manifest_text.copy' (format binary)
\copy received from 'results/manifest_text.copy' (format binary)
-- encoding comes before depth, size before encoding
SELECT pg_temp.bytes((repeat('[', 65))::bytea || '\xff') \g /dev/null
\copy bytes to 'results/manifest_text.copy' (format binary)
\copy received from 'results/manifest_text.copy' (format binary)
SELECT pg_temp.bytes((repeat('[', 1048576))::bytea || '\xff') \g /dev/null
\copy bytes to 'results/manifest_text.copy' (format binary)
\copy received from 'results/manifest_text.copy' (format binary)
