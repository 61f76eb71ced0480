/*-------------------------------------------------------------------------
 *
 * condition_harness.c
 *	  The table of cases against the parser alone, without a server.
 *
 *	condition_harness test/data/condition_cases.tsv
 *
 * Runs every row, the one with a NUL too, which SQL can't send: SQLSTATE and
 * position of what is rejected, the text form of what is canonical, and
 * that what is evaluated is accepted.  (What it gives needs the server: test/sql.)
 * Prints each failing row and a count; the exit status says if any failed.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>

#include "plain_host.h"

#define MAX_LINE	65536
#define MAX_CELLS	7

enum
{
	KIND, CONDITION, DEVICE_ID, TAGS, EXPECTED, POSITION, NOTE
};

static size_t put_character(char *out, unsigned long code);
static size_t decode(const char *cell, char *out);
static bool run(char **cells);
static bool is_one_of(const char *state, const char *expected);

int
main(int count, char **arguments)
{
	static char line[MAX_LINE];
	FILE	   *file = count == 2 ? fopen(arguments[1], "r") : NULL;
	int			passed = 0;
	int			failed = 0;
	int			number = 0;

	if (file == NULL)
	{
		fprintf(stderr, "usage: %s condition_cases.tsv\n", arguments[0]);
		return 2;
	}
	while (fgets(line, sizeof(line), file) != NULL)
	{
		char	   *cells[MAX_CELLS] = {"", "", "", "", "", "", ""};
		char	   *rest = line;

		number++;
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#' || line[0] == '\0' || strncmp(line, "kind\t", 5) == 0)
			continue;
		for (int i = 0; i < MAX_CELLS && rest != NULL; i++)
			cells[i] = strsep(&rest, "\t");
		if (run(cells))
			passed++;
		else
		{
			failed++;
			printf("line %d failed: %s\n", number, cells[CONDITION]);
		}
		plain_release();
	}
	fclose(file);
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0;
}

static bool
run(char **cells)
{
	static char condition[MAX_LINE];
	static char expected[MAX_LINE];
	size_t		length = decode(cells[CONDITION], condition);
	size_t		expected_length = decode(cells[EXPECTED], expected);
	size_t		size;
	size_t		printed_length;
	ConditionError error;
	char	   *nodes;
	char	   *printed;

	/* SQL NULL is no text */
	if (strcmp(cells[CONDITION], "\\N") == 0)
		return true;

	nodes = condition_parse(&plain_host, condition, length, 0, &size, &error);
	if (strcmp(cells[KIND], "reject") == 0)
		return nodes == NULL && is_one_of(error.sqlstate, expected) &&
			(cells[POSITION][0] == '\0' || atoi(cells[POSITION]) == error.position);
	if (nodes == NULL)
		return false;
	if (strcmp(cells[KIND], "eval") == 0)
		return true;

	printed = condition_print(&plain_host, (ConditionNode *) nodes, CONDITION_MAX_TEXT,
							  &printed_length);
	return strcmp(cells[KIND], "canonical") == 0 && printed_length == expected_length &&
		memcmp(printed, expected, expected_length) == 0;
}

/* expected: one SQLSTATE, or two with a bar between */
static bool
is_one_of(const char *state, const char *expected)
{
	return strncmp(expected, state, 5) == 0 ||
		(expected[5] == '|' && strncmp(expected + 6, state, 5) == 0);
}

/* \t \n \r \\ \xHH \uHHHH \{text*N}; returns the length */
static size_t
decode(const char *cell, char *out)
{
	char	   *start = out;

	while (*cell != '\0')
	{
		char		digits[5] = {0};

		if (*cell != '\\')
		{
			*out++ = *cell++;
			continue;
		}
		cell++;
		switch (*cell++)
		{
			case 't':
				*out++ = '\t';
				break;
			case 'n':
				*out++ = '\n';
				break;
			case 'r':
				*out++ = '\r';
				break;
			case 'x':
				memcpy(digits, cell, 2);
				out += put_character(out, strtoul(digits, NULL, 16));
				cell += 2;
				break;
			case 'u':
				memcpy(digits, cell, 4);
				out += put_character(out, strtoul(digits, NULL, 16));
				cell += 4;
				break;
			case '{':
				{
					size_t		length = strcspn(cell, "*");
					char	   *end;
					long		times = strtol(cell + length + 1, &end, 10);

					for (long i = 0; i < times; i++)
					{
						memcpy(out, cell, length);
						out += length;
					}
					cell = end + 1;
					break;
				}
			default:
				*out++ = cell[-1];
				break;
		}
	}
	*out = '\0';
	return out - start;
}

/* UTF-8 of a code point below U+10000 */
static size_t
put_character(char *out, unsigned long code)
{
	if (code < 0x80)
	{
		out[0] = code;
		return 1;
	}
	if (code < 0x800)
	{
		out[0] = 0xC0 | code >> 6;
		out[1] = 0x80 | (code & 0x3F);
		return 2;
	}
	out[0] = 0xE0 | code >> 12;
	out[1] = 0x80 | (code >> 6 & 0x3F);
	out[2] = 0x80 | (code & 0x3F);
	return 3;
}
