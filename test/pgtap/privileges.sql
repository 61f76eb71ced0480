-- Who may do what: PUBLIC nothing, and each of the README's four roles what it
-- needs and no more.  The grants are the README's own text.
\set ON_ERROR_STOP on
\set grants `sed -n '/^-- an operator/,/reconcile() TO/p' README.md`

BEGIN;
SELECT plan(72);

-- PUBLIC
SELECT is_empty($$
	SELECT privilege_type FROM pg_namespace, aclexplode(nspacl)
	WHERE nspname = 'twinset' AND grantee = 0
$$, 'PUBLIC has nothing on the schema');
SELECT is_empty($$
	SELECT relname, privilege_type FROM pg_class, aclexplode(relacl)
	WHERE relnamespace = 'twinset'::regnamespace AND grantee = 0
$$, 'PUBLIC has nothing on any table, view or sequence');
SELECT is_empty($$
	SELECT relname, attname, privilege_type
	FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid, aclexplode(attacl)
	WHERE relnamespace = 'twinset'::regnamespace AND grantee = 0
$$, 'PUBLIC has nothing on any column');
SELECT is_empty($$
	SELECT oid::regprocedure FROM pg_proc
	WHERE pronamespace = 'twinset'::regnamespace AND has_function_privilege('public', oid, 'EXECUTE')
		AND (provolatile <> 'i' OR prosecdef)
		-- called by the server alone; stable only because adding an interval is
		AND 'internal'::regtype <> ALL (proargtypes) AND oid <> 'twinset.revision_time(bigint)'::regprocedure
$$, 'PUBLIC may call only what computes from its arguments alone');

