/*-------------------------------------------------------------------------
 *
 * terms.c
 *	  From a condition to the terms under which it is filed.
 *
 * What has to be true, or false, for a condition to be true:
 *
 *	tags.a = 'x'				true: a is 'x'; false: a is a string
 *	tags.a IN ['x', 1]			true: a is 'x', a is 1; false: a is a string,
 *								a is a number
 *	STARTSWITH(tags.a, 'xyz')	true: a starts with 'xyz'; false: a is a string
 *	tags.a > 3					true: a is in a cell above 3; false: a is in
 *								one up to 3 (NOT tags.a > 3 needs a number too)
 *	tags.a > 'x'				true, false: a is a string
 *	IS_DEFINED(tags.a)			true: a is defined; false: nothing is said
 *	SAMPLE(10, 's')				true: the bucket of s is in a cell up to 10;
 *								false: in one from 10 on
 *
 * Of all that AND needs, one part is chosen, the one that makes the fewest
 * candidates; of OR every branch is.  Of NOT (a OR b) both have to be false,
 * of NOT (a AND b) one; so it goes down to the comparisons.  A range with two
 * ends, tags.a > 3 AND tags.a < 5, is one.
 *
 * What makes fewer candidates is estimated: a term costs as many as mention
 * it, the more the likelier that a device has it: rarely an equality, mostly
 * the existence of a path.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "miscadmin.h"

#include "condition_index.h"
#include "terms.h"

/* what one candidate costs, by the chance that a device has such a term */
#define EQUALITY_COST	2
#define PREFIX_COST		3
#define CELL_COST		4
#define KIND_COST		16
/* … and the SHA-256 that a salt asks for */
#define SALT_COST		1000

/* one end of a range needs cells; further siblings are not looked at */
#define MAX_SIBLINGS	16

/* the terms of a condition, while they are visited */
typedef struct Mention
{
	TermsForm	form;
	TermNumberVisitor visitor;
	void	   *arg;			/* the visitor's */
} Mention;

/* a condition while the choice is made */
typedef struct Choice
{
	TermsForm	form;
	TermWeigher weigh;
	void	   *arg;			/* the weigher's */
	TermFactorList *chosen;
	uint64		most;			/* of the factor at hand: the weight of its heaviest term, */
	uint64		terms;			/* how many it has */
} Choice;

/* the terms of a factor, while they are visited */
typedef struct Visit
{
	TermVisitor visitor;
	void	   *arg;			/* the visitor's */
	const TermFactor *factor;
	uint64		path;			/* hash */
	Term		term;			/* the one at hand */
} Visit;

static void visit_mentioned(Mention *mention, const ConditionNode *node, bool wanted);
static void mention_term(void *arg, const Term *term);
static void store_term(void *arg, const Term *term);
static void append(TermList *terms, uint64 term);
static void make_distinct(TermList *terms);
static int	compare_terms(const void *a, const void *b);
static uint64 choose(Choice *choice, const ConditionNode *node, bool wanted);
static uint64 choose_cheapest(Choice *choice, const ConditionNode *node, bool wanted);
static uint64 choose_all(Choice *choice, const ConditionNode *node, bool wanted);
static uint64 choose_factor(Choice *choice, TermFactor factor);
static void weigh_term(void *arg, const Term *term);
static uint64 factor_cost(const TermFactor *factor);
static void narrow(TermFactor *factor, const ConditionNode *sibling, int siblings);
static bool is_number_range(const ConditionNode *node);
static TermRange range_of(const ConditionNode *node, bool wanted);
static void begin_path(Visit *visit, const ConditionNode *node);
static void visit_comparison(Visit *visit, const TermFactor *factor);
static void visit_membership(Visit *visit, const TermFactor *factor);
static void visit_prefix(Visit *visit, const TermFactor *factor, TermsForm form);
static void visit_mark(Visit *visit, TermMark mark);
static void visit_equality(Visit *visit, const ConditionLiteral *literal);
static void visit_cell(void *arg, int level, uint32 cell);

/*
 * terms_mentioned: visit the terms that terms_of_condition() chooses from.
 */
