/*-------------------------------------------------------------------------
 *
 * term_cells.c
 *	  Where numbers are, so that a range can be looked up.
 *
 * A number has a position on a line of 65536, in its order: its sign, six
 * bits of its exponent, the first nine of its binary fraction.  Small whole
 * numbers are apart; what is closer than a five-hundredth of its value, or
 * beyond 2^-16 to 2^47, may share a position.
 *
 * A range is a few aligned cells, each four times as long as those of the
 * next level.  A number is in one cell of each level, so eight look-ups find
 * every range that it may be in, however many there are:
 *
 *	5 to 11, on a line of 16	5, 6 and 7, of level 2, and 8-11, of level 1
 *
 * Cells hold the range's positions, rounded outwards where it is long: what
 * is found is verified by who looks.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "port/pg_bswap.h"
#include "utils/builtins.h"

#include "condition.h"
#include "term_cells.h"

#define FRACTION_BITS	9
#define LEAST_EXPONENT	(-16)
#define EXPONENTS		64
#define MAGNITUDES		(EXPONENTS << FRACTION_BITS)	/* half of the line */

/* numeric's binary format: four numbers of 16 bits, then digits, each below 10^4 */
#define HEADER_FIELDS	4
#define FIELD_COUNT		0
#define FIELD_WEIGHT	1		/* of the first digit */
#define FIELD_SIGN		2
#define SIGN_NEGATIVE	0x4000

static uint32 magnitude(const char *digits, int count, int weight);
static uint32 field(const char *fields, int i);
static TermRange round_outwards(TermRange range);

/*
 * term_number_position: the position of a number; of two numbers the larger's
 * is never the smaller.  Allocates, and frees.
 */
uint32
term_number_position(Numeric number)
{
	bytea	   *sent = DatumGetByteaPP(DirectFunctionCall1(numeric_send, NumericGetDatum(number)));
	const char *fields = VARDATA_ANY(sent);
	int			count = field(fields, FIELD_COUNT);
	bool		negative = field(fields, FIELD_SIGN) == SIGN_NEGATIVE;
	uint32		found = magnitude(fields + HEADER_FIELDS * sizeof(uint16), count,
								  (int16) field(fields, FIELD_WEIGHT));

	pfree(sent);
	return negative ? MAGNITUDES - 1 - found : MAGNITUDES + found;
}

/*
 * How large a number is without its sign, below MAGNITUDES.  The first
 * three digits are exact in a double, and what powers of 10000 make of them
 * keeps their order.
 */
static uint32
magnitude(const char *digits, int count, int weight)
{
	double		value = 0;
	double		fraction;
	int			exponent;

	if (count == 0 || weight < -2)
		return 0;
	if (weight > 4)
		return MAGNITUDES - 1;
	for (int i = 0; i < 3; i++)
		value = value * 10000 + (i < count ? field(digits, i) : 0);
	for (int i = 2; i < weight; i++)
		value *= 10000;
	for (int i = weight; i < 2; i++)
		value /= 10000;

	fraction = frexp(value, &exponent); /* from 0.5 up to, but not, 1 */
	exponent -= LEAST_EXPONENT;
	if (exponent < 0)
		return 0;
	if (exponent >= EXPONENTS)
		return MAGNITUDES - 1;
	return (exponent << FRACTION_BITS) + (uint32) ((fraction - 0.5) * (2 << FRACTION_BITS));
}

static uint32
field(const char *fields, int i)
{
	uint16		value;

	memcpy(&value, fields + i * sizeof(value), sizeof(value));
	return pg_ntoh16(value);
}

/*
 * term_bucket_position: the position of a bucket of SAMPLE.
 */
uint32
term_bucket_position(uint32 bucket)
{
	return (uint64) bucket * TERM_POSITIONS / CONDITION_SAMPLE_BUCKETS;
}

/*
 * term_cells: cells that together hold the range, and little else.  At most
 * some forty.
 */
void
term_cells(TermRange range, TermCellVisitor visitor, void *arg)
{
	range = round_outwards(range);
	while (range.low <= range.high)
	{
		uint32		size = 1;
		int			level = TERM_LEVELS;

		while (level > 1 && range.low % (size * 4) == 0 && range.low + size * 4 - 1 <= range.high)
		{
			size *= 4;
			level--;
		}
		visitor(arg, level, range.low / size);
		range.low += size;
	}
}

/*
 * A long range need not be exact at its ends.
 */
static TermRange
round_outwards(TermRange range)
{
	uint32		unit = 1;

	while (unit < 16 && range.low <= range.high && range.high - range.low >= unit * 64)
		unit *= 4;
	range.low -= range.low % unit;
	range.high += unit - 1 - range.high % unit;
	return range;
}
