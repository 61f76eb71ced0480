/*-------------------------------------------------------------------------
 *
 * manifest_rules.c
 *	  The one table of what can be wrong with a manifest.
 *
 * The checker takes its messages from here, input its SQLSTATE, and the
 * documentation and the tests read it through twinset.manifest_rules().
 * Where a rule says several things, it has several entries.
 *
 * No message quotes what stands in a manifest, but for MANIFEST_SCHEMA_VERSION
 * and MANIFEST_CHOICE: anything else can be a secret, or a part of one.
 *
 *-------------------------------------------------------------------------
 */
#include "manifest_check.h"

/* A limit as text, for a message. */
#define LIMIT(number)	CppAsString2(number)

const ManifestRuleEntry manifest_rules[MANIFEST_RULE_COUNT] = {
	[MANIFEST_TEXT_SIZE] = {
		"text.size", ERRCODE_PROGRAM_LIMIT_EXCEEDED, "$",
		"%s: the text has %s bytes, at most " LIMIT(MANIFEST_MAX_BYTES) " are allowed"
	},
	[MANIFEST_TEXT_ENCODING] = {
		"text.encoding", ERRCODE_INVALID_TEXT_REPRESENTATION, "$",
		"%s: invalid UTF-8"
	},
	[MANIFEST_TEXT_DEPTH] = {
		"text.depth", ERRCODE_PROGRAM_LIMIT_EXCEEDED, "$",
		"%s: nested deeper than " LIMIT(MANIFEST_MAX_LEVELS) " levels"
	},
	[MANIFEST_TEXT_SYNTAX] = {
		"text.syntax", ERRCODE_INVALID_TEXT_REPRESENTATION, "$",
		"%s: not valid JSON"
	},
	[MANIFEST_TEXT_DUPLICATE] = {
		"text.duplicate", ERRCODE_INVALID_TEXT_REPRESENTATION, "$",
		"%s: duplicate key"
	},
	[MANIFEST_TEXT_NUL] = {
		"text.nul", ERRCODE_INVALID_TEXT_REPRESENTATION, "$",
		"%s: \\u0000 is not allowed"
	},
	[MANIFEST_TEXT_NUMBER] = {
		"text.number", ERRCODE_INVALID_TEXT_REPRESENTATION, "$",
		"%s: number out of range"
	},
	[MANIFEST_ENVELOPE] = {
		"envelope", ERRCODE_INVALID_PARAMETER_VALUE, "$, $.content",
		"must have \"modulesContent\", or \"content\" that has it"
	},
	[MANIFEST_LAYERED] = {
		"layered", ERRCODE_INVALID_PARAMETER_VALUE, "the key",
		"belongs to a layered deployment; a manifest must be complete"
	},
	[MANIFEST_TWIN_PART] = {
		"twin.part", ERRCODE_INVALID_PARAMETER_VALUE, "the key",
		"only \"properties.desired\" is allowed here"
	},
	[MANIFEST_NAME_FORM] = {
		"module.name", ERRCODE_INVALID_PARAMETER_VALUE, "the module",
		"is not a module name: 1 to " LIMIT(MANIFEST_NAME_BYTES) " of A-Z, a-z, 0-9, _ and - are allowed"
	},
	[MANIFEST_NAME_SYSTEM] = {
		"module.name", ERRCODE_INVALID_PARAMETER_VALUE, "the module",
		"is the name of a system module"
	},
	[MANIFEST_NAME_TWIN] = {
		"module.name", ERRCODE_INVALID_PARAMETER_VALUE, "the twin",
		"is neither $edgeAgent, $edgeHub nor a module name"
	},
	[MANIFEST_REQUIRED] = {
		"required", ERRCODE_INVALID_PARAMETER_VALUE, "the field",
		"is missing"
	},
	[MANIFEST_TYPE] = {
		"type", ERRCODE_INVALID_PARAMETER_VALUE, "the value",
		"must be %s, not %s"
	},
	[MANIFEST_SCHEMA_VERSION] = {
		"schema-version", ERRCODE_INVALID_PARAMETER_VALUE, "schemaVersion",
		"%s is not a supported schema version: 1.0, 1.1 and so on"
	},
	[MANIFEST_CHOICE] = {
		"choice", ERRCODE_INVALID_PARAMETER_VALUE, "the field",
		"%s is not one of %s"
	},
	[MANIFEST_RANGE] = {
		"range", ERRCODE_INVALID_PARAMETER_VALUE, "the field",
		"is outside %s ... %s"
	},
	[MANIFEST_IMAGE] = {
		"image", ERRCODE_INVALID_PARAMETER_VALUE, "image",
		"is not an image reference: %s"
	},
	[MANIFEST_OPTIONS_SEQUENCE] = {
		"create-options.sequence", ERRCODE_INVALID_PARAMETER_VALUE, "the first wrong key",
		"breaks the sequence createOptions, createOptions01, createOptions02, ..."
	},
	[MANIFEST_OPTIONS] = {
		"create-options", ERRCODE_INVALID_PARAMETER_VALUE, "createOptions",
		"does not hold a JSON object"
	},
	[MANIFEST_CREDENTIAL_BLANK] = {
		"credential", ERRCODE_INVALID_PARAMETER_VALUE, "the field",
		"must not be blank"
	},
	[MANIFEST_CREDENTIAL_ADDRESS] = {
		"credential", ERRCODE_INVALID_PARAMETER_VALUE, "the field",
		"is not the address of a registry"
	},
	[MANIFEST_ROUTE_FORM] = {
		"route.form", ERRCODE_INVALID_PARAMETER_VALUE, "the route",
		"an object needs schema version 1.1 or later"
	},
	[MANIFEST_ROUTE_SYNTAX] = {
		"route.syntax", ERRCODE_INVALID_PARAMETER_VALUE, "the string",
		"is not a route: unexpected text at character %s"
	},
	[MANIFEST_ROUTE_FUNCTION] = {
		"route.function", ERRCODE_INVALID_PARAMETER_VALUE, "the string",
		"unknown function at character %s"
	},
	[MANIFEST_ROUTE_SINK] = {
		"route.sink", ERRCODE_INVALID_PARAMETER_VALUE, "the string",
		"must lead INTO $upstream or BrokeredEndpoint(\"/modules/.../inputs/...\")"
	},
	[MANIFEST_TWIN_KEY] = {
		"twin.key", ERRCODE_INVALID_PARAMETER_VALUE, "the key",
		"a key has 1 to " LIMIT(MANIFEST_TWIN_KEY_BYTES) " bytes and no '.', '$', space or control character"
	},
	[MANIFEST_TWIN_DEPTH] = {
		"twin.depth", ERRCODE_INVALID_PARAMETER_VALUE, "the value",
		"is nested deeper than " LIMIT(MANIFEST_TWIN_LEVELS) " levels"
	},
	[MANIFEST_TWIN_STRING] = {
		"twin.string", ERRCODE_INVALID_PARAMETER_VALUE, "the value",
		"has %s bytes, at most " LIMIT(MANIFEST_TWIN_STRING_BYTES) " are allowed"
	},
	[MANIFEST_TWIN_SIZE] = {
		"twin.size", ERRCODE_INVALID_PARAMETER_VALUE, "the value",
		"has %s bytes, at most " LIMIT(MANIFEST_TWIN_BYTES) " are allowed"
	},
};
