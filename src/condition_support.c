/*-------------------------------------------------------------------------
 *
 * condition_support.c
 *	  What the planner is told about matches().
 *
 * A constant condition on columns that are never null becomes what an index
 * and the statistics know, and what is left of it a recheck:
 *
 *	matches(device_id, tags, 'tags.a = 1 AND deviceId != ''x''')
 *	tags @> '{"a": 1}' AND recheck(device_id, tags, 'deviceId != ''x''')
 *
 * This is exact: jsonb containment goes into objects only, never into
 * arrays below the top level, and compares scalars by type and value, as a
 * condition does.  Where a condition is undefined it is false, and so NOT is
 * pushed down first: what is looked up is always where a comparison gives
 * true, or where it gives false.  An OR is looked up only if each of its
 * parts can be.
 *
 * Elsewhere (a join with deployments, a parameter, a column that can be
 * null) matches() stays, and an index on the tags gets a lossy predicate
 * beside it: condition_jsonpath.c.
 *
 * The selectivity is estimated by evaluating the condition on the values
 * that ANALYZE has kept of the tags.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "condition_index.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "parser/parse_func.h"
#include "parser/parsetree.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(twinset_matches_support);
PG_FUNCTION_INFO_V1(twinset_recheck_support);

/* the server's headers have no names for these */
#define JSONB_CONTAINS_OPERATOR			3246	/* jsonb @> jsonb */
#define JSONB_JSONPATH_MATCH_OPERATOR	4013	/* jsonb @@ jsonpath */

/* a list that is longer than this when each literal repeats the path is rechecked */
#define MAX_LIST_BYTES		(256 * 1024)

/* how many made-up devices stand for each kept value of the tags */
#define DEVICES_A_VALUE		4

/* what evaluating a condition costs, in units of cpu_operator_cost */
#define BASE_COST			5

/* the arguments of matches() */
enum
{
	DEVICE_ID_ARGUMENT, TAGS_ARGUMENT, CONDITION_ARGUMENT
};

typedef struct Rewrite
{
	Expr	   *device_id;		/* never null */
	Expr	   *tags;			/* never null */
	Oid			collation;		/* of device_id; invalid: equality is not by bytes */
	Oid			recheck;		/* the function */
	Oid			condition_type;
	Oid			condition_collation;
} Rewrite;

typedef enum Presence
{
	RELATION_ABSENT,			/* not in the join tree */
	RELATION_PRESENT,			/* and its columns are null only where they are stored so */
	RELATION_NULLABLE,			/* an outer join can make its columns null */
} Presence;

static Node *simplify(SupportRequestSimplify *request);
static bool is_never_null(PlannerInfo *root, Node *argument);
static Presence find_relation(Node *join_tree, Index relation, bool nullable);
static Expr *look_up(Rewrite *rewrite, const ConditionNode *node, bool wanted, int depth);
static Expr *look_up_all(Rewrite *rewrite, const ConditionNode *node, bool wanted, int depth);
static Expr *look_up_any(Rewrite *rewrite, const ConditionNode *node, bool wanted, int depth);
static Expr *look_up_list(Rewrite *rewrite, const ConditionNode *node);
static Expr *look_up_equality(Rewrite *rewrite, const ConditionPath *path,
							  const ConditionLiteral *literal);
static Expr *device_clause(Rewrite *rewrite, Oid operator, const ConditionLiteral *literal);
static Expr *array_clause(Oid operator, Expr *left, Oid collation, Oid element_type,
						  Datum *elements, int count);
static Datum containing_tags(const ConditionPath *path, const ConditionLiteral *literal);
static Expr *recheck_clause(Rewrite *rewrite, ConditionNodeKind kind,
							const ConditionNode **nodes, int count, bool wanted);
