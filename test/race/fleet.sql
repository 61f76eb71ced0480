-- What the race suite needs in its database, beside brute_force.sql: a small fleet in which all of its
-- actions meet, and the question whether what a session sees is exact.
CREATE SCHEMA race;

-- Null: the views show what brute force gives, in the snapshot of the query that asks.  STABLE, so that
-- all of it is that snapshot's; and PL/pgSQL, because it keeps its plans.  It looks at each view once,
-- and only where one differs at all rows from both sides.
CREATE FUNCTION race.difference() RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF (SELECT array_agg(v::text ORDER BY v.device_id) FROM brute.device_status AS v) IS NOT DISTINCT FROM
     (SELECT array_agg(v::text ORDER BY v.device_id) FROM shown.device_status AS v)
     AND (SELECT array_agg(v::text ORDER BY v.deployment_id) FROM brute.deployment_status AS v) IS NOT DISTINCT FROM
     (SELECT array_agg(v::text ORDER BY v.deployment_id) FROM shown.deployment_status AS v)
     AND (SELECT array_agg(v::text ORDER BY v.deployment_id, v.device_id) FROM brute.deployment_device AS v) IS NOT DISTINCT FROM
     (SELECT array_agg(v::text ORDER BY v.deployment_id, v.device_id) FROM shown.deployment_device AS v)
     AND NOT EXISTS (SELECT FROM twinset.report AS r WHERE NOT EXISTS (SELECT FROM twinset.twin AS t WHERE t.device_id = r.device_id)) THEN
    RETURN NULL;
  END IF;
  RETURN (SELECT string_agg(concat_ws(' ', d.view, d.problem, d."row"), E'\n') FROM brute.difference AS d);
END $$;

CREATE FUNCTION race.verify() RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (SELECT string_agg(v::text, E'\n') FROM twinset.verify() AS v);
END $$;

-- d1 is the device that all actions are about.  It begins as the winner 'test' has it, healthy.
CREATE FUNCTION race.fleet() RETURNS TABLE (device_id text, tags jsonb, retired_at timestamptz) LANGUAGE sql STABLE AS $$
  VALUES ('d1', '{"env": "test", "n": 0}'::jsonb, NULL::timestamptz), ('d2', '{"env": "test", "n": 1}', NULL),
         ('d3', '{"env": "prod", "n": 0}', NULL), ('d4', '{"env": "dev"}', NULL), ('d6', '{"env": "test"}', now())
$$;

-- The beginning of each schedule: four deployments that overlap, settled; and a few changes that are
-- not.  Whatever was left, in the log too, goes through the same triggers.
CREATE FUNCTION race.reset() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM twinset.twin;
  INSERT INTO twinset.twin (device_id, tags, retired_at) SELECT f.device_id, f.tags, f.retired_at FROM race.fleet() AS f;
  DELETE FROM twinset.deployment;
  INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority, created_at) VALUES
    ('all', brute.manifest('1'), '*', 1, '2024-01-01'),
    ('prod', brute.manifest('1'), 'tags.env = ''prod''', 2, '2024-01-01'),
    ('test', brute.manifest('1'), 'tags.env = ''test''', 2, '2024-01-02'),
    ('few', brute.manifest('1'), 'tags.n = 1', 3, '2024-01-01');
  PERFORM twinset.report_status(s.device_id, s.revision, CASE s.device_id WHEN 'd3' THEN 500 ELSE 200 END, reported_at => '2024-01-01')
    FROM twinset.device_status AS s WHERE s.device_id IN ('d1', 'd3');
  UPDATE twinset.twin SET tags = '{"env": "prod", "n": 1}' WHERE twin.device_id = 'd4';
END $$;

-- The end: what went is there again, so that nothing that was left behind stays unseen; and all is settled.
CREATE FUNCTION race.settle() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO twinset.twin (device_id, tags) SELECT f.device_id, f.tags FROM race.fleet() AS f ON CONFLICT DO NOTHING;
  INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
    VALUES ('last', brute.manifest('last'), 'tags.env = ''prod'' AND tags.n = 0', 7);
  UPDATE twinset.deployment SET priority = priority + 1;
END $$;
