/*
 * bench-xml: how fast the tokenizer is, beside other parsers, in one run and one thread.
 *
 * The corpora are made once, by a seeded generator. Every round runs all of a line's contenders in turn, so that what
 * disturbs the machine disturbs them alike; of each the best and the median round are told, and how far apart the
 * rounds were.
 */
#include "peer.h"
#include "xml.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS_MAX = 99, CONTENDERS_MAX = 12, KERNELS = 5 };

struct contender {
	const char *name;
	const char *kernel; /* of the tokenizer */
	size_t (*run)(const struct document *, size_t piece);
	bool whole; /* pieces mean nothing to it: it is measured once a corpus */
	double seconds[ROUNDS_MAX], instructions;
	size_t elements;
};

static struct settings {
	const char *corpora, *generator, *corpus, *only, *kernel;
	size_t piece, bytes, rounds;
} settings = {.corpora = CORPORA_DIR, .generator = GENERATOR, .rounds = 7};

static struct contender contenders[CONTENDERS_MAX];
static size_t contender_count;

static void contender_add(const char *name, const char *kernel, size_t (*run)(const struct document *, size_t),
			  bool whole)
{
	if (settings.only && strcmp(settings.only, name) != 0)
		return;
	if (kernel && settings.kernel && strcmp(settings.kernel, kernel) != 0)
		return;
	contenders[contender_count++] =
		(struct contender){.name = kernel ? kernel : name, .kernel = kernel, .run = run, .whole = whole};
}

static void contenders_add(void)
{
	static const char *const kernels[KERNELS] = {"avx2", "avx512", "sse42", "neon", "scalar"};
	for (int i = 0; i < KERNELS; i++)
		if (xml_kernel_choose(kernels[i]))
			contender_add("tokenizer", kernels[i], tokenizer_run, false);
#ifdef WITH_EXPAT
	contender_add("expat", NULL, expat_run, false);
#endif
	contender_add("libxml2", NULL, xml2_run, false);
#ifdef WITH_PUGIXML
	contender_add("pugixml", NULL, pugixml_run, true);
#endif
	contender_add("stage1", NULL, stage1_run, false);
}

/* ---- corpora */

static void corpora_make(void)
{
	mkdir(settings.corpora, 0777);
	pid_t child = fork();
	assert(child >= 0);
	if (child == 0) {
		execlp("python3", "python3", settings.generator, "--out", settings.corpora, (char *)NULL);
		_exit(127);
	}
	int status;
	if (waitpid(child, &status, 0) != child || status != 0) {
		fprintf(stderr, "cannot make the corpora with %s\n", settings.generator);
		exit(1);
	}
}

/* Up to the last element that ends within the bytes asked for, and the footer. */
static void document_shorten(struct document *d)
{
	static const char footer[] = "</stream:stream>";
	if (!settings.bytes || settings.bytes >= d->len)
		return;
	const uint8_t *at = d->bytes;
	struct xml x;
	struct xml_event event = {0};
	struct xml_work *work = aligned_alloc(64, xml_work_bytes());
	struct xml_limits limits = {1 << 24, UINT32_MAX, 256, 128, 1024, 128};
	xml_restart(&x);
	do {
		size_t left = d->len - (size_t)(at - d->bytes);
		xml_next(&x, work, &limits, at, left < 1 << 24 ? left : 1 << 24, &event);
		at += event.used;
	} while (event.is != XML_FOOTER && event.is != XML_BAD && (size_t)(at - d->bytes) < settings.bytes);
	d->len = (size_t)(at - d->bytes);
	memcpy(d->bytes + d->len, footer, sizeof(footer) - 1);
	d->len += sizeof(footer) - 1;
	free(work);
}

static struct document document_load(const char *name, bool may_make)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/corpus_%s.xml", settings.corpora, name);
	int file = open(path, O_RDONLY | O_CLOEXEC);
	struct stat stat;
	if (file < 0 && may_make) {
		corpora_make();
		return document_load(name, false);
	}
	if (file < 0 || fstat(file, &stat) < 0) {
		perror(path);
		exit(1);
	}
	struct document d = {name, malloc((size_t)stat.st_size + 64), (size_t)stat.st_size};
	if (!d.bytes || read(file, d.bytes, d.len) != (ssize_t)d.len) {
		perror(path);
		exit(1);
	}
	close(file);
	document_shorten(&d);
	return d;
}

/* ---- measuring */

/* -1 where the machine does not count (in many virtual machines, or when it is not allowed). */
static int counter_open(void)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_HARDWARE,
				       .size = sizeof(attr),
				       .config = PERF_COUNT_HW_INSTRUCTIONS,
				       .disabled = 1,
				       .exclude_kernel = 1,
				       .exclude_hv = 1};
	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void contender_measure(struct contender *c, const struct document *d, size_t piece, size_t round)
{
	static int counter = -2;
	uint64_t counted = 0;
	if (counter == -2)
		counter = counter_open();
	if (c->kernel)
		xml_kernel_choose(c->kernel);
	if (counter >= 0) {
		ioctl(counter, PERF_EVENT_IOC_RESET, 0);
		ioctl(counter, PERF_EVENT_IOC_ENABLE, 0);
	}
	double begin = now_s();
	c->elements = c->run(d, piece);
	c->seconds[round] = now_s() - begin;
	if (counter >= 0) {
		ioctl(counter, PERF_EVENT_IOC_DISABLE, 0);
		if (read(counter, &counted, sizeof(counted)) != (ssize_t)sizeof(counted))
			counted = 0;
	}
	c->instructions = (double)counted;
	if (c->elements == 0) {
		fprintf(stderr, "%s refused %s\n", c->name, d->name);
		exit(1);
	}
}