static List *index_condition(SupportRequestIndexCondition *request);
static void estimate_selectivity(SupportRequestSelectivity *request);
static double matching_fraction(const Condition *condition, Datum tags, int number);
static void estimate_cost(SupportRequestCost *request);
static int	count_comparisons(const ConditionNode *node);
static const Condition *constant_condition(Node *argument);
static Oid	condition_type_of(Oid function);
static Oid	sibling_function(Oid function, const char *name, int argument_count,
							 const Oid *argument_types);
static bool is_null_constant(Node *argument);

Datum
twinset_matches_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestSimplify))
		PG_RETURN_POINTER(simplify((SupportRequestSimplify *) request));
	if (IsA(request, SupportRequestIndexCondition))
		PG_RETURN_POINTER(index_condition((SupportRequestIndexCondition *) request));
	return twinset_recheck_support(fcinfo);
}

/* what a recheck shares with matches(): it is never rewritten again */
Datum
twinset_recheck_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestSelectivity))
		estimate_selectivity((SupportRequestSelectivity *) request);
	else if (IsA(request, SupportRequestCost))
		estimate_cost((SupportRequestCost *) request);
	else
		PG_RETURN_POINTER(NULL);
	PG_RETURN_POINTER(request);
}

/* the expression in place of a call, NULL where the call stays */
static Node *
simplify(SupportRequestSimplify *request)
{
	FuncExpr   *call = request->fcall;
	Node	   *device_id = list_nth(call->args, DEVICE_ID_ARGUMENT);
	Node	   *tags = list_nth(call->args, TAGS_ARGUMENT);
	Node	   *argument = list_nth(call->args, CONDITION_ARGUMENT);
	const Condition *condition;
	Rewrite		rewrite;
	Oid			argument_types[] = {TEXTOID, JSONBOID, InvalidOid};

	if (is_null_constant(device_id) || is_null_constant(tags) || is_null_constant(argument))
		return makeBoolConst(false, false);

	condition = constant_condition(argument);
	if (condition == NULL ||
		!is_never_null(request->root, device_id) || !is_never_null(request->root, tags))
		return NULL;
	if (condition->root.kind == CONDITION_NOTHING || condition->root.kind == CONDITION_EVERYTHING)
		return makeBoolConst(condition->root.kind == CONDITION_EVERYTHING, false);

	rewrite.device_id = (Expr *) device_id;
	rewrite.tags = (Expr *) tags;
	rewrite.collation = exprCollation(device_id);
	if (OidIsValid(rewrite.collation) && !get_collation_isdeterministic(rewrite.collation))
		rewrite.collation = InvalidOid;
	rewrite.condition_type = condition_type_of(call->funcid);
	rewrite.condition_collation = get_typcollation(rewrite.condition_type);
	argument_types[CONDITION_ARGUMENT] = rewrite.condition_type;
	rewrite.recheck = sibling_function(call->funcid, "recheck", lengthof(argument_types),
									   argument_types);
	return (Node *) look_up(&rewrite, &condition->root, true, 0);
}

/*
 * is_never_null: a column that is declared so, of a table that no outer join
 * of the query makes null.
 *
 * When in doubt it may be null: columns of views and subqueries, of foreign
 * tables (which do not enforce it), of tables with children (which need not
 * inherit it), and all below grouping sets.
 */
static bool
is_never_null(PlannerInfo *root, Node *argument)
{
	Var		   *var;
	RangeTblEntry *entry;
	Relation	relation;
	bool		result;

	while (IsA(argument, RelabelType))
		argument = (Node *) ((RelabelType *) argument)->arg;
	if (root == NULL || !IsA(argument, Var))
		return false;

	var = (Var *) argument;
	if (var->varlevelsup > 0 || var->varattno <= 0 || !var_is_of_row(var) ||
		(int) var->varno > list_length(root->parse->rtable) ||
		root->parse->groupingSets != NIL)
		return false;

	entry = rt_fetch(var->varno, root->parse->rtable);
	if (entry->rtekind != RTE_RELATION || entry->relkind != RELKIND_RELATION ||
		(entry->inh && has_subclass(entry->relid)) ||
		find_relation((Node *) root->parse->jointree, var->varno, false) != RELATION_PRESENT)
		return false;

	/* the query has it locked */
	relation = table_open(entry->relid, NoLock);
	result = var->varattno <= RelationGetNumberOfAttributes(relation) &&
		attribute_is_not_null(RelationGetDescr(relation), var->varattno);
	table_close(relation, NoLock);
	return result;
}

