/*-------------------------------------------------------------------------
 *
 * condition_print.c
 *	  The canonical text of a condition.
 *
 * One walk over the nodes.  Keywords are in upper case, one space stands
 * between tokens, a key is escaped only where it must be, and parentheses
 * stand only where precedence needs them: round an OR inside an AND, and
 * round an AND or OR below a NOT.
 *
 * This file needs nothing of the server: see condition_parse.h.
 *
 *-------------------------------------------------------------------------
 */
#include <stdbool.h>
#include <string.h>

#include "condition_parse.h"

typedef struct Printer
{
	const ConditionHost *host;
	char	   *text;			/* what is printed so far */
	size_t		length;			/* bytes printed */
	size_t		allocated;		/* bytes that text has room for */
	size_t		limit;			/* the most that may be printed */
	bool		overflow;		/* it would have been more */
} Printer;

static char *finish(Printer *printer, size_t *length);
static void print_node(Printer *printer, const ConditionNode *node);
static void print_chain(Printer *printer, const ConditionNode *node, const char *between);
static void print_operand(Printer *printer, const ConditionNode *node, bool parentheses);
static void print_path(Printer *printer, const ConditionPath *path);
static bool key_is_plain(const ConditionKey *key);
static void print_literal(Printer *printer, const ConditionLiteral *literal);
static void print_string(Printer *printer, const ConditionLiteral *literal);
static void append(Printer *printer, const char *data, size_t length);
static void append_text(Printer *printer, const char *text);

static const char *const operator_texts[] = {
	[CONDITION_EQ] = " = ",
	[CONDITION_NE] = " != ",
	[CONDITION_LT] = " < ",
	[CONDITION_LE] = " <= ",
	[CONDITION_GT] = " > ",
	[CONDITION_GE] = " >= ",
};

char *
condition_print(const ConditionHost *host, const ConditionNode *root, size_t limit, size_t *length)
{
	Printer		printer = {.host = host,.allocated = 256,.limit = limit};

	printer.text = host->allocate(printer.allocated);
	print_node(&printer, root);
	return finish(&printer, length);
}

char *
condition_print_path(const ConditionHost *host, const ConditionPath *path, size_t limit, size_t *length)
{
	Printer		printer = {.host = host,.allocated = 256,.limit = limit};

	printer.text = host->allocate(printer.allocated);
	print_path(&printer, path);
	return finish(&printer, length);
}

/* The text that was printed; NULL where it would have been too long. */
static char *
finish(Printer *printer, size_t *length)
{
	if (printer->overflow)
		return NULL;
	printer->text[printer->length] = '\0';
	*length = printer->length;
	return printer->text;
}

static void
print_node(Printer *printer, const ConditionNode *node)
{
	const ConditionLiteral *literal;

	printer->host->check_stack();

	switch ((ConditionNodeKind) node->kind)
	{
		case CONDITION_NOTHING:
			break;

		case CONDITION_EVERYTHING:
			append_text(printer, "*");
			break;

		case CONDITION_AND:
			print_chain(printer, node, " AND ");
			break;

		case CONDITION_OR:
			print_chain(printer, node, " OR ");
			break;

		case CONDITION_NOT:
			{
				const ConditionNode *child = condition_first_child(node);

				append_text(printer, "NOT ");
				print_operand(printer, child,
							  child->kind == CONDITION_AND || child->kind == CONDITION_OR);
				break;
			}

		case CONDITION_COMPARE:
			print_path(printer, condition_path(node));
			append_text(printer, operator_texts[node->op]);
			print_literal(printer, condition_first_literal(node));
			break;

		case CONDITION_IN:
			print_path(printer, condition_path(node));
			append_text(printer, " IN [");
			literal = condition_first_literal(node);
			for (int i = 0; i < node->count && !printer->overflow; i++)
			{
				if (i > 0)
					append_text(printer, ", ");
				print_literal(printer, literal);
				literal = condition_next_literal(literal);
			}
			append_text(printer, "]");
			break;

		case CONDITION_IS_DEFINED:
			append_text(printer, "IS_DEFINED(");
			print_path(printer, condition_path(node));
			append_text(printer, ")");
			break;

		case CONDITION_STARTSWITH:
			append_text(printer, "STARTSWITH(");
			print_path(printer, condition_path(node));
			append_text(printer, ", ");
			print_literal(printer, condition_first_literal(node));
			append_text(printer, ")");
			break;

		case CONDITION_SAMPLE:
			append_text(printer, "SAMPLE(");
			literal = condition_first_literal(node);
			print_literal(printer, literal);
			literal = condition_next_literal(literal);
			if (literal->length > 0)
			{
				append_text(printer, ", ");
				print_literal(printer, literal);
			}
			append_text(printer, ")");
			break;
	}
}

