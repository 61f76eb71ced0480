-- The examples of README.md run as they are written there, in their order, and
-- answer what it says.
SET client_min_messages = warning;
TRUNCATE twinset.twin, twinset.deployment;
\! sed -n '/^```sql$/,/^```$/{/^```/d;p}' README.md > test/results/readme.statements
\i test/results/readme.statements
\! test/readme_answers
DROP OWNED BY twinset_operator, twinset_backend, twinset_dashboard, twinset_cron;
DROP ROLE twinset_operator, twinset_backend, twinset_dashboard, twinset_cron;
TRUNCATE twinset.twin, twinset.deployment;
