/*-------------------------------------------------------------------------
 *
 * condition_parse.h
 *	  From the text of a condition to its nodes, and back.
 *
 * Both ways are plain C.  What they need from their surroundings (memory,
 * and how a number is stored) is a ConditionHost: the server has one, the
 * fuzzer and the harness in test/fuzz another.  Bad text is no exception
 * but a ConditionError.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_CONDITION_PARSE_H
#define TWINSET_CONDITION_PARSE_H

#include <stdbool.h>

#include "condition_node.h"

#define CONDITION_MAX_TEXT		16384	/* bytes, of the canonical text too */
#define CONDITION_MAX_LITERAL	4096	/* bytes, of a number's canonical text too */
#define CONDITION_MAX_NESTING	1000	/* levels of NOT and parentheses */

/* What the parser and the printer leave to who calls them. */
typedef struct ConditionHost
{
	/* memory that lives until the caller is done; never NULL, not zeroed */
	void	   *(*allocate) (size_t size);

	/* raises an error of the host's own where the stack is nearly used up */
	void		(*check_stack) (void);

	/* the stored form of a number, given as numeric prints it */
	const char *(*number_from_text) (const char *text, uint16_t *length);

	/* how numeric prints a stored number */
	const char *(*number_to_text) (const ConditionLiteral *number, size_t *length);
} ConditionHost;

typedef struct ConditionError
{
	const char *sqlstate;		/* five characters */
	const char *message;		/* what is wrong, in a few words */
	const char *detail;			/* the place or the size */
	const char *hint;			/* what to write instead; NULL: not known */
	int			position;		/* in characters, from 1; 0: of no one place */
} ConditionError;

/*
 * condition_parse: read a text.
 *
 * Returns memory in which the nodes begin after prefix bytes (the room for
 * the owner's header, zeroed, a multiple of four), and its whole size; or
 * NULL, and then *error is filled.
 */
extern char *condition_parse(const ConditionHost *host, const char *text, size_t length,
							 size_t prefix, size_t *size, ConditionError *error);

/*
 * condition_print: the canonical text, null-terminated, and its length.
 *
 * NULL where it would be longer than limit bytes.
 */
extern char *condition_print(const ConditionHost *host, const ConditionNode *root,
							 size_t limit, size_t *length);

/* condition_print_path: the same of a path. */
extern char *condition_print_path(const ConditionHost *host, const ConditionPath *path,
								  size_t limit, size_t *length);

#endif							/* TWINSET_CONDITION_PARSE_H */
