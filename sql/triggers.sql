-- The triggers. Those named 00_twinset_* come before a user's own, those named zz_twinset_* behind.
-- Statement triggers fire in every replication role; row triggers named *_row only in the role
-- replica, for what logical replication applies (it fires no statement triggers).

CREATE FUNCTION twinset.open_statement() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'twinset_open_statement';

COMMENT ON FUNCTION twinset.open_statement() IS 'internal: notes that a statement on twins or reports is open';

CREATE FUNCTION twinset.log_twins() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'twinset_log_twins';

COMMENT ON FUNCTION twinset.log_twins() IS 'internal: logs what the twins of a statement were';

CREATE FUNCTION twinset.log_twin_row() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'twinset_log_twin_row';

COMMENT ON FUNCTION twinset.log_twin_row() IS 'internal: logs what a twin was that logical replication has changed';

CREATE FUNCTION twinset.log_reports() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'twinset_log_reports';

COMMENT ON FUNCTION twinset.log_reports() IS 'internal: logs what the reports of a statement were';

CREATE FUNCTION twinset.log_report_row() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'twinset_log_report_row';

COMMENT ON FUNCTION twinset.log_report_row() IS 'internal: logs what a report was that logical replication has changed';

CREATE FUNCTION twinset.before_truncate_twin() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'twinset_before_truncate_twin';

COMMENT ON FUNCTION twinset.before_truncate_twin() IS 'internal: takes the settlement lock';

CREATE FUNCTION twinset.after_truncate_twin() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'twinset_after_truncate_twin';

COMMENT ON FUNCTION twinset.after_truncate_twin() IS 'internal: empties what is derived from twins';

CREATE FUNCTION twinset.keep_twin() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'twinset_keep_twin';

COMMENT ON FUNCTION twinset.keep_twin() IS 'internal: what a twin''s row must keep to';

CREATE TRIGGER "00_twinset_open" BEFORE INSERT OR UPDATE OR DELETE ON twinset.twin
	FOR EACH STATEMENT EXECUTE FUNCTION twinset.open_statement();
CREATE TRIGGER "00_twinset_insert" AFTER INSERT ON twinset.twin REFERENCING NEW TABLE AS new_twin
	FOR EACH STATEMENT EXECUTE FUNCTION twinset.log_twins();
CREATE TRIGGER "00_twinset_update" AFTER UPDATE ON twinset.twin REFERENCING OLD TABLE AS old_twin NEW TABLE AS new_twin
	FOR EACH STATEMENT EXECUTE FUNCTION twinset.log_twins();
CREATE TRIGGER "00_twinset_delete" AFTER DELETE ON twinset.twin REFERENCING OLD TABLE AS old_twin
	FOR EACH STATEMENT EXECUTE FUNCTION twinset.log_twins();
CREATE TRIGGER "00_twinset_row" AFTER INSERT OR UPDATE OR DELETE ON twinset.twin
	FOR EACH ROW EXECUTE FUNCTION twinset.log_twin_row();
CREATE TRIGGER "00_twinset_before_truncate" BEFORE TRUNCATE ON twinset.twin
	FOR EACH STATEMENT EXECUTE FUNCTION twinset.before_truncate_twin();
CREATE TRIGGER "00_twinset_truncate" AFTER TRUNCATE ON twinset.twin
	FOR EACH STATEMENT EXECUTE FUNCTION twinset.after_truncate_twin();
-- not on INSERT, where the defaults do: COPY writes rows one by one where there is such a trigger
CREATE TRIGGER "zz_twinset_keep" BEFORE UPDATE ON twinset.twin
	FOR EACH ROW EXECUTE FUNCTION twinset.keep_twin();

ALTER TABLE twinset.twin ENABLE ALWAYS TRIGGER "00_twinset_open";
ALTER TABLE twinset.twin ENABLE ALWAYS TRIGGER "00_twinset_insert";
ALTER TABLE twinset.twin ENABLE ALWAYS TRIGGER "00_twinset_update";
ALTER TABLE twinset.twin ENABLE ALWAYS TRIGGER "00_twinset_delete";
ALTER TABLE twinset.twin ENABLE REPLICA TRIGGER "00_twinset_row";
ALTER TABLE twinset.twin ENABLE ALWAYS TRIGGER "00_twinset_before_truncate";
ALTER TABLE twinset.twin ENABLE ALWAYS TRIGGER "00_twinset_truncate";

CREATE TRIGGER "00_twinset_open" BEFORE INSERT OR UPDATE OR DELETE ON twinset.report
	FOR EACH STATEMENT EXECUTE FUNCTION twinset.open_statement();
CREATE TRIGGER "00_twinset_insert" AFTER INSERT ON twinset.report REFERENCING NEW TABLE AS new_report
	FOR EACH STATEMENT EXECUTE FUNCTION twinset.log_reports();
CREATE TRIGGER "00_twinset_update" AFTER UPDATE ON twinset.report REFERENCING OLD TABLE AS old_report NEW TABLE AS new_report
	FOR EACH STATEMENT EXECUTE FUNCTION twinset.log_reports();
CREATE TRIGGER "00_twinset_delete" AFTER DELETE ON twinset.report REFERENCING OLD TABLE AS old_report
	FOR EACH STATEMENT EXECUTE FUNCTION twinset.log_reports();
