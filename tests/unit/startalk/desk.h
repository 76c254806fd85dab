/* What tests of the room share: an arena, a view, packets made of a few words. */
#ifndef STARTALK_DESK_H
#define STARTALK_DESK_H

#include "st_down.h"
#include "st_up.h"

#define DESK_BARE "chao.zhang@startalk.tech"
#define DESK_FULL DESK_BARE "/V[200012]_P[Mac]_ID[11cf67c0264244e7a842e595f6e28b61]_C[1]_PB"

extern struct st_arena desk_arena;
extern struct st_view desk_view;

/* Empties the arena, and sets the view to native or not. */
void desk_clear(bool native);
/* Opens a whole frame, its length before it. */
enum st_opened desk_open(const struct st_bytes *frame, struct st_packet *ret);
/* The same, which must be good. */
struct st_packet desk_opened(const struct st_bytes *frame);
/* What a packet of these becomes. */
struct st_up desk_up(int32_t signal, const char *from, const char *to, const ProtobufCMessage *payload);
/* The same with all addresses that there are. */
struct st_up desk_up_all(int32_t signal, const char *address, const ProtobufCMessage *payload);
/* The XML of it as text; it must be an element that the tokenizer takes, or a stream header. "": there is none. */
const char *desk_up_xml(const struct st_up *);
/* What an element becomes; the tokenizer must take it. */
struct st_down desk_down(const char *element);
/* Every field but that of bytes, a line PATH=VALUE each. */
void desk_dump(const ProtobufCMessage *, const char *path, char *to, size_t cap);
/* The value of a line of a dump; NULL: there is none. Good until the next call. */
const char *desk_field(const struct st_packet *, const char *path);

#endif
