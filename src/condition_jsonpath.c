/*-------------------------------------------------------------------------
 *
 * condition_jsonpath.c
 *	  A jsonpath predicate that a GIN index on tags can answer.
 *
 * It is true for the tags of every device that the condition targets, and
 * for those of others: what an index can't answer is left out of an AND,
 * and makes of an OR something that is true everywhere.  NOT is pushed down
 * to the comparisons, and so never stands in the predicate.
 *
 *	tags.a = 1 AND NOT deviceId = 'x' AND tags.b IN ['p', 'q']
 *	strict ($."a" == 1 && exists($."b" ? (@ == "p" || @ == "q")))
 *
 * strict, since a condition does not look into arrays.  Chains become
 * balanced trees: the server walks a predicate recursively.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "condition_index.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"

PG_FUNCTION_INFO_V1(twinset_condition_jsonpath);

/* true for every tags, and nothing that an index looks up */
#define ALWAYS_TRUE		"strict exists($)"

static char *predicate(const ConditionNode *node, bool wanted, int depth);
static char *chain_predicate(const ConditionNode *node, bool wanted, int depth);
static char *equality_predicate(const ConditionPath *path, const ConditionLiteral *literal);
static char *membership_predicate(const ConditionNode *node);
static void append_path(StringInfo out, const ConditionPath *path);
static void append_literal(StringInfo out, const ConditionLiteral *literal);
static void append_balanced(StringInfo out, char **items, int count, const char *between);

/* condition_jsonpath(condition target_condition): see the banner */
Datum
twinset_condition_jsonpath(PG_FUNCTION_ARGS)
{
	Datum		jsonpath = condition_jsonpath(PG_GETARG_CONDITION_P(0));

	if (DatumGetPointer(jsonpath) == NULL)
		jsonpath = DirectFunctionCall1(jsonpath_in, CStringGetDatum(ALWAYS_TRUE));
	PG_RETURN_DATUM(jsonpath);
}

/*
 * condition_jsonpath: the predicate, as a jsonpath datum; a null pointer
 * where an index would have to return everything.
 */
Datum
condition_jsonpath(const Condition *condition)
{
	char	   *text = predicate(&condition->root, true, 0);

	if (text == NULL)
		return PointerGetDatum(NULL);
	return DirectFunctionCall1(jsonpath_in, CStringGetDatum(psprintf("strict (%s)", text)));
}

/*
 * predicate: what holds for the tags wherever the node gives true (wanted)
 * or false (not wanted); NULL where nothing that an index can answer does.
 */
static char *
predicate(const ConditionNode *node, bool wanted, int depth)
{
	const ConditionLiteral *literal;

	check_stack_depth();
	if (depth > CONDITION_MAX_INDEXED_DEPTH)
		return NULL;

	switch ((ConditionNodeKind) node->kind)
	{
		case CONDITION_AND:
		case CONDITION_OR:
			return chain_predicate(node, wanted, depth);

		case CONDITION_NOT:
			return predicate(condition_first_child(node), !wanted, depth + 1);

		case CONDITION_COMPARE:
			literal = condition_equality(node, wanted);
			if (literal == NULL || !condition_path_is_indexed(condition_path(node)))
				return NULL;
			return equality_predicate(condition_path(node), literal);

		case CONDITION_IN:
			if (!wanted || !condition_path_is_indexed(condition_path(node)))
				return NULL;
			return membership_predicate(node);

		case CONDITION_NOTHING:
		case CONDITION_EVERYTHING:
		case CONDITION_IS_DEFINED:
		case CONDITION_STARTSWITH:
		case CONDITION_SAMPLE:
			break;
	}
	return NULL;
}

static char *
chain_predicate(const ConditionNode *node, bool wanted, int depth)
{
	bool		all = (node->kind == CONDITION_AND) == wanted;
	const ConditionNode *child = condition_first_child(node);
	char	  **items = palloc(sizeof(char *) * node->count);
	int			count = 0;
	StringInfoData out;

	for (int i = 0; i < node->count; i++)
	{
		items[count] = predicate(child, wanted, depth + 1);
		if (items[count] != NULL)
			count++;
		else if (!all)
			return NULL;
		child = condition_next(child);
	}
	if (count == 0)
		return NULL;
	initStringInfo(&out);
	append_balanced(&out, items, count, all ? " && " : " || ");
	return out.data;
}

static char *
equality_predicate(const ConditionPath *path, const ConditionLiteral *literal)
{
	StringInfoData out;

	initStringInfo(&out);
	append_path(&out, path);
	appendStringInfoString(&out, " == ");
	append_literal(&out, literal);
	return out.data;
}

/* the path once, however long the list */
static char *
membership_predicate(const ConditionNode *node)
{
	const ConditionLiteral *literal = condition_first_literal(node);
	char	  **items = palloc(sizeof(char *) * node->count);
	StringInfoData out;

	for (int i = 0; i < node->count; i++)
	{
		initStringInfo(&out);
		appendStringInfoString(&out, "@ == ");
		append_literal(&out, literal);
		items[i] = out.data;
		literal = condition_next_literal(literal);
	}
	initStringInfo(&out);
	appendStringInfoString(&out, "exists(");
	append_path(&out, condition_path(node));
	appendStringInfoString(&out, " ? (");
	append_balanced(&out, items, node->count, " || ");
	appendStringInfoString(&out, "))");
	return out.data;
}

/* a key is quoted as in JSON */
static void
append_path(StringInfo out, const ConditionPath *path)
{
	const ConditionKey *key = condition_first_key(path);

	appendStringInfoChar(out, '$');
	for (int i = 0; i < path->count; i++)
	{
		appendStringInfoChar(out, '.');
		escape_json(out, pnstrdup(key->data, key->length));
		key = condition_next_key(key);
	}
}

static void
append_literal(StringInfo out, const ConditionLiteral *literal)
{
	switch ((ConditionLiteralType) literal->type)
	{
		case CONDITION_STRING:
			escape_json(out, pnstrdup(literal->data, literal->length));
			break;
		case CONDITION_NUMBER:
			appendStringInfoString(out, condition_number_to_text(literal));
			break;
		case CONDITION_TRUE:
			appendStringInfoString(out, "true");
			break;
		case CONDITION_FALSE:
			appendStringInfoString(out, "false");
			break;
		case CONDITION_NULL:
			appendStringInfoString(out, "null");
			break;
	}
}

/* ((a || b) || (c || d)): as deep as the logarithm of the count */
static void
append_balanced(StringInfo out, char **items, int count, const char *between)
{
	if (count == 1)
	{
		appendStringInfoString(out, items[0]);
		return;
	}
	appendStringInfoChar(out, '(');
	append_balanced(out, items, count / 2, between);
	appendStringInfoString(out, between);
	append_balanced(out, items + count / 2, count - count / 2, between);
	appendStringInfoChar(out, ')');
}