void
terms_mentioned(const Condition *condition, TermsForm form, TermNumberVisitor visitor, void *arg)
{
	Mention		mention = {.form = form, .visitor = visitor, .arg = arg};

	visit_mentioned(&mention, &condition->root, true);
}

static void
visit_mentioned(Mention *mention, const ConditionNode *node, bool wanted)
{
	check_stack_depth();

	if (node->kind == CONDITION_NOT)
		visit_mentioned(mention, condition_first_child(node), !wanted);
	else if (node->kind == CONDITION_AND || node->kind == CONDITION_OR)
	{
		const ConditionNode *child = condition_first_child(node);

		for (int i = 0; i < node->count; i++, child = condition_next(child))
		{
			TermFactor	factor = terms_factor(child, wanted);

			if (is_number_range(child) && terms_needs_all(node, wanted))
			{
				narrow(&factor, condition_next(child), node->count - i - 1);
				(void) terms_of_factor(&factor, mention->form, mention_term, mention);
			}
			else
				visit_mentioned(mention, child, wanted);
		}
	}
	else
	{
		TermFactor	factor = terms_factor(node, wanted);

		(void) terms_of_factor(&factor, mention->form, mention_term, mention);
	}
}

static void
mention_term(void *arg, const Term *term)
{
	Mention    *mention = arg;

	mention->visitor(mention->arg, term->hash);
}

/*
 * terms_of_condition: the terms that the condition is stored under; false
 * where it is residual.
 */
bool
terms_of_condition(const Condition *condition, TermWeigher weigh, void *arg, TermList *terms)
{
	TermFactorList chosen = {0};
	bool		filed = terms_choose(&condition->root, true, TERMS_STORED, weigh, arg, &chosen) !=
		TERMS_UNFILEABLE;

	terms->count = 0;
	for (int i = 0; filed && i < chosen.count; i++)
		(void) terms_of_factor(&chosen.factors[i], TERMS_STORED, store_term, terms);
	make_distinct(terms);
	/* what is never true has its term too, that no device has: so it can be seen to be stored */
	if (filed && terms->count == 0 && condition->root.kind != CONDITION_NOTHING)
		append(terms, term_hash_mark(TERM_DEVICE_ID, CONDITION_NULL));
	if (chosen.factors != NULL)
		pfree(chosen.factors);
	return filed;
}

/*
 * What is no equality is stored with a term that says so: a device asks for
 * that first.
 */
static void
store_term(void *arg, const Term *term)
{
	TermList   *terms = arg;

	append(terms, term->hash);
	if (term->kind > CONDITION_NULL)
		append(terms, term_hash_mark(term->path == NULL ? term_hash_salt(term->literal) :
									 term_hash_path(term->path), TERM_OTHERS));
}

static void
append(TermList *terms, uint64 term)
{
	if (terms->count == terms->limit)
	{
		int			limit = Max(16, 2 * terms->limit);

		terms->terms = terms->terms == NULL ? palloc(limit * sizeof(uint64)) :
			repalloc_huge(terms->terms, limit * sizeof(uint64));
		terms->limit = limit;
	}
	terms->terms[terms->count++] = term;
}

static void
make_distinct(TermList *terms)
{
	int			count = 0;

	if (terms->count == 0)
		return;
	qsort(terms->terms, terms->count, sizeof(uint64), compare_terms);
	for (int i = 0; i < terms->count; i++)
	{
		if (count == 0 || terms->terms[count - 1] != terms->terms[i])
			terms->terms[count++] = terms->terms[i];
	}
	terms->count = count;
}

static int
compare_terms(const void *a, const void *b)
{
	uint64		left = *(const uint64 *) a;
	uint64		right = *(const uint64 *) b;

	return left < right ? -1 : left > right;
}

/*
 * terms_choose: the cheapest factors of which one at least is as wanted where
 * the node is.
 */
uint64
terms_choose(const ConditionNode *node, bool wanted, TermsForm form,
			 TermWeigher weigh, void *arg, TermFactorList *chosen)
{
	Choice		choice = {.form = form, .weigh = weigh, .arg = arg, .chosen = chosen};

	return choose(&choice, node, wanted);
}

