/*-------------------------------------------------------------------------
 *
 * condition_parse.c
 *	  From the text of a condition to its nodes.
 *
 * A recursive descent with one function for each rule of the grammar:
 *
 *	expression  := conjunction { OR conjunction }
 *	conjunction := factor { AND factor | NOT factor }
 *	factor      := NOT factor | primary
 *	primary     := '(' expression ')' | comparison | membership | function
 *
 * It reads characters, not tokens made beforehand: what a character may
 * begin depends on the place, and so the first error from the left is found
 * first.  An error is noted in the state and every function returns (NULL
 * or false) at once.  The rules build a tree of Parsed* with pointers;
 * flatten() then writes the nodes of condition_node.h.
 *
 *	tags.a=1 OR (tags.b=2 OR tags.c=3)   ->   OR, three children
 *
 * No list is too long for its 16-bit count: the text is at most 16 kB, and
 * each key, literal or child takes two bytes of it or more.
 *
 * This file needs nothing of the server: see condition_parse.h.
 *
 *-------------------------------------------------------------------------
 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "condition_parse.h"

/* what numeric can hold, and the exponents that it reads */
#define NUMERIC_MAX_INTEGER_DIGITS	131072
#define NUMERIC_MAX_DECIMALS		16383
#define NUMERIC_MAX_EXPONENT		(INT_MAX / 2)

#define SAMPLE_MAX_DECIMALS			6

/* how many bytes of an offending token an error shows */
#define SHOWN_TOKEN_BYTES			40

#define SYNTAX_ERROR		"42601"
#define INVALID_VALUE		"22023"
#define OUT_OF_RANGE		"22003"
#define LIMIT_EXCEEDED		"54000"
#define TOO_COMPLEX			"54001"

typedef struct ParsedKey
{
	struct ParsedKey *next;
	const char *data;
	uint16_t	length;
} ParsedKey;

typedef struct ParsedLiteral
{
	struct ParsedLiteral *next;
	ConditionLiteralType type;
	const char *data;			/* as it will be stored */
	uint16_t	length;
} ParsedLiteral;

typedef struct ParsedNode
{
	struct ParsedNode *next;	/* its sibling */
	ConditionNodeKind kind;
	ConditionOperator op;
	uint16_t	count;			/* children, or literals */
	uint16_t	key_count;		/* keys of the path; 0: deviceId */
	ParsedKey  *keys;
	ParsedLiteral *literals;
	struct ParsedNode *first_child;
	struct ParsedNode *last_child;
} ParsedNode;

typedef struct Parser
{
	const ConditionHost *host;
	const char *text;
	size_t		length;
	size_t		at;				/* the byte that is read next */
	int			nesting;		/* levels of NOT and parentheses round it */
	ConditionError *error;
	bool		failed;			/* error is filled */
} Parser;

typedef enum Keyword
{
	KEYWORD_AND,
	KEYWORD_OR,
	KEYWORD_NOT,
	KEYWORD_IN,
	KEYWORD_TRUE,
	KEYWORD_FALSE,
	KEYWORD_NULL,
	KEYWORD_IS_DEFINED,
	KEYWORD_STARTSWITH,
	KEYWORD_SAMPLE,
	KEYWORD_NONE,				/* a word that is none */
} Keyword;

/* in upper case; in the text they may be in any */
static const char *const keywords[KEYWORD_NONE] = {
	[KEYWORD_AND] = "AND",
	[KEYWORD_OR] = "OR",
	[KEYWORD_NOT] = "NOT",
	[KEYWORD_IN] = "IN",
	[KEYWORD_TRUE] = "TRUE",
	[KEYWORD_FALSE] = "FALSE",
	[KEYWORD_NULL] = "NULL",
	[KEYWORD_IS_DEFINED] = "IS_DEFINED",
	[KEYWORD_STARTSWITH] = "STARTSWITH",
	[KEYWORD_SAMPLE] = "SAMPLE",
};

/* What people write that the language does not have, and what to write. */
static const struct
{
	const char *written;
	const char *hint;
}			foreign_tokens[] = {
	{"&&", "Write AND."},
	{"||", "Write OR."},
	{"!", "Write NOT, or != for \"is not equal\"."},
	{"--", "A condition has no comments."},
	{"/*", "A condition has no comments."},
	{";", "A condition ends without a semicolon."},
	{"LIKE", "Write STARTSWITH(path, 'text') for a prefix."},
	{"IS", "Write = NULL for a JSON null, and NOT IS_DEFINED(path) for a missing tag."},
	{"BETWEEN", "Write path >= low AND path <= high."},
	{"\xE2\x80\x98", "Strings stand in straight single quotes: 'prod'."},
	{"\xE2\x80\x99", "Strings stand in straight single quotes: 'prod'."},
	{"\xE2\x80\x9C", "Strings stand in straight single quotes: 'prod'."},
	{"\xE2\x80\x9D", "Strings stand in straight single quotes: 'prod'."},
	{"\xC2\xA0", "This is a no-break space, not a space."},
	{"\xEF\xBB\xBF", "This is a byte order mark: leave it out."},
};

#define EXPECTED_FACTOR		"a comparison, a function, NOT or a parenthesis is expected"
#define EXPECTED_OPERATOR	"a comparison operator, IN or NOT IN is expected"
#define EXPECTED_LITERAL	"a literal is expected"
#define EXPECTED_PATH		"a path is expected"
#define EXPECTED_KEY		"a key is expected"

