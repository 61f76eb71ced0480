-- manifest: the type of a deployment's content, and what is told of it

CREATE TYPE manifest;

CREATE FUNCTION manifest_in(cstring) RETURNS manifest
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION manifest_out(manifest) RETURNS cstring
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION manifest_recv(internal) RETURNS manifest
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION manifest_send(manifest) RETURNS bytea
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION manifest_analyze(internal) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C STRICT PARALLEL SAFE;

CREATE TYPE manifest (
    INPUT = manifest_in,
    OUTPUT = manifest_out,
    RECEIVE = manifest_recv,
    SEND = manifest_send,
    ANALYZE = manifest_analyze,
    INTERNALLENGTH = VARIABLE,
    STORAGE = extended
);

COMMENT ON TYPE manifest IS 'a deployment manifest: JSON text, checked, and kept as it was written';
COMMENT ON FUNCTION manifest_in(cstring) IS 'I/O';
COMMENT ON FUNCTION manifest_out(manifest) IS 'I/O';
COMMENT ON FUNCTION manifest_recv(internal) IS 'I/O';
COMMENT ON FUNCTION manifest_send(manifest) IS 'I/O';
COMMENT ON FUNCTION manifest_analyze(internal) IS 'no statistics: they would be samples of secrets';

-- Whatever a client calls its JSON goes into a manifest without a written
-- cast; what is printed for it is what is checked.
CREATE CAST (text AS manifest) WITH INOUT AS ASSIGNMENT;
CREATE CAST (varchar AS manifest) WITH INOUT AS ASSIGNMENT;
CREATE CAST (json AS manifest) WITH INOUT AS ASSIGNMENT;
CREATE CAST (jsonb AS manifest) WITH INOUT AS ASSIGNMENT;

COMMENT ON CAST (text AS manifest) IS 'checks the text';
COMMENT ON CAST (varchar AS manifest) IS 'checks the text';
COMMENT ON CAST (json AS manifest) IS 'checks the text';
COMMENT ON CAST (jsonb AS manifest) IS 'checks the text that is printed for it';

-- Only one of the two ways out is implicit, else content->'x' had two
-- meanings.  The cast to json needs a function: that is what row_to_json and
-- its kin look for.
CREATE FUNCTION manifest_to_json(manifest) RETURNS json
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE CAST (manifest AS jsonb) WITH INOUT AS IMPLICIT;
CREATE CAST (manifest AS json) WITH FUNCTION manifest_to_json(manifest) AS ASSIGNMENT;

COMMENT ON FUNCTION manifest_to_json(manifest) IS 'the text as it was written';
COMMENT ON CAST (manifest AS jsonb) IS 'the same value as that of the text';
COMMENT ON CAST (manifest AS json) IS 'the text as it was written';

-- what a device is given

CREATE FUNCTION delivered(content manifest) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'manifest_delivered' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION delivered(content text) RETURNS jsonb
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN delivered(content::manifest);

COMMENT ON FUNCTION delivered(manifest) IS
    'what a device is given: {"modulesContent": ...}, whichever envelope was written';
COMMENT ON FUNCTION delivered(text) IS
    'the same for a manifest that comes as text';

-- comparison: of what a device is given, as jsonb compares

