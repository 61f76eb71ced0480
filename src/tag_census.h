/*-------------------------------------------------------------------------
 *
 * tag_census.h
 *	  Which tags there are in a fleet, of what types, on how many devices.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_TAG_CENSUS_H
#define TWINSET_TAG_CENSUS_H

#include "compat.h"

#include "condition.h"

typedef enum TagType
{
	TAG_NULL,
	TAG_STRING,
	TAG_NUMBER,
	TAG_BOOLEAN,
	TAG_OBJECT,
	TAG_ARRAY,
} TagType;

#define TAG_TYPES	(TAG_ARRAY + 1)

/* a tag at one place: tags.a.b */
typedef struct CensusTag
{
	const struct CensusTag *parent; /* NULL: directly in the tags */
	const char *key;			/* not null-terminated */
	int			key_length;
	int64		devices[TAG_TYPES]; /* that have it, by its type there */
	int64		device;			/* the last that has it, by number */
} CensusTag;

typedef struct TagCensus TagCensus;

extern TagCensus *tag_census_begin(void);

/* tag_census_expect: the tag at a path, counted from now on whatever else there is; not deviceId. */
extern const CensusTag *tag_census_expect(TagCensus *census, const ConditionPath *path);

/*
 * tag_census_add: count a device's tags.  Of tags that nobody expects only so
 * many are counted: a fleet can have names without end.
 */
extern void tag_census_add(TagCensus *census, JsonbContainer *tags);

/* how many devices were counted */
extern int64 tag_census_devices(const TagCensus *census);

/* has the device that was added last this tag? */
extern bool tag_census_has(const TagCensus *census, const CensusTag *tag);

/* each tag that was seen, in no order; its path as a condition writes it */
typedef void (*CensusVisitor) (void *arg, const char *path, const CensusTag *tag);

extern void tag_census_visit(TagCensus *census, CensusVisitor visitor, void *arg);

#endif							/* TWINSET_TAG_CENSUS_H */
