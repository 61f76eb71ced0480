-- Triggers as users might write them: they write the tables that they fire on, and each other's.
--
-- Schema usual holds a trigger function for each habit, and usual.trigger says how each is created.  None of them fires another.
CREATE SCHEMA usual;

CREATE FUNCTION usual.next_device(device_id text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT 'dev' || lpad(((substr(device_id, 4)::integer + 1) % 24)::text, 2, '0')
$$;

-- for INSERT … SELECT of a row that is taken out by the same statement
CREATE FUNCTION usual.take_twin(device_id text) RETURNS jsonb LANGUAGE sql AS $$
  DELETE FROM twinset.twin AS t WHERE t.device_id = take_twin.device_id RETURNING tags
$$;

CREATE FUNCTION usual.write_next_twin() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  written twinset.twin := coalesce(NEW, OLD);
BEGIN
  UPDATE twinset.twin SET tags = tags || jsonb_build_object('n', written.tags->'n', 'env', written.tags->'env')
  WHERE device_id = usual.next_device(written.device_id);
  RETURN NEW;
END $$;

CREATE FUNCTION usual.write_same_twin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE twinset.twin SET tags = jsonb_set(tags, '{env}', CASE tags->>'env' WHEN 'prod' THEN '"test"' ELSE '"prod"' END::jsonb)
  WHERE device_id = NEW.device_id;
  RETURN NULL;
END $$;

CREATE FUNCTION usual.write_deployment() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  id text := 'p' || (hashtext(NEW.device_id) & 3);
BEGIN
  UPDATE twinset.deployment SET priority = 1 + priority % 3 WHERE deployment_id = id;
  IF NEW.tags->>'n' = '2' THEN
    UPDATE twinset.deployment SET target_condition = 'tags.env = ''prod'' OR tags.n = 2' WHERE deployment_id = id;
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION usual.write_both() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE twinset.twin SET tags = tags || '{"city": "nyc"}' WHERE tags->>'n' = '1';
  UPDATE twinset.deployment SET priority = 1 + priority % 3 WHERE deployment_id IN ('p0', 'p1');
  UPDATE twinset.twin SET iot_edge = NOT iot_edge WHERE device_id = 'dev05';
  RETURN NULL;
END $$;

CREATE FUNCTION usual.write_twins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE twinset.twin SET tags = tags || jsonb_build_object('n', NEW.priority) WHERE device_id IN ('dev01', 'dev02', 'dev03');
  RETURN NULL;
END $$;

CREATE FUNCTION usual.write_same_deployment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE twinset.deployment SET target_condition = CASE WHEN priority = 1 THEN 'tags.n = 1' ELSE 'tags.env = ''dev''' END
  WHERE deployment_id = NEW.deployment_id;
  RETURN NULL;
END $$;

CREATE FUNCTION usual.replace_deployment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM twinset.deployment WHERE deployment_id = NEW.deployment_id;
  RETURN NEW;
END $$;

CREATE FUNCTION usual.remove_deployment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM twinset.deployment WHERE deployment_id = NEW.deployment_id AND NEW.priority = 2;
  RETURN NULL;
END $$;

CREATE FUNCTION usual.bring_deployment_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
  VALUES (OLD.deployment_id, OLD.content, 'tags.n = 2', OLD.priority);
  RETURN NULL;
END $$;

CREATE FUNCTION usual.change_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF hashtext(NEW.device_id || coalesce(NEW.tags->>'n', '')) % 4 = 0 THEN
    RETURN NULL;
  END IF;
  NEW.tags := NEW.tags || '{"city": "sea"}';
  RETURN NEW;
END $$;

CREATE FUNCTION usual.replace_twin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM twinset.twin WHERE device_id = NEW.device_id;
  RETURN NEW;
END $$;

CREATE FUNCTION usual.bring_twin_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO twinset.twin (device_id, tags) VALUES (OLD.device_id, OLD.tags || '{"env": "back"}');
  RETURN NULL;
END $$;

CREATE FUNCTION usual.remove_twin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.tags->>'n' = '1' THEN
    DELETE FROM twinset.twin WHERE device_id = NEW.device_id;
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION usual.fail_half_way() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  BEGIN
    UPDATE twinset.twin SET tags = tags || '{"env": "gone"}' WHERE device_id = usual.next_device(NEW.device_id);
    UPDATE twinset.deployment SET priority = 1 + priority % 3 WHERE deployment_id = 'p2';
    UPDATE twinset.twin SET tags = jsonb_build_object('n', 1 / (length(device_id) - 5));
  EXCEPTION WHEN division_by_zero THEN
    NULL;
  END;
  UPDATE twinset.twin SET tags = tags || '{"n": 3}' WHERE device_id = 'dev09';
  RETURN NEW;
END $$;

CREATE FUNCTION usual.report() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM twinset.report_status(NEW.device_id, coalesce((SELECT min(revision) FROM twinset.deployment), 1), 200);
  PERFORM FROM twinset.deployment_status WHERE target > 0;
  PERFORM twinset.set_tags(device_id, '{"city": null}') FROM twinset.twin WHERE device_id = usual.next_device(NEW.device_id);
  RETURN NULL;
END $$;

-- a revision is new, and greater, where what devices get is another, and only there
CREATE FUNCTION usual.check_revision() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  same boolean := OLD.content::jsonb->'modulesContent' = NEW.content::jsonb->'modulesContent';
BEGIN
  IF same <> (OLD.revision = NEW.revision) OR NEW.revision < OLD.revision THEN
    RAISE EXCEPTION 'revision % after %, content %', NEW.revision, OLD.revision, CASE WHEN same THEN 'the same' ELSE 'another' END
      USING ERRCODE = 'WRONG';
  END IF;
  RETURN NULL;
END $$;

CREATE TABLE usual.trigger (name text PRIMARY KEY, definition text NOT NULL);
INSERT INTO usual.trigger
SELECT name, format('CREATE %s TRIGGER user_%s %s EXECUTE FUNCTION usual.%s()',
                    CASE WHEN how LIKE '%DEFERRABLE%' THEN 'CONSTRAINT' ELSE '' END, name,
                    replace(how, 'DEPTH', 'WHEN (pg_trigger_depth() = 0)'), function)
FROM (VALUES
  ('before_row_writes_next_twin', 'BEFORE UPDATE ON twinset.twin FOR EACH ROW DEPTH', 'write_next_twin'),
  ('row_writes_next_twin', 'AFTER INSERT OR UPDATE OR DELETE ON twinset.twin FOR EACH ROW DEPTH', 'write_next_twin'),
  ('row_writes_same_twin', 'AFTER INSERT OR UPDATE ON twinset.twin FOR EACH ROW DEPTH', 'write_same_twin'),
  ('before_row_writes_deployment', 'BEFORE INSERT OR UPDATE ON twinset.twin FOR EACH ROW DEPTH', 'write_deployment'),
  ('row_writes_deployment', 'AFTER INSERT OR UPDATE ON twinset.twin FOR EACH ROW DEPTH', 'write_deployment'),
  ('statement_writes_both', 'AFTER INSERT OR UPDATE OR DELETE ON twinset.twin FOR EACH STATEMENT DEPTH', 'write_both'),
  ('before_statement_writes_both', 'BEFORE INSERT OR UPDATE OR DELETE ON twinset.twin FOR EACH STATEMENT DEPTH', 'write_both'),
  ('deployment_row_writes_twins', 'AFTER INSERT OR UPDATE ON twinset.deployment FOR EACH ROW DEPTH', 'write_twins'),
  ('deployment_row_writes_same', 'AFTER INSERT OR UPDATE ON twinset.deployment FOR EACH ROW DEPTH', 'write_same_deployment'),
  ('before_row_replaces_deployment', 'BEFORE INSERT ON twinset.deployment FOR EACH ROW DEPTH', 'replace_deployment'),
  ('deployment_row_removes_it', 'AFTER INSERT OR UPDATE ON twinset.deployment FOR EACH ROW DEPTH', 'remove_deployment'),
  ('deployment_row_brings_it_back', 'AFTER DELETE ON twinset.deployment FOR EACH ROW DEPTH', 'bring_deployment_back'),
  ('before_row_changes_row', 'BEFORE INSERT OR UPDATE ON twinset.twin FOR EACH ROW DEPTH', 'change_row'),
  ('before_row_replaces_twin', 'BEFORE INSERT ON twinset.twin FOR EACH ROW DEPTH', 'replace_twin'),
  ('row_brings_twin_back', 'AFTER DELETE ON twinset.twin FOR EACH ROW DEPTH', 'bring_twin_back'),
  ('row_removes_twin', 'AFTER INSERT OR UPDATE ON twinset.twin FOR EACH ROW DEPTH', 'remove_twin'),
  ('row_fails_half_way', 'AFTER INSERT OR UPDATE ON twinset.twin FOR EACH ROW DEPTH', 'fail_half_way'),
  ('row_reports', 'AFTER INSERT OR UPDATE ON twinset.twin FOR EACH ROW DEPTH', 'report'),
  ('deferred_writes_next_twin',
   'AFTER UPDATE ON twinset.twin DEFERRABLE INITIALLY DEFERRED FOR EACH ROW DEPTH', 'write_next_twin'),
  ('deferred_writes_deployment',
   'AFTER INSERT OR UPDATE ON twinset.twin DEFERRABLE INITIALLY DEFERRED FOR EACH ROW DEPTH', 'write_deployment'),
  ('row_checks_revision', 'AFTER UPDATE ON twinset.deployment FOR EACH ROW', 'check_revision'))
AS t (name, how, function);

-- those of these names are created, all others dropped
CREATE FUNCTION usual.use(names text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  name text;
  relation regclass;
  definition text;
BEGIN
  FOR name, relation IN SELECT tgname, tgrelid::regclass FROM pg_trigger WHERE tgname LIKE 'user\_%' LOOP
    EXECUTE format('DROP TRIGGER %I ON %s', name, relation);
  END LOOP;
  FOR definition IN SELECT t.definition FROM usual.trigger AS t WHERE t.name = ANY (names) ORDER BY t.name LOOP
    EXECUTE definition;
  END LOOP;
END $$;
