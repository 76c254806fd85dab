/*
 * Our record engine beside OpenSSL, on the same secrets: each version and cipher in turn, a connection for every few
 * thousand records.
 *
 *   - what OpenSSL seals is opened here, whatever pieces it comes in, and is the text that was sealed; padding and
 *     KeyUpdates, asking and not, stand between;
 *   - what is sealed here OpenSSL opens, KeyUpdates of ours included;
 *   - a flight is read the same at every split of it, and a record with any one bit changed is refused (for a sample).
 *
 *     record-differential [--records N] [--seed S]
 *
 * N records at least each way. Ends with 1 at the first difference, which comes again with the same seed.
 */
#include "record_differential.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KINDS = 2 * RECORD_CIPHER_COUNT, RECORDS_A_CONNECTION = 4000 };

static bool connection(struct pair *p, const struct tls_settings *settings, int kind, uint64_t records)
{
	uint64_t opened = p->tally->opened + records, sealed = p->tally->sealed + records;
	bool good = true;

	pair_begin(p, settings, kind < RECORD_CIPHER_COUNT ? RECORD_TLS12 : RECORD_TLS13,
		   (enum record_cipher)(kind % RECORD_CIPHER_COUNT), 100 + pair_random(p, 2000));
	while (good && (p->tally->opened < opened || p->tally->sealed < sealed))
		good = pair_random(p, 2) == 0 ? flight_in(p) : flight_out(p);
	return pair_end(p) && good;
}

static void tally_print(const struct tally *t, uint64_t seed)
{
	printf("seed %lu\n", seed);
#define X(name, text) printf("%12lu %s\n", t->name, text);
	TALLY(X)
#undef X
}

/* A run that saw too little of something proves nothing. */
static bool tally_is_broad(const struct tally *t)
{
	bool broad = true;

#define X(name, text) broad = broad && t->name > 0;
	TALLY(X)
#undef X
	if (!broad)
		fprintf(stderr, "something above never came up\n");
	return broad;
}

static bool run(uint64_t records, uint64_t seed, struct tally *tally)
{
	struct tls_files files = tls_files_make("EC", "SHA256");
	struct tls_settings settings = {files.certificate, files.key, 12};
	struct pair p = {.tally = tally, .random = (seed + 1) * UINT64_C(0x9E3779B97F4A7C15) | 1};
	uint64_t part = records / KINDS < RECORDS_A_CONNECTION ? records / KINDS + 1 : RECORDS_A_CONNECTION;
	bool good = true;

	for (int kind = 0; good && (tally->opened < records || tally->sealed < records); kind = (kind + 1) % KINDS)
		good = connection(&p, &settings, kind, part);
	tls_files_remove(&files);
	return good;
}

int main(int argc, char **argv)
{
	uint64_t records = 100000, seed = 1;
	struct tally tally = {0};

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--records") == 0)
			records = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--seed") == 0)
			seed = strtoull(argv[i + 1], NULL, 10);
		else
			return fprintf(stderr, "record-differential: unknown option %s\n", argv[i]), 2;
	}
	if (!run(records, seed, &tally)) {
		fprintf(stderr, "again with --records %lu --seed %lu\n", records, seed);
		return 1;
	}
	tally_print(&tally, seed);
	return records >= 100000 && !tally_is_broad(&tally);
}
