/*-------------------------------------------------------------------------
 *
 * manifest_rows.c
 *	  What a manifest is told as rows: its problems, its modules, and the rules.
 *
 *	check_manifest(text)		path, message
 *	manifest_modules(manifest)	edgeAgent, edgeHub, then the app modules
 *	manifest_rules()			what can be wrong at all
 *
 *-------------------------------------------------------------------------
 */
#include "manifest.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/formatting.h"

#include "manifest_check.h"

/* The columns of manifest_modules(). */
typedef enum ModuleColumn
{
	MODULE_NAME,
	MODULE_SYSTEM,
	MODULE_VERSION,				/* null where there is none */
	MODULE_TYPE,
	MODULE_STATUS,
	MODULE_RESTART_POLICY,
	MODULE_IMAGE,				/* without white space round it */
	MODULE_REGISTRY,
} ModuleColumn;

#define MODULE_COLUMNS	(MODULE_REGISTRY + 1)

#define DOCKER_HUB		"docker.io"

PG_FUNCTION_INFO_V1(check_manifest);
PG_FUNCTION_INFO_V1(manifest_modules);
PG_FUNCTION_INFO_V1(manifest_rules_list);

static void put_modules(ReturnSetInfo *rsinfo, const json_t *document);
static void put_module(ReturnSetInfo *rsinfo, const char *name, bool system,
					   const json_t *module);
static Datum lower_datum(const json_t *holder, const char *key, const char *otherwise);
static Datum registry_datum(const ManifestImage *image);

/*
 * check_manifest(text) -> setof (path text, message text)
 *
 * Every problem of a manifest, in the order of the paths; no row: none.
 * Never raises because of what the text says.  Immutable: the rules are
 * compiled in.  Cost: linear in the text, and in what is wrong with it.
 */
Datum
check_manifest(PG_FUNCTION_ARGS)
{
	text	   *content = PG_GETARG_TEXT_PP(0);
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ManifestCheck check;

	InitMaterializedSRF(fcinfo, 0);
	manifest_check_text(&check, VARDATA_ANY(content), VARSIZE_ANY_EXHDR(content));
	for (int i = 0; i < check.count; i++)
	{
		char	   *path = manifest_place_path(check.problems[i].place);
		Datum		values[2];
		bool		nulls[2] = {0};

		CHECK_FOR_INTERRUPTS();
		values[0] = CStringGetTextDatum(path);
		values[1] = CStringGetTextDatum(check.problems[i].message);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		pfree(DatumGetPointer(values[0]));
		pfree(DatumGetPointer(values[1]));
		pfree(path);
	}
	return (Datum) 0;
}

/*
 * manifest_modules(manifest) -> setof (module text, system boolean,
 *	version text, type text, status text, restart_policy text, image text,
 *	registry text)
 *
 * edgeAgent, edgeHub and each app module.  Immutable.  Cost: the text is
 * parsed.
 */
Datum
manifest_modules(PG_FUNCTION_ARGS)
{
	Manifest   *manifest = PG_GETARG_MANIFEST_PP(0);
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ManifestCheck check = {0};
	json_t	   *document;

	InitMaterializedSRF(fcinfo, 0);
	document = manifest_read(&check, VARDATA_ANY(manifest), VARSIZE_ANY_EXHDR(manifest));
	if (document == NULL)
		elog(ERROR, "stored manifest is not valid JSON");

	PG_TRY();
	{
		put_modules(rsinfo, document);
	}
	PG_FINALLY();
	{
		json_decref(document);
	}
	PG_END_TRY();
	return (Datum) 0;
}

/*
 * manifest_rules() -> setof (rule text, place text, message text,
 *	sqlstate text)
 *
 * The table that the checker reads.  Immutable: it is compiled in.
 */
Datum
manifest_rules_list(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < MANIFEST_RULE_COUNT; i++)
	{
		const ManifestRuleEntry *rule = &manifest_rules[i];
		Datum		values[4];
		bool		nulls[4] = {0};

		values[0] = CStringGetTextDatum(rule->id);
		values[1] = CStringGetTextDatum(rule->place);
		values[2] = CStringGetTextDatum(rule->message);
		values[3] = CStringGetTextDatum(unpack_sql_state(rule->sqlerrcode));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* A row for each module of a valid document. */
static void
put_modules(ReturnSetInfo *rsinfo, const json_t *document)
{
	const json_t *agent = json_object_get(manifest_modules_of(document), "$edgeAgent");
	const json_t *desired = json_object_get(agent, "properties.desired");
	const json_t *system_modules = json_object_get(desired, "systemModules");
	const char *name;
	json_t	   *module;

	put_module(rsinfo, "edgeAgent", true, json_object_get(system_modules, "edgeAgent"));
	put_module(rsinfo, "edgeHub", true, json_object_get(system_modules, "edgeHub"));
	json_object_foreach(json_object_get(desired, "modules"), name, module)
	{
		CHECK_FOR_INTERRUPTS();
		put_module(rsinfo, name, false, module);
	}
}

static void
put_module(ReturnSetInfo *rsinfo, const char *name, bool system, const json_t *module)
{
	bool		agent = system && strcmp(name, "edgeAgent") == 0;
	const json_t *ignoring = agent ? NULL : module; /* what edgeAgent ignores */
	const json_t *settings = json_object_get(module, "settings");
	const char *reference = json_string_value(json_object_get(settings, "image"));
	const json_t *version = manifest_present(module, "version");
	ManifestImage image;
	Datum		values[MODULE_COLUMNS] = {0};
	bool		nulls[MODULE_COLUMNS] = {0};

	if (reference == NULL || manifest_parse_image(reference, &image) != NULL)
		elog(ERROR, "stored manifest has a module without an image");

	values[MODULE_NAME] = CStringGetTextDatum(name);
	values[MODULE_SYSTEM] = BoolGetDatum(system);
	if (version != NULL)
		values[MODULE_VERSION] = CStringGetTextDatum(json_string_value(version));
	nulls[MODULE_VERSION] = version == NULL;
	values[MODULE_TYPE] = lower_datum(module, "type", "docker");
	values[MODULE_STATUS] = lower_datum(ignoring, "status", "running");
	values[MODULE_RESTART_POLICY] = lower_datum(ignoring, "restartPolicy", "always");
	values[MODULE_IMAGE] =
		PointerGetDatum(cstring_to_text_with_len(image.reference, image.reference_length));
	values[MODULE_REGISTRY] = registry_datum(&image);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* A choice in lower case, or what counts where there is none. */
static Datum
lower_datum(const json_t *holder, const char *key, const char *otherwise)
{
	const char *value = json_string_value(json_object_get(holder, key));

	if (value == NULL)
		value = otherwise;
	return CStringGetTextDatum(asc_tolower(value, strlen(value)));
}

/* The host in lower case; Docker Hub's where there is none, and for its index. */
static Datum
registry_datum(const ManifestImage *image)
{
	char	   *host;

	if (image->host == NULL)
		return CStringGetTextDatum(DOCKER_HUB);
	host = asc_tolower(image->host, image->host_length);
	return CStringGetTextDatum(strcmp(host, "index." DOCKER_HUB) == 0 ? DOCKER_HUB : host);
}
