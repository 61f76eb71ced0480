/*-------------------------------------------------------------------------
 *
 * manifest_fields.c
 *	  The fields of $edgeAgent and $edgeHub, in tables.
 *
 * A field has a name, the types that its value may have, and what else must
 * hold: the fields of an object, what each entry of a map is, a range, a list
 * of choices, or a function of its own.  One walk goes down the tables and
 * the document side by side:
 *
 *	agent_fields
 *		modules: a map, of
 *			module_fields
 *				status: a string, one of running and stopped
 *
 * The fields of a module are required or ignored by what kind of module it
 * is; outside modules, the kind is every kind at once.
 *
 *-------------------------------------------------------------------------
 */
#include "manifest_check.h"

#include "miscadmin.h"

/* Kinds of module, as bits. */
#define AGENT		0x01		/* edgeAgent */
#define HUB			0x02		/* edgeHub */
#define APP			0x04		/* any other */
#define ALWAYS		(AGENT | HUB | APP)

typedef struct Field Field;

typedef void (*FieldCheck) (ManifestCheck *check, ManifestPath *path, const json_t *value);

struct Field
{
	const char *name;			/* NULL ends a table */
	int			types;			/* that the value may have */
	int			required;		/* for these kinds of module */
	int			ignored;		/* for these kinds of module */
	int			kind;			/* the kind of module that the value is; 0: as
								 * what holds it */
	const Field *fields;		/* of an object */
	const Field *entry;			/* of an object that is a map: what each is */
	const char *const *choices; /* of a string, ended by NULL */
	bool		any_case;		/* of the choices */
	json_int_t	low;			/* of an integer; both 0: any */
	json_int_t	high;
	FieldCheck	check;			/* what else must hold */
};

static void check_fields(ManifestCheck *check, ManifestPath *path, const json_t *object,
						 const Field *fields, int kind);
static void check_value(ManifestCheck *check, ManifestPath *path, const json_t *value,
						const Field *field, int kind);
static void check_choice(ManifestCheck *check, ManifestPath *path, const char *value,
						 const Field *field);
static void check_range(ManifestCheck *check, ManifestPath *path, json_int_t value,
						const Field *field);
static void check_schema_version(ManifestCheck *check, ManifestPath *path, const json_t *value);
static void check_module_names(ManifestCheck *check, ManifestPath *path, const json_t *value);
static void check_image(ManifestCheck *check, ManifestPath *path, const json_t *value);
static void check_not_blank(ManifestCheck *check, ManifestPath *path, const json_t *value);
static void check_address(ManifestCheck *check, ManifestPath *path, const json_t *value);
static void check_route(ManifestCheck *check, ManifestPath *path, const json_t *value);
static int	minor_version(const char *version);
static bool is_blank(const char *text);

static const char *const system_names[] = {"edgeAgent", "edgeHub"};

static const char *const docker[] = {"docker", NULL};
static const char *const statuses[] = {"running", "stopped", NULL};
static const char *const restart_policies[] = {
	"always", "on-failure", "on-unhealthy", "never", NULL
};
static const char *const pull_policies[] = {"on-create", "never", NULL};

/* $edgeAgent, from the inside out */

static const Field credential_fields[] = {
	{.name = "address", .types = MANIFEST_STRING, .required = ALWAYS, .check = check_address},
	{.name = "username", .types = MANIFEST_STRING, .required = ALWAYS, .check = check_not_blank},
	{.name = "password", .types = MANIFEST_STRING, .required = ALWAYS, .check = check_not_blank},
	{NULL}
};

static const Field credential = {
	.name = "", .types = MANIFEST_OBJECT, .fields = credential_fields
};

static const Field runtime_settings_fields[] = {
	{.name = "minDockerVersion", .types = MANIFEST_STRING},
	{.name = "loggingOptions", .types = MANIFEST_STRING},
	{.name = "registryCredentials", .types = MANIFEST_OBJECT, .entry = &credential},
	{NULL}
};

static const Field runtime_fields[] = {
	{.name = "type", .types = MANIFEST_STRING, .required = ALWAYS, .choices = docker},
	{.name = "settings", .types = MANIFEST_OBJECT, .fields = runtime_settings_fields},
	{NULL}
};

static const Field variable_fields[] = {
	{.name = "value", .types = MANIFEST_STRING | MANIFEST_NUMBER | MANIFEST_BOOLEAN | MANIFEST_NULL},
	{NULL}
};

static const Field variable = {
	.name = "", .types = MANIFEST_OBJECT, .fields = variable_fields
};

static const Field module_settings_fields[] = {
	{.name = "image", .types = MANIFEST_STRING, .required = ALWAYS, .check = check_image},
	{NULL}
};

