-- Putting deployments back as their history says that they were.

-- What a deployment was at a time, from its history; null where there was none. Where the history has
-- nothing of it, it has not changed since it was created.
CREATE FUNCTION twinset.deployment_as_of(deployment_id text, at timestamptz, OUT content twinset.manifest,
	OUT target_condition twinset.target_condition, OUT priority integer, OUT labels jsonb, OUT revision bigint,
	OUT created_at timestamptz)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	entry twinset.history;
BEGIN
	SELECT h.* INTO entry FROM twinset.history AS h
		WHERE h.deployment_id = deployment_as_of.deployment_id AND h.at <= deployment_as_of.at ORDER BY h.at DESC LIMIT 1;
	IF FOUND THEN
		target_condition := entry.after_condition;
		priority := entry.after_priority;
		labels := entry.after_labels;
		revision := entry.after_revision;
		created_at := entry.after_created_at;
	ELSE
		SELECT h.* INTO entry FROM twinset.history AS h
			WHERE h.deployment_id = deployment_as_of.deployment_id AND h.at > deployment_as_of.at ORDER BY h.at LIMIT 1;
		IF FOUND THEN
			target_condition := entry.before_condition;
			priority := entry.before_priority;
			labels := entry.before_labels;
			revision := entry.before_revision;
			created_at := entry.before_created_at;
		ELSE
			SELECT d.target_condition, d.priority, d.labels, d.revision, d.created_at
				INTO target_condition, priority, labels, revision, created_at
				FROM twinset.deployment AS d
				WHERE d.deployment_id = deployment_as_of.deployment_id AND d.created_at <= deployment_as_of.at;
		END IF;
	END IF;

	-- the last one that was written until then, or the first that was replaced since, or the one that there is
	IF revision IS NOT NULL THEN
		content := coalesce(
			(SELECT h.after_content FROM twinset.history AS h WHERE h.deployment_id = deployment_as_of.deployment_id
				AND h.at <= deployment_as_of.at AND h.after_content IS NOT NULL ORDER BY h.at DESC LIMIT 1),
			(SELECT h.before_content FROM twinset.history AS h WHERE h.deployment_id = deployment_as_of.deployment_id
				AND h.at > deployment_as_of.at AND h.before_content IS NOT NULL ORDER BY h.at LIMIT 1),
			(SELECT d.content FROM twinset.deployment AS d WHERE d.deployment_id = deployment_as_of.deployment_id));
	END IF;
END $$;

COMMENT ON FUNCTION twinset.deployment_as_of(text, timestamptz) IS 'internal: what a deployment was at a time, with its secrets';
REVOKE ALL ON FUNCTION twinset.deployment_as_of(text, timestamptz) FROM PUBLIC;

-- Each deployment as it was at the time beside it: deleted, changed where it differs, or inserted, with
-- the revision that it had, as that is what its content was. One that was created anew since is replaced.
CREATE FUNCTION twinset.put_back(deployment_ids text[], times timestamptz[])
RETURNS TABLE (deployment_id text, operation text, revision bigint)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH gone AS (
		DELETE FROM twinset.deployment AS d
		USING unnest(deployment_ids, times) AS u (deployment_id, at), twinset.deployment_as_of(u.deployment_id, u.at) AS was
		WHERE d.deployment_id = u.deployment_id AND was.created_at IS DISTINCT FROM d.created_at
		RETURNING d.deployment_id, was.revision IS NOT NULL AS replaced)
	SELECT g.deployment_id, 'delete', NULL::bigint FROM gone AS g WHERE NOT g.replaced ORDER BY g.deployment_id;

	RETURN QUERY
	WITH changed AS (
		UPDATE twinset.deployment AS d
		SET content = was.content, target_condition = was.target_condition, priority = was.priority, labels = was.labels
		FROM unnest(deployment_ids, times) AS u (deployment_id, at), twinset.deployment_as_of(u.deployment_id, u.at) AS was
		WHERE d.deployment_id = u.deployment_id
			AND (d.content::text, d.target_condition::text, d.priority, d.labels)
				IS DISTINCT FROM (was.content::text, was.target_condition::text, was.priority, was.labels)
		RETURNING d.deployment_id, d.revision)
	SELECT c.deployment_id, 'update', c.revision FROM changed AS c ORDER BY c.deployment_id;

	RETURN QUERY
	WITH back AS (
		INSERT INTO twinset.deployment AS d
			(deployment_id, content, target_condition, priority, labels, revision, created_at)
		SELECT u.deployment_id, was.content, was.target_condition, was.priority, was.labels, was.revision, was.created_at
		FROM unnest(deployment_ids, times) AS u (deployment_id, at), twinset.deployment_as_of(u.deployment_id, u.at) AS was
		WHERE was.revision IS NOT NULL
			AND NOT EXISTS (SELECT FROM twinset.deployment AS p WHERE p.deployment_id = u.deployment_id)
		RETURNING d.deployment_id, d.revision)
	SELECT b.deployment_id, 'insert', b.revision FROM back AS b ORDER BY b.deployment_id;
