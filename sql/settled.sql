-- Settled state, the log of what has changed since, and the settlement lock.
-- All of it is internal, written by the module alone, and not dumped.

CREATE TABLE twinset.assignment (
	device_id text COLLATE "C" CONSTRAINT assignment_pkey PRIMARY KEY,
	deployment_id text COLLATE "C" NOT NULL,
	assigned_at timestamptz NOT NULL
) USING heap;

COMMENT ON TABLE twinset.assignment IS 'internal: each device''s winning deployment, when it was last settled';

CREATE TABLE twinset.tally (
	deployment_id text COLLATE "C" CONSTRAINT tally_pkey PRIMARY KEY,
	target bigint NOT NULL,
	actual bigint NOT NULL,
	healthy bigint NOT NULL,
	unhealthy bigint NOT NULL
) USING heap WITH (fillfactor = 50);

COMMENT ON TABLE twinset.tally IS 'internal: each deployment''s counts, when they were last settled';

-- A deployment is filed under terms that its condition needs (0: it needs none), so that one device's
-- winner is found without reading all deployments. target_condition is null where it is long and filed
-- under several: it is not copied for each, but read from the deployment.
CREATE TABLE twinset.posting (
	term bigint NOT NULL,
	priority integer NOT NULL,
	created_at timestamptz NOT NULL,
	deployment_id text COLLATE "C" NOT NULL,
	target_condition twinset.target_condition
) USING heap;

CREATE INDEX posting_rank ON twinset.posting (term, priority, created_at, deployment_id);
CREATE INDEX posting_deployment ON twinset.posting (deployment_id);

COMMENT ON TABLE twinset.posting IS 'internal: the deployments by the terms that their conditions need';
COMMENT ON INDEX twinset.posting_rank IS 'a term''s deployments in rank order';
COMMENT ON INDEX twinset.posting_deployment IS 'a deployment''s own';

-- An entry is what a device was before a query changed it: its twin (live is not null; tags where
-- it was live, else code: 0 there was none, 1 no Edge device, 2 retired, 3 both) or its report (live is null; revision and code where there was one). Of a statement
-- with many rows the entries are packed, many in a row without a device_id. Writers only append, so
-- it has no index. Readers must not be locked out by a vacuum that truncates it.
CREATE TABLE twinset.change (
	ordinal bigint NOT NULL,
	transaction xid8 NOT NULL,
	statement bigint NOT NULL,
	changed_at timestamptz NOT NULL,
	device_id text COLLATE "C",
	live boolean,
	tags jsonb,
	revision bigint,
	code integer,
	packed bytea
) USING heap WITH (vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0,
	autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_insert_threshold = -1);

-- compressing costs more than it saves: it is soon deleted
ALTER TABLE twinset.change ALTER COLUMN packed SET STORAGE EXTERNAL;

COMMENT ON TABLE twinset.change IS 'internal: the log of what devices were before changes that are not settled yet';

-- updating its one row is the settlement lock
CREATE TABLE twinset.settlement (
	version bigint NOT NULL,
	newest_revision bigint NOT NULL,
	settled_before xid8 NOT NULL,
	provisioned bigint NOT NULL,
	live bigint NOT NULL,
	not_edge bigint NOT NULL,
	retired bigint NOT NULL
) USING heap WITH (fillfactor = 10);

COMMENT ON TABLE twinset.settlement IS 'internal: one row, the settlement lock';

CREATE SEQUENCE twinset.settlement_version AS bigint CACHE 1;

COMMENT ON SEQUENCE twinset.settlement_version IS 'internal: versions of the set of deployments';

INSERT INTO twinset.settlement (version, newest_revision, settled_before, provisioned, live, not_edge, retired)
VALUES (pg_catalog.nextval('twinset.settlement_version'), 0, '0', 0, 0, 0, 0);

-- Who has compiled the deployments of one version finds here what to compile anew for another.
CREATE TABLE twinset.deployment_version (
	version bigint NOT NULL,
	deployment_id text COLLATE "C" NOT NULL
) USING heap;

CREATE INDEX deployment_version_version ON twinset.deployment_version (version);

COMMENT ON TABLE twinset.deployment_version IS
	'internal: which deployment changed with which version; an empty id: any can have';
COMMENT ON INDEX twinset.deployment_version_version IS 'what has changed since a version';

INSERT INTO twinset.deployment_version (version, deployment_id) SELECT version, '' FROM twinset.settlement;

-- Where a publication has all tables, a row of one without a key can't be updated or deleted.
ALTER TABLE twinset.posting REPLICA IDENTITY FULL;
ALTER TABLE twinset.change REPLICA IDENTITY FULL;
ALTER TABLE twinset.settlement REPLICA IDENTITY FULL;
ALTER TABLE twinset.deployment_version REPLICA IDENTITY FULL;
