-- What the tables that are dumped are made of. A dump has their rows and nothing else: not what
-- users have added to them. This part stands last, so that all that the extension makes is there.

-- In PL/pgSQL, which keeps the plan: planning takes far longer than reading, and verify() asks each time.
CREATE FUNCTION twinset.table_parts() RETURNS TABLE (table_name text, part text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH dumped AS (
		SELECT c.oid, c.relname::text AS table_name, c.reloptions, c.relrowsecurity, c.relforcerowsecurity, c.relreplident
		FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_class AS c ON c.oid = ANY (e.extconfig)
		WHERE e.extname = 'twinset' AND c.relkind = 'r'
	)
	SELECT d.table_name, 'column ' || a.attname::text
	FROM dumped AS d JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.oid WHERE a.attnum > 0 AND NOT a.attisdropped
	UNION ALL
	-- from PostgreSQL 18 on NOT NULL is one too
	SELECT d.table_name, 'constraint ' || n.conname::text
	FROM dumped AS d JOIN pg_catalog.pg_constraint AS n ON n.conrelid = d.oid WHERE n.contype <> 'n' AND n.contype <> 't'
	UNION ALL
	SELECT d.table_name, 'index ' || c.relname::text
	FROM dumped AS d JOIN pg_catalog.pg_index AS i ON i.indrelid = d.oid JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
	WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS n WHERE n.conindid = i.indexrelid AND n.conrelid = d.oid)
	UNION ALL
	SELECT d.table_name, 'trigger ' || g.tgname::text
	FROM dumped AS d JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = d.oid WHERE NOT g.tgisinternal
	UNION ALL
	SELECT d.table_name, 'policy ' || p.polname::text
	FROM dumped AS d JOIN pg_catalog.pg_policy AS p ON p.polrelid = d.oid
	UNION ALL
	SELECT d.table_name, 'rule ' || r.rulename::text
	FROM dumped AS d JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = d.oid
	UNION ALL
	SELECT d.table_name, 'statistics ' || s.stxname::text
	FROM dumped AS d JOIN pg_catalog.pg_statistic_ext AS s ON s.stxrelid = d.oid
	UNION ALL
	SELECT d.table_name, 'setting ' || o
	FROM dumped AS d CROSS JOIN LATERAL pg_catalog.unnest(d.reloptions) AS o
	UNION ALL
	SELECT d.table_name, 'setting ' || s.setting
	FROM dumped AS d CROSS JOIN LATERAL (VALUES (d.relrowsecurity, 'row level security'),
		(d.relforcerowsecurity, 'forced row level security'), (d.relreplident <> 'd', 'replica identity')) AS s (is_set, setting)
	WHERE s.is_set
	UNION ALL
	SELECT d.table_name, 'setting of column ' || a.attname::text || s.setting
	FROM dumped AS d JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.oid
	CROSS JOIN LATERAL (SELECT ': statistics' WHERE a.attstattarget >= 0
		UNION ALL SELECT ': ' || o FROM pg_catalog.unnest(a.attoptions) AS o WHERE o ~ '^n_distinct') AS s (setting)
	WHERE a.attnum > 0 AND NOT a.attisdropped;
END $$;

COMMENT ON FUNCTION twinset.table_parts() IS 'internal: columns, indexes, triggers and so on of the tables that are dumped';
REVOKE ALL ON FUNCTION twinset.table_parts() FROM PUBLIC;

-- An upgrade script that changes one of these tables changes these rows likewise.
CREATE TABLE twinset.table_part (
	table_name text COLLATE "C" NOT NULL,
	part text COLLATE "C" NOT NULL,
	CONSTRAINT table_part_pkey PRIMARY KEY (table_name, part)
);

COMMENT ON TABLE twinset.table_part IS 'internal: what table_parts() gave when the extension had just been created';

INSERT INTO twinset.table_part (table_name, part) SELECT table_name, part FROM twinset.table_parts();
