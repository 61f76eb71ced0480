-- The statements of docs/moving_in.md run as they are written there, on an export
-- of 1,000 twins and 20 deployments.  Who makes the export counts who is targeted
-- and who wins by itself; the page compares.
SET client_min_messages = warning;
TRUNCATE twinset.twin, twinset.deployment;
\! mkdir -p test/results/moving_in && examples/moving_in/make-export test/results/moving_in
\! sed -n '/^```sql$/,/^```$/{/^```/d;p}' docs/moving_in.md > test/results/moving_in/statements
\cd test/results/moving_in
\i statements
-- the counts of the export are not all zero
SELECT count(*) FILTER (WHERE target > 0) AS with_target, count(*) FILTER (WHERE actual > 0) AS with_actual,
    sum(actual) AS devices, count(*) AS deployments FROM twinset.deployment_status;
-- what devices get is what the export said, and nothing was added to it
SELECT count(*) AS manifests,
    bool_and(twinset.delivered(d.content)->'modulesContent'
        = coalesce(deployment->'content'->>'modulesContent', deployment->'content'->>'moduleContent')::jsonb) AS same
FROM exported_deployment JOIN twinset.deployment AS d ON d.deployment_id = deployment->>'id';
-- the same again changes nothing that devices get: no new revision
CREATE TEMP TABLE revision AS SELECT deployment_id, revision FROM twinset.deployment;
UPDATE twinset.deployment SET content = deployment
FROM exported_deployment WHERE deployment_id = deployment->>'id';
SELECT count(*) AS new_revisions FROM revision JOIN twinset.deployment AS d USING (deployment_id)
WHERE d.revision <> revision.revision;
SELECT count(*) AS retired FROM twinset.twin WHERE retired_at IS NOT NULL;
SELECT * FROM twinset.verify();

-- odd exports: line ends of Windows, a twin with next to nothing, priorities that can't be one more
TRUNCATE twinset.twin, twinset.deployment;
SET client_min_messages = warning;
DROP TABLE twins_file, deployments_file, refused CASCADE;
RESET client_min_messages;
\! mkdir -p odd && printf '[\r\n  {"deviceId": "a", "capabilities": {"iotEdge": true}},\r\n  {"deviceId": "b"}\r\n]\r\n' > odd/twins.json
\! perl -MJSON::PP -e 'local $/; open $in, "<", "deployments.json"; $d = decode_json(<$in>); $e = $d->[0]; %o = (largest => 2147483646, "too-large" => 2147483647, null => undef); print encode_json([map { { %$e, id => $_, systemMetrics => { results => { targetedCount => 1, appliedCount => 1 } }, targetCondition => "*", priority => $o{$_} } } sort keys %o])' > odd/deployments.json
\cd odd
\i ../statements
SELECT * FROM twinset.verify();
TRUNCATE twinset.twin, twinset.deployment;
