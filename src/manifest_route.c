/*-------------------------------------------------------------------------
 *
 * manifest_route.c
 *	  The language of routes.
 *
 *	FROM /messages/modules/a/outputs WHERE x >= 4.5 INTO $upstream
 *
 *	route      := [SELECT '*'] FROM source [WHERE expression] INTO sink
 *	source     := '/' (name | '*') { '/' (name | '*') }
 *	expression := operand { operator operand }
 *	operand    := (NOT | '-') operand | '(' expression ')' | string | system
 *	            | '{' system '}' | name | name '(' [expression { ',' expression }] ')'
 *	operator   := AND OR = != <> < <= > >= + - * / % || ??
 *	sink       := system | name '(' string ')'
 *
 * The longest token wins; of equal ones a keyword or operator, then system,
 * then name.  So numbers are names, a+b is one name, and a>b three tokens.
 *
 * A route is read from left to right, one token ahead.  Bad syntax is worse
 * than an unknown function, and that worse than a sink that does not exist;
 * of each the first is told.  What the names refer to is not checked.
 *
 *-------------------------------------------------------------------------
 */
#include "manifest_check.h"

#include "mb/pg_wchar.h"

#define MAX_NESTING		64		/* of operands */

/* What a name can't have. */
#define NOT_OF_NAME		"()<>@,;:\\\"'/[]?={}"
#define WHITE_SPACE		" \t\r\n"

typedef enum RouteToken
{
	ROUTE_END,					/* of the text */
	ROUTE_BAD,					/* what can't be a token */
	ROUTE_SELECT,
	ROUTE_FROM,
	ROUTE_WHERE,
	ROUTE_INTO,
	ROUTE_NOT,
	ROUTE_OPERATOR,				/* but for the three that follow */
	ROUTE_MINUS,
	ROUTE_STAR,
	ROUTE_SLASH,
	ROUTE_OPEN,
	ROUTE_CLOSE,
	ROUTE_OPEN_BRACE,
	ROUTE_CLOSE_BRACE,
	ROUTE_COMMA,
	ROUTE_STRING,
	ROUTE_SYSTEM,
	ROUTE_NAME,
} RouteToken;

typedef struct RouteParser
{
	const char *text;			/* the route, null-terminated */
	RouteToken	token;			/* the one that comes next */
	const char *start;			/* its first byte */
	size_t		length;			/* its bytes */
	const char *bad_syntax;		/* where it can't go on; NULL: it can */
	const char *bad_function;	/* the first unknown one; NULL: none */
	bool		bad_sink;
} RouteParser;

static const struct
{
	const char *text;
	RouteToken	token;
}			keywords[] = {
	{"SELECT", ROUTE_SELECT},
	{"FROM", ROUTE_FROM},
	{"WHERE", ROUTE_WHERE},
	{"INTO", ROUTE_INTO},
	{"NOT", ROUTE_NOT},
	{"AND", ROUTE_OPERATOR},
	{"OR", ROUTE_OPERATOR},
};

/* A longer one stands before those that it begins with. */
static const struct
{
	const char *text;
	RouteToken	token;
}			symbols[] = {
	{"!=", ROUTE_OPERATOR},
	{"<>", ROUTE_OPERATOR},
	{"<=", ROUTE_OPERATOR},
	{"<", ROUTE_OPERATOR},
	{">=", ROUTE_OPERATOR},
	{">", ROUTE_OPERATOR},
	{"=", ROUTE_OPERATOR},
	{"+", ROUTE_OPERATOR},
	{"-", ROUTE_MINUS},
	{"*", ROUTE_STAR},
	{"/", ROUTE_SLASH},
	{"%", ROUTE_OPERATOR},
	{"||", ROUTE_OPERATOR},
	{"??", ROUTE_OPERATOR},
	{"(", ROUTE_OPEN},
	{")", ROUTE_CLOSE},
	{"{", ROUTE_OPEN_BRACE},
	{"}", ROUTE_CLOSE_BRACE},
	{",", ROUTE_COMMA},
};

static const char *const functions[] = {
	"abs", "as_number", "ceiling", "concat", "contains", "ends_with", "exp",
	"floor", "index_of", "is_bool", "is_defined", "is_null", "is_number",
	"is_string", "length", "lower", "power", "sign", "sqrt", "square",
	"starts_with", "substring", "twin_change_includes", "upper",
};

