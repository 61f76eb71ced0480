/*-------------------------------------------------------------------------
 *
 * condition_terms.c
 *	  What a condition asks of tags, and what it would be if a missing tag were
 *	  no obstacle to a NOT.
 *
 * condition_terms() names the paths and types of the comparisons, for who
 * looks for what no device has.
 *
 * condition_with_missing() is the condition that its author may have meant.
 * A comparison with a missing tag is undefined, and so is its NOT; here a NOT
 * is true of it, and so is !=:
 *
 *	NOT tags.a = 1		NOT (IS_DEFINED(tags.a) AND tags.a = 1)
 *	tags.a != 1			NOT IS_DEFINED(tags.a) OR tags.a != 1
 *
 * It targets what the condition targets, and the devices that are left out
 * because they lack the tag.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "condition.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(twinset_condition_terms);

static void visit_leaves(const ConditionNode *node, bool negated, ConditionLeafVisitor visitor, void *arg);
static void put_terms(void *arg, const ConditionNode *leaf, bool misses);
static bool misses_where_missing(const ConditionNode *node, bool negated);
static bool append_node(StringInfo nodes, const ConditionNode *node, bool negated);
static bool append_leaf(StringInfo nodes, const ConditionNode *node, bool negated);
static int	begin_node(StringInfo nodes, ConditionNodeKind kind, int count);
static void end_node(StringInfo nodes, int offset);
static void append_is_defined(StringInfo nodes, const ConditionPath *path);

static const char *const type_names[] = {
	[CONDITION_STRING] = "string",
	[CONDITION_NUMBER] = "number",
	[CONDITION_TRUE] = "boolean",
	[CONDITION_FALSE] = "boolean",
	[CONDITION_NULL] = "null",
};

/*
 * condition_terms(condition target_condition) -> setof (path text, type text,
 *	misses boolean)
 *
 * A row for each comparison with a tag, and each type that it compares with
 * (as jsonb_typeof() names it; NULL: IS_DEFINED).  misses: is it a NOT or !=
 * that leaves out a device without the tag?
 *
 * Immutable: it looks at its argument alone.  Cost: linear in the condition.
 */
Datum
twinset_condition_terms(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	condition_visit_leaves(PG_GETARG_CONDITION_P(0), put_terms, fcinfo->resultinfo);
	return (Datum) 0;
}

void
condition_visit_leaves(const Condition *condition, ConditionLeafVisitor visitor, void *arg)
{
	visit_leaves(&condition->root, false, visitor, arg);
}

Condition *
condition_with_missing(const Condition *condition)
{
	StringInfoData nodes;
	Condition  *result = NULL;

	initStringInfo(&nodes);
	if (append_node(&nodes, &condition->root, false))
	{
		result = condition_with_room(offsetof(Condition, root) + nodes.len);
		memcpy(&result->root, nodes.data, nodes.len);
	}
	pfree(nodes.data);
	return result;
}

static void
visit_leaves(const ConditionNode *node, bool negated, ConditionLeafVisitor visitor, void *arg)
{
	const ConditionNode *child;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();

	switch ((ConditionNodeKind) node->kind)
	{
		case CONDITION_AND:
		case CONDITION_OR:
		case CONDITION_NOT:
			child = condition_first_child(node);
			for (int i = 0; i < node->count; i++)
			{
				visit_leaves(child, node->kind == CONDITION_NOT ? !negated : negated, visitor, arg);
				child = condition_next(child);
			}
			break;
		case CONDITION_COMPARE:
		case CONDITION_IN:
		case CONDITION_STARTSWITH:
		case CONDITION_IS_DEFINED:
			if (condition_path(node)->count > 0)
				visitor(arg, node, misses_where_missing(node, negated));
			break;
		default:
			break;
	}
}

