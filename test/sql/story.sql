-- The story that ./demo tells, on the gateways of Washington State alone: its
-- statements are those of examples/story/, so what the demo shows is what stands
-- in the expected file.
SET client_min_messages = warning;
TRUNCATE twinset.twin, twinset.deployment;
\set only 'country = ''US'' AND state = ''WA'''
\set ECHO none
\i examples/fleet/load.sql
\set ECHO all
SELECT count(*) FROM twinset.twin;
\i examples/story/1_counts.sql
\i examples/story/2_priority.sql
\i examples/story/3_rollout.sql
\i examples/story/4_rollback.sql
\i examples/story/5_dry_run.sql
\i examples/story/6_not.sql
-- what is derived is right, recomputed independently
SELECT * FROM twinset.verify();
TRUNCATE twinset.twin, twinset.deployment;