static void parse_route(RouteParser *parser);
static void parse_source(RouteParser *parser);
static void parse_expression(RouteParser *parser, int nesting);
static void parse_operand(RouteParser *parser, int nesting);
static void parse_call(RouteParser *parser, int nesting);
static void parse_sink(RouteParser *parser);
static bool is_endpoint(const char *text, size_t length);
static bool is_operator(RouteToken token);
static bool is_function(const char *text, size_t length);
static bool is_word(const char *text, size_t length, const char *word);
static bool accept(RouteParser *parser, RouteToken token);
static void expect(RouteParser *parser, RouteToken token);
static void fail(RouteParser *parser);
static void next_token(RouteParser *parser);
static size_t string_length(const char *text);
static size_t name_length(const char *text, const char *also);
static const char *character_number(const RouteParser *parser, const char *at, char number[32]);

/*
 * manifest_check_route: notes the first thing that is wrong with a route.
 *
 * Cost: linear in the route.
 */
void
manifest_check_route(ManifestCheck *check, ManifestPath *path, const char *route)
{
	RouteParser parser = {.text = route, .start = route};
	char		number[32];

	next_token(&parser);
	parse_route(&parser);

	if (parser.bad_syntax != NULL)
		manifest_note(check, path, MANIFEST_ROUTE_SYNTAX,
					  character_number(&parser, parser.bad_syntax, number));
	else if (parser.bad_function != NULL)
		manifest_note(check, path, MANIFEST_ROUTE_FUNCTION,
					  character_number(&parser, parser.bad_function, number));
	else if (parser.bad_sink)
		manifest_note(check, path, MANIFEST_ROUTE_SINK);
}

static void
parse_route(RouteParser *parser)
{
	if (accept(parser, ROUTE_SELECT))
		expect(parser, ROUTE_STAR);
	expect(parser, ROUTE_FROM);
	parse_source(parser);
	if (accept(parser, ROUTE_WHERE))
		parse_expression(parser, 0);
	expect(parser, ROUTE_INTO);
	parse_sink(parser);
	if (parser->token != ROUTE_END)
		fail(parser);
}

static void
parse_source(RouteParser *parser)
{
	do
	{
		expect(parser, ROUTE_SLASH);
		if (!accept(parser, ROUTE_NAME))
			expect(parser, ROUTE_STAR);
	} while (parser->token == ROUTE_SLASH);
}

static void
parse_expression(RouteParser *parser, int nesting)
{
	parse_operand(parser, nesting);
	while (is_operator(parser->token))
	{
		next_token(parser);
		parse_operand(parser, nesting);
	}
}

/*
 * The recursion is as deep as operands nest, which is bounded here.
 */
static void
parse_operand(RouteParser *parser, int nesting)
{
	if (nesting > MAX_NESTING)
	{
		fail(parser);
		return;
	}

	switch (parser->token)
	{
		case ROUTE_NOT:
		case ROUTE_MINUS:
			next_token(parser);
			parse_operand(parser, nesting + 1);
			break;
		case ROUTE_OPEN:
			next_token(parser);
			parse_expression(parser, nesting + 1);
			expect(parser, ROUTE_CLOSE);
			break;
		case ROUTE_OPEN_BRACE:
			next_token(parser);
			expect(parser, ROUTE_SYSTEM);
			expect(parser, ROUTE_CLOSE_BRACE);
			break;
		case ROUTE_STRING:
		case ROUTE_SYSTEM:
			next_token(parser);
			break;
		case ROUTE_NAME:
			parse_call(parser, nesting);
			break;
		default:
			fail(parser);
			break;
	}
}

/* A name, or a call of the function that has it. */
static void
parse_call(RouteParser *parser, int nesting)
{
	const char *name = parser->start;
	size_t		length = parser->length;

	next_token(parser);
	if (!accept(parser, ROUTE_OPEN))
		return;

	if (parser->bad_function == NULL && !is_function(name, length))
		parser->bad_function = name;
	if (accept(parser, ROUTE_CLOSE))
		return;
	do
	{
		parse_expression(parser, nesting + 1);
	} while (accept(parser, ROUTE_COMMA));
	expect(parser, ROUTE_CLOSE);
}

static void
parse_sink(RouteParser *parser)
{
	const char *name = parser->start;
	size_t		length = parser->length;

	if (accept(parser, ROUTE_SYSTEM))
	{
		parser->bad_sink = !is_word(name, length, "$upstream");
		return;
	}

	expect(parser, ROUTE_NAME);
	expect(parser, ROUTE_OPEN);
	parser->bad_sink = !is_word(name, length, "BrokeredEndpoint") ||
		parser->token != ROUTE_STRING ||
		!is_endpoint(parser->start + 1, parser->length - 2);
	expect(parser, ROUTE_STRING);
	expect(parser, ROUTE_CLOSE);
}

