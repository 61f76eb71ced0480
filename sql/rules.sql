-- The rules of the columns of twin and deployment, for their CHECK
-- constraints, and the merge patch that changes a twin's tags.  All of them
-- compute from their arguments alone.

CREATE FUNCTION twinset.device_id_valid(device_id text) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'twinset_device_id_valid';

COMMENT ON FUNCTION twinset.device_id_valid(text) IS
'whether a device may have this id: 1 to 128 ASCII letters, digits and -:.+%_#*?!(),=@;$''';

CREATE FUNCTION twinset.tags_valid(tags jsonb) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'twinset_tags_valid';

COMMENT ON FUNCTION twinset.tags_valid(jsonb) IS
'whether a device may have these tags: an object with keys of 1 to 1024 bytes without . $ space and control characters, strings of at most 4096 bytes, at most 10 levels of objects and arrays below it, and at most 8192 bytes as text';

CREATE FUNCTION twinset.check_tags(tags jsonb) RETURNS TABLE (path text, message text)
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 1
AS 'MODULE_PATHNAME', 'twinset_check_tags';

COMMENT ON FUNCTION twinset.check_tags(jsonb) IS
'all that is wrong with a device''s tags, and where; no row: they are valid. One bad twin among many is found before they are loaded';

-- The two CHECKs of twin, which raise an error of their own: it says what is wrong, and shows no row.

CREATE FUNCTION twinset.require_twin(device_id text, tags jsonb) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'twinset_require_twin';

COMMENT ON FUNCTION twinset.require_twin(text, jsonb) IS
'internal: true, or the error of the constraint twin_check, with the device, and of its tags the place and the rule';

CREATE FUNCTION twinset.deployment_id_valid(deployment_id text) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'twinset_deployment_id_valid';

COMMENT ON FUNCTION twinset.deployment_id_valid(text) IS
'whether a deployment may have this id: 1 to 128 lower-case ASCII letters, digits and -+%_*!''.';

CREATE FUNCTION twinset.labels_valid(labels jsonb) RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'twinset_labels_valid';

COMMENT ON FUNCTION twinset.labels_valid(jsonb) IS
'whether a deployment may have these labels: an object whose values are all strings';

CREATE FUNCTION twinset.merge_patch(target jsonb, patch jsonb) RETURNS jsonb
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'twinset_merge_patch';

COMMENT ON FUNCTION twinset.merge_patch(jsonb, jsonb) IS
'the target with a JSON merge patch (RFC 7396) applied: null removes a key, objects are merged, anything else replaces';
