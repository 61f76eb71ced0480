/*-------------------------------------------------------------------------
 *
 * matcher_compile.c
 *	  From a condition to the postings that a matcher keeps of it.
 *
 * The three values become two: what is asked is whether the condition is
 * true.  NOT goes down to the comparisons, which have to be true or have to be
 * false; and a comparison is false where there is another value of its type:
 *
 *	NOT (tags.a = 'x' OR tags.n > 3)
 *		a is a string, a is not 'x', and n > 3 is false
 *
 * A branch of OR is filed on its own: its postings need only itself to be
 * true.  What a posting's own list says need not be verified again:
 *
 *	tags.a = 'x' AND tags.b = 'y' OR tags.c IN [1, 2]
 *		b is 'y': a is 'x'
 *		c is 1: nothing; c is 2: nothing
 *
 * Equalities, prefixes and existence are facts that a device is looked up
 * for; ranges, SAMPLE and long lists are evaluated where a candidate needs
 * it, once for all that share them.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "miscadmin.h"

#include "condition_index.h"
#include "matcher_parts.h"

/* a longer IN is evaluated; shorter ones are one fact for each literal */
#define MAX_LITERALS	8

/* of a posting */
typedef struct Codes
{
	Code		first;
	Code		second;
	bool		made;			/* are they? */
} Codes;

typedef struct Compilation
{
	Matcher    *matcher;
	TermWeigher weigh;
	void	   *weigh_arg;
	PostingVisitor visitor;
	void	   *arg;			/* the visitor's */
	const ConditionNode *node;	/* that is filed */
	bool		wanted;			/* what it has to be */
	const ConditionNode *filed; /* its factor that it is filed under, if it is but one */
	const ConditionNode *known; /* to be as wanted: needs no code */
	Code	   *codes;			/* of the code at hand */
	uint32		count;
	uint32		limit;			/* allocated */
	CodeKind	kind;			/* of the facts to add to it */
	uint32		weight;			/* of a term */
	Codes		certain;		/* of postings under terms that are certain */
	Codes		uncertain;		/* … that are not */
} Compilation;

static void file_node(Compilation *compilation, const ConditionNode *node, bool wanted);
static void file_term(void *arg, const Term *term);
static Codes codes_of(Compilation *compilation, const ConditionNode *known);
static Code code_at(Compilation *compilation, uint32 start);
static void add_node(Compilation *compilation, const ConditionNode *node, bool wanted);
static void add_all(Compilation *compilation, const ConditionNode *node, bool wanted);
static const ConditionNode *rarest_of(Compilation *compilation, const ConditionNode *node, bool wanted);
static void weigh_term(void *arg, const Term *term);
static void add_any(Compilation *compilation, const ConditionNode *node, bool wanted);
static void add_factor(Compilation *compilation, const ConditionNode *node, bool wanted);
static bool is_of_facts(const ConditionNode *node);
static bool is_cut(const ConditionNode *node);
static void add_facts(Compilation *compilation, const ConditionNode *node, bool wanted, CodeKind kind);
static void add_term(void *arg, const Term *term);
static void add_code(Compilation *compilation, Code code);
static uint32 begin_group(Compilation *compilation, CodeKind kind);
static void end_group(Compilation *compilation, uint32 group);

/*
 * compile_condition: a condition's postings.  weigh says how many share a
 * term.
 */
void
compile_condition(Matcher *matcher, const Condition *condition,
				  TermWeigher weigh, void *weigh_arg, PostingVisitor visitor, void *arg)
{
	Compilation compilation = {
		.matcher = matcher,
		.weigh = weigh,
		.weigh_arg = weigh_arg,
		.visitor = visitor,
		.arg = arg,
	};

	file_node(&compilation, &condition->root, true);
	if (compilation.codes != NULL)
		pfree(compilation.codes);
}

static void
file_node(Compilation *compilation, const ConditionNode *node, bool wanted)
{
	TermFactorList chosen = {0};

	check_stack_depth();

	if (node->kind == CONDITION_NOT)
	{
		file_node(compilation, condition_first_child(node), !wanted);
		return;
	}
	if (terms_needs_one(node, wanted))
	{
		const ConditionNode *child = condition_first_child(node);

		for (int i = 0; i < node->count; i++, child = condition_next(child))
			file_node(compilation, child, wanted);
		return;
	}

	compilation->node = node;
	compilation->wanted = wanted;
	compilation->certain.made = compilation->uncertain.made = false;
	if (terms_choose(node, wanted, TERMS_COMPILED,
					 compilation->weigh, compilation->weigh_arg, &chosen) == TERMS_UNFILEABLE)
	{
		Codes		codes = codes_of(compilation, NULL);

		compilation->visitor(compilation->arg, FACT_ALWAYS, codes.first, codes.second);
	}
	for (int i = 0; i < chosen.count; i++)
	{
		/* of several, as an OR within has them, none is known to be the one */
		compilation->filed = chosen.count == 1 ? chosen.factors[i].node : NULL;
		(void) terms_of_factor(&chosen.factors[i], TERMS_COMPILED, file_term, compilation);
	}
	if (chosen.factors != NULL)
		pfree(chosen.factors);
}

