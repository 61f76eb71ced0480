-- The trap of NOT: a device that lacks the tag

-- A gateway loses the tag size.  A comparison with a tag that a device lacks is
-- neither true nor false, and NOT of that is not true: the device is left out.
SELECT twinset.set_tags('gw-us-135541', '{"size": null}') ? 'size' AS has_size;
SELECT device_id, tags->>'size' AS size,
       twinset.matches(device_id, tags, $$NOT tags.size = 'village'$$) AS no_village,
       twinset.matches(device_id, tags, $$NOT IS_DEFINED(tags.size) OR NOT tags.size = 'village'$$)
           AS no_village_or_unknown
FROM twinset.twin WHERE device_id IN ('gw-us-135541', 'gw-us-135542', 'gw-us-135543') ORDER BY device_id;

-- As deployments: the second one has that one device more.
INSERT INTO twinset.deployment (deployment_id, content, target_condition, priority)
SELECT 'wa-no-village', content,
       $$tags.country = 'US' AND tags.state = 'WA' AND NOT tags.size = 'village'$$, 1001
FROM twinset.deployment WHERE deployment_id = 'wa-sensor-1'
UNION ALL
SELECT 'wa-no-village-or-unknown', content,
       $$tags.country = 'US' AND tags.state = 'WA' AND (NOT IS_DEFINED(tags.size) OR NOT tags.size = 'village')$$, 1001
FROM twinset.deployment WHERE deployment_id = 'wa-sensor-1';
SELECT deployment_id, target_condition, target
FROM twinset.deployment_status WHERE deployment_id LIKE 'wa-no-village%' ORDER BY target;
SELECT device_id FROM twinset.deployment_device WHERE deployment_id = 'wa-no-village-or-unknown'
EXCEPT
SELECT device_id FROM twinset.deployment_device WHERE deployment_id = 'wa-no-village';

-- A misspelled condition is refused, with the place and what to write.
SELECT valid, message, hint, position FROM twinset.check_condition($$NOT tag.size = 'village'$$);
