-- The history of the deployments: who changed what, and when.

CREATE FUNCTION twinset.redacted(content twinset.manifest) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'manifest_redacted';

CREATE FUNCTION twinset.redacted(content text) RETURNS jsonb
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN twinset.redacted(content::twinset.manifest);

COMMENT ON FUNCTION twinset.redacted(twinset.manifest) IS
	'the manifest with *** for every value below registryCredentials, env and createOptions';
COMMENT ON FUNCTION twinset.redacted(text) IS 'the same for a manifest that comes as text';

-- Written by the module alone, in the transaction that changes a deployment, and by nobody changed.
-- The columns before_* are null where there was no deployment, after_* where there is none; the
-- contents are null too where they are the same. Granted to nobody: contents have secrets.
CREATE TABLE twinset.history (
	deployment_id text COLLATE "C" NOT NULL,
	at timestamptz NOT NULL,
	transaction xid8 NOT NULL,
	role text NOT NULL,
	login text NOT NULL,
	actor text,
	reason text,
	operation text NOT NULL,
	before_content twinset.manifest,
	before_condition twinset.target_condition,
	before_priority integer,
	before_labels jsonb,
	before_revision bigint,
	before_created_at timestamptz,
	after_content twinset.manifest,
	after_condition twinset.target_condition,
	after_priority integer,
	after_labels jsonb,
	after_revision bigint,
	after_created_at timestamptz,
	CONSTRAINT history_pkey PRIMARY KEY (deployment_id, at)
) USING heap;

ALTER TABLE twinset.history ALTER COLUMN before_content SET STATISTICS 0,
	ALTER COLUMN after_content SET STATISTICS 0;

-- An entry with two contents is so long that it is compressed, and with lz4 in a tenth of the time.
DO $$ BEGIN
	ALTER TABLE twinset.history ALTER COLUMN before_content SET COMPRESSION lz4,
		ALTER COLUMN after_content SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
	NULL;	-- a server that was built without it
END $$;

CREATE INDEX history_at ON twinset.history (at);
CREATE INDEX history_transaction ON twinset.history (transaction);

COMMENT ON TABLE twinset.history IS
	'internal: what each deployment was before and after each change, with its secrets; deployment_history shows it without';
COMMENT ON INDEX twinset.history_at IS 'the changes in the order in which they were made';
COMMENT ON INDEX twinset.history_transaction IS 'a transaction''s changes';

SELECT pg_catalog.pg_extension_config_dump('twinset.history', '');

-- A restore loads deployments and their history, in any order, perhaps both at a time. Deployments
-- that come behind their history are known (src/history.c); those that came before it have left
-- entries of their own, which go now: what was inserted while it was there already, and as it was.
CREATE FUNCTION twinset.history_loaded() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	-- takes the settlement lock: who loads deployments has committed them
	UPDATE twinset.deployment SET priority = priority WHERE false;

	DELETE FROM twinset.history AS h
	USING (SELECT DISTINCT deployment_id FROM loaded) AS l, twinset.history AS p
	WHERE h.deployment_id = l.deployment_id AND h.operation = 'restore'
		AND p.deployment_id = h.deployment_id
		AND p.at = (SELECT max(o.at) FROM twinset.history AS o WHERE o.deployment_id = h.deployment_id AND o.at < h.at)
		AND (h.after_revision, h.after_condition::text, h.after_priority, h.after_labels, h.after_created_at)
			IS NOT DISTINCT FROM (p.after_revision, p.after_condition::text, p.after_priority, p.after_labels, p.after_created_at);
	RETURN NULL;
END $$;

COMMENT ON FUNCTION twinset.history_loaded() IS 'internal: a restored history takes the place of what restored deployments have left in it';
REVOKE ALL ON FUNCTION twinset.history_loaded() FROM PUBLIC;

CREATE TRIGGER "00_twinset_loaded" AFTER INSERT ON twinset.history REFERENCING NEW TABLE AS loaded
	FOR EACH STATEMENT EXECUTE FUNCTION twinset.history_loaded();
ALTER TABLE twinset.history ENABLE ALWAYS TRIGGER "00_twinset_loaded";

CREATE FUNCTION twinset.unlike(image jsonb, other jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN image IS NULL OR other IS NULL THEN image
	ELSE coalesce((SELECT pg_catalog.jsonb_object_agg(i.key, i.value) FROM pg_catalog.jsonb_each(image) AS i
		WHERE other -> i.key IS DISTINCT FROM i.value), '{}') END;

COMMENT ON FUNCTION twinset.unlike(jsonb, jsonb) IS
	'internal: what of an object another has otherwise; all of it where there is no other';

-- Cost: by deployment_id, at or transaction an index scan; a content is parsed only where before, after or difference is asked for.
CREATE VIEW twinset.deployment_history AS
SELECT h.at, h.transaction, h.role, h.login, h.actor, h.reason, h.operation,
	h.deployment_id, coalesce(h.after_revision, h.before_revision) AS revision,
	twinset.unlike(i.before, i.after) || CASE WHEN h.before_content IS NULL THEN '{}'
		ELSE pg_catalog.jsonb_build_object('content', twinset.redacted(h.before_content)) END AS before,
	twinset.unlike(i.after, i.before) || CASE WHEN h.after_content IS NULL THEN '{}'
		ELSE pg_catalog.jsonb_build_object('content', twinset.redacted(h.after_content)) END AS after,
	CASE WHEN h.before_content IS NOT NULL AND h.after_content IS NOT NULL THEN (
		SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(m)) FROM twinset.manifest_difference(h.before_content, h.after_content) AS m)
		END AS difference
