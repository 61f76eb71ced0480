-- The two tables that users write, and the reports.

CREATE TABLE twinset.twin (
	device_id text COLLATE "C" CONSTRAINT twin_pkey PRIMARY KEY,
	tags jsonb NOT NULL DEFAULT '{}',
	iot_edge boolean NOT NULL DEFAULT true,
	retired_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT twin_check CHECK (twinset.require_twin(device_id, tags))
);

CREATE INDEX twin_tags_idx ON twinset.twin USING gin (tags jsonb_path_ops);

COMMENT ON TABLE twinset.twin IS 'device twins: a device, as the service knows it';
COMMENT ON COLUMN twinset.twin.device_id IS '1-128 ASCII letters, digits and -:.+%_#*?!(),=@;$''; for good';
COMMENT ON COLUMN twinset.twin.tags IS 'a JSON object, at most 8192 bytes as text; what target conditions speak of';
COMMENT ON COLUMN twinset.twin.iot_edge IS 'is it provisioned as an Edge device? only then it can get a deployment';
COMMENT ON COLUMN twinset.twin.retired_at IS 'not null, whatever the time: retired, and targeted by nothing';
COMMENT ON COLUMN twinset.twin.created_at IS 'when the row was inserted; can''t be changed';
COMMENT ON COLUMN twinset.twin.updated_at IS 'when it was last updated; set by each UPDATE';
COMMENT ON INDEX twinset.twin_tags_idx IS 'finds the devices of a target condition';

CREATE TABLE twinset.deployment (
	deployment_id text COLLATE "C" CONSTRAINT deployment_pkey PRIMARY KEY
		CONSTRAINT deployment_deployment_id_check CHECK (twinset.deployment_id_valid(deployment_id)),
	content twinset.manifest NOT NULL,
	target_condition twinset.target_condition,
	priority integer NOT NULL DEFAULT 1
		CONSTRAINT deployment_priority_check CHECK (priority > 0),
	labels jsonb NOT NULL DEFAULT '{}'
		CONSTRAINT deployment_labels_check CHECK (twinset.labels_valid(labels)),
	revision bigint NOT NULL CONSTRAINT deployment_revision_key UNIQUE
		CONSTRAINT deployment_revision_check CHECK (revision > 0 AND revision < 9007199254740992),
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	updated_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);

-- a manifest has secrets: none of them in pg_stats
ALTER TABLE twinset.deployment ALTER COLUMN content SET STATISTICS 0;

COMMENT ON TABLE twinset.deployment IS 'automatic deployments: which devices should run which modules';
COMMENT ON COLUMN twinset.deployment.deployment_id IS '1-128 lower-case ASCII letters, digits and -+%_*!''.; for good';
COMMENT ON COLUMN twinset.deployment.content IS 'the deployment manifest, as it was written; it may hold secrets';
COMMENT ON COLUMN twinset.deployment.target_condition IS 'which devices it targets; null or empty: none; *: all';
COMMENT ON COLUMN twinset.deployment.priority IS 'the larger wins; of equal ones the later created_at, then the larger deployment_id';
COMMENT ON COLUMN twinset.deployment.labels IS 'a JSON object of strings; they never change what a device gets';
COMMENT ON COLUMN twinset.deployment.revision IS 'of what devices get: drawn by the extension, in microseconds since 1970, never given twice';
COMMENT ON COLUMN twinset.deployment.created_at IS 'when the row was inserted; can''t be changed';
COMMENT ON COLUMN twinset.deployment.updated_at IS 'when it was last updated; set by each UPDATE';

-- The latest report of each device. No foreign key: it would forbid TRUNCATE twin.
CREATE TABLE twinset.report (
	device_id text COLLATE "C" CONSTRAINT report_pkey PRIMARY KEY,
	revision bigint NOT NULL,
	code integer NOT NULL,
	description text,
	modules jsonb,
	reported_at timestamptz NOT NULL
);

COMMENT ON TABLE twinset.report IS 'internal: each device''s latest report, written by report_status()';

-- What users wrote is dumped; all that is derived is rebuilt as it is loaded.
SELECT pg_catalog.pg_extension_config_dump('twinset.twin', '');
SELECT pg_catalog.pg_extension_config_dump('twinset.deployment', '');
SELECT pg_catalog.pg_extension_config_dump('twinset.report', '');
