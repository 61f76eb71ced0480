/*-------------------------------------------------------------------------
 *
 * manifest_text.c
 *	  The rules for text: size, encoding, depth, JSON.
 *
 * jansson reads the JSON; the first three are looked at before, in this
 * order, so that it is never given more than it should recurse into.  Only
 * the first problem is noted, at $, with the line and column of it:
 *
 *	{"a": 1,
 *	 "a": 2}			line 2, column 4: duplicate key
 *
 * jansson's own messages quote the text, which may be a secret; so only its
 * code and position are used.
 *
 * What jansson takes, jsonb takes too, but for numbers with more digits than
 * numeric keeps after the point: these are out of range here.
 *
 *-------------------------------------------------------------------------
 */
#include "manifest_check.h"

#include <limits.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"

#define NUMERIC_DIGITS_AFTER_POINT	16383	/* that numeric keeps */
#define NUMERIC_EXPONENT	(INT_MAX / 2)	/* that it does not read, even for zero */

static void note_at(ManifestCheck *check, const char *text, size_t offset,
					ManifestRule rule, const char *number);
static void note_at_line(ManifestCheck *check, size_t line, size_t column,
						 ManifestRule rule, const char *number);
static size_t valid_length(const char *text, size_t length);
static bool too_deep(const char *text, size_t length, size_t *offset);
static bool number_too_long(const char *text, size_t length, size_t *offset);
static ManifestRule rule_of_error(enum json_error_code code);

/*
 * manifest_read: the document that a text holds, or a problem at $.
 *
 * The text need not be null-terminated.  The result is jansson's, for the
 * caller to release with json_decref() on every way out; NULL where a problem
 * was noted.  Raises only where memory runs out.
 */
json_t *
manifest_read(ManifestCheck *check, const char *text, size_t length)
{
	size_t		offset;
	json_error_t error;
	json_t	   *document;

	if (length > MANIFEST_MAX_BYTES)
	{
		char		bytes[32];

		snprintf(bytes, sizeof(bytes), "%zu", length);
		note_at(check, text, MANIFEST_MAX_BYTES, MANIFEST_TEXT_SIZE, bytes);
		return NULL;
	}

	offset = valid_length(text, length);
	if (offset < length)
	{
		note_at(check, text, offset, MANIFEST_TEXT_ENCODING, NULL);
		return NULL;
	}

	if (too_deep(text, length, &offset))
	{
		note_at(check, text, offset, MANIFEST_TEXT_DEPTH, NULL);
		return NULL;
	}

	document = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (document == NULL)
	{
		enum json_error_code code = json_error_code(&error);

		if (code == json_error_unknown || code == json_error_out_of_memory)
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY),
					 errmsg("out of memory")));
		note_at_line(check, Max(error.line, 1), Max(error.column, 1),
					 rule_of_error(code), NULL);
		return NULL;
	}

	if (number_too_long(text, length, &offset))
	{
		json_decref(document);
		note_at(check, text, offset, MANIFEST_TEXT_NUMBER, NULL);
		return NULL;
	}
	return document;
}

/*
 * Notes a problem at a byte of the text, counting lines and characters.
 */
static void
note_at(ManifestCheck *check, const char *text, size_t offset,
		ManifestRule rule, const char *number)
{
	size_t		line = 1;
	size_t		column = 1;

	for (size_t i = 0; i < offset; i++)
	{
		if (text[i] == '\n')
		{
			line++;
			column = 1;
		}
		else if (((unsigned char) text[i] & 0xC0) != 0x80)
			column++;
	}
	note_at_line(check, line, column, rule, number);
}

static void
note_at_line(ManifestCheck *check, size_t line, size_t column,
			 ManifestRule rule, const char *number)
{
	char		position[80];
	ManifestPath root = manifest_key(NULL, "$");

	snprintf(position, sizeof(position), "line %zu, column %zu", line, column);
	manifest_note(check, &root, rule, position, number);
}

/*
 * How many bytes from the beginning are UTF-8.  A zero byte is, though JSON
 * does not take it.
 */
static size_t
valid_length(const char *text, size_t length)
{
	size_t		valid = 0;

	while (valid < length)
	{
		if (text[valid] == '\0')
		{
			valid++;
			continue;
		}
		valid += pg_encoding_verifymbstr(PG_UTF8, text + valid, length - valid);
		if (valid < length && text[valid] != '\0')
			break;
	}
	return valid;
}

/*
 * Does the text open more { and [ than may be open at once?  Then the offset
 * is that of the first one too many.
 */
static bool
too_deep(const char *text, size_t length, size_t *offset)
{
	int			level = 0;
	bool		in_string = false;

	for (size_t i = 0; i < length; i++)
	{
		switch (text[i])
		{
			case '"':
				in_string = !in_string;
				break;
			case '\\':
				if (in_string)
					i++;
				break;
			case '{':
			case '[':
				if (!in_string && ++level > MANIFEST_MAX_LEVELS)
				{
					*offset = i;
					return true;
				}
				break;
			case '}':
			case ']':
				if (!in_string && level > 0)
					level--;
				break;
			default:
				break;
		}
	}
	return false;
}

/*
 * Does the text, which is valid JSON, have a number with more digits after
 * the point than numeric keeps?  Then the offset is that of the number.
 */
static bool
number_too_long(const char *text, size_t length, size_t *offset)
{
	size_t		i = 0;
	bool		in_string = false;

	while (i < length)
	{
		size_t		start = i;
		int64		digits = 0;
		int64		exponent = 0;
		bool		small = false;

		if (in_string || text[i] < '0' || text[i] > '9')
		{
			if (text[i] == '"')
				in_string = !in_string;
			i += (in_string && text[i] == '\\') ? 2 : 1;
			continue;
		}

		while (i < length && text[i] >= '0' && text[i] <= '9')
			i++;
		if (i < length && text[i] == '.')
		{
			for (i++; i < length && text[i] >= '0' && text[i] <= '9'; i++)
				digits++;
		}
		if (i < length && (text[i] == 'e' || text[i] == 'E'))
		{
			i++;
			if (i < length && (text[i] == '+' || text[i] == '-'))
				small = (text[i++] == '-');
			for (; i < length && text[i] >= '0' && text[i] <= '9'; i++)
				exponent = Min(exponent * 10 + (text[i] - '0'), NUMERIC_EXPONENT);
		}
		if (exponent == NUMERIC_EXPONENT ||
			digits - (small ? -exponent : exponent) > NUMERIC_DIGITS_AFTER_POINT)
		{
			*offset = (start > 0 && text[start - 1] == '-') ? start - 1 : start;
			return true;
		}
	}
	return false;
}

static ManifestRule
rule_of_error(enum json_error_code code)
{
	switch (code)
	{
		case json_error_duplicate_key:
			return MANIFEST_TEXT_DUPLICATE;
		case json_error_null_character:
		case json_error_null_byte_in_key:
			return MANIFEST_TEXT_NUL;
		case json_error_numeric_overflow:
			return MANIFEST_TEXT_NUMBER;
		case json_error_invalid_utf8:
			return MANIFEST_TEXT_ENCODING;
		default:
			return MANIFEST_TEXT_SYNTAX;
	}
}