/* A row for each type that the leaf compares with; of a list mostly all are of one. */
static void
put_terms(void *arg, const ConditionNode *leaf, bool misses)
{
	ReturnSetInfo *rows = arg;
	const ConditionLiteral *literal = condition_first_literal(leaf);
	size_t		length;
	char	   *path = condition_path_to_text(condition_path(leaf), &length);
	Datum		values[3] = {PointerGetDatum(cstring_to_text_with_len(path, length)), (Datum) 0, BoolGetDatum(misses)};
	bool		nulls[3] = {false, true, false};
	const char *type = NULL;

	if (leaf->kind == CONDITION_IS_DEFINED)
		tuplestore_putvalues(rows->setResult, rows->setDesc, values, nulls);
	else
	{
		for (int i = 0; i < leaf->count; i++)
		{
			if (type != type_names[literal->type])
			{
				type = type_names[literal->type];
				values[1] = CStringGetTextDatum(type);
				nulls[1] = false;
				tuplestore_putvalues(rows->setResult, rows->setDesc, values, nulls);
			}
			literal = condition_next_literal(literal);
		}
	}
	pfree(path);
}

/*
 * Would its author want a device without the tag, and not get it?  A NOT, or
 * !=; but not both: NOT tags.a != 1 is tags.a = 1.
 */
static bool
misses_where_missing(const ConditionNode *node, bool negated)
{
	bool		differs = node->kind == CONDITION_COMPARE && node->op == CONDITION_NE;

	return node->kind != CONDITION_IS_DEFINED && condition_path(node)->count > 0 && negated != differs;
}

/* Append the node as it is in condition_with_missing().  Is it another one? */
static bool
append_node(StringInfo nodes, const ConditionNode *node, bool negated)
{
	const ConditionNode *child;
	bool		changed = false;
	int			offset;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();

	switch ((ConditionNodeKind) node->kind)
	{
		case CONDITION_AND:
		case CONDITION_OR:
		case CONDITION_NOT:
			offset = begin_node(nodes, node->kind, node->count);
			child = condition_first_child(node);
			for (int i = 0; i < node->count; i++)
			{
				changed |= append_node(nodes, child, node->kind == CONDITION_NOT ? !negated : negated);
				child = condition_next(child);
			}
			end_node(nodes, offset);
			return changed;
		case CONDITION_COMPARE:
		case CONDITION_IN:
		case CONDITION_STARTSWITH:
			return append_leaf(nodes, node, negated);
		default:
			appendBinaryStringInfo(nodes, (const char *) node, node->size);
			return false;
	}
}

static bool
append_leaf(StringInfo nodes, const ConditionNode *node, bool negated)
{
	int			offset = 0;
	int			inner;
	bool		misses = misses_where_missing(node, negated);

	if (misses)
	{
		offset = begin_node(nodes, negated ? CONDITION_AND : CONDITION_OR, 2);
		inner = negated ? -1 : begin_node(nodes, CONDITION_NOT, 1);
		append_is_defined(nodes, condition_path(node));
		if (inner >= 0)
			end_node(nodes, inner);
	}
	appendBinaryStringInfo(nodes, (const char *) node, node->size);
	if (misses)
		end_node(nodes, offset);
	return misses;
}

/* Returns where the node begins; what belongs to it follows. */
static int
begin_node(StringInfo nodes, ConditionNodeKind kind, int count)
{
	ConditionNode node = {.kind = kind,.count = count};
	int			offset = nodes->len;

	appendBinaryStringInfo(nodes, (const char *) &node, sizeof(node));
	return offset;
}

static void
end_node(StringInfo nodes, int offset)
{
	((ConditionNode *) (nodes->data + offset))->size = nodes->len - offset;
}

static void
append_is_defined(StringInfo nodes, const ConditionPath *path)
{
	int			offset = begin_node(nodes, CONDITION_IS_DEFINED, 0);

	appendBinaryStringInfo(nodes, (const char *) path, sizeof(ConditionPath) + path->size);
	end_node(nodes, offset);
}
