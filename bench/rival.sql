-- The rival: what a good PostgreSQL engineer writes by hand in an afternoon.
--
-- A condition becomes branches, of which one must hold: the tags contain one JSON
-- object (has) and none of others (lacks).  A device's winner is a column of its
-- twin, kept by a row trigger that walks the branches in rank order, by index,
-- until one holds.  A deployment's trigger gives the devices that it wins to it
-- (found by the GIN index), and looks for another winner of those that it loses.
-- Counts are views with GROUP BY.  Writers share an advisory lock that a deployment
-- change takes alone; without it the winners would be wrong under load.
--
-- It reads what the benchmark's deployments say: comparisons with =, AND, OR, NOT.

CREATE SCHEMA rival;

CREATE TABLE rival.twin (
	device_id text COLLATE "C" PRIMARY KEY,
	tags jsonb NOT NULL DEFAULT '{}',
	iot_edge boolean NOT NULL DEFAULT true,
	retired_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	deployment_id text COLLATE "C",
	assigned_at timestamptz
);
INSERT INTO rival.twin (device_id, tags) SELECT device_id, tags FROM bench.source;
CREATE INDEX twin_tags_idx ON rival.twin USING gin (tags jsonb_path_ops);
CREATE INDEX twin_deployment_idx ON rival.twin (deployment_id);

