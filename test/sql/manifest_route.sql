--
-- The language of routes, and what is said of what is none.
--
\pset format unaligned
\pset tuples_only on
CREATE FUNCTION pg_temp.with_route(route text) RETURNS text LANGUAGE sql AS $$
    SELECT jsonb_set('{"modulesContent": {
        "$edgeAgent": {"properties.desired": {"schemaVersion": "1.1", "runtime": {"type": "docker"},
            "systemModules": {"edgeAgent": {"type": "docker", "settings": {"image": "agent"}},
                              "edgeHub": {"type": "docker", "status": "running", "settings": {"image": "hub"}}}}},
        "$edgeHub": {"properties.desired": {"schemaVersion": "1.1",
            "storeAndForwardConfiguration": {"timeToLiveSecs": 1}}}}}'::jsonb,
        '{modulesContent,$edgeHub,properties.desired,routes}',
        jsonb_build_object('r', route))::text
$$;
CREATE FUNCTION pg_temp.route(route text) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce((SELECT message FROM twinset.check_manifest(pg_temp.with_route(route))), 'a route')
$$;
-- an expression, with the positions counted in it
CREATE FUNCTION pg_temp.expression(expression text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    said text := pg_temp.route('FROM /* WHERE ' || expression || ' INTO $upstream');
    place integer := substring(said FROM 'character (\d+)')::integer;
BEGIN
    RETURN CASE WHEN place IS NULL THEN said
        ELSE replace(said, 'character ' || place, 'character ' || place - 14) END;
END $$;
CREATE FUNCTION pg_temp.sink(sink text) RETURNS text LANGUAGE sql
    AS $$ SELECT pg_temp.route('FROM /* INTO ' || sink) $$;

-- the frame
SELECT route, pg_temp.route(route) FROM (VALUES
    ('FROM /messages/* INTO $upstream'),
    (E' \t\r\nFROM\n/messages/*\tINTO\r$upstream '),
    ('from /* into $UPSTREAM'),
    ('SELECT * FROM /* INTO $upstream'),
    ('select*from /* INTO $upstream'),
    ('SELECT *FROM /* INTO $upstream'),
    ('SELECT a FROM /* INTO $upstream'),
    ('SELECT FROM /* INTO $upstream'),
    ('FROM/messages/modules/a/outputs/b INTO $upstream'),
    ('FROM / messages / * INTO $upstream'),
    ('FROM /messages/*INTO $upstream'),
    ('FROM /a*b/+/1.5/-/twinChangeNotifications INTO $upstream'),
    ('FROM /größe/😀 INTO $upstream'),
    ('FROM /größe/😀/ INTO $upstream'),
    ('FROM messages INTO $upstream'),
    ('FROM /messages/ INTO $upstream'),
    ('FROM //messages INTO $upstream'),
    ('FROM / INTO $upstream'),
    ('FROM /into INTO $upstream'),
    ('FROM /Select INTO $upstream'),
    ('FROM /intox/select.y INTO $upstream'),
    ('FROM /$a INTO $upstream'),
    ('FROM /"a" INTO $upstream'),
    ('FROM /a/b c INTO $upstream'),
    ('FROM /a, /b INTO $upstream'),
    ('FROM /* WHERE INTO $upstream'),
    ('FROM /* INTO'),
    ('FROM /*'),
    ('FROM'),
    ('FROMx /* INTO $upstream'),
    (''),
    ('   '),
    ('FROM /* INTO $upstream INTO $upstream'),
    ('FROM /* INTO $upstream;'),
    ('FROM /* INTO $upstream x'),
    ('FROM /* WHERE a = 1 WHERE b = 2 INTO $upstream'),
    (E'FROM /* WHERE a\fINTO $upstream'),
    ('FROM /* INTO ' || U&'\00A0' || '$upstream')) AS v (route);

-- sinks
SELECT sink, pg_temp.sink(sink) FROM (VALUES
    ('$upstream'), ('$Upstream'), ('$upstreams'), ('$upstream[0]'), ('$'), ('upstream'), ('{$upstream}'), ('"$upstream"'), ('$upstream()'), ('*'),
    ('BrokeredEndpoint("/modules/a/inputs/b")'),
    ('brokeredendpoint ( ''/modules/a/inputs/b'' )'),
    ('BROKEREDENDPOINT("modules/a/inputs/b/")'),
    ('BrokeredEndpoint(" /modules/a/inputs/b ")'),
    (E'BrokeredEndpoint("\t/modules/a/inputs/b/\r\n")'),
    ('BrokeredEndpoint("/x/a/y/b")'),
    ('BrokeredEndpoint("//a//b")'),
    ('BrokeredEndpoint("///a//b")'),
    ('BrokeredEndpoint("/modules/a/inputs/")'),
    ('BrokeredEndpoint("/modules/a/inputs//")'),
    ('BrokeredEndpoint("/modules/a/inputs/b//")'),
    ('BrokeredEndpoint("//modules/a/inputs/b")'),
    ('BrokeredEndpoint("/modules//inputs/b")'),
    ('BrokeredEndpoint("/modules/a/inputs/b/c")'),
    ('BrokeredEndpoint("/modules/a/inputs")'),
    ('BrokeredEndpoint("/")'), ('BrokeredEndpoint("//")'), ('BrokeredEndpoint("")'), ('BrokeredEndpoint(" ")'),
    ('BrokeredEndpoint()'), ('BrokeredEndpoint(a)'), ('BrokeredEndpoint("/modules/a/inputs/b"'), ('BrokeredEndpoint("/modules/a/inputs/b)'),
    ('BrokeredEndpoint("/modules/a/inputs/b", "c")'), ('BrokeredEndpoint "/modules/a/inputs/b"'), ('BrokeredEndpoint'),
    ('Endpoint("/modules/a/inputs/b")'), ('"BrokeredEndpoint"("/modules/a/inputs/b")'), ('NOT("/modules/a/inputs/b")')) AS v (sink);

-- expressions: what a token is
SELECT expression, pg_temp.expression(expression) FROM (VALUES
    ('a'), ('1'), ('-1'), ('1.5e10'), ('null'), ('true'), ('"x"'), ('''x'''), ('$body.a[0].b'), ('$'), ('$[0]'), ('{$body}'), ('{ $body }'), ('{body}'), ('{$body'), ('$body}'), ('{}'),
    ('''it\''s'''), ('"\\"'), ('"\"'), ('''a"b'''), ('"a''b"'), ('"a'), (''''), ('"a\'), (E'"a\nb"'),
    ('a=1'), ('a!=1'), ('a != 1'), ('a<>1'), ('a<=1'), ('a>=1'), ('a<1'), ('a>1'), ('a= =1'), ('a==1'), ('a=!1'), ('a =! 1'), ('a><1'), ('a<=>1'), ('a < = 1'), ('a ! = 1'),
    ('a+b'), ('a + b'), ('a +b'), ('a+ b'), ('a - b'), ('a -b'), ('a - -b'), ('a--b'), ('a * b'), ('a *b'), ('a*b'), ('a / b'), ('a/b'), ('a % b'), ('a || b'), ('a||b'), ('a | b'), ('a ?? b'), ('a??b'), ('a ? b'), ('a ??? b'),
    ('a & b'), ('a && b'), ('a . b'), ('a.b.c'), ('a[0]'), ('a:b'), ('a, b'), ('a; b'), ('a @ b'), ('a\b'), ('größe > 1'), ('größe > > 1')) AS v (expression);

-- expressions: how they are put together
SELECT expression, pg_temp.expression(expression) FROM (VALUES
    ('a = 1 AND b = 2 OR c = 3'), ('a = 1 and not b = 2'), ('NOT NOT a'), ('NOT'), ('NOT AND'), ('AND'), ('a AND'), ('a OR OR b'), ('AND a'), ('a b'), ('a NOT b'), ('a = NOT b'),
    ('- a'), ('- - a'), ('-'), ('- NOT "x"'), ('* a'), ('+ a'),
    ('(a)'), ('((a) = (b))'), ('()'), ('(a'), ('a)'), ('(a b)'), ('(a))'), ('(a, b)'),
    ('NOTa'), ('NOT(a)'), ('andy AND orson'), ('select'), ('where'), ('$and AND $or'),
    ('abs(1)'), ('ABS ( 1 )'), ('length(a) > 3'), ('concat(a, "b", ''c'', $d)'), ('power(abs(-1), 2)'), ('abs()'), ('abs(1,)'), ('abs(,1)'), ('abs(1 2)'), ('abs(1'), ('abs 1'), ('abs'), ('abs(1)(2)'),
    ('abc(1)'), ('abs(abc(1)) = xyz(2)'), ('abc(1'), ('größe = 1 AND größer(1)'), ('$abs(1)'), ('"abs"(1)'), ('NOT(1)'), ('AND(1)'), ('a = 1 AND (b(1) OR)')) AS v (expression);

-- every function, in any case
SELECT name, pg_temp.expression(upper(name) || '(a)'), pg_temp.expression(name || 's(a)') FROM unnest(string_to_array(
    'abs as_number ceiling concat contains ends_with exp floor index_of is_bool is_defined is_null is_number is_string length lower power sign sqrt square starts_with substring twin_change_includes upper', ' ')) AS name;

-- 64 levels
SELECT what, pg_temp.expression(expression) FROM (VALUES
    ('64 parentheses', repeat('(', 64) || 'a' || repeat(')', 64)),
    ('65 parentheses', repeat('(', 65) || 'a' || repeat(')', 65)),
    ('64 NOT', repeat('NOT ', 64) || 'a'),
    ('65 NOT', repeat('NOT ', 65) || 'a'),
    ('64 signs', repeat('- ', 64) || 'a'),
    ('65 signs', repeat('- ', 65) || 'a'),
    ('64 functions', repeat('abs(', 64) || 'a' || repeat(')', 64)),
    ('65 functions', repeat('abs(', 65) || 'a' || repeat(')', 65)),
    ('all kinds, 64', repeat('NOT - (abs(', 16) || 'a' || repeat('))', 16)),
    ('all kinds, 65', repeat('NOT - (abs(', 16) || '(a)' || repeat('))', 16)),
    ('1000 parentheses', repeat('(', 1000)),
    ('side by side', '(a)' || repeat(' AND (a)', 200)),
    ('a list', 'concat(a' || repeat(', a', 400) || ')')) AS v (what, expression);

-- bad syntax is worse than an unknown function, and that worse than a sink
SELECT route, pg_temp.route(route) FROM (VALUES
    ('FROM /* WHERE abc(1) INTO $downstream'),
    ('FROM /* WHERE abc(1) INTO $downstream x'),
    ('FROM /* INTO Endpoint("x"')) AS v (route);
