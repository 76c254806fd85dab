#include "st_tree.h"

#include "xml_splice.h"

#include <string.h>

static bool ends_name(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '/' || c == '>';
}

/* The start tag at `at`; *at is moved behind it. */
static bool tag_read(struct st_node *node, const uint8_t *bytes, uint32_t *at)
{
	uint32_t begin = *at + 1, end = begin, colon = 0;
	struct xml_attribute_place place;

	for (; !ends_name(bytes[end]); end++)
		if (bytes[end] == ':')
			colon = end;
	*node = (struct st_node){.bytes = bytes, .name = {begin, end - begin}, .attributes_at = end};
	if (colon > 0) {
		node->prefix = (struct xml_range){begin, colon - begin};
		node->name = (struct xml_range){colon + 1, end - colon - 1};
	}
	while (xml_attribute_next(bytes, &end, &place))
		;
	while (bytes[end] != '/' && bytes[end] != '>')
		end++;
	*at = end + (bytes[end] == '/' ? 2 : 1);
	node->inside.at = *at;
	return bytes[end] == '>';
}

static void node_hang(struct st_node *parent, struct st_node *node)
{
	node->parent = parent;
	if (parent == NULL)
		return;
	if (parent->last == NULL)
		parent->child = node;
	else
		parent->last->next = node;
	parent->last = node;
}

static uint32_t tag_find(const uint8_t *bytes, uint32_t at, size_t len)
{
	const uint8_t *found = memchr(bytes + at, '<', len - at);

	return found == NULL ? (uint32_t)len : (uint32_t)(found - bytes);
}

static uint32_t after(const uint8_t *bytes, uint32_t at, size_t len, const char *mark)
{
	const uint8_t *found = memmem(bytes + at, len - at, mark, strlen(mark));

	return found == NULL ? (uint32_t)len : (uint32_t)(found - bytes) + (uint32_t)strlen(mark);
}

struct st_node *st_tree_read(struct st_arena *a, const uint8_t *bytes, size_t len)
{
	struct st_node *root = NULL, *open = NULL;
	uint32_t at = 0;

	while ((at = tag_find(bytes, at, len)) < len) {
		if (bytes[at + 1] == '!') { /* CDATA is all there can be */
			at = after(bytes, at, len, "]]>");
		} else if (bytes[at + 1] == '/') {
			open->inside.len = at - open->inside.at;
			open = open->parent;
			at = after(bytes, at, len, ">");
		} else {
			struct st_node *node = st_arena_take(a, sizeof *node);
			bool opens;

			if (node == NULL)
				return NULL;
			opens = tag_read(node, bytes, &at);
			node_hang(open, node);
			root = root == NULL ? node : root;
			open = opens ? node : open;
		}
	}
	return root;
}

bool st_node_is(const struct st_node *node, const char *name)
{
	return xml_is_equal(node->bytes, node->name, name);
}

static bool range_is(const uint8_t *bytes, struct xml_range range, const char *text, size_t len)
{
	return range.len == len && memcmp(bytes + range.at, text, len) == 0;
}

/* The declaration of the prefix in this very tag. */
static bool declared_here(const struct st_node *node, const struct st_node *whose, struct xml_attribute_place *ret)
{
	uint32_t at = node->attributes_at;
	size_t prefix = whose->prefix.len;

	while (xml_attribute_next(node->bytes, &at, ret)) {
		if (prefix == 0 && range_is(node->bytes, ret->name, "xmlns", 5))
			return true;
		if (prefix > 0 && ret->name.len == prefix + 6 && memcmp(node->bytes + ret->name.at, "xmlns:", 6) == 0 &&
		    memcmp(node->bytes + ret->name.at + 6, whose->bytes + whose->prefix.at, prefix) == 0)
			return true;
	}
	return false;
}

bool st_node_ns_is(const struct st_node *node, const char *ns)
{
	struct xml_attribute_place place;

	for (const struct st_node *at = node; at != NULL; at = at->parent)
		if (declared_here(at, node, &place))
			return xml_is_equal(at->bytes, place.value, ns);
	return strcmp(ns, "jabber:client") == 0;
}

bool st_node_has_own_ns(const struct st_node *node)
{
	struct xml_attribute_place place;

	return declared_here(node, node, &place);
}

struct st_node *st_node_child(const struct st_node *node, const char *name, const char *ns)
{
	for (struct st_node *at = node == NULL ? NULL : node->child; at != NULL; at = at->next)
		if (st_node_is(at, name) && (ns == NULL || st_node_ns_is(at, ns)))
			return at;
	return NULL;
}

const char *st_node_attribute(struct st_arena *a, const struct st_node *node, const char *name)
{
	struct xml_attribute_place place;
	uint32_t at = node == NULL ? 0 : node->attributes_at;

	while (node != NULL && xml_attribute_next(node->bytes, &at, &place)) {
		char *to;

		if (!range_is(node->bytes, place.name, name, strlen(name)))
			continue;
		if ((to = st_arena_take(a, place.value.len + 1u)) != NULL)
			to[xml_unescape_value(node->bytes, place.value, (uint8_t *)to)] = '\0';
		return to;
	}
	return NULL;
}

const char *st_node_text(struct st_arena *a, const struct st_node *node)
{
	struct xml_range range = node->inside;
	char *to = st_arena_take(a, range.len + 1u);

	if (to == NULL)
		return NULL;
	if (node->child != NULL) { /* up to the '<' of its tag */
		const struct st_node *child = node->child;

		range.len = (child->prefix.len > 0 ? child->prefix.at : child->name.at) - 1 - range.at;
	}
	to[range.len == 0 ? 0 : xml_unescape_text(node->bytes, range, (uint8_t *)to)] = '\0';
	return to;
}

const char *st_node_name(struct st_arena *a, const struct st_node *node)
{
	return st_arena_text(a, node->bytes + node->name.at, node->name.len);
}