CREATE FUNCTION manifest_eq(manifest, manifest) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION manifest_ne(manifest, manifest) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION manifest_lt(manifest, manifest) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION manifest_le(manifest, manifest) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION manifest_gt(manifest, manifest) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION manifest_ge(manifest, manifest) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION manifest_cmp(manifest, manifest) RETURNS integer
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION manifest_hash(manifest) RETURNS integer
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION manifest_hash_extended(manifest, bigint) RETURNS bigint
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE OPERATOR = (
    LEFTARG = manifest, RIGHTARG = manifest, FUNCTION = manifest_eq,
    COMMUTATOR = =, NEGATOR = <>, RESTRICT = eqsel, JOIN = eqjoinsel,
    HASHES, MERGES
);
CREATE OPERATOR <> (
    LEFTARG = manifest, RIGHTARG = manifest, FUNCTION = manifest_ne,
    COMMUTATOR = <>, NEGATOR = =, RESTRICT = neqsel, JOIN = neqjoinsel
);
CREATE OPERATOR < (
    LEFTARG = manifest, RIGHTARG = manifest, FUNCTION = manifest_lt,
    COMMUTATOR = >, NEGATOR = >=, RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
CREATE OPERATOR <= (
    LEFTARG = manifest, RIGHTARG = manifest, FUNCTION = manifest_le,
    COMMUTATOR = >=, NEGATOR = >, RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
CREATE OPERATOR > (
    LEFTARG = manifest, RIGHTARG = manifest, FUNCTION = manifest_gt,
    COMMUTATOR = <, NEGATOR = <=, RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
CREATE OPERATOR >= (
    LEFTARG = manifest, RIGHTARG = manifest, FUNCTION = manifest_ge,
    COMMUTATOR = <=, NEGATOR = <, RESTRICT = scalargesel, JOIN = scalargejoinsel
);

CREATE OPERATOR CLASS manifest_ops DEFAULT FOR TYPE manifest USING btree AS
    OPERATOR 1 <,
    OPERATOR 2 <=,
    OPERATOR 3 =,
    OPERATOR 4 >=,
    OPERATOR 5 >,
    FUNCTION 1 manifest_cmp(manifest, manifest);

CREATE OPERATOR CLASS manifest_ops DEFAULT FOR TYPE manifest USING hash AS
    OPERATOR 1 =,
    FUNCTION 1 manifest_hash(manifest),
    FUNCTION 2 manifest_hash_extended(manifest, bigint);

COMMENT ON FUNCTION manifest_eq(manifest, manifest) IS 'implementation of = operator';
COMMENT ON FUNCTION manifest_ne(manifest, manifest) IS 'implementation of <> operator';
COMMENT ON FUNCTION manifest_lt(manifest, manifest) IS 'implementation of < operator';
COMMENT ON FUNCTION manifest_le(manifest, manifest) IS 'implementation of <= operator';
COMMENT ON FUNCTION manifest_gt(manifest, manifest) IS 'implementation of > operator';
COMMENT ON FUNCTION manifest_ge(manifest, manifest) IS 'implementation of >= operator';
COMMENT ON FUNCTION manifest_cmp(manifest, manifest) IS 'less-equal-greater';
COMMENT ON FUNCTION manifest_hash(manifest) IS 'hash';
COMMENT ON FUNCTION manifest_hash_extended(manifest, bigint) IS 'hash';
COMMENT ON OPERATOR = (manifest, manifest) IS 'a device is given the same';
COMMENT ON OPERATOR <> (manifest, manifest) IS 'a device is not given the same';
COMMENT ON OPERATOR < (manifest, manifest) IS 'less than, by what a device is given';
COMMENT ON OPERATOR <= (manifest, manifest) IS 'less than or equal, by what a device is given';
COMMENT ON OPERATOR > (manifest, manifest) IS 'greater than, by what a device is given';
COMMENT ON OPERATOR >= (manifest, manifest) IS 'greater than or equal, by what a device is given';
COMMENT ON OPERATOR CLASS manifest_ops USING btree IS 'by what a device is given';
COMMENT ON OPERATOR CLASS manifest_ops USING hash IS 'by what a device is given';
COMMENT ON OPERATOR FAMILY manifest_ops USING btree IS 'by what a device is given';
COMMENT ON OPERATOR FAMILY manifest_ops USING hash IS 'by what a device is given';

-- what is told of a manifest

CREATE FUNCTION check_manifest(content text)
    RETURNS TABLE (path text, message text)
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
    ROWS 10;

CREATE FUNCTION manifest_modules(content manifest)
    RETURNS TABLE (module text, system boolean, version text, type text, status text,
                   restart_policy text, image text, registry text)
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
    ROWS 10;

CREATE FUNCTION manifest_modules(content text)
    RETURNS TABLE (module text, system boolean, version text, type text, status text,
                   restart_policy text, image text, registry text)
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE ROWS 10
BEGIN ATOMIC
    SELECT * FROM manifest_modules(content::manifest);
END;

CREATE FUNCTION manifest_rules()
    RETURNS TABLE (rule text, place text, message text, sqlstate text)
    AS 'MODULE_PATHNAME', 'manifest_rules_list' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
    ROWS 31;

COMMENT ON FUNCTION check_manifest(text) IS
    'every problem of a manifest, with its path; no row: it is valid';
COMMENT ON FUNCTION manifest_modules(manifest) IS
    'the modules of a manifest, edgeAgent and edgeHub first';
COMMENT ON FUNCTION manifest_modules(text) IS
    'the same for a manifest that comes as text';
COMMENT ON FUNCTION manifest_rules() IS
    'what can be wrong with a manifest: where, what is said, and the SQLSTATE that input raises';

