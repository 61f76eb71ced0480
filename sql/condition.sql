-- condition: the type target_condition and what is asked of it alone

CREATE TYPE twinset.target_condition;

CREATE FUNCTION twinset.target_condition_in(cstring) RETURNS twinset.target_condition
	AS 'MODULE_PATHNAME', 'twinset_condition_in'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION twinset.target_condition_out(twinset.target_condition) RETURNS cstring
	AS 'MODULE_PATHNAME', 'twinset_condition_out'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION twinset.target_condition_recv(internal) RETURNS twinset.target_condition
	AS 'MODULE_PATHNAME', 'twinset_condition_recv'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION twinset.target_condition_send(twinset.target_condition) RETURNS bytea
	AS 'MODULE_PATHNAME', 'twinset_condition_send'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE TYPE twinset.target_condition (
	INPUT = twinset.target_condition_in,
	OUTPUT = twinset.target_condition_out,
	RECEIVE = twinset.target_condition_recv,
	SEND = twinset.target_condition_send,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = int4,
	STORAGE = extended
);
COMMENT ON TYPE twinset.target_condition IS
	'which devices a deployment targets: tags.environment = ''prod'' AND NOT deviceId = ''x''';

COMMENT ON FUNCTION twinset.target_condition_in(cstring) IS 'I/O';
COMMENT ON FUNCTION twinset.target_condition_out(twinset.target_condition) IS 'I/O';
COMMENT ON FUNCTION twinset.target_condition_recv(internal) IS 'I/O';
COMMENT ON FUNCTION twinset.target_condition_send(twinset.target_condition) IS 'I/O';


-- text and varchar are assigned to a condition; a condition is a text wherever one is wanted

CREATE FUNCTION twinset.target_condition(text) RETURNS twinset.target_condition
	AS 'MODULE_PATHNAME', 'twinset_condition_from_text'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION twinset.target_condition(text) IS 'the condition that a text says';

CREATE FUNCTION twinset.text(twinset.target_condition) RETURNS text
	AS 'MODULE_PATHNAME', 'twinset_condition_to_text'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION twinset.text(twinset.target_condition) IS 'the canonical text of a condition';

CREATE CAST (text AS twinset.target_condition)
	WITH FUNCTION twinset.target_condition(text) AS ASSIGNMENT;
CREATE CAST (varchar AS twinset.target_condition)
	WITH FUNCTION twinset.target_condition(text) AS ASSIGNMENT;
CREATE CAST (twinset.target_condition AS text)
	WITH FUNCTION twinset.text(twinset.target_condition) AS IMPLICIT;


-- equality, order and hash: those of the canonical text, byte by byte

CREATE FUNCTION twinset.target_condition_eq(twinset.target_condition, twinset.target_condition)
	RETURNS boolean AS 'MODULE_PATHNAME', 'twinset_condition_eq'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION twinset.target_condition_ne(twinset.target_condition, twinset.target_condition)
	RETURNS boolean AS 'MODULE_PATHNAME', 'twinset_condition_ne'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION twinset.target_condition_lt(twinset.target_condition, twinset.target_condition)
	RETURNS boolean AS 'MODULE_PATHNAME', 'twinset_condition_lt'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION twinset.target_condition_le(twinset.target_condition, twinset.target_condition)
	RETURNS boolean AS 'MODULE_PATHNAME', 'twinset_condition_le'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION twinset.target_condition_gt(twinset.target_condition, twinset.target_condition)
	RETURNS boolean AS 'MODULE_PATHNAME', 'twinset_condition_gt'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION twinset.target_condition_ge(twinset.target_condition, twinset.target_condition)
	RETURNS boolean AS 'MODULE_PATHNAME', 'twinset_condition_ge'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION twinset.target_condition_cmp(twinset.target_condition, twinset.target_condition)
	RETURNS integer AS 'MODULE_PATHNAME', 'twinset_condition_cmp'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION twinset.target_condition_hash(twinset.target_condition)
	RETURNS integer AS 'MODULE_PATHNAME', 'twinset_condition_hash'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION twinset.target_condition_hash_extended(twinset.target_condition, bigint)
	RETURNS bigint AS 'MODULE_PATHNAME', 'twinset_condition_hash_extended'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION twinset.target_condition_eq(twinset.target_condition, twinset.target_condition)
	IS 'implementation of = operator';
