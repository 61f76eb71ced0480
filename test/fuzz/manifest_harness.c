/*-------------------------------------------------------------------------
 *
 * manifest_harness.c
 *	  The checker of manifests on bytes changed at random, without a server.
 *
 *	manifest_harness RUNS FILE…
 *
 * Each run takes one of the files, changes a few of its bytes (bits flipped,
 * bytes and words that mean something put in, parts left out, repeated, or
 * taken from another file), and gives it to what libFuzzer gives its inputs
 * to, manifest_fuzz.c.  That needs no clang, and always makes the same texts.
 * Built with the address, leak and undefined-behaviour sanitizers, which end
 * it where something is read, written or lost astray; besides, what is
 * allocated after the runs must be what was before them.
 *
 *-------------------------------------------------------------------------
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILES	32
#define MAX_LENGTH	65536

typedef struct Sample
{
	unsigned char *bytes;
	size_t		length;
} Sample;

/* the address sanitizer's: not every compiler comes with its header */
extern size_t __sanitizer_get_current_allocated_bytes(void);

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern unsigned long manifests_read;	/* texts that were JSON */
extern unsigned long manifests_valid;	/* and had no problem */

static const char *const words[] = {
	"{", "}", "[", "]", "\"", ",", ":", "\\", "null", "true", "-0", "1e9", "1e400", "1e-99999",
	"9223372036854775808", "\\u0000", "\\ud800", "\\ud83d\\ude00", "\xc3\xa4", "\xff", "\xf0\x9f\x98\x80",
	"{}", "[]", "\"\"", "{\"a\":{\"a\":", "[[[[[[[[", "\"createOptions\":", "\"createOptions01\":",
	"\"modulesContent\":", "\"moduleContent\":", "\"content\":", "\"$edgeAgent\":", "\"$edgeHub\":",
	"\"properties.desired\":", "\"properties.desired.", "$upstream", "FROM /", " INTO ", "BrokeredEndpoint(", "@sha256:", "${", "/*", "(", ")"
};

static uint64_t state = 88172645463325252;

/* Marsaglia's xorshift: from 0 to below the limit, which is not 0. */
static size_t
draw(size_t limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (size_t) (state % limit);
}

/* Puts bytes in the place of some others; what would be too long is left. */
static size_t
replace(unsigned char *text, size_t length, size_t at, size_t span, const void *bytes, size_t count)
{
	if (span > length - at)
		span = length - at;
	if (length - span + count > MAX_LENGTH)
		return length;
	memmove(text + at + count, text + at + span, length - at - span);
	memcpy(text + at, bytes, count);
	return length - span + count;
}

static size_t
mutate(unsigned char *text, size_t length, const Sample *other)
{
	static unsigned char part[MAX_LENGTH];
	size_t		at = draw(length + 1);
	size_t		span = draw(1 + draw(40));
	const char *word = words[draw(sizeof(words) / sizeof(words[0]))];
	const Sample *from = other;
	Sample		self = {text, length};

	switch (draw(8))
	{
		case 0:
			if (at < length)
				text[at] ^= 1 << draw(8);
			return length;
		case 1:
			if (at < length)
				text[at] = draw(256);
			return length;
		case 2:
			return replace(text, length, at, span, "", 0);
		case 3:
			return replace(text, length, at, span, word, strlen(word));
		case 4:
			return replace(text, length, at, 0, word, strlen(word));
		case 5:
			from = &self;
			break;
		case 6:
			return draw(20) == 0 ? at : length;
		default:
			break;
	}

	/* a part of this text or of another one */
	span = draw(1 + draw(200));
	at = draw(length + 1);
	if (span < from->length)
	{
		memcpy(part, from->bytes + draw(from->length - span), span);
		length = replace(text, length, at, draw(2) * span, part, span);
	}
	return length;
}

static Sample
read_sample(const char *path)
{
	FILE	   *file = fopen(path, "rb");
	Sample		sample = {malloc(MAX_LENGTH), 0};

	if (file == NULL || sample.bytes == NULL)
	{
		perror(path);
		exit(2);
	}
	sample.length = fread(sample.bytes, 1, MAX_LENGTH, file);
	fclose(file);
	return sample;
}

/* Some texts, so that what is kept for good is there before it is counted. */
static void
run(unsigned long runs, const Sample *samples, int count)
{
	static unsigned char text[MAX_LENGTH];

	for (unsigned long i = 0; i < runs; i++)
	{
		const Sample *sample = &samples[i % count];
		size_t		length = sample->length;
		unsigned char *exact;

		memcpy(text, sample->bytes, length);
		for (size_t changes = 1 + draw(1 + draw(6)); changes > 0; changes--)
			length = mutate(text, length, &samples[draw(count)]);

		/* no byte more than it has: to read one is seen */
		exact = malloc(length);
		memcpy(exact, text, length);
		LLVMFuzzerTestOneInput(exact, length);
		free(exact);
	}
}

int
main(int argc, char **argv)
{
	Sample		samples[MAX_FILES];
	unsigned long runs = argc > 2 ? strtoul(argv[1], NULL, 10) : 0;
	int			count = argc - 2;
	size_t		before;
	long		lost;
	int			passed;

	if (runs == 0 || count > MAX_FILES)
	{
		fprintf(stderr, "usage: %s RUNS FILE...\n", argv[0]);
		return 2;
	}
	for (int i = 0; i < count; i++)
		samples[i] = read_sample(argv[i + 2]);

	run(1000, samples, count);
	before = __sanitizer_get_current_allocated_bytes();
	run(runs, samples, count);
	lost = (long) (__sanitizer_get_current_allocated_bytes() - before);

	/* texts of each kind are there */
	passed = lost == 0 && manifests_valid > runs / 100 && manifests_read > manifests_valid + runs / 100 &&
		manifests_read < runs - runs / 100;
	printf("# %lu texts, %lu of them JSON, %lu valid; %ld bytes lost\n", runs, manifests_read, manifests_valid, lost);
	printf("%s - %lu manifests changed at random\n", passed ? "ok" : "not ok", runs);
	for (int i = 0; i < count; i++)
		free(samples[i].bytes);
	return passed ? 0 : 1;
}
