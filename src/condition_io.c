/*-------------------------------------------------------------------------
 *
 * condition_io.c
 *	  The type target_condition in SQL: text and binary form, casts, order.
 *
 * The parser and the printer are condition_parse.c and condition_print.c;
 * this is what the server lends them (palloc, numeric) and what it asks of
 * a type.  Two conditions are equal when their canonical texts are, and so
 * when their bytes are: a text gives the same bytes each time, and no two
 * texts give the same.  The order is that of the texts' bytes.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "common/hashfn.h"
#include "condition.h"
#include "funcapi.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

PG_FUNCTION_INFO_V1(twinset_condition_in);
PG_FUNCTION_INFO_V1(twinset_condition_out);
PG_FUNCTION_INFO_V1(twinset_condition_recv);
PG_FUNCTION_INFO_V1(twinset_condition_send);
PG_FUNCTION_INFO_V1(twinset_condition_from_text);
PG_FUNCTION_INFO_V1(twinset_condition_to_text);
PG_FUNCTION_INFO_V1(twinset_condition_eq);
PG_FUNCTION_INFO_V1(twinset_condition_ne);
PG_FUNCTION_INFO_V1(twinset_condition_lt);
PG_FUNCTION_INFO_V1(twinset_condition_le);
PG_FUNCTION_INFO_V1(twinset_condition_gt);
PG_FUNCTION_INFO_V1(twinset_condition_ge);
PG_FUNCTION_INFO_V1(twinset_condition_cmp);
PG_FUNCTION_INFO_V1(twinset_condition_hash);
PG_FUNCTION_INFO_V1(twinset_condition_hash_extended);
PG_FUNCTION_INFO_V1(twinset_check_condition);

#define CONDITION_HEADER	offsetof(Condition, root)

static const char *number_from_text(const char *text, uint16_t *length);
static const char *number_to_text(const ConditionLiteral *number, size_t *length);
static bool condition_equal(FunctionCallInfo fcinfo);
static int	condition_compare(FunctionCallInfo fcinfo);
static int	error_code(const ConditionError *error);

static const ConditionHost server = {
	.allocate = palloc,
	.check_stack = check_stack_depth,
	.number_from_text = number_from_text,
	.number_to_text = number_to_text,
};

Condition *
condition_from_text(const char *text, size_t length, ConditionError *error)
{
	size_t		size;
	Condition  *condition = (Condition *)
		condition_parse(&server, text, length, CONDITION_HEADER, &size, error);

	if (condition != NULL)
	{
		SET_VARSIZE(condition, size);
		condition->version = CONDITION_VERSION;
	}
	return condition;
}

char *
condition_to_text(const Condition *condition, size_t *length)
{
	return condition_node_to_text(&condition->root, length);
}

char *
condition_node_to_text(const ConditionNode *node, size_t *length)
{
	char	   *text = condition_print(&server, node, CONDITION_MAX_TEXT, length);

	if (text == NULL)
		elog(ERROR, "target condition is too long to be printed");
	return text;
}

char *
condition_path_to_text(const ConditionPath *path, size_t *length)
{
	char	   *text = condition_print_path(&server, path, CONDITION_MAX_TEXT, length);

	if (text == NULL)
		elog(ERROR, "path of a target condition is too long to be printed");
	return text;
}

void
condition_raise(const ConditionError *error)
{
	ereport(ERROR,
			(errcode(error_code(error)),
			 errmsg("%s", error->message),
			 errdetail("%s", error->detail),
			 error->hint != NULL ? errhint("%s", error->hint) : 0));
	pg_unreachable();
}

Condition *
condition_with_room(Size size)
{
	Condition  *condition = palloc0(size);

	SET_VARSIZE(condition, size);
	condition->version = CONDITION_VERSION;
	return condition;
}

/* text → target_condition; a soft error where the server asks for one */
Datum
twinset_condition_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	ConditionError error;
	Condition  *condition = condition_from_text(text, strlen(text), &error);

	if (condition == NULL)
		ereturn(fcinfo->context, (Datum) 0,
				(errcode(error_code(&error)),
				 errmsg("%s", error.message),
				 errdetail("%s", error.detail),
				 error.hint != NULL ? errhint("%s", error.hint) : 0));
	PG_RETURN_POINTER(condition);
}

Datum
twinset_condition_out(PG_FUNCTION_ARGS)
{
	size_t		length;

	PG_RETURN_CSTRING(condition_to_text(PG_GETARG_CONDITION_P(0), &length));
}

/* a version byte, then the text */
Datum
twinset_condition_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buffer = (StringInfo) PG_GETARG_POINTER(0);
	int			version = pq_getmsgbyte(buffer);
	int			length;
	char	   *text;
	ConditionError error;
	Condition  *condition;

	if (version != CONDITION_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("unsupported version of a target condition"),
				 errdetail("The version is %d, and %d is known.", version, CONDITION_VERSION)));
	text = pq_getmsgtext(buffer, buffer->len - buffer->cursor, &length);
	condition = condition_from_text(text, length, &error);
	if (condition == NULL)
		condition_raise(&error);
	PG_RETURN_POINTER(condition);
}

Datum
twinset_condition_send(PG_FUNCTION_ARGS)
{
	StringInfoData buffer;
	size_t		length;
	char	   *text = condition_to_text(PG_GETARG_CONDITION_P(0), &length);

	pq_begintypsend(&buffer);
	pq_sendbyte(&buffer, CONDITION_VERSION);
	pq_sendtext(&buffer, text, length);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}