END $$;

COMMENT ON FUNCTION twinset.put_back(text[], timestamptz[]) IS 'internal: puts deployments back as they were';
REVOKE ALL ON FUNCTION twinset.put_back(text[], timestamptz[]) FROM PUBLIC;

-- Changes that would be lost, as they are told to who asked for it: the ten latest behind these times, and what is
-- not as the history says, as it was changed while triggers were switched off.
CREATE FUNCTION twinset.describe_changes(deployment_ids text[], times timestamptz[]) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH asked AS (
		SELECT u.deployment_id, u.at FROM unnest(deployment_ids, times) AS u (deployment_id, at)
	), change AS (
		SELECT h.at, format('%s: %s of "%s" by %s in transaction %s%s', h.at, h.operation, h.deployment_id,
			coalesce(h.actor || ' (' || h.role || ')', h.role), h.transaction, coalesce(': ' || h.reason, '')) AS line
		FROM asked AS a JOIN twinset.history AS h ON h.deployment_id = a.deployment_id AND h.at > a.at
		UNION ALL
		SELECT 'infinity', format('change of "%s" that is not in the history: its triggers were switched off', a.deployment_id)
		FROM asked AS a LEFT JOIN twinset.deployment AS d ON d.deployment_id = a.deployment_id
		CROSS JOIN LATERAL (SELECT h.* FROM twinset.history AS h WHERE h.deployment_id = a.deployment_id ORDER BY h.at DESC LIMIT 1) AS l
		WHERE (d.target_condition::text, d.priority, d.labels, d.revision, d.created_at)
			IS DISTINCT FROM (l.after_condition::text, l.after_priority, l.after_labels, l.after_revision, l.after_created_at)
	), numbered AS (
		SELECT c.at, c.line, row_number() OVER (ORDER BY c.at DESC, c.line) AS number FROM change AS c
	)
	SELECT string_agg(E'\n' || n.line, '' ORDER BY n.number) FILTER (WHERE n.number <= 10)
		|| CASE WHEN count(*) > 10 THEN format(E'\nand %s before these', count(*) - 10) ELSE '' END
	FROM numbered AS n;
END;

COMMENT ON FUNCTION twinset.describe_changes(text[], timestamptz[]) IS 'internal: changes of these deployments that putting them back would lose, a line each';
REVOKE ALL ON FUNCTION twinset.describe_changes(text[], timestamptz[]) FROM PUBLIC;

-- Puts one deployment back as it was then; a row says what was done to it, no row that nothing had to be.
-- What is undone without asking is the first transaction that has changed it since; changes behind that
-- are in the way. 22004 for a NULL; 22023 for a time that is to come or forgotten; P0002 where there was no such
-- deployment; 55000 for what is in the way. Cost: the deployment's entries since then, and one deployment change.
CREATE FUNCTION twinset.restore_deployment(deployment_id text, at timestamptz, overwrite boolean DEFAULT false)
RETURNS TABLE (operation text, revision bigint)
LANGUAGE plpgsql VOLATILE ROWS 1 SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	forgotten timestamptz;
	other timestamptz;
	in_the_way text;
BEGIN
	IF $1 IS NULL OR $2 IS NULL OR $3 IS NULL THEN
		RAISE EXCEPTION 'null value not allowed' USING ERRCODE = '22004',
			DETAIL = 'restore_deployment() needs a deployment_id and a time.';
	END IF;
	-- takes the settlement lock: nobody changes a deployment from here on
	UPDATE twinset.deployment SET priority = priority WHERE false;

	SELECT max(h.at) INTO forgotten FROM twinset.history AS h WHERE h.deployment_id = '';
	IF $2 < forgotten THEN
		RAISE EXCEPTION 'history before % is forgotten', forgotten USING ERRCODE = '22023';
	-- entries are later than the clock where it went back
	ELSIF $2 > greatest(clock_timestamp(), (SELECT max(h.at) FROM twinset.history AS h)) THEN
		RAISE EXCEPTION 'the time % is to come', $2 USING ERRCODE = '22023';
	ELSIF (twinset.deployment_as_of($1, $2)).revision IS NULL THEN
		RAISE EXCEPTION 'there was no deployment "%" at %', $1, $2 USING ERRCODE = 'P0002',
			HINT = 'See what there was: SELECT at, operation FROM twinset.deployment_history WHERE deployment_id = ...; DELETE takes a deployment away.';
	END IF;

	-- the first change since then that is not of the first transaction
	SELECT min(h.at) INTO other FROM twinset.history AS h
	WHERE h.deployment_id = $1 AND h.at > $2 AND h.transaction <> (
		SELECT f.transaction FROM twinset.history AS f WHERE f.deployment_id = $1 AND f.at > $2 ORDER BY f.at LIMIT 1);
	IF NOT overwrite THEN
		in_the_way := twinset.describe_changes(ARRAY[$1], ARRAY[coalesce(other - interval '1 microsecond', 'infinity')]);
		IF in_the_way IS NOT NULL THEN
			RAISE EXCEPTION 'deployment "%" has changed more than once since then', $1 USING ERRCODE = '55000',
				DETAIL = 'In the way:' || in_the_way,
				HINT = 'To overwrite that too: restore_deployment(..., overwrite => true).';
		END IF;
	END IF;
	RETURN QUERY SELECT p.operation, p.revision FROM twinset.put_back(ARRAY[$1], ARRAY[$2]) AS p;
