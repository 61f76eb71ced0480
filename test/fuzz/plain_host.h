/*-------------------------------------------------------------------------
 *
 * plain_host.h
 *	  What the parser and printer of conditions need, without a server.
 *
 * Memory is kept on a list and released together.  A number is stored as
 * its text.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_PLAIN_HOST_H
#define TWINSET_PLAIN_HOST_H

#include <stdlib.h>
#include <string.h>

#include "../../src/condition_parse.h"

typedef struct PlainBlock
{
	struct PlainBlock *next;
	long double data[];			/* aligned for anything */
} PlainBlock;

static PlainBlock *plain_blocks;

static void *
plain_allocate(size_t size)
{
	PlainBlock *block = malloc(sizeof(PlainBlock) + size);

	if (block == NULL)
		abort();
	block->next = plain_blocks;
	plain_blocks = block;
	/* nothing may rely on zeros */
	return memset(block->data, 0x7F, size);
}

static void
plain_release(void)
{
	while (plain_blocks != NULL)
	{
		PlainBlock *next = plain_blocks->next;

		free(plain_blocks);
		plain_blocks = next;
	}
}

static void
plain_check_stack(void)
{
}

static const char *
plain_number_from_text(const char *text, uint16_t *length)
{
	*length = strlen(text);
	return text;
}

static const char *
plain_number_to_text(const ConditionLiteral *number, size_t *length)
{
	*length = number->length;
	return number->data;
}

static const ConditionHost plain_host = {
	.allocate = plain_allocate,
	.check_stack = plain_check_stack,
	.number_from_text = plain_number_from_text,
	.number_to_text = plain_number_to_text,
};

#endif							/* TWINSET_PLAIN_HOST_H */