static void
file_term(void *arg, const Term *term)
{
	Compilation *compilation = arg;
	bool		certain = term->certain && compilation->filed != NULL;
	Codes	   *codes = certain ? &compilation->certain : &compilation->uncertain;

	if (!codes->made)
		*codes = codes_of(compilation, certain ? compilation->filed : NULL);
	compilation->visitor(compilation->arg, facts_of_term(compilation->matcher, term),
						 codes->first, codes->second);
}

/*
 * A posting's codes: of what makes the node as wanted, where one of its
 * factors is known to be.
 */
static Codes
codes_of(Compilation *compilation, const ConditionNode *known)
{
	Codes		codes = {.second = CODE_TRUE, .made = true};
	Code	   *all;

	compilation->known = known;
	compilation->count = 0;
	add_node(compilation, compilation->node, compilation->wanted);
	all = compilation->codes;
	if (CODE_KIND(all[0]) == CODE_ALL && CODE_KIND(all[1]) <= CODE_NOT_FACT)
	{
		/* the first of all, and the others */
		codes.first = all[1];
		all[1] = CODE(CODE_ALL, CODE_VALUE(all[0]) - 1);
		codes.second = code_at(compilation, CODE_VALUE(all[1]) == code_size(all[2]) ? 2 : 1);
	}
	else
		codes.first = code_at(compilation, 0);
	return codes;
}

/*
 * A code that says where in the words the rest is, if it is no fact.
 */
static Code
code_at(Compilation *compilation, uint32 start)
{
	Code		code = compilation->codes[start];

	if (CODE_KIND(code) <= CODE_NOT_FACT)
		return code;
	return CODE(CODE_KIND(code), facts_add_words(compilation->matcher, &compilation->codes[start],
												 (compilation->count - start) * sizeof(Code)));
}

static void
add_node(Compilation *compilation, const ConditionNode *node, bool wanted)
{
	check_stack_depth();

	if (node == compilation->known)
		add_code(compilation, CODE_TRUE);
	else if (node->kind == CONDITION_NOT)
		add_node(compilation, condition_first_child(node), !wanted);
	else if (terms_needs_all(node, wanted))
		add_all(compilation, node, wanted);
	else if (terms_needs_one(node, wanted))
		add_any(compilation, node, wanted);
	else
		add_factor(compilation, node, wanted);
}

/*
 * What is the least likely comes first, then what else costs little.
 */
static void
add_all(Compilation *compilation, const ConditionNode *node, bool wanted)
{
	const ConditionNode *rarest = rarest_of(compilation, node, wanted);
	uint32		group = begin_group(compilation, CODE_ALL);

	for (int pass = 0; pass < 3; pass++)
	{
		const ConditionNode *child = condition_first_child(node);

		for (int i = 0; i < node->count; i++, child = condition_next(child))
		{
			const ConditionNode *bare = child;

			while (bare->kind == CONDITION_NOT)
				bare = condition_first_child(bare);
			if (pass == (child == rarest ? 0 : is_of_facts(bare) ? 1 : 2))
				add_node(compilation, child, wanted);
		}
	}
	end_group(compilation, group);
}

/*
 * The equality that the fewest conditions mention.
 */
static const ConditionNode *
rarest_of(Compilation *compilation, const ConditionNode *node, bool wanted)
{
	const ConditionNode *child = condition_first_child(node);
	const ConditionNode *rarest = NULL;
	uint32		least = PG_UINT32_MAX;

	for (int i = 0; i < node->count; i++, child = condition_next(child))
	{
		TermFactor	factor = {.node = child, .wanted = wanted};

		if (child->kind != CONDITION_COMPARE || child == compilation->known ||
			condition_equality(child, wanted) == NULL)
			continue;
		compilation->weight = 0;
		(void) terms_of_factor(&factor, TERMS_COMPILED, weigh_term, compilation);
		if (compilation->weight < least)
		{
			least = compilation->weight;
			rarest = child;
		}
	}
	return rarest;
}

static void
weigh_term(void *arg, const Term *term)
{
	Compilation *compilation = arg;

	compilation->weight = compilation->weigh(compilation->weigh_arg, term->hash);
}