END $$;

COMMENT ON FUNCTION twinset.restore_deployment(text, timestamptz, boolean) IS
	'puts a deployment back as it was at that time, a deleted one too; where it was changed by more than one transaction since, only if told to overwrite';
REVOKE ALL ON FUNCTION twinset.restore_deployment(text, timestamptz, boolean) FROM PUBLIC;

-- Puts all deployments that a transaction has changed back as they were before it. Numbers begin anew in a
-- restored database, so of several transactions with one number the latest is meant: no other comes between
-- its entries. 22004, P0002, 55000 as above. Cost: its entries, and one deployment change.
CREATE FUNCTION twinset.undo_transaction(transaction xid8, overwrite boolean DEFAULT false)
RETURNS TABLE (deployment_id text, operation text, revision bigint)
LANGUAGE plpgsql VOLATILE ROWS 10 SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	last timestamptz;
	before timestamptz;
	ids text[];
	firsts timestamptz[];
	lasts timestamptz[];
	in_the_way text;
BEGIN
	IF $1 IS NULL OR $2 IS NULL THEN
		RAISE EXCEPTION 'null value not allowed' USING ERRCODE = '22004',
			DETAIL = 'undo_transaction() needs a transaction.';
	END IF;
	-- takes the settlement lock: nobody changes a deployment from here on
	UPDATE twinset.deployment SET priority = priority WHERE false;

	SELECT max(h.at) INTO last FROM twinset.history AS h WHERE h.transaction = $1 AND h.deployment_id <> '';
	IF last IS NULL THEN
		RAISE EXCEPTION 'no change by transaction % is in the history', $1 USING ERRCODE = 'P0002',
			HINT = 'twinset.deployment_history has the changes of deployments, each with its transaction.';
	END IF;
	before := coalesce((SELECT h.at FROM twinset.history AS h WHERE h.at < last AND h.transaction <> $1
		ORDER BY h.at DESC LIMIT 1), '-infinity');
	SELECT array_agg(c.deployment_id), array_agg(c.first - interval '1 microsecond'), array_agg(c.last)
		INTO ids, firsts, lasts
	FROM (SELECT h.deployment_id, min(h.at) AS first, max(h.at) AS last FROM twinset.history AS h
		WHERE h.transaction = $1 AND h.at > before AND h.deployment_id <> '' GROUP BY h.deployment_id) AS c;

	IF NOT overwrite THEN
		in_the_way := twinset.describe_changes(ids, lasts);
		IF in_the_way IS NOT NULL THEN
			RAISE EXCEPTION 'what transaction % has changed has changed again since then', $1 USING ERRCODE = '55000',
				DETAIL = 'In the way:' || in_the_way,
				HINT = 'To overwrite that too: undo_transaction(..., overwrite => true).';
		END IF;
	END IF;
	RETURN QUERY SELECT * FROM twinset.put_back(ids, firsts);
END $$;

CREATE FUNCTION twinset.undo_transaction(transaction text, overwrite boolean DEFAULT false)
RETURNS TABLE (deployment_id text, operation text, revision bigint)
LANGUAGE sql VOLATILE ROWS 10
BEGIN ATOMIC
	SELECT * FROM twinset.undo_transaction($1::xid8, $2);
END;

COMMENT ON FUNCTION twinset.undo_transaction(xid8, boolean) IS
	'puts all deployments that a transaction has changed back as they were before it; where others have changed them since, only if told to overwrite';
COMMENT ON FUNCTION twinset.undo_transaction(text, boolean) IS 'the same for a transaction that comes as text';
REVOKE ALL ON FUNCTION twinset.undo_transaction(xid8, boolean), twinset.undo_transaction(text, boolean) FROM PUBLIC;
