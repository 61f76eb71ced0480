-- The history of deployments: what a change leaves in it, what it hides, and what
-- refuses to be undone.
SET client_min_messages = warning;
SET DateStyle = 'ISO';
SET TimeZone = 'UTC';
TRUNCATE twinset.twin, twinset.deployment;
DELETE FROM twinset.history;
\pset null (null)

-- a manifest with a secret wherever one can be, and one in what the rules ignore
CREATE FUNCTION manifest_with(secret text) RETURNS text LANGUAGE sql AS $$
SELECT jsonb_build_object('id', 'x', 'env', jsonb_build_array(secret), 'content', jsonb_build_object('modulesContent', jsonb_build_object(
	'$edgeAgent', jsonb_build_object('properties.desired', jsonb_build_object('schemaVersion', '1.1',
		'runtime', jsonb_build_object('type', 'docker', 'settings', jsonb_build_object('registryCredentials',
			jsonb_build_object('main', jsonb_build_object('address', 'registry.example.com', 'username', 'u', 'password', secret)))),
		'systemModules', jsonb_build_object(
			'edgeAgent', jsonb_build_object('type', 'docker', 'settings', jsonb_build_object('image', 'agent:1'), 'env',
				jsonb_build_object('A', jsonb_build_object('value', secret), 'B', jsonb_build_object('nested', jsonb_build_object(secret, 1)))),
			'edgeHub', jsonb_build_object('type', 'docker', 'status', 'running', 'restartPolicy', 'always', 'settings',
				jsonb_build_object('image', 'hub:1', 'createOptions', jsonb_build_object('Env', jsonb_build_array(secret), secret, 1)))),
		'modules', jsonb_build_object('sensor', jsonb_build_object('type', 'docker', 'status', 'running', 'restartPolicy', 'always', 'settings',
			jsonb_build_object('image', 'sensor:1', 'createOptions', '{"Env": ["', 'createOptions01', secret, 'createOptions02', '"]}'))))),
	'$edgeHub', jsonb_build_object('properties.desired', jsonb_build_object('schemaVersion', '1.1', 'routes', '{}'::jsonb,
		'storeAndForwardConfiguration', jsonb_build_object('timeToLiveSecs', 7200))))))::text $$;

-- what is told of it
SELECT jsonb_pretty(twinset.redacted(manifest_with('hunter2')));
SELECT twinset.redacted(manifest_with('hunter2'))::text LIKE '%hunter2%' AS tells_it, twinset.redacted(NULL::text);

-- each kind of change; times, transactions and revisions are never the same twice
CREATE VIEW told AS
SELECT row_number() OVER (ORDER BY at, deployment_id) AS n, actor, reason, operation, deployment_id,
	before - 'revision' - 'created_at' - 'content' AS before, before ? 'content' AS had_content, before ? 'revision' AS had_revision,
	after - 'revision' - 'created_at' - 'content' AS after, after ? 'content' AS content, after ? 'revision' AS new_revision
FROM twinset.deployment_history;
SET twinset.actor = 'alice';
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority) VALUES
	('a', manifest_with('hunter2'), 'tags.n = 1', 1), ('b', manifest_with('hunter2'), '*', 2);
SET twinset.reason = 'the password has leaked';
UPDATE twinset.deployment SET content = manifest_with('correct-horse') WHERE deployment_id = 'a';
RESET twinset.reason;
UPDATE twinset.deployment SET content = content::text || ' ' WHERE deployment_id = 'a';
UPDATE twinset.deployment SET priority = priority, content = content, labels = labels;
UPDATE twinset.deployment SET target_condition = NULL, labels = '{"x": "y"}' WHERE deployment_id = 'b';
INSERT INTO twinset.deployment (deployment_id, content, priority) VALUES ('b', manifest_with('hunter2'), 3), ('c', manifest_with('hunter2'), 3)
	ON CONFLICT (deployment_id) DO UPDATE SET priority = excluded.priority;
MERGE INTO twinset.deployment AS d USING (VALUES ('a'), ('b'), ('d')) AS s (deployment_id) ON d.deployment_id = s.deployment_id
	WHEN MATCHED AND d.deployment_id = 'a' THEN DELETE
	WHEN MATCHED THEN UPDATE SET priority = 7
	WHEN NOT MATCHED THEN INSERT (deployment_id, content) VALUES (s.deployment_id, manifest_with('hunter2'));
