/*-------------------------------------------------------------------------
 *
 * tags_check.c
 *	  What the tags of a device may be, and what is wrong with them.
 *
 * One walk over the JSONB serves three: whether tags are valid, where it ends
 * at the first problem; check_tags(), which tells every one; and the CHECK of
 * the table, which raises the first, with the device and the place:
 *
 *		{"hall": "north", "hw": {"a b": [1, "xxxx..."]}}
 *
 *		tags.hw."a b"		a key must not have a space
 *		tags.hw."a b"[1]	a string must have at most 4096 bytes, and this one has 5000
 *
 * The text of tags is measured, not built: the walk that looks at the keys
 * adds up what jsonb's output function would print.  Of
 *
 *		{"a": 1.50, "b": ["x\n"]}
 *
 * the outer object gives its braces, two times ": " and one ", ", which is 8,
 * the keys 3 each, the number 4, the array 2 and its string 5: 25 bytes.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "row_checks.h"

#define TAGS_MAX_KEY		1024	/* bytes */
#define TAGS_MAX_STRING		4096	/* bytes */
#define TAGS_MAX_LEVELS		10		/* of objects and arrays below the tags */
#define TAGS_MAX_TEXT		8192	/* bytes of tags::text */

#define KEY_MAX_SHOWN		100		/* bytes of a key that a path shows */
#define DEVICE_MAX_SHOWN	128		/* bytes of a device's id that an error shows: a valid one as a whole */

PG_FUNCTION_INFO_V1(twinset_tags_valid);
PG_FUNCTION_INFO_V1(twinset_check_tags);
PG_FUNCTION_INFO_V1(twinset_require_twin);

/* a step of a path: into an object or an array */
typedef struct TagsStep
{
	const char *key;			/* not null-terminated; NULL: an array */
	int			length;			/* of the key */
	int			index;			/* in the array */
} TagsStep;

/* a problem's path and message; false: the walk may end */
typedef bool (*TagsProblem) (void *arg, const char *path, const char *message);

typedef struct TagsWalk
{
	TagsProblem problem;		/* NULL: nobody asks what is wrong */
	void	   *arg;			/* its first argument */
	int			level;			/* that of the tags themselves is 0; -1: not begun */
	int			text_length;	/* so far; it is not added to once it is too long */
	TagsStep	steps[TAGS_MAX_LEVELS + 1]; /* the place, by level */
	bool		valid;			/* no problem so far */
	bool		ended;			/* nothing more is asked */
} TagsWalk;

static bool walk_tags(Jsonb *tags, TagsProblem problem, void *arg);
static void begin_container(TagsWalk *walk, const JsonbValue *value, bool is_object);
static void note(TagsWalk *walk, int levels, const char *format,...) pg_attribute_printf(3, 4);
static char *path_text(const TagsWalk *walk, int levels);
static void check_key(TagsWalk *walk);
static void check_string(TagsWalk *walk, const JsonbValue *value);
static const char *wrong_character(const char *key, int length);
static bool put_problem(void *arg, const char *path, const char *message);
static bool keep_problem(void *arg, const char *path, const char *message);
static const char *clipped(const char *text, int length, int limit);
static void raise_check(const char *detail, const char *hint) pg_attribute_noreturn();
static void add_scalar(TagsWalk *walk, const JsonbValue *scalar);
static void add_text(TagsWalk *walk, int length);
static int	container_text_length(int count, bool is_object);
static int	scalar_text_length(const JsonbValue *scalar);
static int	string_text_length(const char *string, int length);

/*
 * tags_are_valid: an object, with the limits at the head of this file, and
 * whose keys can be named in a target condition.
 *
 * Cost: one pass over at most about TAGS_MAX_TEXT bytes, however large the
 * tags are.  Allocates an iterator a level and the text of one number at a
 * time.
 */
bool
tags_are_valid(Jsonb *tags)
{
	return walk_tags(tags, NULL, NULL);
}

/*
 * twinset.tags_valid(tags jsonb) returns boolean
 *
 * Immutable: it looks at its argument alone, and how jsonb prints depends on
 * no setting.
 */
