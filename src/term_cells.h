/*-------------------------------------------------------------------------
 *
 * term_cells.h
 *	  Where numbers are, so that a range can be looked up.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_TERM_CELLS_H
#define TWINSET_TERM_CELLS_H

#include "compat.h"

#include "utils/numeric.h"

/* a position has 16 bits; a cell of level n, all that share the first 2n */
#define TERM_POSITIONS	65536
#define TERM_LEVELS		8

/* positions from low to high, both inclusive */
typedef struct TermRange
{
	uint32		low;
	uint32		high;
} TermRange;

/* called for each cell of a range */
typedef void (*TermCellVisitor) (void *arg, int level, uint32 cell);

/* the position of a number; of two numbers the larger's is never the smaller */
extern uint32 term_number_position(Numeric number);

/* the position of a bucket of SAMPLE */
extern uint32 term_bucket_position(uint32 bucket);

/*
 * term_cells: cells that together hold the range, and little else.  None
 * overlaps another.
 */
extern void term_cells(TermRange range, TermCellVisitor visitor, void *arg);

/* the cell of a level, from 1 to TERM_LEVELS, that a position is in */
static inline uint32
term_cell_of(uint32 position, int level)
{
	return position >> (2 * (TERM_LEVELS - level));
}

#endif							/* TWINSET_TERM_CELLS_H */
