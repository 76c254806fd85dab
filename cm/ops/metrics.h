/*
 * metrics: the pages for machines and people, served over HTTP/1.1 on a thread of its own.
 *
 *     /              the status page: one file without any other, which asks for /status.json again and again
 *     /status.json   what the gate is doing (status.h), with "backends", every session server (ask.h)
 *     /metrics   Prometheus's text format 0.0.4: the sum over all workers, and the process (docs/metrics.md)
 *     /healthz   200 while the process works; otherwise 503, the text says why
 *     /readyz    200 while new clients should be sent here; otherwise 503, the text says why
 *
 * GET and HEAD only (405), anything else 404. At most METRICS_CONNECTIONS_MAX connections are served at once (more
 * wait), each closed after its answer, or after METRICS_IDLE_S seconds without a byte; a request's head may take
 * METRICS_HEAD_BYTES. /status.json is made anew once in METRICS_STATUS_MS, however often it is asked for. There is no
 * TLS and no password: the address should be one that only the monitoring reaches.
 */
#ifndef OPS_METRICS_H
#define OPS_METRICS_H

#include "config.h"
#include "counter.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
	METRICS_ERROR_BYTES = 256,
	METRICS_CONNECTIONS_MAX = 32,
	METRICS_IDLE_S = 10,
	METRICS_HEAD_BYTES = 16384,
	METRICS_STATUS_MS = 500
};

struct ask;
struct kernel_tls_can;

/* What the whole process counts: written by one thread with counter_store() or counter_bump(), read by the pages. */
struct metrics_process {
	uint64_t reloads, reloads_failed;
	uint64_t renewals, renewals_failed; /* of certificates, after their files had changed */
	uint64_t certificate_expiry_s;	    /* of the first certificate; since 1970; 0: unknown */
	struct metrics_certificate {
		const char *file; /* stays as long as the pages are served; NULL: no more; set last, with a release */
		uint64_t expiry_s;
		uint64_t staple_until_s; /* of its OCSP response, UINT64_MAX: without end; 0: it has none */
		uint64_t staple_refused; /* 1: it was to have one, which is not good */
	} certificates[1 + CONFIG_CERTIFICATES_MAX];
	const struct kernel_tls_can *kernel_can; /* set last, with a release; NULL: nobody asked */
};

/* Everything pointed to must stay until metrics_stop(). */
struct metrics_settings {
	const char *address; /* "IPv4:port" or "[IPv6]:port", numeric; port 0 takes any */
	const struct counters *const *workers;
	size_t worker_count;
	const struct metrics_process *process;
	const struct ask *ask;	/* for the session servers of /status.json; NULL: without them */
	const char *xml_kernel; /* what xml_kernel_choose() answered */

	/*
	 * NULL: fine. Otherwise a constant text, one line, that says what is not. Called on the pages' thread, so both
	 * may only read what is safe to read there.
	 */
	const char *(*health)(void *context); /* the process works: every worker turns, or waits for something to do */
	const char *(*readiness)(void *context); /* listeners are open, it is not draining, and a link is up */
	void *context;
};

struct metrics;

/*
 * Begins to serve. NULL: it could not; error says why in one line. The thread that is started takes no signals.
 */
struct metrics *metrics_start(const struct metrics_settings *, char error[static METRICS_ERROR_BYTES]);

/* The port that is listened on. */
uint16_t metrics_port(const struct metrics *);

/* Waits until requests that are being answered are done. NULL is fine. */
void metrics_stop(struct metrics *);

/* The text of /metrics. Uses of the settings only the counters, the process and the kernel's name. */
void metrics_print(const struct metrics_settings *, FILE *);

/* docs/metrics.md, from the tables. */
void metrics_print_reference(FILE *);

#endif
