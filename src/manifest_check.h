/*-------------------------------------------------------------------------
 *
 * manifest_check.h
 *	  How a manifest's text is checked: rules, places and problems.
 *
 * The check is made in two steps.  manifest_read() holds the text's own rules
 * and gives the document as jansson has it; manifest_check_document() walks
 * that and notes every problem, with the place where it is:
 *
 *	$.modulesContent."$edgeHub"		required	is missing
 *	$.modulesContent.other			type		must be an object, not null
 *
 * A path on the way down is a chain on the stack.  Only where there is a
 * problem, it is kept: as a chain of places, each with its own piece of text,
 * so that problems below one place share what leads there.
 *
 * jansson takes its memory from malloc.  What holds a document releases it on
 * every way out: manifest_check_text() does, and so must any other caller of
 * manifest_read().
 *
 * Nothing here raises because of what a text says, and nothing knows of SQL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_MANIFEST_CHECK_H
#define TWINSET_MANIFEST_CHECK_H

#include "compat.h"

/*
 * The server has a function json_object(), too, and a module that calls one of
 * them gets the server's.  So jansson's is not declared, and not called.
 * (jansson 2.14 binds its own calls to itself.)
 */
#define json_object jansson_object
#include <jansson.h>
#undef json_object

#include "lib/stringinfo.h"

#define MANIFEST_MAX_BYTES			1048576 /* of the text */
#define MANIFEST_MAX_LEVELS			64	/* of { and [ */
#define MANIFEST_NAME_BYTES			128 /* of a module's name */
#define MANIFEST_TWIN_KEY_BYTES		1024	/* of a key below properties.desired */
#define MANIFEST_TWIN_STRING_BYTES	4096	/* of a string there */
#define MANIFEST_TWIN_LEVELS		10	/* of objects and arrays there */
#define MANIFEST_TWIN_BYTES			32768	/* of all of it */

/*
 * What can be wrong, in the order in which one of several problems at a place
 * is chosen.  A rule with several messages has a member for each.
 */
typedef enum ManifestRule
{
	MANIFEST_TEXT_SIZE,
	MANIFEST_TEXT_ENCODING,
	MANIFEST_TEXT_DEPTH,
	MANIFEST_TEXT_SYNTAX,
	MANIFEST_TEXT_DUPLICATE,
	MANIFEST_TEXT_NUL,
	MANIFEST_TEXT_NUMBER,
	MANIFEST_ENVELOPE,
	MANIFEST_LAYERED,
	MANIFEST_TWIN_PART,
	MANIFEST_NAME_FORM,
	MANIFEST_NAME_SYSTEM,
	MANIFEST_NAME_TWIN,
	MANIFEST_REQUIRED,
	MANIFEST_TYPE,
	MANIFEST_SCHEMA_VERSION,
	MANIFEST_CHOICE,
	MANIFEST_RANGE,
	MANIFEST_IMAGE,
	MANIFEST_OPTIONS_SEQUENCE,
	MANIFEST_OPTIONS,
	MANIFEST_CREDENTIAL_BLANK,
	MANIFEST_CREDENTIAL_ADDRESS,
	MANIFEST_ROUTE_FORM,
	MANIFEST_ROUTE_SYNTAX,
	MANIFEST_ROUTE_FUNCTION,
	MANIFEST_ROUTE_SINK,
	MANIFEST_TWIN_KEY,
	MANIFEST_TWIN_DEPTH,
	MANIFEST_TWIN_STRING,
	MANIFEST_TWIN_SIZE,
} ManifestRule;

#define MANIFEST_RULE_COUNT		(MANIFEST_TWIN_SIZE + 1)

typedef struct ManifestRuleEntry
{
	const char *id;				/* as the documentation and the cases name it */
	int			sqlerrcode;		/* what a manifest that breaks it raises */
	const char *place;			/* where it applies */
	const char *message;		/* with %s for what is filled in */
} ManifestRuleEntry;

extern const ManifestRuleEntry manifest_rules[MANIFEST_RULE_COUNT];

/* A place that is kept, because there is a problem at or below it. */
typedef struct ManifestPlace
{
	const struct ManifestPlace *parent; /* NULL: this is $ */
	int			depth;			/* of $: 0 */
	int			length;			/* bytes of text */
	char		text[FLEXIBLE_ARRAY_MEMBER];	/* $, .key, ."key" or [i] */
} ManifestPlace;

