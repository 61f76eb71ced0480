/*-------------------------------------------------------------------------
 *
 * condition_explain.c
 *	  Why a condition gives what it gives on one device.
 *
 * Two answers.  explain_condition() tells all of it, a line a node, each with
 * the value that it found and what it gave, those too that the evaluation
 * itself would not have come to:
 *
 *	tags.site = 'a' AND NOT tags.floor = 3		on {"site": "a", "floor": "3"}
 *
 *	line  term                  found  result
 *	   1  AND                          undefined
 *	   2    tags.site = 'a'     "a"    true
 *	   3    NOT                        undefined
 *	   4      tags.floor = 3    "3"    undefined
 *
 * unmet_term() tells the first part that the device does not meet, in a few
 * words, so that a fleet can be counted by it:
 *
 *	NOT tags.floor = 3 is undefined: its tags.floor is a string
 *
 * Whatever a part gives is asked of condition_evaluate.c: there is one
 * evaluator.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "condition.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

PG_FUNCTION_INFO_V1(twinset_explain_condition);
PG_FUNCTION_INFO_V1(twinset_unmet_term);

#define INDENTATION		2		/* spaces a level */

/* what is explained, to whom */
typedef struct Explanation
{
	const char *device_id;		/* UTF-8 */
	int			device_id_length;
	JsonbContainer *tags;
	ReturnSetInfo *lines;		/* where the lines go */
	int			line;			/* of the last one */
} Explanation;

static Explanation explanation_of(FunctionCallInfo fcinfo);
static void explain_node(Explanation *explanation, const ConditionNode *node, int level);
static Datum found_value(const Explanation *explanation, const ConditionNode *node, bool *isnull);
static Datum sample_place(const Explanation *explanation, const ConditionNode *node);
static char *node_term(const ConditionNode *node, size_t *length);
static const ConditionNode *unmet_node(const Explanation *explanation, const ConditionNode *node);
static void append_why_undefined(StringInfo reason, const Explanation *explanation,
								 const ConditionNode *node);
static const char *type_name(const JsonbValue *value);
static ConditionResult result_of(const Explanation *explanation, const ConditionNode *node);

static const char *const result_texts[] = {
	[CONDITION_RESULT_FALSE] = "false",
	[CONDITION_RESULT_TRUE] = "true",
	[CONDITION_RESULT_UNDEFINED] = "undefined",
};

/*
 * explain_condition(device_id text, tags jsonb, condition target_condition)
 *	-> setof (line integer, term text, found jsonb, result text)
 *
 * The first line's result is the condition's.  found: of a path the value
 * there, NULL where it is missing; of SAMPLE the device's place from 0 to
 * 100, of which those below the percentage are picked.
 *
 * Immutable: it looks at its arguments alone.  Cost: each node evaluated once
 * for every level that it stands below.
 */
Datum
twinset_explain_condition(PG_FUNCTION_ARGS)
{
	Explanation explanation = explanation_of(fcinfo);
	Condition  *condition = PG_GETARG_CONDITION_P(2);

	InitMaterializedSRF(fcinfo, 0);
	explanation.lines = (ReturnSetInfo *) fcinfo->resultinfo;
	explain_node(&explanation, &condition->root, 0);
	return (Datum) 0;
}

/*
 * unmet_term(device_id text, tags jsonb, condition target_condition) -> text
 *
 * The first part, in the order of the text, for which the condition is not
 * true of the device, with what it gives; NULL where the condition is true.
 * Of an OR it is the whole, since every part would have done.
 *
 * Immutable: it looks at its arguments alone.  Cost: each node evaluated at
 * most once for every AND that it stands below.
 */
Datum
twinset_unmet_term(PG_FUNCTION_ARGS)
{
	Explanation explanation = explanation_of(fcinfo);
	Condition  *condition = PG_GETARG_CONDITION_P(2);
	const ConditionNode *node;
	StringInfoData reason;
	ConditionResult result;
	size_t		length;

	if (result_of(&explanation, &condition->root) == CONDITION_RESULT_TRUE)
		PG_RETURN_NULL();
	if (condition->root.kind == CONDITION_NOTHING)
		PG_RETURN_TEXT_P(cstring_to_text("the condition is empty"));

	node = unmet_node(&explanation, &condition->root);
	result = result_of(&explanation, node);
	initStringInfo(&reason);
	appendStringInfo(&reason, "%s is %s", condition_node_to_text(node, &length), result_texts[result]);
	if (result == CONDITION_RESULT_UNDEFINED)
		append_why_undefined(&reason, &explanation, node);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(reason.data, reason.len));
}

/* The first two arguments are the device. */
static Explanation
explanation_of(FunctionCallInfo fcinfo)
{
	text	   *device_id = PG_GETARG_TEXT_PP(0);
	Explanation explanation = {
		.device_id = VARDATA_ANY(device_id),
		.device_id_length = VARSIZE_ANY_EXHDR(device_id),
		.tags = &PG_GETARG_JSONB_P(1)->root,
	};

	return explanation;
}