static const Field module_fields[] = {
	{.name = "type", .types = MANIFEST_STRING, .required = ALWAYS, .choices = docker, .any_case = true},
	{.name = "settings", .types = MANIFEST_OBJECT, .required = ALWAYS, .fields = module_settings_fields,
	.check = manifest_check_options},
	{.name = "status", .types = MANIFEST_STRING, .required = HUB | APP, .ignored = AGENT,
	.choices = statuses, .any_case = true},
	{.name = "restartPolicy", .types = MANIFEST_STRING, .required = APP, .ignored = AGENT,
	.choices = restart_policies, .any_case = true},
	{.name = "startupOrder", .types = MANIFEST_INTEGER, .ignored = AGENT, .low = 0, .high = PG_UINT32_MAX},
	{.name = "imagePullPolicy", .types = MANIFEST_STRING, .choices = pull_policies, .any_case = true},
	{.name = "version", .types = MANIFEST_STRING},
	{.name = "env", .types = MANIFEST_OBJECT, .entry = &variable},
	{NULL}
};

static const Field system_module_fields[] = {
	{.name = "edgeAgent", .types = MANIFEST_OBJECT, .required = ALWAYS, .kind = AGENT, .fields = module_fields},
	{.name = "edgeHub", .types = MANIFEST_OBJECT, .required = ALWAYS, .kind = HUB, .fields = module_fields},
	{NULL}
};

static const Field app_module = {
	.name = "", .types = MANIFEST_OBJECT, .kind = APP, .fields = module_fields
};

static const Field agent_fields[] = {
	{.name = "schemaVersion", .types = MANIFEST_STRING, .required = ALWAYS, .check = check_schema_version},
	{.name = "runtime", .types = MANIFEST_OBJECT, .required = ALWAYS, .fields = runtime_fields},
	{.name = "systemModules", .types = MANIFEST_OBJECT, .required = ALWAYS, .fields = system_module_fields},
	{.name = "modules", .types = MANIFEST_OBJECT, .entry = &app_module, .check = check_module_names},
	{NULL}
};

/* $edgeHub, from the inside out */

static const Field route_fields[] = {
	{.name = "route", .types = MANIFEST_STRING, .required = ALWAYS, .check = check_route},
	{.name = "priority", .types = MANIFEST_INTEGER, .low = 0, .high = 9},
	{.name = "timeToLiveSecs", .types = MANIFEST_INTEGER, .low = 0, .high = PG_UINT32_MAX},
	{NULL}
};

static const Field route = {
	.name = "", .types = MANIFEST_STRING | MANIFEST_OBJECT, .fields = route_fields, .check = check_route
};

static const Field limit_fields[] = {
	{.name = "maxSizeBytes", .types = MANIFEST_INTEGER},
	{NULL}
};

static const Field store_fields[] = {
	{.name = "timeToLiveSecs", .types = MANIFEST_INTEGER, .required = ALWAYS,
	.low = PG_INT32_MIN, .high = PG_INT32_MAX},
	{.name = "storeLimits", .types = MANIFEST_OBJECT, .fields = limit_fields},
	{NULL}
};

static const Field hub_fields[] = {
	{.name = "schemaVersion", .types = MANIFEST_STRING, .required = ALWAYS, .check = check_schema_version},
	{.name = "routes", .types = MANIFEST_OBJECT, .required = ALWAYS, .entry = &route},
	{.name = "storeAndForwardConfiguration", .types = MANIFEST_OBJECT, .required = ALWAYS,
	.fields = store_fields},
	{NULL}
};

/*
 * manifest_check_agent, manifest_check_hub: the fields of the
 * properties.desired of $edgeAgent and of $edgeHub, which is an object.
 */
void
manifest_check_agent(ManifestCheck *check, ManifestPath *path, const json_t *desired)
{
	check_fields(check, path, desired, agent_fields, ALWAYS);
}

void
manifest_check_hub(ManifestCheck *check, ManifestPath *path, const json_t *desired)
{
	const json_t *version = manifest_present(desired, "schemaVersion");

	check->hub_minor = json_is_string(version) ? minor_version(json_string_value(version)) : -1;
	check_fields(check, path, desired, hub_fields, ALWAYS);
}

/*
 * manifest_is_module_name: may an app module have this name, as far as its
 * form goes?
 */
bool
manifest_is_module_name(const char *name)
{
	size_t		length = strspn(name,
								"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
								"0123456789_-");

	return length >= 1 && length <= MANIFEST_NAME_BYTES && name[length] == '\0';
}

bool
manifest_is_system_name(const char *name)
{
	for (int i = 0; i < (int) lengthof(system_names); i++)
	{
		if (strcmp(name, system_names[i]) == 0)
			return true;
	}
	return false;
}

static void
check_fields(ManifestCheck *check, ManifestPath *path, const json_t *object,
			 const Field *fields, int kind)
{
	for (const Field *field = fields; field->name != NULL; field++)
	{
		ManifestPath here = manifest_key(path, field->name);
		const json_t *value;

		if (field->ignored & kind)
			continue;
		value = manifest_present(object, field->name);
		if (value != NULL)
			check_value(check, &here, value, field, kind);
		else if (field->required & kind)
			manifest_note(check, &here, MANIFEST_REQUIRED);
	}
}

/*
 * A value that is there.  Recursion goes as deep as the tables do.
 */