static Presence
find_relation(Node *join_tree, Index relation, bool nullable)
{
	Presence	presence = RELATION_ABSENT;

	check_stack_depth();
	if (join_tree == NULL)
		return RELATION_ABSENT;

	if (IsA(join_tree, RangeTblRef))
	{
		if (((RangeTblRef *) join_tree)->rtindex == (int) relation)
			presence = nullable ? RELATION_NULLABLE : RELATION_PRESENT;
	}
	else if (IsA(join_tree, FromExpr))
	{
		ListCell   *cell;

		foreach(cell, ((FromExpr *) join_tree)->fromlist)
		{
			presence = find_relation(lfirst(cell), relation, nullable);
			if (presence != RELATION_ABSENT)
				break;
		}
	}
	else if (IsA(join_tree, JoinExpr))
	{
		JoinExpr   *join = (JoinExpr *) join_tree;
		bool		left = join->jointype == JOIN_RIGHT || join->jointype == JOIN_FULL;
		bool		right = join->jointype != JOIN_RIGHT && join->jointype != JOIN_INNER &&
			join->jointype != JOIN_SEMI;

		presence = find_relation(join->larg, relation, nullable || left);
		if (presence == RELATION_ABSENT)
			presence = find_relation(join->rarg, relation, nullable || right);
	}
	return presence;
}

/*
 * look_up: an expression, never null, that is true exactly where the node
 * gives true (wanted) or false (not wanted), and that has something for an
 * index; NULL where there is none.
 */
static Expr *
look_up(Rewrite *rewrite, const ConditionNode *node, bool wanted, int depth)
{
	const ConditionLiteral *literal;

	check_stack_depth();
	if (depth > CONDITION_MAX_INDEXED_DEPTH)
		return NULL;

	switch ((ConditionNodeKind) node->kind)
	{
		case CONDITION_AND:
			return wanted ? look_up_all(rewrite, node, wanted, depth) :
				look_up_any(rewrite, node, wanted, depth);

		case CONDITION_OR:
			return wanted ? look_up_any(rewrite, node, wanted, depth) :
				look_up_all(rewrite, node, wanted, depth);

		case CONDITION_NOT:
			return look_up(rewrite, condition_first_child(node), !wanted, depth + 1);

		case CONDITION_COMPARE:
			literal = condition_equality(node, wanted);
			if (literal == NULL)
				return NULL;
			return look_up_equality(rewrite, condition_path(node), literal);

		case CONDITION_IN:
			return wanted ? look_up_list(rewrite, node) : NULL;

		case CONDITION_STARTSWITH:
			if (!wanted || condition_path(node)->count > 0)
				return NULL;
			return device_clause(rewrite, TextPrefixOperator, condition_first_literal(node));

		case CONDITION_NOTHING:
		case CONDITION_EVERYTHING:
		case CONDITION_IS_DEFINED:
		case CONDITION_SAMPLE:
			break;
	}
	return NULL;
}

