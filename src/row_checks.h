/*-------------------------------------------------------------------------
 *
 * row_checks.h
 *	  What a value of a column of twin or deployment may be.
 *
 * One value in, true or false out: who calls says what the answer means.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_ROW_CHECKS_H
#define TWINSET_ROW_CHECKS_H

#include "compat.h"

#include "utils/jsonb.h"

/* what an id of a device has besides letters and digits */
#define DEVICE_ID_PUNCTUATION	"-:.+%_#*?!(),=@;$'"

extern bool device_id_is_valid(text *id);
extern bool tags_are_valid(Jsonb *tags);
extern bool deployment_id_is_valid(text *id);
extern bool labels_are_valid(Jsonb *labels);

#endif							/* TWINSET_ROW_CHECKS_H */