static void
print_chain(Printer *printer, const ConditionNode *node, const char *between)
{
	const ConditionNode *child = condition_first_child(node);

	for (int i = 0; i < node->count && !printer->overflow; i++)
	{
		if (i > 0)
			append_text(printer, between);
		print_operand(printer, child,
					  node->kind == CONDITION_AND && child->kind == CONDITION_OR);
		child = condition_next(child);
	}
}

static void
print_operand(Printer *printer, const ConditionNode *node, bool parentheses)
{
	if (parentheses)
		append_text(printer, "(");
	print_node(printer, node);
	if (parentheses)
		append_text(printer, ")");
}

static void
print_path(Printer *printer, const ConditionPath *path)
{
	const ConditionKey *key = condition_first_key(path);

	if (path->count == 0)
	{
		append_text(printer, "deviceId");
		return;
	}
	append_text(printer, "tags");
	for (int i = 0; i < path->count; i++)
	{
		bool		plain = key_is_plain(key);

		append_text(printer, plain ? "." : ".[[");
		append(printer, key->data, key->length);
		if (!plain)
			append_text(printer, "]]");
		key = condition_next_key(key);
	}
}

/* [A-Za-z_][A-Za-z0-9_-]* */
static bool
key_is_plain(const ConditionKey *key)
{
	for (int i = 0; i < key->length; i++)
	{
		char		c = key->data[i];
		bool		first = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
		bool		later = (c >= '0' && c <= '9') || c == '-';

		if (!first && (i == 0 || !later))
			return false;
	}
	return true;
}

static void
print_literal(Printer *printer, const ConditionLiteral *literal)
{
	switch ((ConditionLiteralType) literal->type)
	{
		case CONDITION_STRING:
			print_string(printer, literal);
			break;

		case CONDITION_NUMBER:
			{
				size_t		length;
				const char *text = printer->host->number_to_text(literal, &length);

				append(printer, text, length);
				break;
			}

		case CONDITION_TRUE:
			append_text(printer, "TRUE");
			break;

		case CONDITION_FALSE:
			append_text(printer, "FALSE");
			break;

		case CONDITION_NULL:
			append_text(printer, "NULL");
			break;
	}
}

static void
print_string(Printer *printer, const ConditionLiteral *literal)
{
	append_text(printer, "'");
	for (int i = 0; i < literal->length; i++)
	{
		if (literal->data[i] == '\'')
			append_text(printer, "'");
		append(printer, &literal->data[i], 1);
	}
	append_text(printer, "'");
}

/* append: one byte of room is always left for the end of the text */
static void
append(Printer *printer, const char *data, size_t length)
{
	if (printer->overflow || length > printer->limit - printer->length)
	{
		printer->overflow = true;
		return;
	}
	if (printer->length + length >= printer->allocated)
	{
		size_t		allocated = 2 * (printer->length + length) + 1;
		char	   *text = printer->host->allocate(allocated);

		memcpy(text, printer->text, printer->length);
		printer->text = text;
		printer->allocated = allocated;
	}
	memcpy(printer->text + printer->length, data, length);
	printer->length += length;
}

static void
append_text(Printer *printer, const char *text)
{
	append(printer, text, strlen(text));
}