static uint64
choose(Choice *choice, const ConditionNode *node, bool wanted)
{
	check_stack_depth();

	if (node->kind == CONDITION_NOT)
		return choose(choice, condition_first_child(node), !wanted);
	if (terms_needs_all(node, wanted))
		return choose_cheapest(choice, node, wanted);
	if (terms_needs_one(node, wanted))
		return choose_all(choice, node, wanted);
	return choose_factor(choice, terms_factor(node, wanted));
}

/*
 * All children have to be as wanted: the set of one suffices.
 */
static uint64
choose_cheapest(Choice *choice, const ConditionNode *node, bool wanted)
{
	TermFactorList *chosen = choice->chosen;
	const ConditionNode *child = condition_first_child(node);
	uint64		best = TERMS_UNFILEABLE;
	int			start = chosen->count;
	int			best_end = start;

	for (int i = 0; i < node->count; i++, child = condition_next(child))
	{
		TermFactor	factor = terms_factor(child, wanted);
		uint64		cost;

		if (is_number_range(child))
		{
			narrow(&factor, condition_next(child), node->count - i - 1);
			cost = choose_factor(choice, factor);
		}
		else
			cost = choose(choice, child, wanted);

		if (cost < best)
		{
			int			count = chosen->count - best_end;

			memmove(&chosen->factors[start], &chosen->factors[best_end], count * sizeof(TermFactor));
			best_end = start + count;
			best = cost;
		}
		chosen->count = best_end;
	}
	return best;
}

/*
 * Any child may be the one that is as wanted: the sets of all are needed.
 */
static uint64
choose_all(Choice *choice, const ConditionNode *node, bool wanted)
{
	const ConditionNode *child = condition_first_child(node);
	uint64		total = 0;

	for (int i = 0; i < node->count; i++, child = condition_next(child))
	{
		uint64		cost = choose(choice, child, wanted);

		if (cost == TERMS_UNFILEABLE)
			return TERMS_UNFILEABLE;
		total += cost;
	}
	return total;
}

/*
 * A device has one value at a path, so of the values of one factor it looks
 * up one: the one that is mentioned most says what that costs.  Each has to
 * be kept, too.
 */
static uint64
choose_factor(Choice *choice, TermFactor factor)
{
	TermFactorList *chosen = choice->chosen;

	choice->most = 0;
	choice->terms = 0;
	if (!terms_of_factor(&factor, choice->form, weigh_term, choice))
		return TERMS_UNFILEABLE;

	if (chosen->count == chosen->limit)
	{
		int			limit = Max(16, 2 * chosen->limit);

		chosen->factors = chosen->factors == NULL ? palloc(limit * sizeof(TermFactor)) :
			repalloc_huge(chosen->factors, limit * sizeof(TermFactor));
		chosen->limit = limit;
	}
	chosen->factors[chosen->count++] = factor;
	return (choice->most * factor_cost(&factor) +
			(factor.node->kind == CONDITION_SAMPLE ? SALT_COST : 0)) * 1000 + choice->terms;
}

static void
weigh_term(void *arg, const Term *term)
{
	Choice	   *choice = arg;

	choice->most = Max(choice->most, (uint64) choice->weigh(choice->arg, term->hash));
	choice->terms++;
}

/* by what a factor is looked up */
static uint64
factor_cost(const TermFactor *factor)
{
	switch ((ConditionNodeKind) factor->node->kind)
	{
		case CONDITION_COMPARE:
			if (is_number_range(factor->node))
				return CELL_COST;
			return condition_equality(factor->node, factor->wanted) != NULL ? EQUALITY_COST : KIND_COST;
		case CONDITION_IN:
			return factor->wanted ? EQUALITY_COST : KIND_COST;
		case CONDITION_STARTSWITH:
			return factor->wanted ? PREFIX_COST : KIND_COST;
		case CONDITION_SAMPLE:
			return CELL_COST;
		default:
			return KIND_COST;
	}
}

/*
 * Let further comparisons of the same path, which have to be as wanted too,
 * cut off some of a range.
 */