/* what an index can answer, and one recheck of all the rest */
static Expr *
look_up_all(Rewrite *rewrite, const ConditionNode *node, bool wanted, int depth)
{
	const ConditionNode *child = condition_first_child(node);
	const ConditionNode **rest = palloc(sizeof(ConditionNode *) * node->count);
	int			rest_count = 0;
	List	   *clauses = NIL;

	for (int i = 0; i < node->count; i++)
	{
		Expr	   *clause = look_up(rewrite, child, wanted, depth + 1);

		if (clause != NULL)
			clauses = lappend(clauses, clause);
		else
			rest[rest_count++] = child;
		child = condition_next(child);
	}
	if (clauses == NIL)
		return NULL;
	if (rest_count > 0)
		clauses = lappend(clauses,
						  recheck_clause(rewrite, node->kind, rest, rest_count, wanted));
	return make_andclause(clauses);
}

static Expr *
look_up_any(Rewrite *rewrite, const ConditionNode *node, bool wanted, int depth)
{
	const ConditionNode *child = condition_first_child(node);
	List	   *clauses = NIL;

	for (int i = 0; i < node->count; i++)
	{
		Expr	   *clause = look_up(rewrite, child, wanted, depth + 1);

		if (clause == NULL)
			return NULL;
		clauses = lappend(clauses, clause);
		child = condition_next(child);
	}
	return make_orclause(clauses);
}

/* path IN list: one scan with an array, whatever the list's length */
static Expr *
look_up_list(Rewrite *rewrite, const ConditionNode *node)
{
	const ConditionPath *path = condition_path(node);
	const ConditionLiteral *literal = condition_first_literal(node);
	Datum	   *elements;
	int			count = 0;

	if (node->count == 1)
		return look_up_equality(rewrite, path, literal);
	if (path->count == 0 ? !OidIsValid(rewrite->collation) :
		!condition_path_is_indexed(path) || (Size) path->size * node->count > MAX_LIST_BYTES)
		return NULL;

	elements = palloc(sizeof(Datum) * node->count);
	for (int i = 0; i < node->count; i++)
	{
		if (path->count > 0)
			elements[count++] = containing_tags(path, literal);
		else if (literal->type == CONDITION_STRING)
			elements[count++] =
				PointerGetDatum(cstring_to_text_with_len(literal->data, literal->length));
		literal = condition_next_literal(literal);
	}
	if (count == 0)
		return (Expr *) makeBoolConst(false, false);
	if (path->count > 0)
		return array_clause(JSONB_CONTAINS_OPERATOR, rewrite->tags, InvalidOid, JSONBOID,
							elements, count);
	return array_clause(TextEqualOperator, rewrite->device_id, rewrite->collation, TEXTOID,
						elements, count);
}

static Expr *
look_up_equality(Rewrite *rewrite, const ConditionPath *path, const ConditionLiteral *literal)
{
	Expr	   *clause;

	if (path->count == 0)
	{
		/* deviceId is a string: with anything else it is undefined */
		if (literal->type != CONDITION_STRING)
			return (Expr *) makeBoolConst(false, false);
		return device_clause(rewrite, TextEqualOperator, literal);
	}
	if (!condition_path_is_indexed(path))
		return NULL;

	clause = make_opclause(JSONB_CONTAINS_OPERATOR, BOOLOID, false,
						   copyObject(rewrite->tags),
						   (Expr *) makeConst(JSONBOID, -1, InvalidOid, -1,
											  containing_tags(path, literal), false, false),
						   InvalidOid, InvalidOid);
	set_opfuncid((OpExpr *) clause);
	return clause;
}

/* device_id op 'text', in the column's collation; NULL where that is not by bytes */
static Expr *
device_clause(Rewrite *rewrite, Oid operator, const ConditionLiteral *literal)
{
	Datum		value;
	Expr	   *clause;

	if (!OidIsValid(rewrite->collation))
		return NULL;
	value = PointerGetDatum(cstring_to_text_with_len(literal->data, literal->length));
	clause = make_opclause(operator, BOOLOID, false,
						   copyObject(rewrite->device_id),
						   (Expr *) makeConst(TEXTOID, -1, rewrite->collation, -1,
											  value, false, false),
						   InvalidOid, rewrite->collation);
	set_opfuncid((OpExpr *) clause);
	return clause;
}