COMMENT ON FUNCTION twinset.target_condition_ne(twinset.target_condition, twinset.target_condition)
	IS 'implementation of <> operator';
COMMENT ON FUNCTION twinset.target_condition_lt(twinset.target_condition, twinset.target_condition)
	IS 'implementation of < operator';
COMMENT ON FUNCTION twinset.target_condition_le(twinset.target_condition, twinset.target_condition)
	IS 'implementation of <= operator';
COMMENT ON FUNCTION twinset.target_condition_gt(twinset.target_condition, twinset.target_condition)
	IS 'implementation of > operator';
COMMENT ON FUNCTION twinset.target_condition_ge(twinset.target_condition, twinset.target_condition)
	IS 'implementation of >= operator';
COMMENT ON FUNCTION twinset.target_condition_cmp(twinset.target_condition, twinset.target_condition)
	IS 'less-equal-greater';
COMMENT ON FUNCTION twinset.target_condition_hash(twinset.target_condition) IS 'hash';
COMMENT ON FUNCTION twinset.target_condition_hash_extended(twinset.target_condition, bigint) IS 'hash';

CREATE OPERATOR twinset.= (
	FUNCTION = twinset.target_condition_eq,
	LEFTARG = twinset.target_condition, RIGHTARG = twinset.target_condition,
	COMMUTATOR = OPERATOR(twinset.=), NEGATOR = OPERATOR(twinset.<>),
	RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
CREATE OPERATOR twinset.<> (
	FUNCTION = twinset.target_condition_ne,
	LEFTARG = twinset.target_condition, RIGHTARG = twinset.target_condition,
	COMMUTATOR = OPERATOR(twinset.<>), NEGATOR = OPERATOR(twinset.=),
	RESTRICT = neqsel, JOIN = neqjoinsel
);
CREATE OPERATOR twinset.< (
	FUNCTION = twinset.target_condition_lt,
	LEFTARG = twinset.target_condition, RIGHTARG = twinset.target_condition,
	COMMUTATOR = OPERATOR(twinset.>), NEGATOR = OPERATOR(twinset.>=),
	RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
CREATE OPERATOR twinset.<= (
	FUNCTION = twinset.target_condition_le,
	LEFTARG = twinset.target_condition, RIGHTARG = twinset.target_condition,
	COMMUTATOR = OPERATOR(twinset.>=), NEGATOR = OPERATOR(twinset.>),
	RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
CREATE OPERATOR twinset.> (
	FUNCTION = twinset.target_condition_gt,
	LEFTARG = twinset.target_condition, RIGHTARG = twinset.target_condition,
	COMMUTATOR = OPERATOR(twinset.<), NEGATOR = OPERATOR(twinset.<=),
	RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
CREATE OPERATOR twinset.>= (
	FUNCTION = twinset.target_condition_ge,
	LEFTARG = twinset.target_condition, RIGHTARG = twinset.target_condition,
	COMMUTATOR = OPERATOR(twinset.<=), NEGATOR = OPERATOR(twinset.<),
	RESTRICT = scalargesel, JOIN = scalargejoinsel
);

COMMENT ON OPERATOR twinset.= (twinset.target_condition, twinset.target_condition) IS 'equal';
COMMENT ON OPERATOR twinset.<> (twinset.target_condition, twinset.target_condition) IS 'not equal';
COMMENT ON OPERATOR twinset.< (twinset.target_condition, twinset.target_condition) IS 'less than';
COMMENT ON OPERATOR twinset.<= (twinset.target_condition, twinset.target_condition) IS 'less than or equal';
COMMENT ON OPERATOR twinset.> (twinset.target_condition, twinset.target_condition) IS 'greater than';
COMMENT ON OPERATOR twinset.>= (twinset.target_condition, twinset.target_condition) IS 'greater than or equal';

CREATE OPERATOR CLASS twinset.target_condition_ops
	DEFAULT FOR TYPE twinset.target_condition USING btree AS
	OPERATOR 1 twinset.<,
	OPERATOR 2 twinset.<=,
	OPERATOR 3 twinset.=,
	OPERATOR 4 twinset.>=,
	OPERATOR 5 twinset.>,
	FUNCTION 1 twinset.target_condition_cmp(twinset.target_condition, twinset.target_condition);
COMMENT ON OPERATOR CLASS twinset.target_condition_ops USING btree IS
	'target conditions in the order of their canonical texts, byte by byte';
COMMENT ON OPERATOR FAMILY twinset.target_condition_ops USING btree IS
	'target conditions in the order of their canonical texts, byte by byte';

CREATE OPERATOR CLASS twinset.target_condition_ops
	DEFAULT FOR TYPE twinset.target_condition USING hash AS
	OPERATOR 1 twinset.=,
	FUNCTION 1 twinset.target_condition_hash(twinset.target_condition),
	FUNCTION 2 twinset.target_condition_hash_extended(twinset.target_condition, bigint);
COMMENT ON OPERATOR CLASS twinset.target_condition_ops USING hash IS 'target conditions by their hash';
COMMENT ON OPERATOR FAMILY twinset.target_condition_ops USING hash IS 'target conditions by their hash';


-- what is wrong with a text; never raises on a bad one

CREATE FUNCTION twinset.check_condition(condition text,
	OUT valid boolean, OUT message text, OUT detail text, OUT hint text,
	OUT "position" integer, OUT sqlstate text, OUT canonical text)
	AS 'MODULE_PATHNAME', 'twinset_check_condition'
	LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION twinset.check_condition(text) IS
	'whether a text is a target condition, and if not, what is wrong where; its canonical text if it is';


-- does a condition target a device?

CREATE FUNCTION twinset.matches_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'twinset_matches_support'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION twinset.matches_support(internal) IS 'planner support for matches';

CREATE FUNCTION twinset.recheck_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'twinset_recheck_support'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION twinset.recheck_support(internal) IS 'planner support for recheck';

CREATE FUNCTION twinset.matches(device_id text, tags jsonb, condition twinset.target_condition)
	RETURNS boolean
	AS 'MODULE_PATHNAME', 'twinset_matches'
	LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10
	SUPPORT twinset.matches_support;
COMMENT ON FUNCTION twinset.matches(text, jsonb, twinset.target_condition) IS
	'whether the condition targets the device; false where it is undefined or anything is NULL';

CREATE FUNCTION twinset.matches(device_id text, tags jsonb, condition text)
	RETURNS boolean
	AS 'MODULE_PATHNAME', 'twinset_matches_text'
	LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10
	SUPPORT twinset.matches_support;
COMMENT ON FUNCTION twinset.matches(text, jsonb, text) IS
	'whether the condition targets the device; false where it is undefined or anything is NULL';

CREATE FUNCTION twinset.evaluate(device_id text, tags jsonb, condition text)
	RETURNS boolean
	AS 'MODULE_PATHNAME', 'twinset_evaluate_text'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION twinset.evaluate(text, jsonb, text) IS
	'what the condition gives on the device: true, false, or NULL where it is undefined';

-- The planner writes these two in place of matches(), or beside it.

CREATE FUNCTION twinset.recheck(device_id text, tags jsonb, condition twinset.target_condition)
	RETURNS boolean
	AS 'MODULE_PATHNAME', 'twinset_matches'
	LANGUAGE C IMMUTABLE PARALLEL SAFE COST 10
	SUPPORT twinset.recheck_support;
COMMENT ON FUNCTION twinset.recheck(text, jsonb, twinset.target_condition) IS
	'the part of matches() that no index can answer, as the planner writes it';

CREATE FUNCTION twinset.condition_jsonpath(condition twinset.target_condition) RETURNS jsonpath
	AS 'MODULE_PATHNAME', 'twinset_condition_jsonpath'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 50;
COMMENT ON FUNCTION twinset.condition_jsonpath(twinset.target_condition) IS
	'a predicate on tags that is true for every device that the condition targets, and for others';
