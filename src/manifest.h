/*-------------------------------------------------------------------------
 *
 * manifest.h
 *	  The type manifest: how it is stored, and what others do with it.
 *
 * A manifest is the JSON text itself, as it was written, in a varlena: so it
 * is given back with nothing lost, and a cast to jsonb is that of the text.
 * It was checked when it came in (manifest_check.h), once and for all.
 *
 * A device is given the modules alone, in one envelope, whichever of these
 * was written:
 *
 *	{"modulesContent": M}				=> {"modulesContent": M}
 *	{"moduleContent": M}				=> {"modulesContent": M}
 *	{"id": "x", "content": {"moduleContent": M}}	=> {"modulesContent": M}
 *
 * Two manifests are equal if these are, as jsonb compares.
 *
 *-------------------------------------------------------------------------
 */
#ifndef TWINSET_MANIFEST_H
#define TWINSET_MANIFEST_H

#include "compat.h"

#include "fmgr.h"
#include "utils/jsonb.h"

#define MANIFEST_BINARY_VERSION	1	/* the first byte of the binary form */

typedef struct varlena Manifest;	/* UTF-8, as it was written */

#define DatumGetManifestPP(d)	((Manifest *) PG_DETOAST_DATUM_PACKED(d))
#define PG_GETARG_MANIFEST_PP(n)	DatumGetManifestPP(PG_GETARG_DATUM(n))

/*
 * manifest_delivery: what a device is given, {"modulesContent": ...}.
 *
 * The result is in the current memory context.  Cost: the text is parsed as
 * jsonb, and what is below the envelope copied.
 */
extern Jsonb *manifest_delivery(const Manifest *manifest);

/*
 * manifest_same_delivery: would a device be given the same?
 *
 * Takes two manifest datums, toasted or not.  Texts that are the same byte by
 * byte are not parsed.
 */
extern bool manifest_same_delivery(Datum left, Datum right);

#endif							/* TWINSET_MANIFEST_H */