CREATE TRIGGER "00_twinset_row" AFTER INSERT OR UPDATE OR DELETE ON twinset.report
	FOR EACH ROW EXECUTE FUNCTION twinset.log_report_row();

ALTER TABLE twinset.report ENABLE ALWAYS TRIGGER "00_twinset_open";
ALTER TABLE twinset.report ENABLE ALWAYS TRIGGER "00_twinset_insert";
ALTER TABLE twinset.report ENABLE ALWAYS TRIGGER "00_twinset_update";
ALTER TABLE twinset.report ENABLE ALWAYS TRIGGER "00_twinset_delete";
ALTER TABLE twinset.report ENABLE REPLICA TRIGGER "00_twinset_row";

CREATE FUNCTION twinset.lock_deployments() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'twinset_lock_deployments';

COMMENT ON FUNCTION twinset.lock_deployments() IS 'internal: takes the settlement lock';

CREATE FUNCTION twinset.settle_deployments() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'twinset_settle_deployments';

COMMENT ON FUNCTION twinset.settle_deployments() IS 'internal: settles what a statement on deployments has changed';

CREATE FUNCTION twinset.settle_deployment_row() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'twinset_settle_deployment_row';

COMMENT ON FUNCTION twinset.settle_deployment_row() IS 'internal: settles a deployment that logical replication has changed';

CREATE FUNCTION twinset.before_truncate_deployment() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'twinset_before_truncate_deployment';

COMMENT ON FUNCTION twinset.before_truncate_deployment() IS 'internal: takes the settlement lock, and notes all deployments';

CREATE FUNCTION twinset.after_truncate_deployment() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'twinset_after_truncate_deployment';

COMMENT ON FUNCTION twinset.after_truncate_deployment() IS 'internal: settles the loss of all deployments';

CREATE FUNCTION twinset.keep_deployment() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'twinset_keep_deployment';

COMMENT ON FUNCTION twinset.keep_deployment() IS 'internal: what a deployment''s row must keep to; draws its revision';

CREATE TRIGGER "00_twinset_lock" BEFORE INSERT OR UPDATE OR DELETE ON twinset.deployment
	FOR EACH STATEMENT EXECUTE FUNCTION twinset.lock_deployments();
CREATE TRIGGER "00_twinset_insert" AFTER INSERT ON twinset.deployment REFERENCING NEW TABLE AS new_deployment
	FOR EACH STATEMENT EXECUTE FUNCTION twinset.settle_deployments();
CREATE TRIGGER "00_twinset_update" AFTER UPDATE ON twinset.deployment REFERENCING OLD TABLE AS old_deployment NEW TABLE AS new_deployment
	FOR EACH STATEMENT EXECUTE FUNCTION twinset.settle_deployments();
CREATE TRIGGER "00_twinset_delete" AFTER DELETE ON twinset.deployment REFERENCING OLD TABLE AS old_deployment
	FOR EACH STATEMENT EXECUTE FUNCTION twinset.settle_deployments();
CREATE TRIGGER "00_twinset_row" AFTER INSERT OR UPDATE OR DELETE ON twinset.deployment
	FOR EACH ROW EXECUTE FUNCTION twinset.settle_deployment_row();
CREATE TRIGGER "00_twinset_before_truncate" BEFORE TRUNCATE ON twinset.deployment
	FOR EACH STATEMENT EXECUTE FUNCTION twinset.before_truncate_deployment();
CREATE TRIGGER "00_twinset_truncate" AFTER TRUNCATE ON twinset.deployment
	FOR EACH STATEMENT EXECUTE FUNCTION twinset.after_truncate_deployment();
CREATE TRIGGER "zz_twinset_keep" BEFORE INSERT OR UPDATE ON twinset.deployment
	FOR EACH ROW EXECUTE FUNCTION twinset.keep_deployment();

ALTER TABLE twinset.deployment ENABLE ALWAYS TRIGGER "00_twinset_lock";
ALTER TABLE twinset.deployment ENABLE ALWAYS TRIGGER "00_twinset_insert";
ALTER TABLE twinset.deployment ENABLE ALWAYS TRIGGER "00_twinset_update";
ALTER TABLE twinset.deployment ENABLE ALWAYS TRIGGER "00_twinset_delete";
ALTER TABLE twinset.deployment ENABLE REPLICA TRIGGER "00_twinset_row";
ALTER TABLE twinset.deployment ENABLE ALWAYS TRIGGER "00_twinset_before_truncate";
ALTER TABLE twinset.deployment ENABLE ALWAYS TRIGGER "00_twinset_truncate";

-- on a table of somebody else's they would write to the log
REVOKE ALL ON FUNCTION twinset.open_statement(), twinset.log_twins(), twinset.log_twin_row(), twinset.log_reports(),
	twinset.log_report_row(), twinset.before_truncate_twin(), twinset.after_truncate_twin(), twinset.keep_twin(),
	twinset.lock_deployments(), twinset.settle_deployments(), twinset.settle_deployment_row(),
	twinset.before_truncate_deployment(), twinset.after_truncate_deployment(), twinset.keep_deployment()
	FROM PUBLIC;
