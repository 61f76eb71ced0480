/*-------------------------------------------------------------------------
 *
 * manifest_check.c
 *	  The walk over a manifest's document: envelope and twins.
 *
 *	{"content": {"modulesContent": {		envelope
 *		"$edgeAgent": {"properties.desired": D},	fields (manifest_fields.c)
 *		"$edgeHub": {"properties.desired": D},		fields
 *		"sensor": {"properties.desired": D}}}}		the twin of an app module
 *
 * What every D must keep to, whatever it means, is in manifest_twin.c.
 *
 * Null is the same as missing for every field that has a name of its own;
 * manifest_present() is the one place that says so.
 *
 *-------------------------------------------------------------------------
 */
#include "manifest_check.h"

#include "miscadmin.h"

static const char *const agent_twin = "$edgeAgent";
static const char *const hub_twin = "$edgeHub";
static const char *const desired_part = "properties.desired";
static const char *const layered_prefix = "properties.desired.";

static void check_document(ManifestCheck *check, json_t *document);
static void check_modules(ManifestCheck *check, ManifestPath *path, json_t *modules);
static bool note_layered(ManifestCheck *check, ManifestPath *path, json_t *modules);
static void check_twin_parts(ManifestCheck *check, ManifestPath *path, json_t *twin,
							 bool need_desired);
static bool is_system_twin(const char *name);
static bool begins_with(const char *text, const char *prefix);

/*
 * manifest_check_text: notes every problem of a manifest, sorted.
 *
 * What it notes is in the current memory context; no problem: nothing is.
 * Cost: linear in the text, and in what is wrong with it.
 */
void
manifest_check_text(ManifestCheck *check, const char *text, size_t length)
{
	json_t	   *document;

	memset(check, 0, sizeof(ManifestCheck));
	document = manifest_read(check, text, length);
	if (document == NULL)
		return;

	PG_TRY();
	{
		check_document(check, document);
		manifest_sort_problems(check);
	}
	PG_FINALLY();
	{
		json_decref(document);
	}
	PG_END_TRY();
}

/*
 * manifest_present: the value of a key; NULL where it is missing or null.
 */
json_t *
manifest_present(const json_t *object, const char *key)
{
	json_t	   *value = json_object_get(object, key);

	return json_is_null(value) ? NULL : value;
}

/*
 * manifest_modules_of: what is below the envelope of a valid document; NULL
 * where it is not valid.
 */
json_t *
manifest_modules_of(const json_t *document)
{
	const json_t *content = manifest_present(document, "content");
	const json_t *holder = content ? content : document;
	json_t	   *modules = manifest_present(holder, "modulesContent");

	return modules ? modules : manifest_present(holder, "moduleContent");
}

/*
 * The envelope, at the top and, where the top has "content", in that.
 */
static void
check_document(ManifestCheck *check, json_t *document)
{
	ManifestPath root = manifest_key(NULL, "$");
	ManifestPath content_path = manifest_key(&root, "content");
	ManifestPath modules_path;
	ManifestPath *holder_path = &root;
	json_t	   *holder = document;
	json_t	   *content;
	json_t	   *modules;
	json_t	   *older;

	if (!manifest_expect(check, &root, document, MANIFEST_OBJECT))
		return;

	content = manifest_present(document, "content");
	if (content != NULL)
	{
		if (manifest_present(document, "modulesContent") ||
			manifest_present(document, "moduleContent"))
		{
			manifest_note(check, &root, MANIFEST_ENVELOPE);
			return;
		}
		if (!manifest_expect(check, &content_path, content, MANIFEST_OBJECT))
			return;
		holder = content;
		holder_path = &content_path;
	}

	modules = manifest_present(holder, "modulesContent");
	older = manifest_present(holder, "moduleContent");
	if ((modules == NULL) == (older == NULL))
	{
		manifest_note(check, holder_path, MANIFEST_ENVELOPE);
		return;
	}
	modules_path = manifest_key(holder_path, modules ? "modulesContent" : "moduleContent");
	if (manifest_expect(check, &modules_path, modules ? modules : older, MANIFEST_OBJECT))
		check_modules(check, &modules_path, modules ? modules : older);
}

/*
 * The twins: both system modules', and any number of app modules'.
 */
static void
check_modules(ManifestCheck *check, ManifestPath *path, json_t *modules)
{
	bool		layered = note_layered(check, path, modules);
	const char *const system_twins[] = {agent_twin, hub_twin};
	const char *name;
	json_t	   *twin;

	for (int i = 0; i < (int) lengthof(system_twins); i++)
	{
		ManifestPath here = manifest_key(path, system_twins[i]);

		if (!layered && manifest_present(modules, system_twins[i]) == NULL)
			manifest_note(check, &here, MANIFEST_REQUIRED);
	}

	json_object_foreach(modules, name, twin)
	{
		ManifestPath here = manifest_key(path, name);
		bool		system = is_system_twin(name);

		CHECK_FOR_INTERRUPTS();
		if (system && json_is_null(twin))
			continue;
		if (!system && (!manifest_is_module_name(name) || manifest_is_system_name(name)))
			manifest_note(check, &here, MANIFEST_NAME_TWIN);
		if (manifest_expect(check, &here, twin, MANIFEST_OBJECT))
			check_twin_parts(check, &here, twin, system && !layered);
	}
}

/*
 * Notes every key that belongs to a layered deployment; is there any?
 */
static bool
note_layered(ManifestCheck *check, ManifestPath *path, json_t *modules)
{
	bool		found = false;
	const char *name;
	json_t	   *twin;

	json_object_foreach(modules, name, twin)
	{
		ManifestPath here = manifest_key(path, name);
		const char *part;
		json_t	   *value;

		CHECK_FOR_INTERRUPTS();
		json_object_foreach(twin, part, value)
		{
			ManifestPath part_path = manifest_key(&here, part);

			if (!begins_with(part, layered_prefix))
				continue;
			manifest_note(check, &part_path, MANIFEST_LAYERED);
			found = true;
		}
	}
	return found;
}

/*
 * One twin: properties.desired alone, and what is in it.
 */
static void
check_twin_parts(ManifestCheck *check, ManifestPath *path, json_t *twin, bool need_desired)
{
	ManifestPath here = manifest_key(path, desired_part);
	json_t	   *desired = manifest_present(twin, desired_part);
	const char *part;
	json_t	   *value;

	json_object_foreach(twin, part, value)
	{
		ManifestPath part_path = manifest_key(path, part);

		CHECK_FOR_INTERRUPTS();
		if (strcmp(part, desired_part) != 0 && !begins_with(part, layered_prefix))
			manifest_note(check, &part_path, MANIFEST_TWIN_PART);
	}

	if (desired == NULL)
	{
		if (need_desired)
			manifest_note(check, &here, MANIFEST_REQUIRED);
		return;
	}
	if (!manifest_expect(check, &here, desired, MANIFEST_OBJECT))
		return;

	manifest_check_twin(check, &here, desired);
	if (strcmp(path->key, agent_twin) == 0)
		manifest_check_agent(check, &here, desired);
	else if (strcmp(path->key, hub_twin) == 0)
		manifest_check_hub(check, &here, desired);
}

static bool
is_system_twin(const char *name)
{
	return strcmp(name, agent_twin) == 0 || strcmp(name, hub_twin) == 0;
}

static bool
begins_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}