FROM twinset.history AS h CROSS JOIN LATERAL (SELECT
	CASE WHEN h.before_revision IS NOT NULL THEN pg_catalog.jsonb_build_object(
		'target_condition', h.before_condition::text, 'priority', h.before_priority, 'labels', h.before_labels,
		'revision', h.before_revision, 'created_at', h.before_created_at) END AS before,
	CASE WHEN h.after_revision IS NOT NULL THEN pg_catalog.jsonb_build_object(
		'target_condition', h.after_condition::text, 'priority', h.after_priority, 'labels', h.after_labels,
		'revision', h.after_revision, 'created_at', h.after_created_at) END AS after) AS i;

COMMENT ON VIEW twinset.deployment_history IS
	'one row for each change of a deployment: who, when, why, and what from what to what, without secrets';
COMMENT ON COLUMN twinset.deployment_history.at IS
	'when it was made: the time of the statement, later than that of every change before; of the operation forget: what was before this time is forgotten';
COMMENT ON COLUMN twinset.deployment_history.transaction IS 'the transaction that made it (pg_current_xact_id); undo_transaction() takes it';
COMMENT ON COLUMN twinset.deployment_history.role IS 'the role that acted: of SET ROLE, or of the session';
COMMENT ON COLUMN twinset.deployment_history.login IS 'the role that had logged in';
COMMENT ON COLUMN twinset.deployment_history.actor IS 'who acted, as the setting twinset.actor said; null: it was not set';
COMMENT ON COLUMN twinset.deployment_history.reason IS 'why, as the setting twinset.reason said; null: it was not set';
COMMENT ON COLUMN twinset.deployment_history.operation IS 'insert, update, delete, truncate; restore: inserted by the owner as a dump had it; forget: see at';
COMMENT ON COLUMN twinset.deployment_history.deployment_id IS 'the deployment; empty: of the operation forget';
COMMENT ON COLUMN twinset.deployment_history.revision IS 'its revision after the change; its last where it was deleted';
COMMENT ON COLUMN twinset.deployment_history.before IS
	'what it was, by column: only what has changed; null where there was no deployment. Secrets of a content are ***';
COMMENT ON COLUMN twinset.deployment_history.after IS 'what it is since then, likewise; null where there is none any more';
COMMENT ON COLUMN twinset.deployment_history.difference IS
	'what manifest_difference() says of a changed content: an array of module, field, old, new; a secret that has changed is there too. Null where devices get the same, or nothing any more';

-- Forgets what was before this time, but for the part of a transaction that goes on behind it, and leaves
-- one row that says so, and who did it. Returns how many changes are forgotten. 22004 for a NULL.
CREATE FUNCTION twinset.forget_history(before timestamptz) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	horizon timestamptz;
	forgotten bigint;
BEGIN
	IF before IS NULL THEN
		RAISE EXCEPTION 'null value not allowed' USING ERRCODE = '22004',
			DETAIL = 'forget_history() needs a time.';
	END IF;
	-- takes the settlement lock: nobody changes a deployment from here on
	UPDATE twinset.deployment SET priority = priority WHERE false;

	-- the first change that stays; of its transaction the earlier ones do too
	SELECT least(forget_history.before,
		-- entries are later than the clock where it went back
		greatest(clock_timestamp(), (SELECT max(l.at) + interval '1 microsecond' FROM twinset.history AS l)),
		(SELECT min(h.at) FROM twinset.history AS h
			WHERE h.transaction = k.transaction AND h.at > coalesce((SELECT o.at FROM twinset.history AS o
				WHERE o.at < k.at AND o.transaction <> k.transaction ORDER BY o.at DESC LIMIT 1), '-infinity')))
		INTO horizon
	FROM (SELECT 1) AS always
	LEFT JOIN (SELECT h.at, h.transaction FROM twinset.history AS h
		WHERE h.at >= forget_history.before AND h.deployment_id <> '' ORDER BY h.at LIMIT 1) AS k ON true;

	DELETE FROM twinset.history AS h WHERE h.at < horizon AND h.deployment_id <> '';
	GET DIAGNOSTICS forgotten = ROW_COUNT;
	IF forgotten > 0 THEN
		DELETE FROM twinset.history AS h WHERE h.deployment_id = '';
		INSERT INTO twinset.history (deployment_id, at, transaction, role, login, actor, reason, operation)
		VALUES ('', horizon, pg_current_xact_id(),
			CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END, session_user,
			nullif(current_setting('twinset.actor'), ''), nullif(current_setting('twinset.reason'), ''), 'forget');
	END IF;
	RETURN forgotten;
END $$;

COMMENT ON FUNCTION twinset.forget_history(timestamptz) IS
	'forgets the changes of deployments before this time; returns how many. One row stays that says so';
REVOKE ALL ON FUNCTION twinset.forget_history(timestamptz) FROM PUBLIC;