#define HINT_PATHS			"A path is deviceId, or tags and its keys: tags.environment."
#define HINT_QUOTES			"Strings stand in single quotes: 'prod'."
#define HINT_ESCAPE			"A key that does not begin with a letter or _, or has other characters " \
							"than letters, digits, _ and -, stands in double brackets: tags.[[1st]]."
#define HINT_STRING			"Allowed are ASCII letters and digits, -:.+%_#*?!(),=@;$, " \
							"a single quote written twice, and every character outside ASCII."
#define HINT_SPACE			"No condition can name a value with a space: " \
							"give the devices another tag, such as city_code."
#define HINT_SHORTER		"Give the devices a tag that says what they have in common, and compare it."

static ParsedNode *parse_text(Parser *parser);
static ParsedNode *parse_expression(Parser *parser);
static ParsedNode *parse_conjunction(Parser *parser);
static ParsedNode *parse_factor(Parser *parser);
static ParsedNode *parse_primary(Parser *parser);
static ParsedNode *parse_parentheses(Parser *parser);
static ParsedNode *parse_path_first(Parser *parser);
static ParsedNode *parse_literal_first(Parser *parser);
static bool parse_list(Parser *parser, ParsedNode *membership);
static ParsedNode *parse_is_defined(Parser *parser);
static ParsedNode *parse_startswith(Parser *parser);
static ParsedNode *parse_sample(Parser *parser);
static bool parse_percentage(Parser *parser, ParsedLiteral *literal);
static bool parse_path(Parser *parser, ParsedNode *node);
static bool parse_key(Parser *parser, ParsedKey *key);
static bool parse_escaped_key(Parser *parser, ParsedKey *key);
static bool parse_operator(Parser *parser, ConditionOperator *op);
static ParsedLiteral *parse_literal(Parser *parser);
static bool parse_string(Parser *parser, ParsedLiteral *literal);
static bool parse_number(Parser *parser, ParsedLiteral *literal, const char **canonical);
static const char *canonical_number(Parser *parser, size_t start, size_t end, size_t *length);

static ParsedNode *make_node(Parser *parser, ConditionNodeKind kind);
static void add_child(ParsedNode *parent, ParsedNode *child);
static bool enter(Parser *parser);
static void skip_space(Parser *parser);
static bool at_end(const Parser *parser);
static char peek(const Parser *parser);
static bool peek_is(const Parser *parser, const char *text);
static size_t peek_word(const Parser *parser);
static bool peek_name(const Parser *parser, const char *name);
static bool peek_string(const Parser *parser);
static bool peek_number(const Parser *parser);
static Keyword peek_keyword(const Parser *parser);
static bool accept(Parser *parser, char c);
static bool accept_keyword(Parser *parser, Keyword keyword);
static bool expect(Parser *parser, char c, const char *message);

static bool has_path(const ParsedNode *node);
static size_t flat_size(const ParsedNode *node);
static char *flatten(const ParsedNode *node, char *out);

static bool syntax_error(Parser *parser, const char *message, const char *hint);
static bool unknown_name(Parser *parser, const char *message);
static bool fail_at(Parser *parser, size_t at, const char *sqlstate,
					const char *message, const char *hint);
static char *format(Parser *parser, const char *pattern,...)
			__attribute__((format(printf, 2, 3)));
