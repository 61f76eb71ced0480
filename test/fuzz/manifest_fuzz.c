/*-------------------------------------------------------------------------
 *
 * manifest_fuzz.c
 *	  The checker of manifests under libFuzzer, without a server.
 *
 *	test/fuzz/manifests [runs [seed]]
 *	make -C test/fuzz check		(manifest_harness.c, without libFuzzer)
 *
 * Any bytes are checked as a manifest, as a route and as an image.  Address
 * and undefined-behaviour sanitizers see what is read or written astray, the
 * leak sanitizer what of jansson's is not released.  Besides, what is told
 * must be in the order of the paths, each place once.
 *
 * What the checker takes from the server is little, and is stood in for here;
 * a memory context is a list of blocks that is freed after each run.
 *
 *-------------------------------------------------------------------------
 */
#include "manifest_check.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/json.h"

typedef struct Block
{
	struct Block *next;
	struct Block *previous;
} Block;

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

unsigned long manifests_read;	/* texts that were JSON, and of these */
unsigned long manifests_valid;	/* those without a problem, for manifest_harness.c */

static Block context = {&context, &context};

sigjmp_buf *PG_exception_stack = NULL;
ErrorContextCallback *error_context_stack = NULL;
volatile sig_atomic_t InterruptPending = false;

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ManifestCheck check;
	char	   *before = NULL;

	manifest_check_text(&check, (const char *) data, size);
	manifests_read += check.count == 0 || strncmp(check.problems[0].message, "line ", 5) != 0;
	manifests_valid += check.count == 0;
	for (int i = 0; i < check.count; i++)
	{
		char	   *path = manifest_place_path(check.problems[i].place);

		if (before != NULL && strcmp(before, path) >= 0)
			abort();
		before = path;
	}

	/* the parts that take a string take UTF-8 alone, as jansson gives it */
	if (size <= MANIFEST_TWIN_STRING_BYTES && memchr(data, 0, size) == NULL &&
		pg_encoding_verifymbstr(PG_UTF8, (const char *) data, size) == (int) size)
	{
		char	   *string = pnstrdup((const char *) data, size);
		ManifestPath root = manifest_key(NULL, "$");
		ManifestImage image;

		manifest_check_route(&check, &root, string);
		manifest_parse_image(string, &image);
	}

	while (context.next != &context)
		pfree(context.next + 1);
	return 0;
}

/* What the server has. */

void *
palloc(Size size)
{
	Block	   *block = malloc(sizeof(Block) + size);

	block->next = context.next;
	block->previous = &context;
	context.next->previous = block;
	context.next = block;
	return block + 1;
}

void
pfree(void *pointer)
{
	Block	   *block = (Block *) pointer - 1;

	block->next->previous = block->previous;
	block->previous->next = block->next;
	free(block);
}

void *
repalloc(void *pointer, Size size)
{
	Block	   *block = realloc((Block *) pointer - 1, sizeof(Block) + size);

	block->next->previous = block;
	block->previous->next = block;
	return block + 1;
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

char *
pnstrdup(const char *string, Size length)
{
	char	   *copy = palloc(length + 1);

	memcpy(copy, string, length);
	copy[length] = '\0';
	return copy;
}

char *
pstrdup(const char *string)
{
	return pnstrdup(string, strlen(string));
}

void
escape_json(StringInfo buffer, const char *string)
{
	appendStringInfoCharMacro(buffer, '"');
	for (; *string != '\0'; string++)
	{
		if (*string == '"' || *string == '\\' || (unsigned char) *string < ' ')
			appendStringInfo(buffer, "\\u%04x", *string);
		else
			appendStringInfoCharMacro(buffer, *string);
	}
	appendStringInfoCharMacro(buffer, '"');
}

int
pg_mbstrlen_with_len(const char *string, int limit)
{
	int			characters = 0;

	for (const char *end = string + limit; string < end; characters++)
		string += pg_utf_mblen((const unsigned char *) string);
	return characters;
}

void
ProcessInterrupts(void)
{
}

/* An error of the server's is for memory that ran out, which it does not. */
bool
errstart(int elevel, const char *domain)
{
	abort();
}

bool
errstart_cold(int elevel, const char *domain)
{
	abort();
}

int
errcode(int sqlerrcode)
{
	return 0;
}

int
errmsg(const char *format,...)
{
	return 0;
}

void
errfinish(const char *filename, int lineno, const char *funcname)
{
}

void
pg_re_throw(void)
{
	abort();
}