/* left op ANY (array) */
static Expr *
array_clause(Oid operator, Expr *left, Oid collation, Oid element_type,
			 Datum *elements, int count)
{
	ScalarArrayOpExpr *clause = makeNode(ScalarArrayOpExpr);
	ArrayType  *array = construct_array(elements, count, element_type, -1, false, TYPALIGN_INT);

	clause->opno = operator;
	clause->useOr = true;
	clause->inputcollid = collation;
	clause->args = list_make2(copyObject(left),
							  makeConst(get_array_type(element_type), -1, collation, -1,
										PointerGetDatum(array), false, false));
	clause->location = -1;
	set_sa_opfuncid(clause);
	return (Expr *) clause;
}

/* the least tags where the path has the value: {"a": {"b": 1}} */
static Datum
containing_tags(const ConditionPath *path, const ConditionLiteral *literal)
{
	const ConditionKey *key = condition_first_key(path);
	JsonbParseState *state = NULL;
	JsonbValue *result = NULL;
	JsonbValue	value;

	for (int i = 0; i < path->count; i++)
	{
		value.type = jbvString;
		value.val.string.val = (char *) key->data;
		value.val.string.len = key->length;
		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		pushJsonbValue(&state, WJB_KEY, &value);
		key = condition_next_key(key);
	}
	switch ((ConditionLiteralType) literal->type)
	{
		case CONDITION_STRING:
			value.type = jbvString;
			value.val.string.val = (char *) literal->data;
			value.val.string.len = literal->length;
			break;
		case CONDITION_NUMBER:
			value.type = jbvNumeric;
			value.val.numeric = (Numeric) (char *) literal->data;
			break;
		case CONDITION_TRUE:
		case CONDITION_FALSE:
			value.type = jbvBool;
			value.val.boolean = literal->type == CONDITION_TRUE;
			break;
		case CONDITION_NULL:
			value.type = jbvNull;
			break;
	}
	pushJsonbValue(&state, WJB_VALUE, &value);
	for (int i = 0; i < path->count; i++)
		result = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbPGetDatum(JsonbValueToJsonb(result));
}

/*
 * recheck_clause: a call of recheck() for some children of a chain.
 *
 * Not wanted are all of an OR: NOT (a OR b) is true where both are false.
 */