CREATE TABLE rival.deployment (
	deployment_id text COLLATE "C" PRIMARY KEY,
	target_condition text,
	priority integer NOT NULL DEFAULT 1,
	revision bigint NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE rival.branch (
	deployment_id text COLLATE "C" NOT NULL,
	priority integer NOT NULL,
	created_at timestamptz NOT NULL,
	device_id text COLLATE "C",				-- that of this device alone
	has jsonb NOT NULL,						-- what the tags contain
	lacks jsonb[] NOT NULL,					-- what they don't
	keys text[] NOT NULL					-- which tags they have, since a comparison with a missing one is not true
);
CREATE INDEX branch_rank_idx ON rival.branch (priority DESC, created_at DESC, deployment_id DESC);
CREATE INDEX branch_deployment_idx ON rival.branch (deployment_id);

CREATE TABLE rival.report (
	device_id text COLLATE "C" PRIMARY KEY,
	revision bigint NOT NULL,
	code integer NOT NULL,
	description text,
	modules jsonb,
	reported_at timestamptz NOT NULL
);

CREATE FUNCTION rival.branches(condition text)
RETURNS TABLE (device_id text, has jsonb, lacks jsonb[], keys text[]) LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	branch text;
	term text;
	part text[];
	value jsonb;
BEGIN
	FOREACH branch IN ARRAY string_to_array(condition, ' OR ') LOOP
		device_id := NULL;
		has := '{}';
		lacks := '{}';
		keys := '{}';
		FOREACH term IN ARRAY CASE branch WHEN '*' THEN '{}' ELSE string_to_array(branch, ' AND ') END LOOP
			part := regexp_match(term, $re$^(NOT )?(?:tags\.([^ ]+)|deviceId) = ('(?:[^']|'')*'|[^ ']+)\Z$re$);
			IF part IS NULL THEN
				RAISE EXCEPTION 'the rival does not know this condition: %', condition;
			END IF;
			value := CASE WHEN starts_with(part[3], '''') THEN to_jsonb(replace(trim(BOTH '''' FROM part[3]), '''''', ''''))
				ELSE lower(part[3])::jsonb END;
			IF part[2] IS NULL THEN
				device_id := value#>>'{}';
			ELSIF part[1] IS NULL THEN
				has := has || jsonb_build_object(part[2], value);
			ELSE
				lacks := lacks || jsonb_build_object(part[2], value);
				keys := keys || part[2];
			END IF;
		END LOOP;
		RETURN NEXT;
	END LOOP;
END $$;

-- is one branch true?  Plain SQL, so that it is part of the query
CREATE FUNCTION rival.holds(b rival.branch, device_id text, tags jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE
RETURN tags @> (b).has AND ((b).device_id IS NULL OR (b).device_id = device_id)
	AND ((b).keys = '{}' OR (tags ?& (b).keys AND NOT tags @> ANY ((b).lacks)));

CREATE FUNCTION rival.winner(device_id text, tags jsonb) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (SELECT b.deployment_id FROM rival.branch AS b WHERE rival.holds(b, winner.device_id, winner.tags)
		ORDER BY b.priority DESC, b.created_at DESC, b.deployment_id DESC LIMIT 1);
END $$;

CREATE FUNCTION rival.keep_winner() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	winner text COLLATE "C";
BEGIN
	PERFORM pg_advisory_xact_lock_shared(1);
	IF NEW.iot_edge AND NEW.retired_at IS NULL THEN
		winner := (SELECT b.deployment_id FROM rival.branch AS b WHERE rival.holds(b, NEW.device_id, NEW.tags)
			ORDER BY b.priority DESC, b.created_at DESC, b.deployment_id DESC LIMIT 1);
	END IF;
	IF winner IS DISTINCT FROM NEW.deployment_id THEN
		NEW.deployment_id := winner;
		NEW.assigned_at := now();
	END IF;
	RETURN NEW;
END $$;

CREATE TRIGGER keep_winner BEFORE INSERT ON rival.twin FOR EACH ROW EXECUTE FUNCTION rival.keep_winner();
CREATE TRIGGER keep_winner_updated BEFORE UPDATE ON rival.twin FOR EACH ROW
	WHEN (OLD.tags IS DISTINCT FROM NEW.tags OR OLD.iot_edge <> NEW.iot_edge OR OLD.retired_at IS DISTINCT FROM NEW.retired_at)
	EXECUTE FUNCTION rival.keep_winner();

-- which devices a deployment targets: by the GIN index, or by key
CREATE VIEW rival.target AS
SELECT b.deployment_id, t.device_id, t.deployment_id AS winner
FROM rival.branch AS b JOIN rival.twin AS t ON rival.holds(b, t.device_id, t.tags)
WHERE b.device_id IS NULL AND t.iot_edge AND t.retired_at IS NULL
UNION	-- a device may meet several branches
SELECT b.deployment_id, t.device_id, t.deployment_id
FROM rival.branch AS b JOIN rival.twin AS t ON t.device_id = b.device_id AND rival.holds(b, t.device_id, t.tags)
WHERE t.iot_edge AND t.retired_at IS NULL;

CREATE FUNCTION rival.lock_deployments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_advisory_xact_lock(1);
	RETURN NULL;
END $$;

CREATE FUNCTION rival.change_deployment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP <> 'INSERT' THEN
		DELETE FROM rival.branch WHERE deployment_id = OLD.deployment_id;
	END IF;
	IF TG_OP <> 'DELETE' THEN
		INSERT INTO rival.branch
		SELECT NEW.deployment_id, NEW.priority, NEW.created_at, n.device_id, n.has, n.lacks, n.keys
		FROM rival.branches(NEW.target_condition) AS n;
	END IF;
	IF TG_OP <> 'INSERT' THEN
		UPDATE rival.twin AS t SET deployment_id = rival.winner(t.device_id, t.tags), assigned_at = now()
		WHERE t.deployment_id = OLD.deployment_id;
	END IF;
	IF TG_OP <> 'DELETE' THEN
		UPDATE rival.twin AS t SET deployment_id = NEW.deployment_id, assigned_at = now()
		FROM rival.target AS g LEFT JOIN rival.deployment AS d ON d.deployment_id = g.winner
		WHERE g.deployment_id = NEW.deployment_id AND t.device_id = g.device_id AND t.iot_edge AND t.retired_at IS NULL
			AND (d.deployment_id IS NULL
				OR (d.priority, d.created_at, d.deployment_id) < (NEW.priority, NEW.created_at, NEW.deployment_id));
	END IF;
	RETURN NULL;
END $$;

CREATE TRIGGER lock_deployments BEFORE INSERT OR UPDATE OR DELETE ON rival.deployment
	FOR EACH STATEMENT EXECUTE FUNCTION rival.lock_deployments();
CREATE TRIGGER change_deployment AFTER INSERT OR UPDATE OR DELETE ON rival.deployment
	FOR EACH ROW EXECUTE FUNCTION rival.change_deployment();

CREATE VIEW rival.device_status AS
SELECT t.device_id, t.tags, d.deployment_id, d.revision,
	CASE WHEN d.revision IS NULL THEN NULL WHEN r.revision IS DISTINCT FROM d.revision THEN 'unknown'
		WHEN r.code = 200 THEN 'healthy' ELSE 'unhealthy' END AS status,
	r.revision AS reported_revision, r.code, r.description, r.reported_at, t.assigned_at
FROM rival.twin AS t
LEFT JOIN rival.deployment AS d ON d.deployment_id = t.deployment_id
LEFT JOIN rival.report AS r ON r.device_id = t.device_id
WHERE t.iot_edge AND t.retired_at IS NULL;

CREATE VIEW rival.deployment_status AS
SELECT d.deployment_id, d.priority, d.target_condition, d.revision, d.created_at, target.target,
	coalesce(c.actual, 0) AS actual, coalesce(c.healthy, 0) AS healthy, coalesce(c.unhealthy, 0) AS unhealthy,
	coalesce(c.unknown, 0) AS unknown
FROM rival.deployment AS d
CROSS JOIN LATERAL (
	SELECT count(*) AS target FROM rival.target AS t WHERE t.deployment_id = d.deployment_id
) AS target
LEFT JOIN (
	SELECT deployment_id, count(*) AS actual, count(*) FILTER (WHERE status = 'healthy') AS healthy,
		count(*) FILTER (WHERE status = 'unhealthy') AS unhealthy, count(*) FILTER (WHERE status = 'unknown') AS unknown
	FROM rival.device_status GROUP BY deployment_id
) AS c ON c.deployment_id = d.deployment_id;