static void
add_any(Compilation *compilation, const ConditionNode *node, bool wanted)
{
	const ConditionNode *child = condition_first_child(node);
	uint32		group = begin_group(compilation, CODE_ANY);

	for (int i = 0; i < node->count; i++, child = condition_next(child))
		add_node(compilation, child, wanted);
	end_group(compilation, group);
}

/*
 * What its facts say of a factor in the one case, they say with NOT in the
 * other, where there is something that it can be said of.
 */
static void
add_factor(Compilation *compilation, const ConditionNode *node, bool wanted)
{
	bool		positive = !(node->kind == CONDITION_COMPARE && node->op == CONDITION_NE);

	if (node->kind == CONDITION_EVERYTHING || node->kind == CONDITION_NOTHING)
		add_code(compilation, (node->kind == CONDITION_EVERYTHING) == wanted ? CODE_TRUE : CODE_FALSE);
	else if (node->kind == CONDITION_SAMPLE)
		add_code(compilation, CODE(wanted ? CODE_FACT : CODE_NOT_FACT,
								   facts_of_sample(compilation->matcher, node)));
	else if (!is_of_facts(node))
		add_code(compilation, CODE(CODE_FACT, facts_of_node(compilation->matcher, node, wanted)));
	else if (wanted == positive)
	{
		uint32		group = begin_group(compilation, CODE_ANY);

		add_facts(compilation, node, wanted, CODE_FACT);
		end_group(compilation, group);
	}
	else
	{
		uint32		all = begin_group(compilation, CODE_ALL);

		if (node->kind != CONDITION_IS_DEFINED)
		{
			uint32		any = begin_group(compilation, CODE_ANY);

			add_facts(compilation, node, wanted, CODE_FACT);
			end_group(compilation, any);
		}
		add_facts(compilation, node, !wanted, CODE_NOT_FACT);
		end_group(compilation, all);
	}
}

/*
 * Is it a factor that facts say all of that a device is looked up for?
 */
static bool
is_of_facts(const ConditionNode *node)
{
	switch ((ConditionNodeKind) node->kind)
	{
		case CONDITION_COMPARE:
			return node->op == CONDITION_EQ || node->op == CONDITION_NE;
		case CONDITION_IN:
			return node->count <= MAX_LITERALS;
		case CONDITION_STARTSWITH:
			return !is_cut(node);
		case CONDITION_IS_DEFINED:
			return true;
		default:
			return false;
	}
}

/*
 * Is a prefix looked up that is shorter than the whole?
 */
static bool
is_cut(const ConditionNode *node)
{
	const ConditionLiteral *prefix = condition_first_literal(node);

	return terms_prefix_length(prefix->length, TERMS_COMPILED) != prefix->length;
}

static void
add_facts(Compilation *compilation, const ConditionNode *node, bool wanted, CodeKind kind)
{
	TermFactor	factor = {.node = node, .wanted = wanted};

	compilation->kind = kind;
	(void) terms_of_factor(&factor, TERMS_COMPILED, add_term, compilation);
}

static void
add_term(void *arg, const Term *term)
{
	Compilation *compilation = arg;

	add_code(compilation, CODE(compilation->kind, facts_of_term(compilation->matcher, term)));
}

static void
add_code(Compilation *compilation, Code code)
{
	if (compilation->count == compilation->limit)
	{
		uint32		limit = Max(64, 2 * compilation->limit);

		compilation->codes = compilation->codes == NULL ? palloc(limit * sizeof(Code)) :
			repalloc_huge(compilation->codes, limit * sizeof(Code));
		compilation->limit = limit;
	}
	compilation->codes[compilation->count++] = code;
}

static uint32
begin_group(Compilation *compilation, CodeKind kind)
{
	add_code(compilation, CODE(kind, 0));
	return compilation->count - 1;
}

/*
 * A group of one is that one; of none, what is always so; what is always true
 * need not be said where all have to be.
 */
static void
end_group(Compilation *compilation, uint32 group)
{
	Code	   *codes = compilation->codes;
	CodeKind	kind = CODE_KIND(codes[group]);
	uint32		length;

	if (kind == CODE_ALL)
	{
		uint32		kept = group + 1;

		for (uint32 i = group + 1; i < compilation->count;)
		{
			uint32		size = code_size(codes[i]);

			if (codes[i] != CODE_TRUE)
			{
				memmove(&codes[kept], &codes[i], size * sizeof(Code));
				kept += size;
			}
			i += size;
		}
		compilation->count = kept;
	}

	length = compilation->count - group - 1;
	codes[group] = CODE(kind, length);
	if (length == 0)
		codes[group] = kind == CODE_ALL ? CODE_TRUE : CODE_FALSE;
	else if (length == code_size(codes[group + 1]))
	{
		memmove(&codes[group], &codes[group + 1], length * sizeof(Code));
		compilation->count--;
	}
}