/* A place on the way down. */
typedef struct ManifestPath
{
	struct ManifestPath *parent;	/* NULL: this is $ */
	const char *key;			/* NULL: an element of an array */
	size_t		index;			/* of the element, from 0 */
	const ManifestPlace *place; /* what keeps it, once it had to be kept */
} ManifestPath;

typedef struct ManifestProblem
{
	const ManifestPlace *place;
	ManifestRule rule;
	const char *message;
} ManifestProblem;

typedef struct ManifestCheck
{
	ManifestProblem *problems;	/* NULL: none so far */
	int			count;			/* of problems */
	int			allocated;		/* how many fit into the array */
	StringInfoData scratch;		/* where a message or a place is put together;
								 * data NULL: not used yet */
	int			hub_minor;		/* N of $edgeHub's schema version 1.N; -1:
								 * not known */
} ManifestCheck;

/* A mask of types that a value may have. */
#define MANIFEST_TYPE_BIT(type)	(1 << (type))
#define MANIFEST_OBJECT		MANIFEST_TYPE_BIT(JSON_OBJECT)
#define MANIFEST_ARRAY		MANIFEST_TYPE_BIT(JSON_ARRAY)
#define MANIFEST_STRING		MANIFEST_TYPE_BIT(JSON_STRING)
#define MANIFEST_INTEGER	MANIFEST_TYPE_BIT(JSON_INTEGER)
#define MANIFEST_REAL		MANIFEST_TYPE_BIT(JSON_REAL)
#define MANIFEST_NUMBER		(MANIFEST_INTEGER | MANIFEST_REAL)
#define MANIFEST_BOOLEAN	(MANIFEST_TYPE_BIT(JSON_TRUE) | MANIFEST_TYPE_BIT(JSON_FALSE))
#define MANIFEST_NULL		MANIFEST_TYPE_BIT(JSON_NULL)

/* White space round an image and in a credential: that of ASCII. */
#define MANIFEST_WHITE_SPACE	" \t\n\v\f\r"

/* An image reference that was taken apart: pieces of the text. */
typedef struct ManifestImage
{
	const char *reference;		/* without white space round it */
	size_t		reference_length;
	const char *host;			/* NULL: none */
	size_t		host_length;
} ManifestImage;

/* manifest_text.c */
extern json_t *manifest_read(ManifestCheck *check, const char *text, size_t length);

/* manifest_problem.c */
extern void manifest_note(ManifestCheck *check, ManifestPath *path, ManifestRule rule,...);
extern void manifest_sort_problems(ManifestCheck *check);
extern char *manifest_place_path(const ManifestPlace *place);
extern bool manifest_expect(ManifestCheck *check, ManifestPath *path,
							const json_t *value, int types);
extern ManifestPath manifest_key(ManifestPath *parent, const char *key);
extern ManifestPath manifest_element(ManifestPath *parent, size_t index);
extern char *manifest_quoted(const char *value);

/* manifest_check.c */
extern void manifest_check_text(ManifestCheck *check, const char *text, size_t length);
extern json_t *manifest_present(const json_t *object, const char *key);
extern json_t *manifest_modules_of(const json_t *document);

/* manifest_twin.c */
extern void manifest_check_twin(ManifestCheck *check, ManifestPath *path, const json_t *desired);

/* manifest_fields.c */
extern void manifest_check_agent(ManifestCheck *check, ManifestPath *path, const json_t *desired);
extern void manifest_check_hub(ManifestCheck *check, ManifestPath *path, const json_t *desired);
extern bool manifest_is_module_name(const char *name);
extern bool manifest_is_system_name(const char *name);

/* manifest_image.c */
extern const char *manifest_parse_image(const char *text, ManifestImage *image);
extern bool manifest_is_upstream(const char *host, size_t length);

/* manifest_options.c */
extern void manifest_check_options(ManifestCheck *check, ManifestPath *path,
								   const json_t *settings);

/* manifest_route.c */
extern void manifest_check_route(ManifestCheck *check, ManifestPath *path, const char *route);

#endif							/* TWINSET_MANIFEST_CHECK_H */
