/*-------------------------------------------------------------------------
 *
 * iso_time.h
 *	  A time as devices write it, by ISO 8601 (RFC 3339).
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_ISO_TIME_H
#define TWINSET_ISO_TIME_H

#include "compat.h"

#include "datatype/timestamp.h"

/*
 * iso_time: 2026-03-01T12:00:00Z, with a fraction of a second or without, a
 * space for the T, and an offset for the Z (+01:00, +0100, +01).  Never raises,
 * and depends on no setting.  false: it is no such time.
 */
extern bool iso_time(const char *string, int length, TimestampTz *time);

#endif							/* TWINSET_ISO_TIME_H */