Datum
twinset_tags_valid(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(tags_are_valid(PG_GETARG_JSONB_P(0)));
}

/*
 * twinset.check_tags(tags jsonb) returns setof (path text, message text)
 *
 * Every problem, in the order of the tags' text; no row: the tags are valid.
 * Immutable: it looks at its argument alone.  Cost: linear in the tags, and in
 * what is wrong with them.
 */
Datum
twinset_check_tags(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	(void) walk_tags(PG_GETARG_JSONB_P(0), put_problem, fcinfo->resultinfo);
	return (Datum) 0;
}

/*
 * twinset.require_twin(device_id text, tags jsonb) returns boolean
 *
 * The CHECK of twin: true, or an error that says what is wrong, where the server
 * itself would show the whole row, and not the rule: the device, and of its tags
 * the first problem's place and rule.
 *
 * One for both columns: of a statement on one row the server takes longer to
 * read a constraint's expression than this takes to look at the row.
 */
Datum
twinset_require_twin(PG_FUNCTION_ARGS)
{
	text	   *device_id = PG_GETARG_TEXT_PP(0);
	Jsonb	   *tags = PG_GETARG_JSONB_P(1);
	bool		id_is_valid = device_id_is_valid(device_id);
	StringInfoData detail;

	if (id_is_valid && tags_are_valid(tags))
		PG_RETURN_BOOL(true);

	initStringInfo(&detail);
	appendStringInfo(&detail, "Device \"%s\"",
					 clipped(VARDATA_ANY(device_id), VARSIZE_ANY_EXHDR(device_id), DEVICE_MAX_SHOWN));
	if (!id_is_valid)
	{
		appendStringInfo(&detail, ": a device_id has 1 to 128 characters: ASCII letters, digits, and any of %s besides.",
						 DEVICE_ID_PUNCTUATION);
		raise_check(detail.data, NULL);
	}
	appendStringInfoString(&detail, ", ");
	(void) walk_tags(tags, keep_problem, &detail);
	raise_check(detail.data, "check_tags() tells all that is wrong with tags.");
}

/*
 * Look at all of the tags, or until nothing more is asked.  Are they valid?
 */