static void
narrow(TermFactor *factor, const ConditionNode *sibling, int siblings)
{
	const ConditionPath *path = condition_path(factor->node);

	for (int i = 0; i < Min(siblings, MAX_SIBLINGS); i++, sibling = condition_next(sibling))
	{
		const ConditionPath *other;
		TermRange	range;

		if (!is_number_range(sibling))
			continue;
		other = condition_path(sibling);
		if (other->count != path->count || other->size != path->size ||
			memcmp(path + 1, other + 1, path->size) != 0)
			continue;
		range = range_of(sibling, factor->wanted);
		factor->narrowed = true;
		factor->range.low = Max(factor->range.low, range.low);
		factor->range.high = Min(factor->range.high, range.high);
	}
}

/*
 * terms_factor: the factor that a node is, that is no AND, OR or NOT.
 */
TermFactor
terms_factor(const ConditionNode *node, bool wanted)
{
	TermFactor	factor = {.node = node, .wanted = wanted};

	if (is_number_range(node) || node->kind == CONDITION_SAMPLE)
		factor.range = range_of(node, wanted);
	return factor;
}

static bool
is_number_range(const ConditionNode *node)
{
	return node->kind == CONDITION_COMPARE &&
		node->op != CONDITION_EQ && node->op != CONDITION_NE &&
		condition_first_literal(node)->type == CONDITION_NUMBER;
}

/*
 * Where the number is if the comparison, or SAMPLE, is as wanted.  The end
 * itself belongs to it always: it may share its position with others.
 */
static TermRange
range_of(const ConditionNode *node, bool wanted)
{
	const ConditionLiteral *literal = condition_first_literal(node);
	uint32		end;
	bool		below;

	if (node->kind == CONDITION_SAMPLE)
	{
		end = term_bucket_position(condition_sample_buckets(literal));
		below = wanted;
	}
	else
	{
		end = term_number_position((Numeric) literal->data);
		below = (node->op == CONDITION_LT || node->op == CONDITION_LE) == wanted;
	}
	end = Min(end, TERM_POSITIONS - 1);
	return below ? (TermRange) {0, end} : (TermRange) {end, TERM_POSITIONS - 1};
}

/*
 * terms_of_factor: visit terms of which a device has one at least, where the
 * factor is as wanted; false where there are none.
 */
bool
terms_of_factor(const TermFactor *factor, TermsForm form, TermVisitor visitor, void *arg)
{
	const ConditionNode *node = factor->node;
	Visit		visit = {.visitor = visitor, .arg = arg, .factor = factor};

	switch ((ConditionNodeKind) node->kind)
	{
		case CONDITION_NOTHING:
			return factor->wanted;	/* never true */

		case CONDITION_EVERYTHING:
			return !factor->wanted; /* never false */

		case CONDITION_COMPARE:
			visit_comparison(&visit, factor);
			return true;

		case CONDITION_IN:
			visit_membership(&visit, factor);
			return true;

		case CONDITION_IS_DEFINED:
			if (!factor->wanted)
				return false;
			begin_path(&visit, node);
			visit.term.certain = true;
			visit_mark(&visit, TERM_DEFINED);
			return true;

		case CONDITION_STARTSWITH:
			begin_path(&visit, node);
			visit_prefix(&visit, factor, form);
			return true;

		case CONDITION_SAMPLE:
			visit.term.literal = condition_next_literal(condition_first_literal(node));
			if (form == TERMS_STORED && visit.term.literal->length > 0)
				return false;
			visit.path = term_hash_salt(visit.term.literal);
			term_cells(factor->range, visit_cell, &visit);
			return true;

		case CONDITION_AND:
		case CONDITION_OR:
		case CONDITION_NOT:
			break;
	}
	elog(ERROR, "not a factor of a target condition: %d", node->kind);
}

static void
begin_path(Visit *visit, const ConditionNode *node)
{
	visit->term.path = condition_path(node);
	visit->path = term_hash_path(visit->term.path);
}

