/*-------------------------------------------------------------------------
 *
 * manifest_image.c
 *	  Image references: [HOST/]REPOSITORY[:TAG][@DIGEST]
 *
 *	registry.example:5000/telemetry/sensor:1.4
 *
 *	host		registry.example:5000
 *	repository	telemetry/sensor
 *	tag			1.4
 *
 * The part before the first slash is a host if it looks like one; so a/b:1 is
 * the repository a/b, and a.b/c the repository c of the host a.b.
 *
 *-------------------------------------------------------------------------
 */
#include "manifest_check.h"

#include <arpa/inet.h>

#define MAX_TAG			128		/* bytes */
#define MAX_PORT_DIGITS	5
#define UPSTREAM		"$upstream"

#define LOWER			"abcdefghijklmnopqrstuvwxyz"
#define UPPER			"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS			"0123456789"

/* A part of the reference. */
typedef struct Part
{
	const char *start;
	size_t		length;
} Part;

static bool is_host(Part host);
static bool is_name_of_host(Part name);
static bool is_ipv6(Part address);
static bool is_port(Part port);
static bool is_repository(Part repository);
static bool is_tag(Part tag);
static bool is_digest(Part digest);
static Part part_of(const char *start, const char *end);
static const char *find(Part part, char c);
static bool begins_with(Part part, const char *prefix);
static size_t span(Part part, size_t from, const char *set);

/*
 * manifest_parse_image: takes an image reference apart.
 *
 * The result is what is wrong with it, without a word of it; NULL: nothing.
 */
const char *
manifest_parse_image(const char *text, ManifestImage *image)
{
	const char *start = text + strspn(text, MANIFEST_WHITE_SPACE);
	const char *end = start + strlen(start);
	const char *found;
	Part		rest;
	Part		host = {NULL, 0};
	Part		tag = {NULL, 0};
	Part		digest = {NULL, 0};

	while (end > start && strchr(MANIFEST_WHITE_SPACE, end[-1]))
		end--;
	rest = part_of(start, end);
	if (rest.length == 0)
		return "it is blank";
	if (strstr(start, "${"))
		return "it has a placeholder, ${...}, that was not replaced";

	found = find(rest, '/');
	if (found != NULL)
	{
		Part		first = part_of(start, found);

		if (find(first, '.') || find(first, ':') || begins_with(first, UPSTREAM) ||
			(first.length == strlen("localhost") && begins_with(first, "localhost")))
		{
			host = first;
			rest = part_of(found + 1, end);
		}
	}
	found = find(rest, '@');
	if (found != NULL)
	{
		digest = part_of(found + 1, end);
		rest = part_of(rest.start, found);
	}
	found = find(rest, ':');
	if (found != NULL)
	{
		tag = part_of(found + 1, rest.start + rest.length);
		rest = part_of(rest.start, found);
	}

	image->reference = start;
	image->reference_length = end - start;
	image->host = host.start;
	image->host_length = host.length;

	if (host.start && !is_host(host))
		return "what stands before the first slash is not a host with an optional port";
	if (rest.length == 0)
		return "the repository is missing";
	if (!is_repository(rest))
		return "the repository is not lower-case words joined by single separators and slashes";
	if (tag.start && !is_tag(tag))
		return "the tag is not 1 to 128 of A-Z, a-z, 0-9, _, . and -";
	if (digest.start && !is_digest(digest))
		return "the digest is not sha256: with 64 or sha512: with 128 hexadecimal digits";
	if (tag.start && digest.start)
		return "it has both a tag and a digest";
	return NULL;
}

/*
 * manifest_is_upstream: is it $upstream:PORT?
 */
bool
manifest_is_upstream(const char *host, size_t length)
{
	Part		whole = {host, length};
	size_t		prefix = strlen(UPSTREAM ":");

	return begins_with(whole, UPSTREAM ":") &&
		is_port(part_of(host + prefix, host + length));
}

/* An IPv6 address in brackets or labels, with an optional port; or upstream. */
static bool
is_host(Part host)
{
	const char *end = host.start + host.length;
	const char *port;

	if (begins_with(host, UPSTREAM))
		return manifest_is_upstream(host.start, host.length);

	if (begins_with(host, "["))
	{
		const char *close = find(host, ']');

		if (close == NULL || !is_ipv6(part_of(host.start + 1, close)))
			return false;
		return close + 1 == end ||
			(close[1] == ':' && is_port(part_of(close + 2, end)));
	}

	port = find(host, ':');
	if (port == NULL)
		return is_name_of_host(host);
	return is_name_of_host(part_of(host.start, port)) && is_port(part_of(port + 1, end));
}

/* Labels of letters, digits and inner -, joined by points. */
static bool
is_name_of_host(Part name)
{
	size_t		i = 0;

	for (;;)
	{
		size_t		length = span(name, i, LOWER UPPER DIGITS "-");

		if (length == 0 || name.start[i] == '-' || name.start[i + length - 1] == '-')
			return false;
		i += length;
		if (i == name.length)
			return true;
		if (name.start[i++] != '.')
			return false;
	}
}

static bool
is_ipv6(Part address)
{
	char		text[INET6_ADDRSTRLEN];
	struct in6_addr binary;

	if (address.length >= sizeof(text))
		return false;
	memcpy(text, address.start, address.length);
	text[address.length] = '\0';
	return inet_pton(AF_INET6, text, &binary) == 1;
}

/* From 1, without leading zero, at most five digits. */
static bool
is_port(Part port)
{
	return port.length >= 1 && port.length <= MAX_PORT_DIGITS &&
		port.start[0] != '0' && span(port, 0, DIGITS) == port.length;
}

/*
 * [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)* between slashes.
 */
static bool
is_repository(Part repository)
{
	size_t		i = 0;

	for (;;)
	{
		size_t		length = span(repository, i, LOWER DIGITS);

		if (length == 0)
			return false;
		i += length;
		if (i == repository.length)
			return true;

		if (repository.start[i] == '_')
		{
			length = span(repository, i, "_");
			if (length > 2)
				return false;
			i += length;
		}
		else if (repository.start[i] == '-')
			i += span(repository, i, "-");
		else if (repository.start[i] == '.' || repository.start[i] == '/')
			i++;
		else
			return false;
	}
}

static bool
is_tag(Part tag)
{
	return tag.length >= 1 && tag.length <= MAX_TAG &&
		tag.start[0] != '.' && tag.start[0] != '-' &&
		span(tag, 0, LOWER UPPER DIGITS "_.-") == tag.length;
}

static bool
is_digest(Part digest)
{
	size_t		prefix = strlen("sha256:");
	size_t		digits;

	if (begins_with(digest, "sha256:"))
		digits = 64;
	else if (begins_with(digest, "sha512:"))
		digits = 128;
	else
		return false;
	return digest.length == prefix + digits &&
		span(digest, prefix, DIGITS "abcdef") == digits;
}

static Part
part_of(const char *start, const char *end)
{
	Part		part = {start, end - start};

	return part;
}

static const char *
find(Part part, char c)
{
	return memchr(part.start, c, part.length);
}

static bool
begins_with(Part part, const char *prefix)
{
	size_t		length = strlen(prefix);

	return part.length >= length && memcmp(part.start, prefix, length) == 0;
}

/* How many bytes from there on are of the set? */
static size_t
span(Part part, size_t from, const char *set)
{
	size_t		length = 0;

	while (from + length < part.length && strchr(set, part.start[from + length]))
		length++;
	return length;
}
