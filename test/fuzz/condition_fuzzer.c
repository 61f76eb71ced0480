/*-------------------------------------------------------------------------
 *
 * condition_fuzzer.c
 *	  libFuzzer target for the parser and printer of conditions.
 *
 * Whatever the bytes: no crash; an error has a message and a place inside
 * the text; and what is accepted prints to a text that reads as the same
 * nodes and prints the same again.
 *
 *-------------------------------------------------------------------------
 */
#include "plain_host.h"

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static void
try_text(const char *text, size_t length)
{
	ConditionError error;
	size_t		size;
	size_t		again_size;
	size_t		printed_length;
	size_t		again_length;
	char	   *nodes = condition_parse(&plain_host, text, length, 8, &size, &error);
	char	   *printed;
	char	   *again;

	if (nodes == NULL)
	{
		require(error.sqlstate != NULL && strlen(error.sqlstate) == 5);
		require(error.message != NULL && error.detail != NULL);
		require(error.position >= 0 && (size_t) error.position <= length + 1);
		return;
	}
	require(((ConditionNode *) (nodes + 8))->size == size - 8);

	printed = condition_print(&plain_host, (ConditionNode *) (nodes + 8), CONDITION_MAX_TEXT,
							  &printed_length);
	require(printed != NULL);
	again = condition_parse(&plain_host, printed, printed_length, 8, &again_size, &error);
	require(again != NULL && again_size == size && memcmp(again, nodes, size) == 0);
	again = condition_print(&plain_host, (ConditionNode *) (again + 8), CONDITION_MAX_TEXT,
							&again_length);
	require(again_length == printed_length && memcmp(again, printed, printed_length) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* a copy of just this size, so that a byte too far is seen */
	char	   *text = malloc(size > 0 ? size : 1);

	memcpy(text, data, size);
	try_text(text, size);
	plain_release();
	free(text);
	return 0;
}