Datum
twinset_condition_from_text(PG_FUNCTION_ARGS)
{
	text	   *given = PG_GETARG_TEXT_PP(0);
	ConditionError error;
	Condition  *condition = condition_from_text(VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given),
												&error);

	if (condition == NULL)
		condition_raise(&error);
	PG_RETURN_POINTER(condition);
}

Datum
twinset_condition_to_text(PG_FUNCTION_ARGS)
{
	size_t		length;
	char	   *text = condition_to_text(PG_GETARG_CONDITION_P(0), &length);

	PG_RETURN_TEXT_P(cstring_to_text_with_len(text, length));
}

Datum
twinset_condition_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(condition_equal(fcinfo));
}

Datum
twinset_condition_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!condition_equal(fcinfo));
}

Datum
twinset_condition_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(condition_compare(fcinfo) < 0);
}

Datum
twinset_condition_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(condition_compare(fcinfo) <= 0);
}

Datum
twinset_condition_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(condition_compare(fcinfo) > 0);
}

Datum
twinset_condition_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(condition_compare(fcinfo) >= 0);
}

Datum
twinset_condition_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(condition_compare(fcinfo));
}

Datum
twinset_condition_hash(PG_FUNCTION_ARGS)
{
	Condition  *condition = PG_GETARG_CONDITION_P(0);
	Datum		hash = hash_any((unsigned char *) VARDATA(condition),
								VARSIZE(condition) - VARHDRSZ);

	PG_FREE_IF_COPY(condition, 0);
	PG_RETURN_DATUM(hash);
}

Datum
twinset_condition_hash_extended(PG_FUNCTION_ARGS)
{
	Condition  *condition = PG_GETARG_CONDITION_P(0);
	Datum		hash = hash_any_extended((unsigned char *) VARDATA(condition),
										 VARSIZE(condition) - VARHDRSZ,
										 PG_GETARG_INT64(1));

	PG_FREE_IF_COPY(condition, 0);
	PG_RETURN_DATUM(hash);
}

/*
 * check_condition(condition text): what is wrong with it, as a row.
 *
 * NULL is a condition too, and nothing is wrong with it.
 */
Datum
twinset_check_condition(PG_FUNCTION_ARGS)
{
	enum
	{
		valid, message, detail, hint, position, sqlstate, canonical, columns
	};
	TupleDesc	row_type;
	Datum		values[columns] = {0};
	bool		nulls[columns];
	ConditionError error;
	Condition  *condition;

	if (get_call_result_type(fcinfo, NULL, &row_type) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	memset(nulls, true, sizeof(nulls));
	nulls[valid] = false;
	values[valid] = BoolGetDatum(true);

	if (!PG_ARGISNULL(0))
	{
		text	   *given = PG_GETARG_TEXT_PP(0);

		condition = condition_from_text(VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given), &error);
		if (condition != NULL)
		{
			size_t		length;

			values[canonical] = CStringGetTextDatum(condition_to_text(condition, &length));
			nulls[canonical] = false;
		}
		else
		{
			values[valid] = BoolGetDatum(false);
			values[message] = CStringGetTextDatum(error.message);
			values[detail] = CStringGetTextDatum(error.detail);
			values[sqlstate] = CStringGetTextDatum(error.sqlstate);
			nulls[message] = nulls[detail] = nulls[sqlstate] = false;
			if (error.hint != NULL)
			{
				values[hint] = CStringGetTextDatum(error.hint);
				nulls[hint] = false;
			}
			if (error.position > 0)
			{
				values[position] = Int32GetDatum(error.position);
				nulls[position] = false;
			}
		}
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(row_type), values, nulls)));
}

static const char *
number_from_text(const char *text, uint16_t *length)
{
	Numeric		number = DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text),
															 ObjectIdGetDatum(InvalidOid),
															 Int32GetDatum(-1)));

	*length = VARSIZE(number);
	return (const char *) number;
}

char *
condition_number_to_text(const ConditionLiteral *number)
{
	return DatumGetCString(DirectFunctionCall1(numeric_out, PointerGetDatum(number->data)));
}

static const char *
number_to_text(const ConditionLiteral *number, size_t *length)
{
	char	   *text = condition_number_to_text(number);

	*length = strlen(text);
	return text;
}

static bool
condition_equal(FunctionCallInfo fcinfo)
{
	Condition  *a = PG_GETARG_CONDITION_P(0);
	Condition  *b = PG_GETARG_CONDITION_P(1);
	bool		equal = VARSIZE(a) == VARSIZE(b) &&
		memcmp(VARDATA(a), VARDATA(b), VARSIZE(a) - VARHDRSZ) == 0;

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return equal;
}

static int
condition_compare(FunctionCallInfo fcinfo)
{
	Condition  *a = PG_GETARG_CONDITION_P(0);
	Condition  *b = PG_GETARG_CONDITION_P(1);
	size_t		a_length;
	size_t		b_length;
	char	   *a_text = condition_to_text(a, &a_length);
	char	   *b_text = condition_to_text(b, &b_length);
	int			order = memcmp(a_text, b_text, Min(a_length, b_length));

	if (order == 0)
		order = a_length < b_length ? -1 : a_length > b_length;

	/* an index can't use what a comparison leaves behind */
	pfree(a_text);
	pfree(b_text);
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return order;
}

static int
error_code(const ConditionError *error)
{
	const char *state = error->sqlstate;

	return MAKE_SQLSTATE(state[0], state[1], state[2], state[3], state[4]);
}
