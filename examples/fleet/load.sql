-- Loads the example fleet into twinset.twin; see fleet.sql for its variables.
\ir fleet.sql

INSERT INTO twinset.twin (device_id, tags)
SELECT device_id, tags FROM fleet;

ANALYZE twinset.twin;