/*
 * Is it /modules/MODULE/inputs/INPUT?  White space round it does not count,
 * nor does one slash at each end; what the first and third part say is not
 * looked at by devices.
 */
static bool
is_endpoint(const char *text, size_t length)
{
	const char *end = text + length;
	size_t		lengths[4] = {0};
	int			part = 0;

	while (text < end && strchr(WHITE_SPACE, *text))
		text++;
	while (text < end && strchr(WHITE_SPACE, end[-1]))
		end--;
	if (text < end && *text == '/')
		text++;
	if (text < end && end[-1] == '/')
		end--;

	for (; text < end; text++)
	{
		if (*text != '/')
			lengths[part]++;
		else if (++part == (int) lengthof(lengths))
			return false;
	}
	return part == 3 && lengths[1] > 0 && lengths[3] > 0;
}

static bool
is_operator(RouteToken token)
{
	return token == ROUTE_OPERATOR || token == ROUTE_MINUS ||
		token == ROUTE_STAR || token == ROUTE_SLASH;
}

static bool
is_function(const char *text, size_t length)
{
	for (int i = 0; i < (int) lengthof(functions); i++)
	{
		if (is_word(text, length, functions[i]))
			return true;
	}
	return false;
}

/* In any case. */
static bool
is_word(const char *text, size_t length, const char *word)
{
	return length == strlen(word) && pg_strncasecmp(text, word, length) == 0;
}

static bool
accept(RouteParser *parser, RouteToken token)
{
	if (parser->token != token)
		return false;
	next_token(parser);
	return true;
}

static void
expect(RouteParser *parser, RouteToken token)
{
	if (!accept(parser, token))
		fail(parser);
}

/*
 * Notes that the next token can't be there.  From then on the text is at its
 * end, so that every loop of the parser ends.
 */
static void
fail(RouteParser *parser)
{
	if (parser->bad_syntax != NULL)
		return;
	parser->bad_syntax = parser->start;
	parser->token = ROUTE_END;
}

/*
 * Goes on to the next token.
 */
static void
next_token(RouteParser *parser)
{
	const char *start = parser->start + parser->length;
	size_t		length;

	if (parser->bad_syntax != NULL)
		return;

	start += strspn(start, WHITE_SPACE);
	parser->start = start;
	parser->length = 0;
	parser->token = *start == '\0' ? ROUTE_END : ROUTE_BAD;

	/* of tokens of one length the first that is tried here wins */
	for (int i = 0; i < (int) lengthof(symbols); i++)
	{
		length = strlen(symbols[i].text);
		if (strncmp(start, symbols[i].text, length) == 0)
		{
			parser->token = symbols[i].token;
			parser->length = length;
			break;
		}
	}

	length = name_length(start, "");
	for (int i = 0; i < (int) lengthof(keywords); i++)
	{
		if (is_word(start, length, keywords[i].text))
		{
			parser->token = keywords[i].token;
			parser->length = length;
		}
	}

	if (*start == '$' && name_length(start, "[]") > Max(parser->length, 1))
	{
		parser->token = ROUTE_SYSTEM;
		parser->length = name_length(start, "[]");
	}
	if (length > parser->length)
	{
		parser->token = ROUTE_NAME;
		parser->length = length;
	}
	if (string_length(start) > 0)
	{
		parser->token = ROUTE_STRING;
		parser->length = string_length(start);
	}
}

/*
 * The bytes of the string that begins there, quotes included; 0: none does,
 * or it has no end.
 */
static size_t
string_length(const char *text)
{
	if (*text != '\'' && *text != '"')
		return 0;
	for (size_t i = 1; text[i] != '\0'; i++)
	{
		if (text[i] == *text)
			return i + 1;
		if (text[i] == '\\' && text[++i] == '\0')
			break;
	}
	return 0;
}

/* The bytes that a name can have, or that are listed besides. */
static size_t
name_length(const char *text, const char *also)
{
	size_t		length = 0;

	while (text[length] != '\0' &&
		   (strchr(also, text[length]) || !strchr(NOT_OF_NAME WHITE_SPACE, text[length])))
		length++;
	return length;
}

/* From 1, in characters. */
static const char *
character_number(const RouteParser *parser, const char *at, char number[32])
{
	snprintf(number, 32, "%d", pg_mbstrlen_with_len(parser->text, at - parser->text) + 1);
	return number;
}
