/* json: the little JSON that stands in headers (RFC 8259), as it is written. Pure. */
#ifndef STARTALK_JSON_H
#define STARTALK_JSON_H

#include "st_arena.h"

#include <stdbool.h>

struct st_json {
	struct st_arena *arena;
	char *at;
	size_t len, cap;
	bool full;
	bool some; /* there is a member */
};

/* Until st_json_end() nothing else may be taken of the arena. */
void st_json_begin(struct st_json *, struct st_arena *);
/* The text, in the arena. NULL: there was no room. */
const char *st_json_end(struct st_json *);
void st_json_put(struct st_json *, const char *);
/* A string, where it stands. */
void st_json_put_string(struct st_json *, const char *, size_t len);
/* One member more, which is a string. */
void st_json_string(struct st_json *, const char *, size_t len);
/* One member more, of a JID: {"F":"bob","H":"example.org"}. */
void st_json_friend(struct st_json *, const char *jid);

#endif
