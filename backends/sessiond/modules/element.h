/*
 * element: a stanza as a tree, for the few that the server itself must understand. Nothing can be put into it.
 *
 * Elements belong to the tree and die with it. Strings are UTF-8, NUL-terminated, references replaced; those answered
 * by `const char *` are the tree's. Namespaces are always there: what has no declaration is in jabber:client.
 */
#ifndef MODULES_ELEMENT_H
#define MODULES_ELEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

struct element;

/* One first-level element that the tokenizer accepted. NULL: it is not XML after all. */
struct element *element_parse(const void *bytes, size_t len);
/* The one from element_parse(), or NULL. */
void element_free(struct element *);

const char *element_name(const struct element *);
const char *element_ns(const struct element *);
bool element_is(const struct element *, const char *name, const char *ns);
/* An attribute without namespace; NULL when there is none. */
const char *element_attribute(const struct element *, const char *name);

/* The first child element, and the one behind an element; NULL at the end. */
struct element *element_first(const struct element *);
struct element *element_next(const struct element *);
/* The first child element of that name and namespace, or NULL. */
struct element *element_child(const struct element *, const char *name, const char *ns);
size_t element_count(const struct element *);
/* Takes an element, with what is in it, out of its tree, and frees it. */
void element_remove(struct element *);
/* The character data directly in it. The caller frees it. */
char *element_text(const struct element *);

/*
 * Appends the element as XML that stands for itself where the default namespace is `ns`: it carries every declaration
 * it needs, wherever they stood in the stanza it came from.
 */
void element_write(const struct element *, const char *ns, struct text *);

#endif