static void
visit_comparison(Visit *visit, const TermFactor *factor)
{
	const ConditionNode *node = factor->node;
	const ConditionLiteral *equal = condition_equality(node, factor->wanted);

	begin_path(visit, node);
	if (equal != NULL)
		visit_equality(visit, equal);
	else if (is_number_range(node))
		term_cells(factor->range, visit_cell, visit);
	else if (condition_first_literal(node)->type == CONDITION_STRING)
		visit_mark(visit, TERM_IS_STRING);
	else if (condition_first_literal(node)->type == CONDITION_NUMBER)
		visit_mark(visit, TERM_IS_NUMBER);
	/* what other literals are not equal to, or less than, is undefined */
}

/*
 * IN is false where there is something of a literal's type, and equal to none
 * of that type.
 */
static void
visit_membership(Visit *visit, const TermFactor *factor)
{
	static const ConditionLiteral is_true = {.type = CONDITION_TRUE};
	static const ConditionLiteral is_false = {.type = CONDITION_FALSE};
	const ConditionNode *node = factor->node;
	const ConditionLiteral *literal = condition_first_literal(node);
	bool		has[CONDITION_NULL + 1] = {false};

	begin_path(visit, node);
	for (int i = 0; i < node->count; i++, literal = condition_next_literal(literal))
	{
		has[literal->type] = true;
		if (factor->wanted)
			visit_equality(visit, literal);
	}
	if (factor->wanted)
		return;
	if (has[CONDITION_STRING])
		visit_mark(visit, TERM_IS_STRING);
	if (has[CONDITION_NUMBER])
		visit_mark(visit, TERM_IS_NUMBER);
	if (has[CONDITION_TRUE] && !has[CONDITION_FALSE])
		visit_equality(visit, &is_false);
	if (has[CONDITION_FALSE] && !has[CONDITION_TRUE])
		visit_equality(visit, &is_true);
}

static void
visit_prefix(Visit *visit, const TermFactor *factor, TermsForm form)
{
	visit->term.literal = condition_first_literal(factor->node);
	visit->term.length = terms_prefix_length(visit->term.literal->length, form);
	visit->term.certain = factor->wanted && visit->term.length == visit->term.literal->length;
	if (!factor->wanted || visit->term.length == 0)
	{
		visit_mark(visit, TERM_IS_STRING);
		return;
	}
	visit->term.kind = TERM_PREFIX;
	visit->term.hash = term_hash_prefix(visit->path, visit->term.literal->data, visit->term.length);
	visit->visitor(visit->arg, &visit->term);
}

static void
visit_mark(Visit *visit, TermMark mark)
{
	visit->term.kind = mark;
	visit->term.hash = term_hash_mark(visit->path, mark);
	visit->visitor(visit->arg, &visit->term);
}

static void
visit_equality(Visit *visit, const ConditionLiteral *literal)
{
	visit->term.kind = literal->type;
	visit->term.literal = literal;
	visit->term.certain = true;
	visit->term.hash = term_hash_literal(visit->path, literal);
	visit->visitor(visit->arg, &visit->term);
}

static void
visit_cell(void *arg, int level, uint32 cell)
{
	Visit	   *visit = arg;
	TermRange	range = visit->factor->range;
	uint32		size = 1 << 2 * (TERM_LEVELS - level);
	bool		no_low = range.low == 0 && range.high < TERM_POSITIONS - 1;
	bool		no_high = range.low > 0 && range.high == TERM_POSITIONS - 1;

	/* what shares a position with the end may be on either side of it */
	visit->term.certain = !visit->factor->narrowed &&
		(no_low || cell * size > range.low) &&
		(no_high || cell * size + size - 1 < range.high);
	visit->term.kind = TERM_CELL + level;
	visit->term.cell = cell;
	visit->term.hash = term_hash_cell(visit->path, level, cell);
	visit->visitor(visit->arg, &visit->term);
}

/*
 * terms_prefix_length: the length to which a prefix is cut.  In memory up to
 * 48 bytes count; stored, 1, 2, 4, 8, 12, 16 and 24; then both by halves.
 */
int
terms_prefix_length(int length, TermsForm form)
{
	int			power = 1;

	if (length <= (form == TERMS_STORED ? 2 : 48))
		return length;
	while (power * 2 <= length)
		power *= 2;
	return power >= 8 && length >= power + power / 2 ? power + power / 2 : power;
}