static bool
walk_tags(Jsonb *tags, TagsProblem problem, void *arg)
{
	TagsWalk	walk = {.problem = problem,.arg = arg,.level = -1,.valid = true};
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;

	if (!JB_ROOT_IS_OBJECT(tags))
	{
		note(&walk, 0, "tags must be a JSON object");
		return false;
	}

	iterator = JsonbIteratorInit(&tags->root);
	while (!walk.ended && (token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		TagsStep   *step = &walk.steps[Min(walk.level, TAGS_MAX_LEVELS)];

		CHECK_FOR_INTERRUPTS();

		switch (token)
		{
			case WJB_BEGIN_OBJECT:
				begin_container(&walk, &value, true);
				break;
			case WJB_BEGIN_ARRAY:
				begin_container(&walk, &value, false);
				break;
			case WJB_END_OBJECT:
			case WJB_END_ARRAY:
				walk.level--;
				break;
			case WJB_KEY:
				if (walk.level <= TAGS_MAX_LEVELS)
				{
					step->key = value.val.string.val;
					step->length = value.val.string.len;
					check_key(&walk);
				}
				add_scalar(&walk, &value);
				break;
			case WJB_ELEM:
			case WJB_VALUE:
				if (token == WJB_ELEM && walk.level <= TAGS_MAX_LEVELS)
					step->index++;
				if (value.type == jbvString)
					check_string(&walk, &value);
				add_scalar(&walk, &value);
				break;
			default:
				elog(ERROR, "unexpected jsonb iterator token: %d", (int) token);
		}
	}
	if (walk.text_length > TAGS_MAX_TEXT)
		note(&walk, 0, "tags must have at most %d bytes as text", TAGS_MAX_TEXT);
	return walk.valid;
}

/* An object or array begins: the tags themselves, or a value, or an element. */
static void
begin_container(TagsWalk *walk, const JsonbValue *value, bool is_object)
{
	if (walk->level >= 0 && walk->level <= TAGS_MAX_LEVELS && walk->steps[walk->level].key == NULL)
		walk->steps[walk->level].index++;
	walk->level++;
	if (walk->level <= TAGS_MAX_LEVELS)
	{
		/* an object's key comes before anything is said of it */
		walk->steps[walk->level].key = is_object ? "" : NULL;
		walk->steps[walk->level].length = 0;
		walk->steps[walk->level].index = -1;
	}
	else if (walk->level == TAGS_MAX_LEVELS + 1)
		note(walk, walk->level, "objects and arrays must nest at most %d levels", TAGS_MAX_LEVELS);
	add_text(walk, container_text_length(is_object ? value->val.object.nPairs : value->val.array.nElems,
										 is_object));
}

/*
 * A key of tags, at any level: what a path of a target condition can name.
 */
static void
check_key(TagsWalk *walk)
{
	TagsStep   *step = &walk->steps[walk->level];
	int			levels = walk->level + 1;
	const char *wrong = wrong_character(step->key, step->length);

	if (step->length < 1)
		note(walk, levels, "a key must not be empty");
	if (step->length > TAGS_MAX_KEY)
		note(walk, levels, "a key must have at most %d bytes, and this one has %d", TAGS_MAX_KEY, step->length);
	if (wrong == NULL)
		return;
	if (*wrong == '.' || *wrong == '$')
		note(walk, levels, "a key must not have a \"%c\"", *wrong);
	else if (*wrong == ' ')
		note(walk, levels, "a key must not have a space");
	else
		note(walk, levels, "a key must not have a control character, and this one has U+%04X",
			 *wrong == '\xC2' ? (unsigned char) wrong[1] : (unsigned char) *wrong);
}

/*
 * The first character that a key must not have; NULL: there is none.
 *
 * U+0080 to U+009F are the two bytes C2 80 to C2 9F, and C2 begins nothing
 * but a character of two bytes.
 */
static const char *
wrong_character(const char *key, int length)
{
	for (int i = 0; i < length; i++)
	{
		unsigned char c = key[i];

		if (c <= ' ' || c == '.' || c == '$' || c == 0x7F)
			return &key[i];
		if (c == 0xC2 && i + 1 < length && (unsigned char) key[i + 1] <= 0x9F)
			return &key[i];
	}
	return NULL;
}

static void
check_string(TagsWalk *walk, const JsonbValue *value)
{
	if (value->val.string.len > TAGS_MAX_STRING)
		note(walk, Min(walk->level, TAGS_MAX_LEVELS) + 1, "a string must have at most %d bytes, and this one has %d",
			 TAGS_MAX_STRING, value->val.string.len);
}

/* A problem, at the place that so many levels lead to. */
static void
note(TagsWalk *walk, int levels, const char *format,...)
{
	char		message[128];
	va_list		arguments;

	walk->valid = false;
	if (walk->ended)
		return;
	if (walk->problem == NULL)
	{
		walk->ended = true;
		return;
	}
	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	walk->ended = !walk->problem(walk->arg, path_text(walk, levels), message);
}

/* tags, then .key where that can be read as a word, else ."key" as to_json writes it, or [index] */
static char *
path_text(const TagsWalk *walk, int levels)
{
	static const char *const word =
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-0123456789";
	StringInfoData path;

	initStringInfo(&path);
	appendStringInfoString(&path, "tags");
	for (int level = 0; level < levels && level <= TAGS_MAX_LEVELS; level++)
	{
		const TagsStep *step = &walk->steps[level];
		const char *key;

		if (step->key == NULL)
		{
			appendStringInfo(&path, "[%d]", step->index);
			continue;
		}
		key = clipped(step->key, step->length, KEY_MAX_SHOWN);
		appendStringInfoChar(&path, '.');
		if (step->length > 0 && (int) strspn(key, word) == step->length)
			appendStringInfoString(&path, key);
		else
			escape_json(&path, key);
	}
	return path.data;
}

/* A row of check_tags(). */
static bool
put_problem(void *arg, const char *path, const char *message)
{
	ReturnSetInfo *rows = arg;
	Datum		values[2] = {CStringGetTextDatum(path), CStringGetTextDatum(message)};
	bool		nulls[2] = {false};

	tuplestore_putvalues(rows->setResult, rows->setDesc, values, nulls);
	pfree(DatumGetPointer(values[0]));
	pfree(DatumGetPointer(values[1]));
	pfree(unconstify(char *, path));
	return true;
}

/* The first problem alone, in an error's detail. */
static bool
keep_problem(void *arg, const char *path, const char *message)
{
	appendStringInfo(arg, "%s: %s.", path, message);
	return false;
}

/* At most so many bytes of a text, null-terminated; what is cut ends in dots. */
static const char *
clipped(const char *text, int length, int limit)
{
	int			shown = pg_mbcliplen(text, length, limit);

	return psprintf("%.*s%s", shown, text, shown < length ? "..." : "");
}

/* What the server says of a violated CHECK, but with a detail of our own. */
static void
raise_check(const char *detail, const char *hint)
{
	static const char *const constraint = "twin_check";

	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("new row for relation \"%s\" violates check constraint \"%s\"", "twin", constraint),
			 errdetail("%s", detail),
			 hint != NULL ? errhint("%s", hint) : 0,
			 err_generic_string(PG_DIAG_SCHEMA_NAME, "twinset"),
			 err_generic_string(PG_DIAG_TABLE_NAME, "twin"),
			 err_generic_string(PG_DIAG_CONSTRAINT_NAME, constraint)));
	pg_unreachable();
}