static int order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* ---- telling */

static double median_s(const struct contender *c)
{
	return c->seconds[settings.rounds / 2];
}

static const struct contender *contender_named(const char *name)
{
	for (size_t i = 0; i < contender_count; i++)
		if (strcmp(contenders[i].name, name) == 0)
			return &contenders[i];
	return NULL;
}

static void ratio_print(const struct contender *c, const char *other)
{
	const struct contender *o = contender_named(other);
	if (o)
		printf(" %9.1f", median_s(o) / median_s(c));
	else
		printf(" %9s", "-");
}

static void contender_print(const struct contender *c, const struct document *d, size_t piece, size_t elements)
{
	double best = c->seconds[0], median = median_s(c), worst = c->seconds[settings.rounds - 1];
	char fed[24] = "whole";
	if (!c->whole)
		snprintf(fed, sizeof(fed), "%zu", piece);
	printf("%-6s %6s  %-9s %7.3f %7.3f %5.0f%% %9.0f", d->name, fed, c->name, (double)d->len / best * 1e-9,
	       (double)d->len / median * 1e-9, 100 * (worst - best) / median, median / (double)elements * 1e9);
	if (c->instructions > 0)
		printf(" %7.2f", c->instructions / (double)d->len);
	else
		printf(" %7s", "-");
	ratio_print(c, "expat");
	ratio_print(c, "libxml2");
	ratio_print(c, "pugixml");
	ratio_print(c, "stage1");
	printf("\n");
	fflush(stdout);
}

static void line_run(const struct document *d, size_t piece)
{
	for (size_t round = 0; round < settings.rounds; round++)
		for (size_t i = 0; i < contender_count; i++)
			contender_measure(&contenders[i], d, piece, round);
	for (size_t i = 0; i < contender_count; i++)
		qsort(contenders[i].seconds, settings.rounds, sizeof(double), order);
	for (size_t i = 0; i < contender_count; i++)
		contender_print(&contenders[i], d, piece, contenders[0].elements);
}

static void corpus_run(const char *name)
{
	static const size_t pieces[] = {64, 240, 1448, 4096, 16384};
	if (settings.corpus && strcmp(settings.corpus, name) != 0)
		return;
	struct document d = document_load(name, true);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
		if (!settings.piece || settings.piece == pieces[i])
			line_run(&d, pieces[i]);
	free(d.bytes);
}

/* ---- settings */

static void usage(void)
{
	fprintf(stderr, "usage: bench-xml [--corpora DIR] [--generator FILE] [--corpus chat|mixed|large]\n"
			"                 [--piece 64|240|1448|4096|16384] [--bytes N] [--rounds N] [--kernel NAME]\n"
			"                 [--only tokenizer|expat|libxml2|pugixml|stage1]\n");
	exit(2);
}

static void setting_read(const char *name, const char *value)
{
	const struct {
		const char *name, **text;
		size_t *number;
	} known[] = {
		{"--corpora", &settings.corpora, NULL}, {"--generator", &settings.generator, NULL},
		{"--corpus", &settings.corpus, NULL},	{"--only", &settings.only, NULL},
		{"--kernel", &settings.kernel, NULL},	{"--piece", NULL, &settings.piece},
		{"--bytes", NULL, &settings.bytes},	{"--rounds", NULL, &settings.rounds},
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].name, name) != 0)
			continue;
		if (known[i].text)
			*known[i].text = value;
		else
			*known[i].number = strtoul(value, NULL, 10);
		return;
	}
	usage();
}

int main(int argc, char **argv)
{
	if (argc % 2 == 0)
		usage();
	for (int i = 1; i < argc; i += 2)
		setting_read(argv[i], argv[i + 1]);
	if (settings.rounds < 1 || settings.rounds > ROUNDS_MAX)
		usage();
	contenders_add();
	xml_kernel_choose(NULL);
	printf("state: %zu bytes a stream, %zu more while an element is partly there\n", sizeof(struct xml),
	       xml_work_bytes());
	printf("GB/s of the best and of the median of %zu rounds, spread of the rounds, ns per first-level element,\n"
	       "instructions per byte, and how many times as fast as each peer (by medians)\n\n",
	       settings.rounds);
	printf("%-6s %6s  %-9s %7s %7s %6s %9s %7s %9s %9s %9s %9s\n", "corpus", "piece", "", "best", "median",
	       "spread", "ns/elem", "ins/B", "expat", "libxml2", "pugixml", "stage1");
	corpus_run("chat");
	corpus_run("mixed");
	corpus_run("large");
	return 0;
}
