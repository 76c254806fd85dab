/*
 * keepsake: what the gate keeps of a bound client so that its session can go on at a session server that has never
 * heard of it (ADOPT; docs/link-protocol.md, section 7): the last KEEP, and the last presence that the client
 * broadcast. Most clients' presences are equal, and are kept once for all of a worker's (commons.h): without from and
 * id.
 */
#ifndef PATH_KEEPSAKE_H
#define PATH_KEEPSAKE_H

#include "frame.h"
#include "xml.h"

struct client;
struct worker;

/* A longer presence is not kept. */
enum { KEEPSAKE_PRESENCE_BYTES_MAX = 4096 };

struct keepsake {
	uint16_t len;
	uint8_t bytes[];
};

/* A <presence/> of a bound client, as it came. */
void keepsake_presence(struct worker *, struct client *, const struct xml_event *, const uint8_t *bytes);
/* KEEP has come. */
void keepsake_put(struct worker *, struct client *, const struct frame *);
/* The client goes. */
void keepsakes_free(struct worker *, struct client *);

/*
 * The presence as the client's session server was sent it, but for its id. Answers its length; 0: there is none, or
 * there is no room for it.
 */
size_t keepsake_presence_write(struct worker *, const struct client *, uint8_t *to, size_t cap);

#endif