static size_t character_length(const Parser *parser, size_t at);
static int	character_position(const Parser *parser, size_t at);
static size_t token_length(const Parser *parser, size_t at);
static const char *shown(Parser *parser, size_t at, size_t length);

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_word_start(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static bool
is_word_part(char c)
{
	return is_word_start(c) || is_digit(c);
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
is_control(char c)
{
	return (unsigned char) c < 0x20 || c == 0x7F;
}

/* may stand in a string as it is */
static bool
is_string_part(char c)
{
	return (unsigned char) c >= 0x80 || is_word_part(c) ||
		(c != '\0' && strchr("-:.+%#*?!(),=@;$", c) != NULL);
}

static char
to_upper(char c)
{
	return c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c;
}

/* is it this word, given in upper case, in any case? */
static bool
is_word(const char *data, size_t length, const char *upper)
{
	if (strlen(upper) != length)
		return false;
	for (size_t i = 0; i < length; i++)
		if (to_upper(data[i]) != upper[i])
			return false;
	return true;
}

char *
condition_parse(const ConditionHost *host, const char *text, size_t length,
				size_t prefix, size_t *size, ConditionError *error)
{
	Parser		parser = {.host = host,.text = text,.length = length,.error = error};
	ParsedNode *root;
	char	   *memory;
	size_t		canonical_length;

	memset(error, 0, sizeof(*error));
	if (length > CONDITION_MAX_TEXT)
	{
		error->sqlstate = LIMIT_EXCEEDED;
		error->message = "target condition is too long";
		error->detail = format(&parser, "It has %zu bytes, and at most %d are allowed.",
							   length, CONDITION_MAX_TEXT);
		error->hint = HINT_SHORTER;
		return NULL;
	}

	root = parse_text(&parser);
	if (root == NULL)
		return NULL;

	*size = prefix + flat_size(root);
	memory = host->allocate(*size);
	memset(memory, 0, *size);
	flatten(root, memory + prefix);

	if (condition_print(host, (ConditionNode *) (memory + prefix),
						CONDITION_MAX_TEXT, &canonical_length) == NULL)
	{
		error->sqlstate = LIMIT_EXCEEDED;
		error->message = "target condition is too long in its canonical form";
		error->detail = format(&parser, "Its canonical form has more than %d bytes.",
							   CONDITION_MAX_TEXT);
		error->hint = HINT_SHORTER;
		return NULL;
	}
	return memory;
}

/* condition := '*' | expression | (nothing) */
static ParsedNode *
parse_text(Parser *parser)
{
	ParsedNode *node;

	skip_space(parser);
	if (at_end(parser))
		return make_node(parser, CONDITION_NOTHING);

	if (accept(parser, '*'))
	{
		if (at_end(parser))
			return make_node(parser, CONDITION_EVERYTHING);
		syntax_error(parser, "* stands alone", "* targets every device: nothing goes with it.");
		return NULL;
	}

	node = parse_expression(parser);
	if (node == NULL)
		return NULL;
	if (at_end(parser))
		return node;
	if (peek(parser) == ')')
		syntax_error(parser, "no parenthesis is open", NULL);
	else
		syntax_error(parser, "AND, OR or the end is expected", NULL);
	return NULL;
}

static ParsedNode *
parse_expression(Parser *parser)
{
	ParsedNode *node = parse_conjunction(parser);
	ParsedNode *chain;

	if (node == NULL || peek_keyword(parser) != KEYWORD_OR)
		return node;

	chain = make_node(parser, CONDITION_OR);
	add_child(chain, node);
	while (accept_keyword(parser, KEYWORD_OR))
	{
		node = parse_conjunction(parser);
		if (node == NULL)
			return NULL;
		add_child(chain, node);
	}
	return chain;
}

static ParsedNode *
parse_conjunction(Parser *parser)
{
	ParsedNode *node = parse_factor(parser);
	ParsedNode *chain = NULL;

	while (node != NULL)
	{
		if (chain != NULL)
			add_child(chain, node);
		if (!accept_keyword(parser, KEYWORD_AND) && peek_keyword(parser) != KEYWORD_NOT)
			return chain != NULL ? chain : node;
		if (chain == NULL)
		{
			chain = make_node(parser, CONDITION_AND);
			add_child(chain, node);
		}
		node = parse_factor(parser);
	}
	return NULL;
}

static ParsedNode *
parse_factor(Parser *parser)
{
	ParsedNode *node;
	ParsedNode *child;

	if (peek_keyword(parser) != KEYWORD_NOT)
		return parse_primary(parser);

	if (!enter(parser))
		return NULL;
	accept_keyword(parser, KEYWORD_NOT);
	child = parse_factor(parser);
	if (child == NULL)
		return NULL;
	parser->nesting--;
	node = make_node(parser, CONDITION_NOT);
	add_child(node, child);
	return node;
}

static ParsedNode *
parse_primary(Parser *parser)
{
	if (peek(parser) == '(')
		return parse_parentheses(parser);
	if (peek_string(parser) || peek_number(parser))
		return parse_literal_first(parser);

	switch (peek_keyword(parser))
	{
		case KEYWORD_TRUE:
		case KEYWORD_FALSE:
		case KEYWORD_NULL:
			return parse_literal_first(parser);

		case KEYWORD_IS_DEFINED:
			return parse_is_defined(parser);

		case KEYWORD_STARTSWITH:
			return parse_startswith(parser);

		case KEYWORD_SAMPLE:
			return parse_sample(parser);

		case KEYWORD_AND:
		case KEYWORD_OR:
		case KEYWORD_NOT:
		case KEYWORD_IN:
			syntax_error(parser, EXPECTED_FACTOR, NULL);
			return NULL;

		case KEYWORD_NONE:
			break;
	}
	if (peek_word(parser) > 0)
		return parse_path_first(parser);
	if (peek(parser) == '*')
		syntax_error(parser, "* stands alone", "* targets every device: nothing goes with it.");
	else
		syntax_error(parser, EXPECTED_FACTOR, NULL);
	return NULL;
}

static ParsedNode *
parse_parentheses(Parser *parser)
{
	ParsedNode *node;

	if (!enter(parser))
		return NULL;
	accept(parser, '(');
	node = parse_expression(parser);
	if (node == NULL || !expect(parser, ')', "AND, OR or ) is expected"))
		return NULL;
	parser->nesting--;
	return node;
}

/* path op literal | path [NOT] IN list */
static ParsedNode *
parse_path_first(Parser *parser)
{
	ParsedNode *node = make_node(parser, CONDITION_COMPARE);
	ParsedNode *negation = NULL;

	if (!parse_path(parser, node))
		return NULL;

	if (parse_operator(parser, &node->op))
	{
		node->literals = parse_literal(parser);
		node->count = 1;
		return node->literals != NULL ? node : NULL;
	}

	if (peek_keyword(parser) == KEYWORD_NOT)
	{
		/* its canonical form is NOT path IN, one level deeper */
		if (!enter(parser))
			return NULL;
		accept_keyword(parser, KEYWORD_NOT);
		negation = make_node(parser, CONDITION_NOT);
		if (peek_keyword(parser) != KEYWORD_IN)
		{
			syntax_error(parser, "IN is expected after NOT",
						 "NOT goes before a comparison: NOT tags.environment = 'prod'.");
			return NULL;
		}
		parser->nesting--;
	}
	if (!accept_keyword(parser, KEYWORD_IN))
	{
		syntax_error(parser, EXPECTED_OPERATOR,
					 peek(parser) == '[' ? "Keys follow dots: tags.key, or tags.[[any key]]." : NULL);
		return NULL;
	}

	node->kind = CONDITION_IN;
	if (!parse_list(parser, node))
		return NULL;
	if (negation == NULL)
		return node;
	add_child(negation, node);
	return negation;
}

/* literal op path */
static ParsedNode *
parse_literal_first(Parser *parser)
{
	static const ConditionOperator turned_round[] = {
		[CONDITION_EQ] = CONDITION_EQ,
		[CONDITION_NE] = CONDITION_NE,
		[CONDITION_LT] = CONDITION_GT,
		[CONDITION_LE] = CONDITION_GE,
		[CONDITION_GT] = CONDITION_LT,
		[CONDITION_GE] = CONDITION_LE,
	};
	ParsedNode *node = make_node(parser, CONDITION_COMPARE);
	ConditionOperator op;

	node->count = 1;
	node->literals = parse_literal(parser);
	if (node->literals == NULL)
		return NULL;
	if (!parse_operator(parser, &op))
	{
		syntax_error(parser, "a comparison operator is expected",
					 peek_keyword(parser) == KEYWORD_IN || peek_keyword(parser) == KEYWORD_NOT ?
					 "The path comes first: tags.environment IN ['prod']." : NULL);
		return NULL;
	}
	node->op = turned_round[op];
	return parse_path(parser, node) ? node : NULL;
}

static bool
parse_list(Parser *parser, ParsedNode *membership)
{
	ParsedLiteral **last = &membership->literals;
	char		end = peek(parser) == '[' ? ']' : ')';

	if (!accept(parser, '[') && !accept(parser, '('))
		return syntax_error(parser, "a list is expected", "Write IN ['a', 'b'].");
	do
	{
		*last = parse_literal(parser);
		if (*last == NULL)
			return false;
		last = &(*last)->next;
		membership->count++;
	} while (accept(parser, ','));
	return expect(parser, end, end == ']' ? "a comma or ] is expected" : "a comma or ) is expected");
}

static ParsedNode *
parse_is_defined(Parser *parser)
{
	ParsedNode *node = make_node(parser, CONDITION_IS_DEFINED);

	accept_keyword(parser, KEYWORD_IS_DEFINED);
	if (!expect(parser, '(', "( is expected") ||
		!parse_path(parser, node) ||
		!expect(parser, ')', ") is expected"))
		return NULL;
	return node;
}

static ParsedNode *
parse_startswith(Parser *parser)
{
	ParsedNode *node = make_node(parser, CONDITION_STARTSWITH);

	accept_keyword(parser, KEYWORD_STARTSWITH);
	if (!expect(parser, '(', "( is expected") ||
		!parse_path(parser, node) ||
		!expect(parser, ',', "a comma and a string are expected"))
		return NULL;
	if (!peek_string(parser))
	{
		syntax_error(parser, "a string is expected", HINT_QUOTES);
		return NULL;
	}
	node->count = 1;
	node->literals = parse_literal(parser);
	if (node->literals == NULL || !expect(parser, ')', ") is expected"))
		return NULL;
	return node;
}

static ParsedNode *
parse_sample(Parser *parser)
{
	ParsedNode *node = make_node(parser, CONDITION_SAMPLE);
	ParsedLiteral *percentage = parser->host->allocate(sizeof(ParsedLiteral));
	ParsedLiteral *salt;

	accept_keyword(parser, KEYWORD_SAMPLE);
	if (!expect(parser, '(', "( is expected") || !parse_percentage(parser, percentage))
		return NULL;

	if (accept(parser, ','))
	{
		if (!peek_string(parser))
		{
			syntax_error(parser, "a string is expected", "The salt is a string: SAMPLE(10, 'v2').");
			return NULL;
		}
		salt = parse_literal(parser);
		if (salt == NULL || !expect(parser, ')', ") is expected"))
			return NULL;
	}
	else
	{
		if (!expect(parser, ')', "a comma or ) is expected"))
			return NULL;
		salt = parser->host->allocate(sizeof(ParsedLiteral));
		*salt = (ParsedLiteral) {.type = CONDITION_STRING,.data = ""};
	}
	percentage->next = salt;
	node->literals = percentage;
	node->count = 2;
	return node;
}

/* 0 to 100 with at most six decimals, by value */
static bool
parse_percentage(Parser *parser, ParsedLiteral *literal)
{
	size_t		start = parser->at;
	const char *text;
	const char *point;
	size_t		decimals;
	bool		above;

	if (!peek_number(parser))
		return syntax_error(parser, "a number is expected",
							"SAMPLE takes the percentage of the devices: SAMPLE(10).");
	if (!parse_number(parser, literal, &text))
		return false;

	point = strchr(text, '.');
	decimals = point != NULL ? strlen(point + 1) : 0;
	while (decimals > 0 && point[decimals] == '0')
		decimals--;
	if (decimals > SAMPLE_MAX_DECIMALS)
		return fail_at(parser, start, INVALID_VALUE, "percentage has too many decimals",
					   "At most six decimals are allowed: the smallest step is 0.000001.");

	/* without a sign, and no zeros stand before it: its digits tell */
	above = (point != NULL ? (size_t) (point - text) : strlen(text)) > 2 &&
		(strncmp(text, "100", 3) != 0 || (text[3] != '\0' && text[3] != '.') || decimals > 0);
	if (text[0] == '-' || above)
		return fail_at(parser, start, INVALID_VALUE, "percentage is out of range",
					   "SAMPLE takes 0 to 100 percent.");
	return true;
}

/* 'deviceId' | 'tags' '.' key { '.' key }, one token */
static bool
parse_path(Parser *parser, ParsedNode *node)
{
	ParsedKey **last = &node->keys;

	if (peek_name(parser, "deviceId"))
	{
		parser->at += strlen("deviceId");
		if (peek(parser) == '.')
			return syntax_error(parser, "deviceId has no keys", NULL);
		skip_space(parser);
		return true;
	}
	if (!peek_name(parser, "tags"))
		return unknown_name(parser, EXPECTED_PATH);

	parser->at += strlen("tags");
	if (peek(parser) != '.')
	{
		skip_space(parser);
		return syntax_error(parser, "tags alone is no path", "Name a tag: tags.environment.");
	}
	while (peek(parser) == '.')
	{
		ParsedKey  *key = parser->host->allocate(sizeof(ParsedKey));

		parser->at++;
		if (!parse_key(parser, key))
			return false;
		*last = key;
		last = &key->next;
		node->key_count++;
	}
	skip_space(parser);
	return true;
}

static bool
parse_key(Parser *parser, ParsedKey *key)
{
	size_t		start = parser->at;

	key->next = NULL;
	if (peek_is(parser, "[["))
		return parse_escaped_key(parser, key);
	if (!is_word_start(peek(parser)))
	{
		bool		escape = is_digit(peek(parser)) || (unsigned char) peek(parser) >= 0x80;

		skip_space(parser);
		return syntax_error(parser, EXPECTED_KEY, escape ? HINT_ESCAPE : NULL);
	}
	while (is_word_part(peek(parser)) || peek(parser) == '-')
		parser->at++;
	key->data = parser->text + start;
	key->length = parser->at - start;
	return true;
}

static bool
parse_escaped_key(Parser *parser, ParsedKey *key)
{
	size_t		start = parser->at;

	parser->at += 2;
	key->data = parser->text + parser->at;
	while (!peek_is(parser, "]]"))
	{
		if (parser->at >= parser->length)
			return fail_at(parser, start, SYNTAX_ERROR, "escaped key has no end",
						   "An escaped key ends with ]].");
		if (is_control(peek(parser)) || peek(parser) == '"')
			return syntax_error(parser, "character is not allowed in a key", NULL);
		parser->at++;
	}
	key->length = parser->text + parser->at - key->data;
	parser->at += 2;
	if (key->length == 0)
		return fail_at(parser, start, SYNTAX_ERROR, "key is empty", NULL);
	return true;
}

/* false, and no error, where there is no operator */
static bool
parse_operator(Parser *parser, ConditionOperator *op)
{
	/* the longest first */
	static const struct
	{
		const char *text;
		ConditionOperator op;
	}			operators[] = {
		{"!=", CONDITION_NE},
		{"<>", CONDITION_NE},
		{"<=", CONDITION_LE},
		{">=", CONDITION_GE},
		{"<", CONDITION_LT},
		{">", CONDITION_GT},
		{"=", CONDITION_EQ},
	};

	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
	{
		if (peek_is(parser, operators[i].text))
		{
			parser->at += strlen(operators[i].text);
			skip_space(parser);
			*op = operators[i].op;
			return true;
		}
	}
	return false;
}

static ParsedLiteral *
parse_literal(Parser *parser)
{
	ParsedLiteral *literal = parser->host->allocate(sizeof(ParsedLiteral));
	const char *canonical;

	*literal = (ParsedLiteral) {.data = ""};
	if (peek_string(parser))
		return parse_string(parser, literal) ? literal : NULL;
	if (peek_number(parser))
		return parse_number(parser, literal, &canonical) ? literal : NULL;

	if (accept_keyword(parser, KEYWORD_TRUE))
		literal->type = CONDITION_TRUE;
	else if (accept_keyword(parser, KEYWORD_FALSE))
		literal->type = CONDITION_FALSE;
	else if (accept_keyword(parser, KEYWORD_NULL))
		literal->type = CONDITION_NULL;
	else
	{
		const char *hint = NULL;

		if (peek_name(parser, "tags") || peek_name(parser, "deviceId"))
			hint = "A path is compared with a literal, not with another path.";
		else if (peek(parser) == '=')
			hint = "Equality is written with one =.";
		else if (peek_word(parser) > 0)
			hint = HINT_QUOTES;
		syntax_error(parser, EXPECTED_LITERAL, hint);
		return NULL;
	}
	return literal;
}

static bool
parse_string(Parser *parser, ParsedLiteral *literal)
{
	size_t		start = parser->at;
	char	   *value = parser->host->allocate(parser->length - start);
	size_t		length = 0;

	parser->at++;
	for (;;)
	{
		char		c = peek(parser);

		if (parser->at >= parser->length)
			return fail_at(parser, start, SYNTAX_ERROR, "string has no end",
						   "A string ends with a single quote; inside it, one is written twice.");
		if (c == '\'')
		{
			parser->at++;
			if (peek(parser) != '\'')
				break;
		}
		else if (c == '"')
			return syntax_error(parser, NULL, NULL);
		else if (c == ' ')
			return fail_at(parser, parser->at, INVALID_VALUE,
						   "space is not allowed in a string", HINT_SPACE);
		else if (!is_string_part(c))
			return fail_at(parser, parser->at, INVALID_VALUE,
						   format(parser, "character \"%s\" is not allowed in a string",
								  shown(parser, parser->at, 1)),
						   HINT_STRING);
		if (length == CONDITION_MAX_LITERAL)
			return fail_at(parser, start, LIMIT_EXCEEDED, "string is too long",
						   "A string has at most 4096 bytes.");
		value[length++] = c;
		parser->at++;
	}
	skip_space(parser);

	literal->next = NULL;
	literal->type = CONDITION_STRING;
	literal->data = value;
	literal->length = length;
	return true;
}

/* JSON's number; *canonical is its text as numeric prints it */
static bool
parse_number(Parser *parser, ParsedLiteral *literal, const char **canonical)
{
	size_t		start = parser->at;
	size_t		length;
	bool		valid;

	if (peek(parser) == '-')
		parser->at++;
	valid = is_digit(peek(parser));
	if (peek(parser) == '0')
		parser->at++;
	else
		while (is_digit(peek(parser)))
			parser->at++;
	if (peek(parser) == '.' && parser->at + 1 < parser->length &&
		is_digit(parser->text[parser->at + 1]))
	{
		parser->at++;
		while (is_digit(peek(parser)))
			parser->at++;
	}
	if (peek(parser) == 'e' || peek(parser) == 'E')
	{
		size_t		exponent = parser->at + 1;

		if (exponent < parser->length &&
			(parser->text[exponent] == '+' || parser->text[exponent] == '-'))
			exponent++;
		if (exponent < parser->length && is_digit(parser->text[exponent]))
		{
			parser->at = exponent;
			while (is_digit(peek(parser)))
				parser->at++;
		}
	}
	if (!valid || is_word_part(peek(parser)) || peek(parser) == '.')
		return fail_at(parser, start, SYNTAX_ERROR, "malformed number",
					   "A number is written as in JSON: 5, -0.5, 1.5e3.");
	if (parser->at - start > CONDITION_MAX_LITERAL)
		return fail_at(parser, start, LIMIT_EXCEEDED, "number is too long",
					   "A number has at most 4096 characters.");

	*canonical = canonical_number(parser, start, parser->at, &length);
	if (*canonical == NULL)
		return false;
	skip_space(parser);

	literal->next = NULL;
	literal->type = CONDITION_NUMBER;
	literal->length = length;
	literal->data = parser->host->number_from_text(*canonical, &literal->length);
	return true;
}

/*
 * canonical_number: a JSON number as numeric prints it.
 *
 * The exponent moves the point among the digits, and as many decimals stay
 * as are left of those written: 1.50e1 is 15.0, 2e3 is 2000, 5e-3 is 0.005.
 */
static const char *
canonical_number(Parser *parser, size_t start, size_t end, size_t *length)
{
	char	   *digits = parser->host->allocate(end - start);
	long		digit_count = 0;
	long		point = -1;		/* how many digits stand before it */
	long		exponent = 0;
	long		leading = 0;	/* zeros before the first other digit */
	long		decimals;
	long		integers;
	bool		negative = parser->text[start] == '-';
	char	   *text;
	char	   *out;

	for (size_t i = start; i < end; i++)
	{
		char		c = parser->text[i];

		if (is_digit(c))
			digits[digit_count++] = c;
		else if (c == '.')
			point = digit_count;
		else if (c == 'e' || c == 'E')
		{
			bool		minus = parser->text[i + 1] == '-';

			for (i++; i < end; i++)
				if (is_digit(parser->text[i]) && exponent < NUMERIC_MAX_EXPONENT)
					exponent = exponent * 10 + (parser->text[i] - '0');
			if (exponent >= NUMERIC_MAX_EXPONENT)
				goto out_of_range;
			if (minus)
				exponent = -exponent;
		}
	}
	if (point < 0)
		point = digit_count;
	decimals = digit_count - point - exponent;
	if (decimals < 0)
		decimals = 0;
	point += exponent;
	while (leading < digit_count && digits[leading] == '0')
		leading++;
	if (leading == digit_count)
		negative = false;
	integers = leading < digit_count && point > leading ? point - leading : 0;
	if (integers > NUMERIC_MAX_INTEGER_DIGITS || decimals > NUMERIC_MAX_DECIMALS)
		goto out_of_range;

	*length = negative + (integers > 0 ? integers : 1) + (decimals > 0 ? 1 + decimals : 0);
	if (*length > CONDITION_MAX_LITERAL)
	{
		fail_at(parser, start, LIMIT_EXCEEDED, "number is too long in its canonical form",
				"A number has at most 4096 characters when it is written without an exponent.");
		return NULL;
	}

	out = text = parser->host->allocate(*length + 1);
	if (negative)
		*out++ = '-';
	if (integers == 0)
		*out++ = '0';
	for (long i = point - integers; i < point + decimals; i++)
	{
		if (i == point)
			*out++ = '.';
		*out++ = i >= 0 && i < digit_count ? digits[i] : '0';
	}
	*out = '\0';
	return text;

out_of_range:
	fail_at(parser, start, OUT_OF_RANGE, "number is out of range",
			"A number has at most 131072 digits before the point and 16383 after it.");
	return NULL;
}

static ParsedNode *
make_node(Parser *parser, ConditionNodeKind kind)
{
	ParsedNode *node = parser->host->allocate(sizeof(ParsedNode));

	memset(node, 0, sizeof(*node));
	node->kind = kind;
	return node;
}

/* A chain in a chain of its own kind is one chain. */
static void
add_child(ParsedNode *parent, ParsedNode *child)
{
	ParsedNode *first = child;
	ParsedNode *last = child;
	uint16_t	count = 1;

	if (child->kind == parent->kind && parent->kind != CONDITION_NOT)
	{
		first = child->first_child;
		last = child->last_child;
		count = child->count;
	}
	if (parent->first_child == NULL)
		parent->first_child = first;
	else
		parent->last_child->next = first;
	parent->last_child = last;
	parent->count += count;
}

/* one more level of NOT or parentheses begins here */
static bool
enter(Parser *parser)
{
	parser->host->check_stack();
	if (parser->nesting == CONDITION_MAX_NESTING)
		return fail_at(parser, parser->at, TOO_COMPLEX, "target condition is nested too deeply",
					   "At most 1000 levels of NOT and parentheses are allowed.");
	parser->nesting++;
	return true;
}

static void
skip_space(Parser *parser)
{
	while (parser->at < parser->length && is_space(parser->text[parser->at]))
		parser->at++;
}

static bool
at_end(const Parser *parser)
{
	return parser->at >= parser->length;
}

/* the next character; NUL, which is never allowed, at the end too */
static char
peek(const Parser *parser)
{
	return parser->at < parser->length ? parser->text[parser->at] : '\0';
}

static bool
peek_is(const Parser *parser, const char *text)
{
	size_t		length = strlen(text);

	return parser->length - parser->at >= length &&
		memcmp(parser->text + parser->at, text, length) == 0;
}

/* bytes of the word that begins here, 0 where none does */
static size_t
peek_word(const Parser *parser)
{
	size_t		end = parser->at;

	if (!is_word_start(peek(parser)))
		return 0;
	while (end < parser->length && is_word_part(parser->text[end]))
		end++;
	return end - parser->at;
}

/* is it this word, in this case? */
static bool
peek_name(const Parser *parser, const char *name)
{
	return peek_is(parser, name) && peek_word(parser) == strlen(name);
}

static bool
peek_string(const Parser *parser)
{
	return peek(parser) == '\'';
}

/* what begins a number, rightly or wrongly */
static bool
peek_number(const Parser *parser)
{
	char		c = peek(parser);

	return is_digit(c) || c == '-' || c == '+' || c == '.';
}

static Keyword
peek_keyword(const Parser *parser)
{
	size_t		length = peek_word(parser);

	for (int i = 0; length > 0 && i < KEYWORD_NONE; i++)
		if (is_word(parser->text + parser->at, length, keywords[i]))
			return (Keyword) i;
	return KEYWORD_NONE;
}

static bool
accept(Parser *parser, char c)
{
	if (at_end(parser) || peek(parser) != c)
		return false;
	parser->at++;
	skip_space(parser);
	return true;
}

static bool
accept_keyword(Parser *parser, Keyword keyword)
{
	if (peek_keyword(parser) != keyword)
		return false;
	parser->at += strlen(keywords[keyword]);
	skip_space(parser);
	return true;
}

static bool
expect(Parser *parser, char c, const char *message)
{
	return accept(parser, c) || syntax_error(parser, message, NULL);
}

static bool
has_path(const ParsedNode *node)
{
	return node->kind == CONDITION_COMPARE || node->kind == CONDITION_IN ||
		node->kind == CONDITION_IS_DEFINED || node->kind == CONDITION_STARTSWITH;
}

/* Both that follow go no deeper than twice the nesting that was allowed. */
static size_t
flat_size(const ParsedNode *node)
{
	size_t		size = sizeof(ConditionNode);

	if (has_path(node))
		size += sizeof(ConditionPath);
	for (const ParsedKey *key = node->keys; key != NULL; key = key->next)
		size += CONDITION_ALIGN(offsetof(ConditionKey, data) + key->length);
	for (const ParsedLiteral *literal = node->literals; literal != NULL; literal = literal->next)
		size += CONDITION_ALIGN(offsetof(ConditionLiteral, data) + literal->length);
	for (const ParsedNode *child = node->first_child; child != NULL; child = child->next)
		size += flat_size(child);
	return size;
}

/* writes the node and all below it; returns the end */
static char *
flatten(const ParsedNode *node, char *out)
{
	ConditionNode *flat = (ConditionNode *) out;

	flat->kind = node->kind;
	flat->op = node->op;
	flat->count = node->count;
	out = (char *) (flat + 1);

	if (has_path(node))
	{
		ConditionPath *path = (ConditionPath *) out;

		out = (char *) (path + 1);
		for (const ParsedKey *key = node->keys; key != NULL; key = key->next)
		{
			ConditionKey *flat_key = (ConditionKey *) out;

			flat_key->length = key->length;
			memcpy(flat_key->data, key->data, key->length);
			out += CONDITION_ALIGN(offsetof(ConditionKey, data) + key->length);
		}
		path->count = node->key_count;
		path->size = out - (char *) (path + 1);
	}
	for (const ParsedLiteral *literal = node->literals; literal != NULL; literal = literal->next)
	{
		ConditionLiteral *flat_literal = (ConditionLiteral *) out;

		flat_literal->type = literal->type;
		flat_literal->length = literal->length;
		memcpy(flat_literal->data, literal->data, literal->length);
		out += CONDITION_ALIGN(offsetof(ConditionLiteral, data) + literal->length);
	}
	for (const ParsedNode *child = node->first_child; child != NULL; child = child->next)
		out = flatten(child, out);

	flat->size = out - (char *) flat;
	return out;
}

/*
 * syntax_error: what stands here can't go on.
 *
 * Returns false, as all that fails does.  Some characters are wrong
 * everywhere and some tokens have a hint of their own, whatever the rule
 * was that met them.
 */
static bool
syntax_error(Parser *parser, const char *message, const char *hint)
{
	char		c = peek(parser);

	if (at_end(parser))
	{
		fail_at(parser, parser->at, SYNTAX_ERROR, "target condition ends too early", hint);
		parser->error->detail = format(parser, "At character %d, the end: %s.",
									   parser->error->position, message);
		return false;
	}
	if (c == '"')
		return fail_at(parser, parser->at, SYNTAX_ERROR, "double quote is not allowed",
					   "Strings stand in single quotes, and unusual keys in double brackets: "
					   "tags.[[a key]] = 'prod'.");
	if (is_control(c))
		return fail_at(parser, parser->at, SYNTAX_ERROR, "control character is not allowed",
					   "White space is space, tab, carriage return and line feed.");

	for (size_t i = 0; i < sizeof(foreign_tokens) / sizeof(foreign_tokens[0]); i++)
	{
		const char *written = foreign_tokens[i].written;

		if (hint == NULL &&
			(is_word_start(written[0]) ?
			 is_word(parser->text + parser->at, peek_word(parser), written) :
			 peek_is(parser, written)))
			hint = foreign_tokens[i].hint;
	}
	return fail_at(parser, parser->at, SYNTAX_ERROR, message, hint);
}

/* A path should begin here.  message: what to say where no name stands. */
static bool
unknown_name(Parser *parser, const char *message)
{
	const char *word = parser->text + parser->at;
	size_t		length = peek_word(parser);
	size_t		after = parser->at + length;
	const char *hint;

	if (length == 0 || peek_keyword(parser) != KEYWORD_NONE)
		return syntax_error(parser, message, HINT_PATHS);

	while (after < parser->length && is_space(parser->text[after]))
		after++;
	if (after < parser->length && parser->text[after] == '(')
		return syntax_error(parser, "unknown function",
							"The functions are IS_DEFINED, STARTSWITH and SAMPLE.");

	if (is_word(word, length, "DEVICEID"))
		hint = "Upper and lower case count here: deviceId.";
	else if (is_word(word, length, "TAG") || is_word(word, length, "TAGS"))
		hint = "A tag is named with tags in lower case: tags.environment.";
	else if (is_word(word, length, "PROPERTIES"))
		hint = "A condition can use deviceId and tags, and no properties.";
	else
		hint = format(parser, "A tag is named with tags before it: tags.%s.",
					  shown(parser, parser->at, length));
	return syntax_error(parser, "unknown name", hint);
}

/* fills the error; returns false */
static bool
fail_at(Parser *parser, size_t at, const char *sqlstate, const char *message, const char *hint)
{
	ConditionError *error = parser->error;

	error->sqlstate = sqlstate;
	error->message = message;
	error->hint = hint;
	error->position = character_position(parser, at);
	error->detail = format(parser, "At character %d: \"%s\".", error->position,
						   shown(parser, at, token_length(parser, at)));
	return false;
}

static char *
format(Parser *parser, const char *pattern,...)
{
	enum
	{
		room = 512				/* more than the longest pattern and token */
	};
	char	   *out = parser->host->allocate(room);
	va_list		arguments;

	va_start(arguments, pattern);
	vsnprintf(out, room, pattern, arguments);
	va_end(arguments);
	return out;
}

/* bytes of the UTF-8 character that begins here */
static size_t
character_length(const Parser *parser, size_t at)
{
	size_t		end = at + 1;

	while (end < parser->length && (parser->text[end] & 0xC0) == 0x80)
		end++;
	return end - at;
}

static int
character_position(const Parser *parser, size_t at)
{
	int			position = 1;

	for (size_t i = 0; i < at; i++)
		if ((parser->text[i] & 0xC0) != 0x80)
			position++;
	return position;
}

/* bytes of what begins here, as a reader would see it */
static size_t
token_length(const Parser *parser, size_t at)
{
	char		first = at < parser->length ? parser->text[at] : '\0';
	const char *later = "";
	size_t		end = at + 1;

	if (at >= parser->length)
		return 0;
	if (first == '\'')
	{
		while (end < parser->length && parser->text[end] != '\'')
			end++;
		return (end < parser->length ? end + 1 : end) - at;
	}
	if (first == '[' && end < parser->length && parser->text[end] == '[')
		return parser->length - at;
	if (is_word_part(first) || first == '.' || first == '+' || first == '-')
		later = ".+-";
	else if (strchr("=<>!&|", first) != NULL && first != '\0')
		later = "=<>!&|";
	else
		return character_length(parser, at);

	while (end < parser->length && parser->text[end] != '\0' &&
		   (strchr(later, parser->text[end]) != NULL ||
			(later[0] == '.' && is_word_part(parser->text[end]))))
		end++;
	return end - at;
}

/* a piece of the text that can be read in a message */
static const char *
shown(Parser *parser, size_t at, size_t length)
{
	char	   *text = parser->host->allocate(SHOWN_TOKEN_BYTES + sizeof("U+0000..."));
	char	   *out = text;
	size_t		end = at + length;

	while (at < end)
	{
		size_t		size = character_length(parser, at);

		if (out + size > text + SHOWN_TOKEN_BYTES)
		{
			strcpy(out, "...");
			return text;
		}
		if (is_control(parser->text[at]))
			out += sprintf(out, "U+%04X", (unsigned char) parser->text[at]);
		else
		{
			memcpy(out, parser->text + at, size);
			out += size;
		}
		at += size;
	}
	*out = '\0';
	return text;
}
