-- What reconcile() has done, for who watches that it does.

CREATE TABLE twinset.reconciliation_run (
	started timestamptz NOT NULL,
	finished timestamptz NOT NULL,
	checked bigint NOT NULL,
	repaired bigint NOT NULL
);

-- so that a publication FOR ALL TABLES does not forbid to delete the oldest
ALTER TABLE twinset.reconciliation_run REPLICA IDENTITY FULL;

COMMENT ON TABLE twinset.reconciliation_run IS 'internal: the last thousand runs of reconcile(), written by itself';

CREATE VIEW twinset.reconciliation AS
SELECT r.started, r.finished, r.checked, r.repaired FROM twinset.reconciliation_run AS r;

COMMENT ON VIEW twinset.reconciliation IS
	'the last thousand runs of reconcile(); one that failed or was rolled back is not among them';
COMMENT ON COLUMN twinset.reconciliation.started IS 'when it was called';
COMMENT ON COLUMN twinset.reconciliation.finished IS 'when it was done, but for the commit';
COMMENT ON COLUMN twinset.reconciliation.checked IS 'how many devices it looked at';
COMMENT ON COLUMN twinset.reconciliation.repaired IS 'how many rows of derived data were wrong; 0: all was right';