WITH gone AS (DELETE FROM twinset.deployment WHERE deployment_id = 'd' RETURNING *)
INSERT INTO twinset.deployment (deployment_id, content, priority) SELECT deployment_id, content, 9 FROM gone;
BEGIN;
UPDATE twinset.deployment SET priority = 100;
ROLLBACK;
RESET twinset.actor;
-- a cascade
CREATE TABLE rollout (id text COLLATE "C" PRIMARY KEY);
INSERT INTO rollout VALUES ('b'), ('c'), ('d');
ALTER TABLE twinset.deployment ADD CONSTRAINT deployment_rollout FOREIGN KEY (deployment_id) REFERENCES rollout ON DELETE CASCADE;
DELETE FROM rollout WHERE id <> 'd';
ALTER TABLE twinset.deployment DROP CONSTRAINT deployment_rollout;
DROP TABLE rollout;
TRUNCATE twinset.deployment;
SELECT * FROM told;
SELECT count(*) AS entries, count(DISTINCT at) AS statements, bool_and(role = session_user AND login = session_user) AS by_me FROM twinset.deployment_history;
-- the role that acts, also where a function acts for it
CREATE ROLE twinset_history_test;
GRANT USAGE ON SCHEMA twinset TO twinset_history_test;
GRANT INSERT ON twinset.deployment TO twinset_history_test;
GRANT EXECUTE ON FUNCTION twinset.undo_transaction(xid8, boolean) TO twinset_history_test;
SELECT transaction FROM twinset.deployment_history ORDER BY at DESC LIMIT 1 \gset
SET ROLE twinset_history_test;
INSERT INTO twinset.deployment (deployment_id, content) VALUES ('mine', manifest_with('hunter2'));
SELECT deployment_id, operation FROM twinset.undo_transaction(:'transaction'::xid8);
RESET ROLE;
SELECT role, login = session_user AS my_login, operation, deployment_id FROM twinset.deployment_history ORDER BY at DESC, deployment_id LIMIT 2;

-- that a secret has changed is told, and which, though not what it is
BEGIN;
UPDATE twinset.deployment SET content = replace(replace(content::text, 'hunter2', 'hunter3'), 'sensor:1', 'sensor:2') WHERE deployment_id = 'd';
SELECT jsonb_array_elements(difference) AS difference FROM (SELECT difference FROM twinset.deployment_history ORDER BY at DESC LIMIT 1) AS h;
UPDATE twinset.deployment SET content = replace(content::text, 'hunter3', 'hunter4') WHERE deployment_id = 'd';
SELECT before - 'revision' = after - 'revision' AS same, jsonb_array_length(difference) FROM twinset.deployment_history ORDER BY at DESC LIMIT 1;
-- devices get the same; another column; a deletion
UPDATE twinset.deployment SET content = content::text || ' ' WHERE deployment_id = 'd';
SELECT operation, before ? 'content' AS content, difference FROM twinset.deployment_history ORDER BY at DESC LIMIT 1;
UPDATE twinset.deployment SET priority = priority + 1 WHERE deployment_id = 'd';
SELECT operation, difference FROM twinset.deployment_history ORDER BY at DESC LIMIT 1;
DELETE FROM twinset.deployment WHERE deployment_id = 'd';
SELECT operation, difference FROM twinset.deployment_history ORDER BY at DESC LIMIT 1;
ROLLBACK;

-- a secret is in no row of the view
SELECT count(*) FROM twinset.deployment_history AS h WHERE h::text LIKE '%hunter2%' OR h::text LIKE '%correct-horse%';
-- where it is: in the table that is granted to nobody
SELECT count(*) > 0 AS kept FROM twinset.history AS h WHERE h::text LIKE '%hunter2%' AND h::text LIKE '%correct-horse%';
SELECT relacl IS NULL OR relacl::text = ('{' || pg_get_userbyid(relowner) || '=arwdDxt/' || pg_get_userbyid(relowner) || '}') AS granted_to_nobody
FROM pg_class WHERE oid = 'twinset.history'::regclass;

-- undo, restore: what they refuse
\set VERBOSITY terse
CREATE FUNCTION attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text; detail text; hint text; state text;
BEGIN
	EXECUTE statement;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, state = RETURNED_SQLSTATE;
	RETURN regexp_replace(concat_ws(E'\n', state || ': ' || message, nullif(detail, ''), nullif(hint, '')),
		'\d{4}-\d\d-\d\d[^:]*:\d\d:[0-9.]+[+-]\d\d|(?<=transaction )\d+|(?<=by )[^ ]+(?= in transaction)|(?<=[(])[^)]+(?=[)] in transaction)', '…', 'g');
END $$;
SELECT attempt($$SELECT twinset.undo_transaction(NULL::xid8)$$);
SELECT attempt($$SELECT twinset.undo_transaction('3')$$);
SELECT attempt($$SELECT twinset.undo_transaction('no number')$$);
SELECT attempt($$SELECT twinset.restore_deployment(NULL, now())$$);
SELECT attempt($$SELECT twinset.restore_deployment('d', NULL)$$);
SELECT attempt($$SELECT twinset.restore_deployment('d', now(), NULL)$$);
SELECT attempt($$SELECT twinset.restore_deployment('never', now())$$);
SELECT attempt($$SELECT twinset.restore_deployment('d', now() - interval '1 year')$$);
SELECT attempt($$SELECT twinset.restore_deployment('d', now() + interval '1 year')$$);
SELECT attempt($$SELECT twinset.forget_history(NULL)$$);

