--
-- Image references: what is one, and the registry that it is pulled from.
--
\pset format unaligned
CREATE FUNCTION pg_temp.with_image(image text) RETURNS text LANGUAGE sql AS $$
    SELECT jsonb_set('{"modulesContent": {
        "$edgeAgent": {"properties.desired": {"schemaVersion": "1.1", "runtime": {"type": "docker"},
            "systemModules": {"edgeAgent": {"type": "docker", "settings": {"image": "agent"}},
                              "edgeHub": {"type": "docker", "status": "running", "settings": {"image": "hub"}}},
            "modules": {"m": {"type": "docker", "status": "running", "restartPolicy": "always"}}}},
        "$edgeHub": {"properties.desired": {"schemaVersion": "1.1", "routes": {},
            "storeAndForwardConfiguration": {"timeToLiveSecs": 1}}}}}'::jsonb,
        '{modulesContent,$edgeAgent,properties.desired,modules,m,settings}',
        jsonb_build_object('image', image))::text
$$;
-- what is said of it, or where it comes from
CREATE FUNCTION pg_temp.image(image text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    said text := (SELECT replace(message, 'is not an image reference: ', 'NO: ')
                  FROM twinset.check_manifest(pg_temp.with_image(image)));
BEGIN
    RETURN coalesce(said, (SELECT format('%s from %s', m.image, registry)
                           FROM twinset.manifest_modules(pg_temp.with_image(image)) AS m WHERE module = 'm'));
END $$;

CREATE TEMP TABLE images (n serial, image text);
INSERT INTO images (image) VALUES
    -- repositories
    ('nginx'), ('library/nginx'), ('a/b/c/d'), ('a.b_c__d-e---f/0'), ('0'),
    ('Nginx'), ('a___b'), ('a..b'), ('a._b'), ('_a'), ('a_'), ('-a'), ('a-'), ('.a'), ('a.'),
    ('a//b'), ('a/'), ('a/b/'), ('/a'), ('/'), ('ä'), ('a b'), (E'a\nb'), ('a$b'), ('a*'),
    -- tags
    ('nginx:1.25'), ('nginx:_'), ('nginx:LATEST-1_a.b'), ('nginx:' || repeat('x', 128)),
    ('nginx:'), ('nginx:.1'), ('nginx:-1'), ('nginx:' || repeat('x', 129)), ('nginx:1:2'), ('nginx:a+b'), (':1'), ('nginx: 1'),
    -- digests
    ('nginx@sha256:' || repeat('0a', 32)), ('nginx@sha512:' || repeat('0a', 64)),
    ('r.example/a@sha256:' || repeat('9f', 32)),
    ('nginx@sha256:' || repeat('0', 63)), ('nginx@sha256:' || repeat('0', 65)), ('nginx@sha256:' || repeat('A', 64)),
    ('nginx@sha512:' || repeat('0', 64)), ('nginx@md5:' || repeat('0', 32)), ('nginx@'), ('nginx@sha256'), ('@sha256:' || repeat('0', 64)),
    ('nginx@sha256:' || repeat('0', 64) || '@sha256:' || repeat('0', 64)),
    ('nginx:1@sha256:' || repeat('0', 64)), ('nginx:@sha256:' || repeat('0', 64)),
    -- hosts
    ('localhost/a'), ('LOCALHOST/a'), ('localhostx/a'), ('r.example/a'), ('R.Example/a:B'), ('a.b.c-d.0:1/x'), ('host:5000/a'),
    ('127.0.0.1:99999/a'), ('r.example./a'), ('.example/a'), ('r..example/a'), ('r-.example/a'), ('-r.example/a'),
    ('r_.example/a'), ('r.exämple/a'), ('host:/a'), ('host:0/a'), ('host:05/a'), ('host:100000/a'), ('host:x/a'), (':5000/a'), ('r.example:1:2/a'),
    ('r.example/'), ('r.example//a'), ('r.example/:1'), ('r.example/A'), ('host:5000'),
    ('[::1]/a'), ('[2001:DB8::1]:5000/a'), ('[::ffff:1.2.3.4]/a'), ('[::1/a'), ('[]/a'), ('[::g]/a'), ('[::1]x/a'), ('[::1]:/a'), ('[::1]:0/a'), ('[1.2.3.4]/a'), ('[fe80::1%eth0]/a'),
    ('[' || repeat('0', 60) || '::1]/a'),
    ('$upstream:8000/a'), ('$upstream:443/a/b:1'), ('$upstream/a'), ('$upstream:/a'), ('$upstream:0/a'), ('$upstream:080/a'), ('$upstream:100000/a'),
    ('$upstream:x/a'), ('$upstreamx:1/a'), ('$UPSTREAM:1/a'), ('$upstream:443'), ('$upstream'),
    -- Docker Hub by its names
    ('docker.io/library/nginx'), ('index.docker.io/library/nginx'), ('Index.Docker.IO/nginx'), ('index.docker.io:443/nginx'), ('hub.docker.io/nginx'),
    -- white space, placeholders, schemes
    (''), (E' \t\r\n\x0b\f'), (E'\n nginx:1 \t'), ('${IMAGE}'), ('r.example/${MODULE}:1'), ('r.example/a:${TAG'), ('$IMAGE'), ('{a}'),
    ('https://r.example/a'), ('docker://nginx'), ('r.example\a');

SELECT regexp_replace(translate(image, E'\n\t\r\x0b\f', '_____'), '(.)\1{29,}', '\1…', 'g') AS image,
       regexp_replace(pg_temp.image(image), '(.)\1{29,}', '\1…', 'g') AS result
FROM images ORDER BY n;
