/*-------------------------------------------------------------------------
 *
 * manifest_problem.c
 *	  Where a problem is, and what it says.
 *
 * A problem's place is a chain of pieces, shared by all problems below:
 *
 *	$ <- .modulesContent <- ."$edgeHub" <- ."properties.desired" <- .routes
 *	                                                             <- .schemaVersion
 *
 * Paths are compared piece by piece from where two chains part, and are put
 * together only for who reads them.  So a text with a hundred thousand
 * problems below a long key takes memory for the pieces, not for the paths.
 *
 *-------------------------------------------------------------------------
 */
#include "manifest_check.h"

#include "mb/pg_wchar.h"
#include "utils/json.h"

#define QUOTED_CHARACTERS	40	/* of a value that is quoted */

/* $, every level of the text, what is missing below, and room to spare */
#define MAX_PLACES	(MANIFEST_MAX_LEVELS + 8)

static const struct
{
	int			mask;			/* of types */
	const char *name;
}			type_names[] = {
	{MANIFEST_OBJECT, "an object"},
	{MANIFEST_ARRAY, "an array"},
	{MANIFEST_STRING, "a string"},
	{MANIFEST_NUMBER, "a number"},
	{MANIFEST_INTEGER, "an integer"},
	{MANIFEST_REAL, "a real number"},
	{MANIFEST_BOOLEAN, "a boolean"},
	{MANIFEST_NULL, "null"},
};

static StringInfo clean_scratch(ManifestCheck *check);
static const ManifestPlace *keep_place(ManifestCheck *check, ManifestPath *path);
static void append_piece(StringInfo piece, const ManifestPath *path);
static const char *names_of_types(StringInfo names, int types);
static int	compare_problems(const void *left, const void *right);
static int	compare_places(const ManifestPlace *left, const ManifestPlace *right);
static void list_places(const ManifestPlace *place, const ManifestPlace **places);

/*
 * manifest_key, manifest_element: the place of a key of an object, or of an
 * element of an array.  The key must outlive the result, and so must parent.
 */
ManifestPath
manifest_key(ManifestPath *parent, const char *key)
{
	ManifestPath path = {parent, key, 0, NULL};

	return path;
}

ManifestPath
manifest_element(ManifestPath *parent, size_t index)
{
	ManifestPath path = {parent, NULL, index, NULL};

	return path;
}

/*
 * manifest_note: notes a problem.
 *
 * What follows the rule is strings alone, one for each %s of its message.
 */
void
manifest_note(ManifestCheck *check, ManifestPath *path, ManifestRule rule,...)
{
	const ManifestPlace *place = keep_place(check, path);
	StringInfo	message = clean_scratch(check);
	ManifestProblem *problem;

	for (;;)
	{
		va_list		arguments;
		int			needed;

		va_start(arguments, rule);
		needed = appendStringInfoVA(message, manifest_rules[rule].message, arguments);
		va_end(arguments);
		if (needed == 0)
			break;
		enlargeStringInfo(message, needed);
	}

	if (check->problems == NULL)
	{
		check->allocated = 8;
		check->problems = palloc(check->allocated * sizeof(ManifestProblem));
	}
	else if (check->count == check->allocated)
	{
		check->allocated *= 2;
		check->problems = repalloc(check->problems,
								   check->allocated * sizeof(ManifestProblem));
	}
	problem = &check->problems[check->count++];
	problem->place = place;
	problem->rule = rule;
	problem->message = pnstrdup(message->data, message->len);
}

/*
 * manifest_expect: has the value one of these types?  If not, that is noted.
 */
bool
manifest_expect(ManifestCheck *check, ManifestPath *path, const json_t *value, int types)
{
	int			type = MANIFEST_TYPE_BIT(json_typeof(value));
	StringInfoData expected;
	StringInfoData found;

	if (type & types)
		return true;

	initStringInfo(&expected);
	initStringInfo(&found);
	if (type & MANIFEST_BOOLEAN)
		type = MANIFEST_BOOLEAN;
	manifest_note(check, path, MANIFEST_TYPE,
				  names_of_types(&expected, types), names_of_types(&found, type));
	pfree(expected.data);
	pfree(found.data);
	return false;
}

/*
 * manifest_quoted: a value as a message may quote it, cut where it is long;
 * for the caller to free.
 */
char *
manifest_quoted(const char *value)
{
	StringInfoData quoted;
	const char *end = value;
	char	   *cut;

	for (int i = 0; i < QUOTED_CHARACTERS && *end != '\0'; i++)
		end += pg_utf_mblen((const unsigned char *) end);
	cut = psprintf("%.*s%s", (int) (end - value), value, *end != '\0' ? "..." : "");

	initStringInfo(&quoted);
	escape_json(&quoted, cut);
	pfree(cut);
	return quoted.data;
}

/*
 * manifest_sort_problems: in the order of the paths, the first rule's problem
 * alone where a place has several.
 */
