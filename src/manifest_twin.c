/*-------------------------------------------------------------------------
 *
 * manifest_twin.c
 *	  What every properties.desired keeps to, whatever it means.
 *
 *	{"a.b": 1, "list": [{"$ref": 2}], "s": "xyz"}
 *
 *	."a.b"			twin.key
 *	.list[0]."$ref"	twin.key
 *	size: 3 + 8 + 4 + 4 + 8 + 1 + 3 = 31 bytes
 *
 * What a module's createOptions holds as an object has the keys of the
 * container engine; it counts for the size, and nothing is said of it.
 *
 *-------------------------------------------------------------------------
 */
#include "manifest_check.h"

#include "miscadmin.h"

#define BYTES_OF_NUMBER		8
#define BYTES_OF_LITERAL	4	/* true, false or null */

static size_t check_container(ManifestCheck *check, ManifestPath *path,
							  const json_t *container, int level, bool silent);
static size_t check_value(ManifestCheck *check, ManifestPath *path,
						  const json_t *value, int level, bool silent);
static bool is_key(const char *key);
static bool is_create_options(const ManifestPath *path);

/*
 * manifest_check_twin: keys, depth, strings and size of a properties.desired,
 * which is an object.  Cost: linear in it.
 */
void
manifest_check_twin(ManifestCheck *check, ManifestPath *path, const json_t *desired)
{
	size_t		bytes = check_container(check, path, desired, 0, false);

	if (bytes > MANIFEST_TWIN_BYTES)
	{
		char		number[32];

		snprintf(number, sizeof(number), "%zu", bytes);
		manifest_note(check, path, MANIFEST_TWIN_SIZE, number);
	}
}

/*
 * An object or array that is so many levels below properties.desired; gives
 * its size.  Recursion goes as deep as the text nests.
 */
static size_t
check_container(ManifestCheck *check, ManifestPath *path, const json_t *container,
				int level, bool silent)
{
	size_t		bytes = 0;
	size_t		index;
	const char *key;
	json_t	   *value;

	if (level > MANIFEST_TWIN_LEVELS && !silent)
	{
		manifest_note(check, path, MANIFEST_TWIN_DEPTH);
		silent = true;
	}

	/* one of the two loops has nothing to do */
	json_object_foreach((json_t *) container, key, value)
	{
		ManifestPath here = manifest_key(path, key);

		CHECK_FOR_INTERRUPTS();
		if (!silent && !is_key(key))
			manifest_note(check, &here, MANIFEST_TWIN_KEY);
		bytes += strlen(key);
		bytes += check_value(check, &here, value, level + 1, silent);
	}
	json_array_foreach(container, index, value)
	{
		ManifestPath here = manifest_element(path, index);

		CHECK_FOR_INTERRUPTS();
		bytes += check_value(check, &here, value, level + 1, silent);
	}
	return bytes;
}

static size_t
check_value(ManifestCheck *check, ManifestPath *path, const json_t *value,
			int level, bool silent)
{
	switch (json_typeof(value))
	{
		case JSON_OBJECT:
			return check_container(check, path, value, level,
								   silent || is_create_options(path));
		case JSON_ARRAY:
			return check_container(check, path, value, level, silent);
		case JSON_STRING:
			{
				size_t		bytes = json_string_length(value);

				if (bytes > MANIFEST_TWIN_STRING_BYTES && !silent)
				{
					char		number[32];

					snprintf(number, sizeof(number), "%zu", bytes);
					manifest_note(check, path, MANIFEST_TWIN_STRING, number);
				}
				return bytes;
			}
		case JSON_INTEGER:
		case JSON_REAL:
			return BYTES_OF_NUMBER;
		case JSON_TRUE:
		case JSON_FALSE:
		case JSON_NULL:
			break;
	}
	return BYTES_OF_LITERAL;
}

/*
 * May a twin have this key?  Control characters are U+0000 to U+001F and
 * U+007F to U+009F; the latter begin with the byte C2.
 */
static bool
is_key(const char *key)
{
	const unsigned char *byte = (const unsigned char *) key;

	for (; *byte != '\0'; byte++)
	{
		if (*byte <= ' ' || *byte == '.' || *byte == '$' || *byte == 0x7F)
			return false;
		if (byte[0] == 0xC2 && byte[1] < 0xA0)
			return false;
	}
	return byte != (const unsigned char *) key &&
		byte - (const unsigned char *) key <= MANIFEST_TWIN_KEY_BYTES;
}

/*
 * Is this $edgeAgent's ."properties.desired".modules.X.settings.createOptions,
 * or that of a system module?
 */
static bool
is_create_options(const ManifestPath *path)
{
	static const char *const keys[] = {
		"createOptions", "settings", NULL, "modules", "properties.desired", "$edgeAgent"
	};

	for (int i = 0; i < (int) lengthof(keys); i++, path = path->parent)
	{
		if (path->parent == NULL || path->key == NULL)
			return false;
		if (keys[i] == NULL || strcmp(path->key, keys[i]) == 0)
			continue;
		if (strcmp(keys[i], "modules") != 0 || strcmp(path->key, "systemModules") != 0)
			return false;
	}
	return true;
}
