/* down_own: what the files of down have of each other. */
#ifndef STARTALK_DOWN_OWN_H
#define STARTALK_DOWN_OWN_H

#include "st_down.h"
#include "st_tree.h"

/* What is made of one element. */
struct st_making {
	struct st_arena *arena;
	const struct st_view *view;
	const struct st_node *node;
	Startalk__ProtoMessage outer; /* from, to, and ProtoMessage.options are set */
};

bool st_down_iq(struct st_making *, struct st_down *ret);
bool st_down_presence(struct st_making *, struct st_down *ret);
bool st_down_message(struct st_making *, struct st_down *ret);

/* A body in the arena; NULL: there is no room. */
Startalk__MessageBody *st_body_new(struct st_arena *, const char *value);
/* One header more; nothing when value is NULL or "". */
void st_body_header(struct st_arena *, Startalk__MessageBody *, const char *name, const char *value);
/* One header for each name of a list, whose value is the attribute of that name of the first node that has it. */
void st_body_headers(struct st_arena *, Startalk__MessageBody *, const char *names, const struct st_node *,
		     const struct st_node *other);
/* Digits, in the arena. */
const char *st_digits(struct st_arena *, uint64_t);
/* Texts one behind the other, in the arena; the last is NULL. */
const char *st_joined(struct st_arena *, const char *const *texts);

/* Whether it is said by the client's own account or its domain, not by somebody else. */
bool st_is_from_home(const struct st_making *);
/* The code of an <error/>: its own, or that of its condition (XEP-0086); NULL: neither. The node may be NULL. */
const char *st_error_code(struct st_arena *, const struct st_node *error);
/* What it is made into is written. */
void st_finish(struct st_making *, int32_t signal, const ProtobufCMessage *payload, struct st_down *ret);

#endif
