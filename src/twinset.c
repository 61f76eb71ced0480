/*-------------------------------------------------------------------------
 *
 * twinset.c
 *	  The module's entry: what happens when a backend loads it.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "fmgr.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
}