static void
check_value(ManifestCheck *check, ManifestPath *path, const json_t *value,
			const Field *field, int kind)
{
	if (!manifest_expect(check, path, value, field->types))
		return;

	if (field->kind != 0)
		kind = field->kind;
	if (json_is_object(value) && field->fields != NULL)
		check_fields(check, path, value, field->fields, kind);
	if (field->entry != NULL)
	{
		const char *key;
		json_t	   *entry;

		json_object_foreach((json_t *) value, key, entry)
		{
			ManifestPath here = manifest_key(path, key);

			CHECK_FOR_INTERRUPTS();
			check_value(check, &here, entry, field->entry, kind);
		}
	}
	if (field->choices != NULL)
		check_choice(check, path, json_string_value(value), field);
	if (field->low < field->high)
		check_range(check, path, json_integer_value(value), field);
	if (field->check != NULL)
		field->check(check, path, value);
}

static void
check_choice(ManifestCheck *check, ManifestPath *path, const char *value, const Field *field)
{
	StringInfoData list;
	char	   *quoted;

	for (const char *const *choice = field->choices; *choice != NULL; choice++)
	{
		if (strcmp(value, *choice) == 0 ||
			(field->any_case && pg_strcasecmp(value, *choice) == 0))
			return;
	}

	initStringInfo(&list);
	for (const char *const *choice = field->choices; *choice != NULL; choice++)
		appendStringInfo(&list, "%s%s", list.len ? ", " : "", *choice);
	quoted = manifest_quoted(value);
	manifest_note(check, path, MANIFEST_CHOICE, quoted, list.data);
	pfree(quoted);
	pfree(list.data);
}

static void
check_range(ManifestCheck *check, ManifestPath *path, json_int_t value, const Field *field)
{
	char		low[32];
	char		high[32];

	if (value >= field->low && value <= field->high)
		return;
	snprintf(low, sizeof(low), "%lld", (long long) field->low);
	snprintf(high, sizeof(high), "%lld", (long long) field->high);
	manifest_note(check, path, MANIFEST_RANGE, low, high);
}

static void
check_schema_version(ManifestCheck *check, ManifestPath *path, const json_t *value)
{
	const char *version = json_string_value(value);
	char	   *quoted;

	if (minor_version(version) >= 0)
		return;
	quoted = manifest_quoted(version);
	manifest_note(check, path, MANIFEST_SCHEMA_VERSION, quoted);
	pfree(quoted);
}

static void
check_module_names(ManifestCheck *check, ManifestPath *path, const json_t *value)
{
	const char *name;
	json_t	   *module;

	json_object_foreach((json_t *) value, name, module)
	{
		ManifestPath here = manifest_key(path, name);

		CHECK_FOR_INTERRUPTS();
		if (manifest_is_system_name(name))
			manifest_note(check, &here, MANIFEST_NAME_SYSTEM);
		else if (!manifest_is_module_name(name))
			manifest_note(check, &here, MANIFEST_NAME_FORM);
	}
}

static void
check_image(ManifestCheck *check, ManifestPath *path, const json_t *value)
{
	ManifestImage image;
	const char *wrong = manifest_parse_image(json_string_value(value), &image);

	if (wrong != NULL)
		manifest_note(check, path, MANIFEST_IMAGE, wrong);
}

static void
check_not_blank(ManifestCheck *check, ManifestPath *path, const json_t *value)
{
	if (is_blank(json_string_value(value)))
		manifest_note(check, path, MANIFEST_CREDENTIAL_BLANK);
}

/* No white space, and no $ but that of $upstream:PORT. */
static void
check_address(ManifestCheck *check, ManifestPath *path, const json_t *value)
{
	const char *address = json_string_value(value);

	if (is_blank(address))
		manifest_note(check, path, MANIFEST_CREDENTIAL_BLANK);
	else if (strpbrk(address, MANIFEST_WHITE_SPACE "$") != NULL &&
			 !manifest_is_upstream(address, strlen(address)))
		manifest_note(check, path, MANIFEST_CREDENTIAL_ADDRESS);
}

/* A route, or the string of one that is an object. */
static void
check_route(ManifestCheck *check, ManifestPath *path, const json_t *value)
{
	if (json_is_string(value))
		manifest_check_route(check, path, json_string_value(value));
	else if (check->hub_minor == 0)
		manifest_note(check, path, MANIFEST_ROUTE_FORM);
}

/*
 * N of a schema version 1.N or 1.N.0, from 0 to 99 without leading zero; -1
 * where it is none.
 */
static int
minor_version(const char *version)
{
	size_t		digits;

	if (strncmp(version, "1.", 2) != 0)
		return -1;
	version += 2;
	digits = strspn(version, "0123456789");
	if (digits < 1 || digits > 2 || (digits == 2 && version[0] == '0'))
		return -1;
	if (version[digits] != '\0' && strcmp(version + digits, ".0") != 0)
		return -1;
	return atoi(version);
}

static bool
is_blank(const char *text)
{
	return text[strspn(text, MANIFEST_WHITE_SPACE)] == '\0';
}
