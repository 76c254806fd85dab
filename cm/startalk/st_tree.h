/*
 * tree: one element that the tokenizer has accepted (parser/xml.h), as a tree: names, attributes, texts. It proves
 * nothing: that was done. Pure; the nodes are in the arena, and refer to the bytes.
 */
#ifndef STARTALK_TREE_H
#define STARTALK_TREE_H

#include "st_arena.h"
#include "xml.h"

struct st_node {
	struct st_node *parent, *child, *last, *next;
	const uint8_t *bytes;
	struct xml_range prefix, name; /* prefix of no length: none */
	uint32_t attributes_at;	       /* behind the qualified name */
	struct xml_range inside;       /* between the tags; of no length: nothing */
};

/* The element that is exactly these bytes. NULL: there is no room. */
struct st_node *st_tree_read(struct st_arena *, const uint8_t *bytes, size_t len);

bool st_node_is(const struct st_node *, const char *name);
/* Whether its namespace is this one; no declaration at all is jabber:client. */
bool st_node_ns_is(const struct st_node *, const char *ns);
/* Whether it, and not an element around it, declares its namespace. */
bool st_node_has_own_ns(const struct st_node *);
/* The first child with this name, and in this namespace where it is not NULL; NULL: none. The node may be NULL. */
struct st_node *st_node_child(const struct st_node *, const char *name, const char *ns);
/* The value of an attribute without prefix. NULL: it has none, or there is no room. The node may be NULL. */
const char *st_node_attribute(struct st_arena *, const struct st_node *, const char *name);
/* Its text, up to the first element in it. NULL: there is no room. */
const char *st_node_text(struct st_arena *, const struct st_node *);
/* Its name as text. NULL: there is no room. */
const char *st_node_name(struct st_arena *, const struct st_node *);

#endif