/* A line of the node, then those of its children. */
static void
explain_node(Explanation *explanation, const ConditionNode *node, int level)
{
	enum
	{
		line, term, found, result, columns
	};
	Datum		values[columns];
	bool		nulls[columns] = {false};
	size_t		term_length;
	char	   *term_text = node_term(node, &term_length);
	StringInfoData indented;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();

	initStringInfo(&indented);
	appendStringInfoSpaces(&indented, INDENTATION * level);
	appendBinaryStringInfo(&indented, term_text, term_length);
	values[line] = Int32GetDatum(++explanation->line);
	values[term] = PointerGetDatum(cstring_to_text_with_len(indented.data, indented.len));
	values[found] = found_value(explanation, node, &nulls[found]);
	values[result] = CStringGetTextDatum(result_texts[result_of(explanation, node)]);
	tuplestore_putvalues(explanation->lines->setResult, explanation->lines->setDesc, values, nulls);
	pfree(DatumGetPointer(values[term]));
	pfree(indented.data);
	pfree(term_text);

	if (node->kind == CONDITION_AND || node->kind == CONDITION_OR || node->kind == CONDITION_NOT)
	{
		const ConditionNode *child = condition_first_child(node);

		for (int i = 0; i < node->count; i++)
		{
			explain_node(explanation, child, level + 1);
			child = condition_next(child);
		}
	}
}

/* What a line says of its node; what stands below is said by the lines below. */
static char *
node_term(const ConditionNode *node, size_t *length)
{
	char	   *term;

	switch ((ConditionNodeKind) node->kind)
	{
		case CONDITION_NOTHING:
			term = pstrdup("(nothing)");
			break;
		case CONDITION_AND:
			term = pstrdup("AND");
			break;
		case CONDITION_OR:
			term = pstrdup("OR");
			break;
		case CONDITION_NOT:
			term = pstrdup("NOT");
			break;
		default:
			return condition_node_to_text(node, length);
	}
	*length = strlen(term);
	return term;
}

/* The value that decides a node without children. */
static Datum
found_value(const Explanation *explanation, const ConditionNode *node, bool *isnull)
{
	JsonbValue	value;

	*isnull = false;
	switch ((ConditionNodeKind) node->kind)
	{
		case CONDITION_COMPARE:
		case CONDITION_IN:
		case CONDITION_IS_DEFINED:
		case CONDITION_STARTSWITH:
			if (condition_find_value(condition_path(node), explanation->device_id,
									 explanation->device_id_length, explanation->tags, &value))
				return JsonbPGetDatum(JsonbValueToJsonb(&value));
			break;
		case CONDITION_SAMPLE:
			return sample_place(explanation, node);
		default:
			break;
	}
	*isnull = true;
	return (Datum) 0;
}

/* The device's bucket, as the percentage above which SAMPLE picks it. */
static Datum
sample_place(const Explanation *explanation, const ConditionNode *node)
{
	const ConditionLiteral *salt = condition_next_literal(condition_first_literal(node));
	uint32		bucket = condition_sample_bucket(salt->data, salt->length,
												 explanation->device_id, explanation->device_id_length);
	JsonbValue	value;

	/* six decimals: a bucket is a millionth of a percent */
	value.type = jbvNumeric;
	value.val.numeric = int64_div_fast_to_numeric(bucket, 6);
	return JsonbPGetDatum(JsonbValueToJsonb(&value));
}

/*
 * The part of a node that is to blame for its not being true.
 */
static const ConditionNode *
unmet_node(const Explanation *explanation, const ConditionNode *node)
{
	while (node->kind == CONDITION_AND)
	{
		const ConditionNode *child = condition_first_child(node);

		/* one of them is not true, or the AND would be */
		while (result_of(explanation, child) == CONDITION_RESULT_TRUE)
			child = condition_next(child);
		node = child;
	}
	return node;
}

/* Of one comparison, or its NOT: has the device no such tag, or is it of another type? */
static void
append_why_undefined(StringInfo reason, const Explanation *explanation, const ConditionNode *node)
{
	const ConditionPath *path;
	JsonbValue	value;
	size_t		length;
	char	   *path_text;

	while (node->kind == CONDITION_NOT)
		node = condition_first_child(node);
	if (node->kind != CONDITION_COMPARE && node->kind != CONDITION_IN && node->kind != CONDITION_STARTSWITH)
		return;
	path = condition_path(node);
	path_text = condition_path_to_text(path, &length);
	if (!condition_find_value(path, explanation->device_id, explanation->device_id_length,
							  explanation->tags, &value))
		appendStringInfo(reason, ": it has no %s", path_text);
	else
		appendStringInfo(reason, ": its %s is %s", path_text, type_name(&value));
}

static const char *
type_name(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			return "null";
		case jbvString:
			return "a string";
		case jbvNumeric:
			return "a number";
		case jbvBool:
			return "a boolean";
		case jbvBinary:
			return JsonContainerIsObject(value->val.binary.data) ? "an object" : "an array";
		default:
			elog(ERROR, "unexpected jsonb value type: %d", (int) value->type);
			return NULL;		/* keep compiler quiet */
	}
}

static ConditionResult
result_of(const Explanation *explanation, const ConditionNode *node)
{
	return condition_node_evaluate(node, explanation->device_id, explanation->device_id_length,
								   explanation->tags);
}