void
manifest_sort_problems(ManifestCheck *check)
{
	int			kept = 0;

	if (check->count == 0)
		return;

	qsort(check->problems, check->count, sizeof(ManifestProblem), compare_problems);
	for (int i = 1; i < check->count; i++)
	{
		if (compare_places(check->problems[i].place, check->problems[kept].place) != 0)
			check->problems[++kept] = check->problems[i];
	}
	check->count = kept + 1;
}

/*
 * manifest_place_path: the path of a place, such as $.a."b c"[0].
 */
char *
manifest_place_path(const ManifestPlace *place)
{
	const ManifestPlace *places[MAX_PLACES];
	StringInfoData path;

	list_places(place, places);
	initStringInfo(&path);
	for (int i = 0; i <= place->depth; i++)
		appendBinaryStringInfo(&path, places[i]->text, places[i]->length);
	return path.data;
}

/* What is put together there is used up before the next use. */
static StringInfo
clean_scratch(ManifestCheck *check)
{
	if (check->scratch.data == NULL)
		initStringInfo(&check->scratch);
	else
		resetStringInfo(&check->scratch);
	return &check->scratch;
}

/*
 * The place that keeps a path, made where there is none yet.  It recurses as
 * deep as the text nests, which is not deep.
 */
static const ManifestPlace *
keep_place(ManifestCheck *check, ManifestPath *path)
{
	const ManifestPlace *parent = NULL;
	StringInfo	piece;
	ManifestPlace *place;

	if (path->place != NULL)
		return path->place;

	if (path->parent != NULL)
		parent = keep_place(check, path->parent);
	piece = clean_scratch(check);
	append_piece(piece, path);

	place = palloc(offsetof(ManifestPlace, text) + piece->len);
	place->parent = parent;
	place->depth = parent ? parent->depth + 1 : 0;
	place->length = piece->len;
	memcpy(place->text, piece->data, piece->len);
	path->place = place;
	return place;
}

/*
 * Appends what a path adds to its parent's: .key where that can be read as a
 * word, else ."key" as to_json writes it, or [i].
 */
static void
append_piece(StringInfo piece, const ManifestPath *path)
{
	static const char *const word =
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

	if (path->parent == NULL)
		appendStringInfoString(piece, path->key);
	else if (path->key == NULL)
		appendStringInfo(piece, "[%zu]", path->index);
	else
	{
		const char *key = path->key;
		bool		is_word = key[0] != '\0' && key[strspn(key, word)] == '\0' &&
		!(key[0] >= '0' && key[0] <= '9');

		appendStringInfoChar(piece, '.');
		if (is_word)
			appendStringInfoString(piece, key);
		else
			escape_json(piece, key);
	}
}

/* Types as a message has them: an object, a string or null. */
static const char *
names_of_types(StringInfo names, int types)
{
	for (int i = 0; i < (int) lengthof(type_names); i++)
	{
		int			mask = type_names[i].mask;

		if ((types & mask) != mask)
			continue;
		types &= ~mask;
		if (names->len > 0)
			appendStringInfoString(names, types == 0 ? " or " : ", ");
		appendStringInfoString(names, type_names[i].name);
	}
	return names->data;
}

static int
compare_problems(const void *left, const void *right)
{
	const ManifestProblem *a = left;
	const ManifestProblem *b = right;
	int			result = compare_places(a->place, b->place);

	if (result == 0)
		result = (int) a->rule - (int) b->rule;
	return result;
}

/*
 * Compares two paths byte by byte, without putting them together.
 */
static int
compare_places(const ManifestPlace *left, const ManifestPlace *right)
{
	const ManifestPlace *a[MAX_PLACES];
	const ManifestPlace *b[MAX_PLACES];
	int			i = 0;			/* in a */
	int			j = 0;			/* in b */
	int			a_at = 0;		/* in the text of a[i] */
	int			b_at = 0;		/* in the text of b[j] */

	list_places(left, a);
	list_places(right, b);
	while (i <= left->depth && i <= right->depth && a[i] == b[i])
		i++;

	for (j = i; i <= left->depth && j <= right->depth;)
	{
		int			length = Min(a[i]->length - a_at, b[j]->length - b_at);
		int			result = memcmp(a[i]->text + a_at, b[j]->text + b_at, length);

		if (result != 0)
			return result;
		a_at += length;
		b_at += length;
		if (a_at == a[i]->length)
		{
			i++;
			a_at = 0;
		}
		if (b_at == b[j]->length)
		{
			j++;
			b_at = 0;
		}
	}
	return (i <= left->depth) - (j <= right->depth);
}

/* The chain that ends in a place, from $ on. */
static void
list_places(const ManifestPlace *place, const ManifestPlace **places)
{
	Assert(place->depth < MAX_PLACES);
	for (; place != NULL; place = place->parent)
		places[place->depth] = place;
}
