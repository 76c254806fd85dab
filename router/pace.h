/*
 * pace: how fast new sessions may come to one session server: a token bucket whose rate rises slowly after the server
 * has come back. Pure: the time is given. A zeroed one is full when it is first asked.
 *
 *     rate │            ┌──────────── per_s
 *          │         ┌──┘
 *          │      ┌──┘
 *   per_s/8│──────┘
 *          └──────┴────────┴──────── time
 *              begun     begun + slow_ms
 */
#ifndef ROUTER_PACE_H
#define ROUTER_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace_settings {
	uint64_t per_s;	  /* new sessions in a second; as many at once when none has come for a second; 0: no limit */
	uint64_t slow_ms; /* after pace_begin the rate rises for so long, from an eighth; 0: not at all */
};

struct pace {
	uint64_t begun_ms; /* pace_begin; 0: never */
	uint64_t seen_ms;  /* when it was last asked */
	uint64_t milli;	   /* thousandths of tokens */
};

/* The server has come back: the bucket is empty, and fills slowly. */
void pace_begin(struct pace *, uint64_t now_ms);
/* One more? True takes a token. A clock that steps back gives none. */
bool pace_take(struct pace *, const struct pace_settings *, uint64_t now_ms);

#endif