TRUNCATE twinset.deployment;
DELETE FROM twinset.history;
INSERT INTO twinset.deployment (deployment_id, content, target_condition) VALUES ('a', manifest_with('hunter2'), '*'), ('b', manifest_with('hunter2'), '*');
SELECT clock_timestamp() AS evening \gset
BEGIN;
SELECT pg_current_xact_id() AS first \gset
UPDATE twinset.deployment SET priority = 2;
UPDATE twinset.deployment SET priority = 3 WHERE deployment_id = 'a';
COMMIT;
SET twinset.actor = 'bob';
SET twinset.reason = 'hall north';
BEGIN;
SELECT pg_current_xact_id() AS second \gset
UPDATE twinset.deployment SET content = manifest_with('correct-horse'), labels = '{"by": "bob"}' WHERE deployment_id = 'a';
COMMIT;
RESET twinset.actor;
RESET twinset.reason;
SELECT attempt(format('SELECT twinset.undo_transaction(%L)', :'first'));
SELECT attempt(format('SELECT twinset.restore_deployment(''a'', %L)', :'evening'));
CREATE VIEW now_is AS SELECT deployment_id, priority, labels, content::text LIKE '%hunter2%' AS old_password FROM twinset.deployment ORDER BY deployment_id;
SELECT * FROM now_is;
-- what is not in the way of b, and of what came last
SELECT * FROM twinset.restore_deployment('b', :'evening') AS r (operation, revision) WHERE revision IS NULL;
SELECT deployment_id, operation FROM twinset.undo_transaction(:'second');
SELECT * FROM now_is;
-- it has been done already, and that is in the way now
SELECT attempt(format('SELECT twinset.undo_transaction(%L)', :'second'));
-- told to
SELECT deployment_id, operation FROM twinset.undo_transaction(:'first', overwrite => true);
SELECT * FROM now_is;
SELECT operation FROM twinset.restore_deployment('a', :'evening', true);
-- deleted since, and created anew
DELETE FROM twinset.deployment WHERE deployment_id = 'a';
SELECT attempt($$SELECT twinset.restore_deployment('a', clock_timestamp() - interval '1 day')$$);
SELECT operation, revision = (SELECT max(after_revision) FROM twinset.history WHERE deployment_id = 'a') AS same_revision
FROM twinset.restore_deployment('a', (SELECT max(at) - interval '1 microsecond' FROM twinset.deployment_history WHERE deployment_id = 'a'));
BEGIN;
DELETE FROM twinset.deployment WHERE deployment_id = 'a';
INSERT INTO twinset.deployment (deployment_id, content, priority) SELECT 'a', manifest_with('staple'), 8;
COMMIT;
SELECT created_at AS created FROM twinset.deployment WHERE deployment_id = 'a' \gset
SELECT deployment_id, operation FROM twinset.undo_transaction((SELECT transaction FROM twinset.deployment_history ORDER BY at DESC LIMIT 1));
SELECT *, (SELECT created_at FROM twinset.deployment AS d WHERE d.deployment_id = n.deployment_id) < :'created' AS created_before FROM now_is AS n;

-- changed past the triggers
ALTER TABLE twinset.deployment DISABLE TRIGGER ALL;
UPDATE twinset.deployment SET priority = 5 WHERE deployment_id = 'b';
ALTER TABLE twinset.deployment ENABLE TRIGGER ALL;
SELECT checked, repaired FROM twinset.reconcile();
SELECT attempt(format('SELECT twinset.restore_deployment(''b'', %L)', :'evening'));
SELECT operation FROM twinset.restore_deployment('b', :'evening', true);

-- forgetting
SELECT at AS half FROM twinset.deployment_history WHERE transaction = :'second' \gset
SELECT twinset.forget_history(:'half');
SELECT operation, deployment_id, before, after FROM twinset.deployment_history ORDER BY at, deployment_id LIMIT 1;
SELECT attempt(format('SELECT twinset.restore_deployment(''a'', %L)', :'evening'));
SELECT operation FROM twinset.restore_deployment('a', :'half', true);
SELECT * FROM now_is;

-- where the clock went back, entries are of a time to come
UPDATE twinset.history SET at = at + interval '1 day' WHERE at = (SELECT max(at) FROM twinset.history);
UPDATE twinset.deployment SET priority = 77 WHERE deployment_id = 'b';
SELECT at AS later FROM twinset.deployment_history ORDER BY at DESC LIMIT 1 \gset
UPDATE twinset.deployment SET priority = 78 WHERE deployment_id = 'b';
SELECT :'later' > clock_timestamp() AS is_to_come, operation FROM twinset.restore_deployment('b', :'later');
SELECT * FROM now_is;
SELECT count(*) = twinset.forget_history('infinity') + 1 AS all_but_what_says_so FROM twinset.deployment_history;
SELECT count(*) FROM twinset.deployment_history;

DROP VIEW told, now_is;
DROP OWNED BY twinset_history_test;
DROP ROLE twinset_history_test;
DROP FUNCTION manifest_with, attempt;
TRUNCATE twinset.deployment;
