/*-------------------------------------------------------------------------
 *
 * manifest_options.c
 *	  A module's createOptions: what the container engine is given.
 *
 * An object, or a text that holds one.  A long text is split anywhere:
 *
 *	"createOptions":   "{\"Env\":[",
 *	"createOptions01": "\"A=1\"",
 *	"createOptions02": "]}"
 *
 * The pieces follow one another without gap, and joined they are the text.
 * Nothing that stands in them is ever quoted: it may be a secret.
 *
 *-------------------------------------------------------------------------
 */
#include "manifest_check.h"

#define OPTIONS			"createOptions"
#define MAX_PIECES		100		/* createOptions, createOptions01 to 99 */

typedef char PieceKey[sizeof(OPTIONS) + 2];

static void name_piece(PieceKey key, int number);
static bool holds_object(const char *text, size_t length);

/*
 * manifest_check_options: the pieces of createOptions in a module's settings.
 *
 * Cost: a hundred look-ups, and reading what the pieces hold.
 */
void
manifest_check_options(ManifestCheck *check, ManifestPath *path, const json_t *settings)
{
	ManifestPath first = manifest_key(path, OPTIONS);
	const json_t *pieces[MAX_PIECES];
	int			count = 0;		/* of pieces before the first gap */
	bool		valid = true;
	bool		split = false;
	StringInfoData text;

	for (int i = 0; i < MAX_PIECES; i++)
	{
		PieceKey	key;
		ManifestPath here = manifest_key(path, key);

		name_piece(key, i);
		pieces[i] = manifest_present(settings, key);
		if (pieces[i] == NULL)
			continue;
		if (i > 0)
			split = true;
		if (i == count)
			count++;
		else if (valid)
		{
			manifest_note(check, &here, MANIFEST_OPTIONS_SEQUENCE);
			valid = false;
		}
	}

	for (int i = 0; i < MAX_PIECES; i++)
	{
		PieceKey	key;
		ManifestPath here = manifest_key(path, key);

		name_piece(key, i);
		if (pieces[i] != NULL &&
			!manifest_expect(check, &here, pieces[i],
							 split ? MANIFEST_STRING : MANIFEST_STRING | MANIFEST_OBJECT))
			valid = false;
	}
	if (!valid || count == 0 || json_is_object(pieces[0]))
		return;

	initStringInfo(&text);
	for (int i = 0; i < count; i++)
		appendBinaryStringInfo(&text, json_string_value(pieces[i]),
							   json_string_length(pieces[i]));
	if (text.data[strspn(text.data, MANIFEST_WHITE_SPACE)] != '\0' &&
		!holds_object(text.data, text.len))
		manifest_note(check, &first, MANIFEST_OPTIONS);
	pfree(text.data);
}

/* createOptions, then createOptions01 and so on. */
static void
name_piece(PieceKey key, int number)
{
	if (number == 0)
		strlcpy(key, OPTIONS, sizeof(PieceKey));
	else
		snprintf(key, sizeof(PieceKey), OPTIONS "%02d", number);
}

/*
 * Is the text an object, by the rules for text?  What is wrong with it is not
 * said.
 */
static bool
holds_object(const char *text, size_t length)
{
	ManifestCheck inner = {0};
	json_t	   *document = manifest_read(&inner, text, length);
	bool		result = json_is_object(document);

	json_decref(document);
	return result;
}