-- what a role may do beyond PUBLIC: 'SELECT twin', 'EXECUTE reconcile'
CREATE FUNCTION pg_temp.may(role text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT privilege || ' ' || relname
	FROM pg_class,
		unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS privilege
	WHERE relnamespace = 'twinset'::regnamespace AND relkind IN ('r', 'v', 'm', 'p')
		AND has_table_privilege(role, pg_class.oid, privilege)
	UNION ALL
	SELECT 'COLUMN ' || relname FROM pg_class
	WHERE relnamespace = 'twinset'::regnamespace AND relkind IN ('r', 'v', 'm', 'p')
		AND NOT has_table_privilege(role, oid, 'SELECT, INSERT, UPDATE')
		AND has_any_column_privilege(role, oid, 'SELECT, INSERT, UPDATE')
	UNION ALL
	SELECT 'SEQUENCE ' || relname FROM pg_class
	WHERE relnamespace = 'twinset'::regnamespace AND relkind = 'S'
		AND CASE WHEN relkind = 'S' THEN has_sequence_privilege(role, oid, 'USAGE, SELECT, UPDATE') END
	UNION ALL
	SELECT 'EXECUTE ' || proname FROM pg_proc
	WHERE pronamespace = 'twinset'::regnamespace AND has_function_privilege(role, oid, 'EXECUTE')
		AND NOT has_function_privilege('public', oid, 'EXECUTE')
	UNION ALL
	SELECT 'CREATE twinset' WHERE has_schema_privilege(role, 'twinset', 'CREATE')
$$;

CREATE ROLE twinset_nobody;
SELECT is_empty($$ SELECT pg_temp.may('twinset_nobody') $$, 'a role without grants may do nothing');
SELECT is(has_schema_privilege('twinset_nobody', 'twinset', 'USAGE'), false, 'nor look into the schema');

:grants

SELECT set_eq($$ SELECT pg_temp.may('twinset_operator') $$, ARRAY[
	'SELECT twin', 'INSERT twin', 'UPDATE twin', 'DELETE twin',
	'SELECT deployment', 'INSERT deployment', 'UPDATE deployment', 'DELETE deployment',
	'SELECT deployment_status', 'SELECT device_status', 'SELECT deployment_device', 'SELECT deployment_module',
	'SELECT pending_device', 'SELECT device_module', 'SELECT module_status', 'SELECT fleet_overview',
	'SELECT reconciliation', 'SELECT deployment_history', 'SELECT deployment_advice',
	'EXECUTE current_winner', 'EXECUTE current_assigned_at', 'EXECUTE unsettled_tally',
	'EXECUTE unsettled_fleet', 'EXECUTE silent_devices', 'EXECUTE fleet_survey', 'EXECUTE explain_match', 'EXECUTE explain_deployment',
	'EXECUTE set_tags', 'EXECUTE explain_device', 'EXECUTE preview', 'EXECUTE preview_tags', 'EXECUTE undo_transaction', 'EXECUTE restore_deployment'
], 'an operator may do what the README says, and no more');
SELECT set_eq($$ SELECT pg_temp.may('twinset_backend') $$, ARRAY[
	'EXECUTE device_manifest', 'EXECUTE report_status', 'EXECUTE report_statuses', 'EXECUTE take_pending'
], 'a backend likewise');
SELECT set_eq($$ SELECT pg_temp.may('twinset_dashboard') $$, ARRAY[
	'SELECT deployment_status', 'SELECT device_status', 'SELECT deployment_device', 'SELECT deployment_module',
	'SELECT pending_device', 'SELECT device_module', 'SELECT module_status', 'SELECT fleet_overview',
	'SELECT reconciliation', 'SELECT deployment_advice',
	'EXECUTE current_winner', 'EXECUTE current_assigned_at', 'EXECUTE unsettled_tally', 'EXECUTE explain_device',
	'EXECUTE unsettled_fleet', 'EXECUTE silent_devices', 'EXECUTE fleet_survey', 'EXECUTE explain_match', 'EXECUTE explain_deployment'
], 'a dashboard likewise');
SELECT set_eq($$ SELECT pg_temp.may('twinset_cron') $$, ARRAY[
	'EXECUTE reconcile', 'EXECUTE forget_history'
], 'the role of pg_cron likewise');

\set manifest `cat examples/manifests/base.json`

-- an operator
SET LOCAL ROLE twinset_operator;
SELECT lives_ok($$
	INSERT INTO twinset.twin (device_id, tags) VALUES ('press-1', '{"hall": "north"}'), ('press-2', '{}'), ('press-3', '{}')
$$, 'an operator provisions devices');
SELECT lives_ok($$ UPDATE twinset.twin SET retired_at = now() WHERE device_id = 'press-2' $$, '… retires one');
SELECT lives_ok($$ DELETE FROM twinset.twin WHERE device_id = 'press-3' $$, '… deletes one');
SELECT is(twinset.set_tags('press-1', '{"floor": 2}'), '{"hall": "north", "floor": 2}', '… sets tags');
SELECT lives_ok(format($$
	INSERT INTO twinset.deployment (deployment_id, content, target_condition)
	VALUES ('base', %1$L, '*'), ('north', %1$L, 'tags.hall = ''north''')
$$, :'manifest'), '… creates deployments');
SELECT lives_ok($$ UPDATE twinset.deployment SET priority = 7 WHERE deployment_id = 'base' $$, '… changes one');
SELECT lives_ok($$ DELETE FROM twinset.deployment WHERE deployment_id = 'north' $$, '… deletes one');
SELECT results_eq($$ SELECT target, unknown FROM twinset.deployment_status $$, $$ VALUES (1::bigint, 1::bigint) $$,
	'… reads the counts');
SELECT is((SELECT deployment_id FROM twinset.device_status), 'base', '… reads the devices');
SELECT is((SELECT device_id FROM twinset.deployment_device WHERE deployment_id = 'base'), 'press-1',
	'… reads a deployment''s devices');
SELECT isnt_empty($$ SELECT FROM twinset.deployment_module $$, '… reads the modules');
SELECT isnt_empty($$ SELECT FROM twinset.explain_device('press-1') $$, '… asks why');
SELECT is((twinset.preview('tags.floor = 2', 9)).takes_over_from, '{"base": 1}', '… previews');
SELECT is((SELECT role FROM twinset.deployment_history WHERE operation = 'delete'), 'twinset_operator', '… is in the history');
SELECT is((SELECT operation FROM twinset.restore_deployment('base', clock_timestamp() - interval '1 microsecond', true)), NULL,
	'… restores what is as it was');
SELECT throws_ok($$ SELECT twinset.forget_history(now()) $$, '42501', NULL, '… but forgets nothing');
SELECT throws_ok($$ SELECT FROM twinset.history $$, '42501', NULL, '… and reads no old secrets');
SELECT throws_ok($$ SELECT twinset.deployment_as_of('base', now()) $$, '42501', NULL, '… in no other way either');
SELECT throws_ok($$ DELETE FROM twinset.history $$, '42501', NULL, '… and changes no history');
SELECT is((SELECT to_deployment FROM twinset.preview_tags('{"floor": 3}', '*')), NULL, '… also of tags');
SELECT isnt_empty($$ SELECT FROM twinset.explain_match('press-1', '*') $$, '… asks why a condition matches');
SELECT isnt_empty($$ SELECT FROM twinset.explain_deployment('base') $$, '… and why a deployment has not all');
SELECT is_empty($$ SELECT FROM twinset.deployment_advice $$, '… asks for advice');
SELECT throws_ok($$ SELECT FROM twinset.device_manifest('press-1') $$, '42501', NULL, '… but is no device');
SELECT throws_ok($$ SELECT twinset.report_status('press-1', 1, 200) $$, '42501', NULL, '… which reports');
SELECT throws_ok($$ TRUNCATE twinset.twin $$, '42501', NULL, '… does not empty the fleet at once');
SELECT throws_ok($$ SELECT FROM twinset.report $$, '42501', NULL, '… reads no internal table');
SELECT throws_ok($$ UPDATE twinset.assignment SET deployment_id = 'x' $$, '42501', NULL, '… writes none');

-- a backend
SET LOCAL ROLE twinset_backend;
SELECT is((SELECT deployment_id FROM twinset.device_manifest('press-1')), 'base',
	'a backend gives out a manifest');
SELECT is(twinset.report_status('press-1', revision, 200), 'healthy', '… takes in a report')
FROM twinset.device_manifest('press-1');
SELECT is((SELECT device_id FROM twinset.take_pending()), NULL, '… takes what is pending');
SELECT is((SELECT status FROM twinset.report_statuses(format('[{"device_id": "press-1", "revision": %s, "code": 200}]', revision)::jsonb)), 'healthy',
	'… takes in many reports') FROM twinset.device_manifest('press-1');
SELECT throws_ok($$ SELECT FROM twinset.twin $$, '42501', NULL, '… reads no twins');
SELECT throws_ok($$ UPDATE twinset.twin SET tags = '{}' $$, '42501', NULL, '… writes none');
SELECT throws_ok($$ SELECT twinset.set_tags('press-1', '{}') $$, '42501', NULL, '… not by set_tags() either');
SELECT throws_ok($$ SELECT FROM twinset.deployment $$, '42501', NULL, '… reads no deployments');
SELECT throws_ok($$ DELETE FROM twinset.deployment $$, '42501', NULL, '… deletes none');
SELECT throws_ok($$ SELECT FROM twinset.report $$, '42501', NULL, '… reads no internal table');
SELECT throws_ok($$ SELECT twinset.reconcile() $$, '42501', NULL, '… reconciles nothing');

-- a dashboard, while the log holds what the others have done
SET LOCAL ROLE twinset_dashboard;
SELECT results_eq($$ SELECT target, healthy FROM twinset.deployment_status $$, $$ VALUES (1::bigint, 1::bigint) $$,
	'a dashboard reads the counts');
SELECT is((SELECT deployment_id || ' ' || status FROM twinset.device_status), 'base healthy',
	'… the devices');
SELECT is((SELECT device_id || ' ' || code FROM twinset.deployment_device), 'press-1 200',
	'… a deployment''s devices');
SELECT isnt_empty($$ SELECT FROM twinset.deployment_module $$, '… the modules');
SELECT is((SELECT healthy FROM twinset.fleet_overview), 1::bigint, '… the fleet''s counts');
SELECT isnt_empty($$ SELECT * FROM twinset.fleet_overview, twinset.module_status, twinset.device_module $$, '… what modules do');
SELECT is_empty($$ SELECT FROM twinset.pending_device UNION ALL SELECT FROM twinset.silent_devices('1 hour') $$, '… what is pending or silent');
SELECT isnt_empty($$ SELECT FROM twinset.explain_device('press-1') $$, '… and why');
SELECT isnt_empty($$ SELECT FROM twinset.explain_match('press-1', '*') $$, '… and why not');
SELECT is_empty($$ SELECT FROM twinset.deployment_advice $$, '… and the advice');
SELECT isnt_empty($$ SELECT FROM twinset.explain_deployment('base') $$, '… of a deployment too');
SELECT throws_ok($$ SELECT twinset.preview('*', 1) $$, '42501', NULL, '… but plans no change');
SELECT throws_ok($$ SELECT content FROM twinset.deployment $$, '42501', NULL, '… but no manifest');
SELECT throws_ok($$ SELECT FROM twinset.device_manifest('press-1') $$, '42501', NULL, '… not as a device either');
SELECT throws_ok($$ SELECT twinset.report_status('press-1', 1, 200) $$, '42501', NULL, '… does not report');
SELECT throws_ok($$ INSERT INTO twinset.twin (device_id) VALUES ('press-4') $$, '42501', NULL, '… writes no twin');
SELECT throws_ok($$ UPDATE twinset.deployment SET priority = 1 $$, '42501', NULL, '… writes no deployment');

-- pg_cron
SET LOCAL ROLE twinset_cron;
SELECT is((twinset.reconcile()).repaired, 0::bigint, 'the role of pg_cron reconciles');
SELECT is(twinset.forget_history('-infinity'), 0::bigint, '… forgets history');
SELECT throws_ok($$ SELECT FROM twinset.twin $$, '42501', NULL, '… reads no twins');
SELECT throws_ok($$ SELECT FROM twinset.deployment_status $$, '42501', NULL, '… reads no counts');

-- nobody
SET LOCAL ROLE twinset_nobody;
SELECT throws_ok($$ SELECT FROM twinset.deployment_status $$, '42501', NULL, 'who has no grant reads nothing');
SELECT throws_ok($$ SELECT twinset.check_condition('*') $$, '42501', NULL, 'not even what PUBLIC may call: the schema is the door');

SELECT * FROM finish();
ROLLBACK;