static void
add_scalar(TagsWalk *walk, const JsonbValue *scalar)
{
	if (walk->text_length <= TAGS_MAX_TEXT)
		add_text(walk, scalar_text_length(scalar));
}

/* The walk goes on, where somebody asks what else is wrong. */
static void
add_text(TagsWalk *walk, int length)
{
	if (walk->text_length > TAGS_MAX_TEXT)
		return;
	walk->text_length += length;
	if (walk->text_length > TAGS_MAX_TEXT && walk->problem == NULL)
		walk->ended = true;
}

/*
 * What an object or array adds to the text of its members: the brackets, a
 * ": " in each pair, and a ", " between two members.
 */
static int
container_text_length(int count, bool is_object)
{
	int			length = 2;

	if (is_object)
		length += 2 * count;
	if (count > 1)
		length += 2 * (count - 1);

	return length;
}

/*
 * The bytes that a scalar takes in the text of a jsonb.
 *
 * A number's text can be thousands of times as long as the number (1e4000 is
 * one digit and a weight), so nothing but its output function tells.
 */
static int
scalar_text_length(const JsonbValue *scalar)
{
	char	   *number;
	int			length;

	switch (scalar->type)
	{
		case jbvNull:
			return strlen("null");
		case jbvBool:
			return scalar->val.boolean ? strlen("true") : strlen("false");
		case jbvString:
			return string_text_length(scalar->val.string.val, scalar->val.string.len);
		case jbvNumeric:
			number = DatumGetCString(DirectFunctionCall1(numeric_out,
														 NumericGetDatum(scalar->val.numeric)));
			length = strlen(number);
			pfree(number);
			return length;
		default:
			elog(ERROR, "unexpected jsonb scalar type: %d", (int) scalar->type);
			return 0;			/* keep compiler quiet */
	}
}

/*
 * The bytes that a string takes in the text of a jsonb: its quotes, and \n
 * or \u001b for what can't stand in it as it is.
 */
static int
string_text_length(const char *string, int length)
{
	int			text_length = length + 2;

	for (int i = 0; i < length; i++)
	{
		switch (string[i])
		{
			case '\b':
			case '\f':
			case '\n':
			case '\r':
			case '\t':
			case '"':
			case '\\':
				text_length += 1;
				break;
			default:
				if ((unsigned char) string[i] < ' ')
					text_length += 5;
				break;
		}
	}

	return text_length;
}