static Expr *
recheck_clause(Rewrite *rewrite, ConditionNodeKind kind,
			   const ConditionNode **nodes, int count, bool wanted)
{
	Size		size = offsetof(Condition, root);
	Condition  *condition;
	ConditionNode *node;
	char	   *out;

	size += wanted ? 0 : sizeof(ConditionNode);
	size += count > 1 ? sizeof(ConditionNode) : 0;
	for (int i = 0; i < count; i++)
		size += nodes[i]->size;
	condition = condition_with_room(size);

	out = (char *) &condition->root;
	if (!wanted)
	{
		node = (ConditionNode *) out;
		node->kind = CONDITION_NOT;
		node->count = 1;
		node->size = (char *) condition + size - out;
		out += sizeof(ConditionNode);
	}
	if (count > 1)
	{
		node = (ConditionNode *) out;
		node->kind = kind;
		node->count = count;
		node->size = (char *) condition + size - out;
		out += sizeof(ConditionNode);
	}
	for (int i = 0; i < count; i++)
	{
		memcpy(out, nodes[i], nodes[i]->size);
		out += nodes[i]->size;
	}
	return (Expr *)
		makeFuncExpr(rewrite->recheck, BOOLOID,
					 list_make3(copyObject(rewrite->device_id), copyObject(rewrite->tags),
								makeConst(rewrite->condition_type, -1,
										  rewrite->condition_collation, -1,
										  PointerGetDatum(condition), false, false)),
					 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

/*
 * index_condition: tags @@ jsonpath, for a GIN index on the tags.
 *
 * The condition may be of any other relation: then the jsonpath is made for
 * each of its rows.  One without anything to look up scans the whole index.
 */
static List *
index_condition(SupportRequestIndexCondition *request)
{
	List	   *arguments;
	Node	   *argument;
	Expr	   *jsonpath;
	Oid			condition_type;

	if (request->indexarg != TAGS_ARGUMENT || !is_funcclause(request->node) ||
		!op_in_opfamily(JSONB_JSONPATH_MATCH_OPERATOR, request->opfamily))
		return NIL;

	arguments = ((FuncExpr *) request->node)->args;
	argument = list_nth(arguments, CONDITION_ARGUMENT);
	if (IsA(argument, Const))
	{
		const Condition *condition = constant_condition(argument);
		Datum		value = condition != NULL ? condition_jsonpath(condition) : PointerGetDatum(NULL);

		if (DatumGetPointer(value) == NULL)
			return NIL;
		jsonpath = (Expr *) makeConst(JSONPATHOID, -1, InvalidOid, -1, value, false, false);
	}
	else
	{
		/* the index can't be asked with what its own table's row says */
		if (contain_volatile_functions(argument) ||
			bms_is_member(request->index->rel->relid, pull_varnos(request->root, argument)))
			return NIL;
		condition_type = condition_type_of(request->funcid);
		if (exprType(argument) != condition_type)
		{
			Oid			text_type = TEXTOID;

			argument = (Node *)
				makeFuncExpr(sibling_function(request->funcid, "target_condition", 1, &text_type),
							 condition_type, list_make1(argument),
							 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
		}
		jsonpath = (Expr *)
			makeFuncExpr(sibling_function(request->funcid, "condition_jsonpath", 1, &condition_type),
						 JSONPATHOID, list_make1(argument),
						 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
	}

	request->lossy = true;
	return list_make1(make_opclause(JSONB_JSONPATH_MATCH_OPERATOR, BOOLOID, false,
									list_nth(arguments, TAGS_ARGUMENT), jsonpath,
									InvalidOid, InvalidOid));
}

/*
 * estimate_selectivity: the share of the kept values of the tags that the
 * condition is true on, with device ids made up.
 */
static void
estimate_selectivity(SupportRequestSelectivity *request)
{
	Node	   *argument = list_nth(request->args, CONDITION_ARGUMENT);
	const Condition *condition = constant_condition(argument);
	VariableStatData tags;
	double		selectivity = DEFAULT_MATCHING_SEL;
	double		common = 0;		/* the share of the most common values */
	double		common_matching = 0;
	double		nulls = 0;
	AttStatsSlot slot;

	request->selectivity = is_null_constant(argument) ? 0 : DEFAULT_MATCHING_SEL;
	if (condition == NULL || request->is_join)
		return;

	examine_variable(request->root, list_nth(request->args, TAGS_ARGUMENT), request->varRelid, &tags);
	if (HeapTupleIsValid(tags.statsTuple) &&
		statistic_proc_security_check(&tags, request->funcid))
	{
		nulls = ((Form_pg_statistic) GETSTRUCT(tags.statsTuple))->stanullfrac;

		if (get_attstatsslot(&slot, tags.statsTuple, STATISTIC_KIND_MCV, InvalidOid,
							 ATTSTATSSLOT_VALUES | ATTSTATSSLOT_NUMBERS))
		{
			for (int i = 0; i < slot.nvalues; i++)
			{
				common += slot.numbers[i];
				common_matching += slot.numbers[i] * matching_fraction(condition, slot.values[i], i);
			}
			free_attstatsslot(&slot);
		}
		if (get_attstatsslot(&slot, tags.statsTuple, STATISTIC_KIND_HISTOGRAM, InvalidOid,
							 ATTSTATSSLOT_VALUES))
		{
			double		matching = 0;

			for (int i = 0; i < slot.nvalues; i++)
				matching += matching_fraction(condition, slot.values[i], i);
			if (slot.nvalues > 0)
				selectivity = matching / slot.nvalues;
			free_attstatsslot(&slot);
		}

		/* the bounds of the histogram are a small sample */
		selectivity = Max(selectivity, 0.0001);
		selectivity = Min(selectivity, 0.9999);
		selectivity = selectivity * Max(1 - nulls - common, 0) + common_matching;
	}
	ReleaseVariableStats(tags);
	CLAMP_PROBABILITY(selectivity);
	request->selectivity = selectivity;
}

static double
matching_fraction(const Condition *condition, Datum tags, int number)
{
	Jsonb	   *json = DatumGetJsonbP(tags);
	int			matching = 0;

	for (int i = 0; i < DEVICES_A_VALUE; i++)
	{
		/* ids that differ from value to value, so that SAMPLE has a sample */
		char		id[32];
		int			length = snprintf(id, sizeof(id), "%d-%d", number, i);

		if (condition_evaluate(condition, id, length, &json->root) == CONDITION_RESULT_TRUE)
			matching++;
	}
	return (double) matching / DEVICES_A_VALUE;
}

/* a comparison costs about as much as an operator does */
static void
estimate_cost(SupportRequestCost *request)
{
	const Condition *condition = NULL;
	int			comparisons = 1;

	if (request->node != NULL && is_funcclause(request->node))
		condition = constant_condition(list_nth(((FuncExpr *) request->node)->args,
												CONDITION_ARGUMENT));
	if (condition != NULL)
		comparisons = count_comparisons(&condition->root);
	request->startup = 0;
	request->per_tuple = (BASE_COST + comparisons) * cpu_operator_cost;
}

static int
count_comparisons(const ConditionNode *node)
{
	const ConditionNode *child = condition_first_child(node);
	int			count = 0;

	check_stack_depth();
	switch ((ConditionNodeKind) node->kind)
	{
		case CONDITION_AND:
		case CONDITION_OR:
		case CONDITION_NOT:
			for (int i = 0; i < node->count; i++)
			{
				count += count_comparisons(child);
				child = condition_next(child);
			}
			return count;

		case CONDITION_IN:
			return node->count;

		case CONDITION_NOTHING:
		case CONDITION_EVERYTHING:
		case CONDITION_COMPARE:
		case CONDITION_IS_DEFINED:
		case CONDITION_STARTSWITH:
		case CONDITION_SAMPLE:
			break;
	}
	return 1;
}

/*
 * constant_condition: the condition, given as such or as text; NULL where
 * it is not constant, null, or a bad text (an error when it is executed).
 */
static const Condition *
constant_condition(Node *argument)
{
	Const	   *constant = (Const *) argument;
	ConditionError error;
	text	   *given;

	if (!IsA(argument, Const) || constant->constisnull)
		return NULL;
	if (constant->consttype != TEXTOID)
		return DatumGetConditionP(constant->constvalue);
	given = DatumGetTextPP(constant->constvalue);
	return condition_from_text(VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given), &error);
}

/* the type target_condition, of the same schema as the function */
static Oid
condition_type_of(Oid function)
{
	Oid			type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
									   CStringGetDatum("target_condition"),
									   ObjectIdGetDatum(get_func_namespace(function)));

	if (!OidIsValid(type))
		elog(ERROR, "type target_condition not found beside function %u", function);
	return type;
}

/* a function of the same schema */
static Oid
sibling_function(Oid function, const char *name, int argument_count, const Oid *argument_types)
{
	List	   *qualified = list_make2(makeString(get_namespace_name(get_func_namespace(function))),
									   makeString(pstrdup(name)));

	return LookupFuncName(qualified, argument_count, argument_types, false);
}

static bool
is_null_constant(Node *argument)
{
	return IsA(argument, Const) && ((Const *) argument)->constisnull;
}
