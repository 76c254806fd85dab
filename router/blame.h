/*
 * blame: whether a session server makes so many faults that it should get no new sessions for a while, like one that
 * does not answer. Faults are weighed against the sessions it has, and half of them are forgotten every BLAME_HALF_MS.
 * Who comes to the limit is avoided for BLAME_MS_MIN, for twice as long the next time, and so on to BLAME_MS_MAX; a
 * time without blame of BLAME_FORGIVEN_MS ends the row. Pure: the time is given. A zeroed one has no faults.
 *
 *     faults │      limit: BLAME_FAULTS_MIN + sessions / BLAME_SESSIONS
 *            │    ╱│
 *            │ ╱╲╱ │ avoided until until_ms
 *            └─────┴───────────────┴──── time
 */
#ifndef ROUTER_BLAME_H
#define ROUTER_BLAME_H

#include <stdbool.h>
#include <stdint.h>

enum {
	BLAME_FAULTS_MIN = 8,
	BLAME_SESSIONS = 16,
	BLAME_HALF_MS = 5000,
	BLAME_MS_MIN = 5000,
	BLAME_MS_MAX = 300000,
	BLAME_FORGIVEN_MS = 300000,
};

/* What a fault concerns: a session, or the link, which is as bad as can be. */
enum blame_for { BLAME_FOR_SESSION, BLAME_FOR_LINK };

struct blame {
	uint32_t faults;   /* of late */
	uint32_t row;	   /* times that it was avoided, one soon after the other */
	uint64_t seen_ms;  /* up to when faults were forgotten */
	uint64_t until_ms; /* it is, or was, avoided until then; 0: never */
};

/* A fault, of a server that has so many sessions. True: it is to be avoided from now on, until until_ms. */
bool blame_fault(struct blame *, enum blame_for, uint32_t sessions, uint64_t now_ms);

#endif
