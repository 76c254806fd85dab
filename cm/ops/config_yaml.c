#include "config_yaml.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* A group or list that is open. */
struct level {
	size_t entry; /* its own */
	bool is_list;
	int items;	 /* of a list, so far */
	char *key;	 /* of a group: the key whose value comes next; NULL: a key comes next */
	unsigned line;	 /* where that key stands */
	bool is_refused; /* that key is not acceptable, and the fault was told */
};

struct reader {
	const char *file;
	struct config_faults *faults;
	struct config_entries *entries;
	struct level levels[CONFIG_DEPTH_MAX];
	size_t depth;
	int documents;
};

static char *file_text(const char *file, struct config_faults *faults, size_t *ret_len)
{
	FILE *in = fopen(file, "re");
	char *text = malloc(CONFIG_FILE_BYTES_MAX + 1);
	assert(text);
	size_t len = in ? fread(text, 1, CONFIG_FILE_BYTES_MAX + 1, in) : 0;
	bool good = in && !ferror(in) && len <= CONFIG_FILE_BYTES_MAX;
	if (!in || ferror(in))
		config_fault_add(faults, "%s:0: file: found nothing (%s), allowed a file that can be read", file,
				 strerror(errno));
	else if (!good)
		config_fault_add(faults, "%s:0: file: found more than %d bytes, allowed %d", file,
				 CONFIG_FILE_BYTES_MAX, CONFIG_FILE_BYTES_MAX);
	if (in)
		fclose(in);
	if (good) {
		*ret_len = len;
		return text;
	}
	free(text);
	return NULL;
}

/* The key of the node that begins now. */
static char *node_key(struct reader *r)
{
	struct level *up = r->depth ? &r->levels[r->depth - 1] : NULL;
	const char *before = up ? r->entries->entry[up->entry].key : "";
	const char *name = up && !up->is_list ? up->key : "";
	size_t bytes = strlen(before) + strlen(name) + 3;
	char *key = malloc(bytes);
	assert(key);
	snprintf(key, bytes, "%s%s%s", before, up && up->is_list ? "[]" : *before ? "." : "", name);
	return key;
}

static int node_item(struct reader *r)
{
	struct level *up = r->depth ? &r->levels[r->depth - 1] : NULL;
	if (!up)
		return -1;
	int outer = r->entries->entry[up->entry].item;
	return outer < 0 && up->is_list ? up->items : outer;
}

/* The next node, told to the level around it. NULL: there are too many. */
static struct config_entry *node_add(struct reader *r, enum config_entry_is is, unsigned line)
{
	struct config_entries *all = r->entries;
	struct level *up = r->depth ? &r->levels[r->depth - 1] : NULL;
	if (all->count == CONFIG_ENTRIES_MAX) {
		config_fault_add(r->faults, "%s:%u: YAML: found more than %d entries, allowed %d", r->file, line,
				 CONFIG_ENTRIES_MAX, CONFIG_ENTRIES_MAX);
		return NULL;
	}
	struct config_entry *entry = &all->entry[all->count];
	*entry = (struct config_entry){.key = node_key(r), .item = node_item(r), .depth = (unsigned)r->depth, .is = is};
	entry->line = up && up->key ? up->line : line;
	if (up && up->is_refused)
		entry->is = CONFIG_ENTRY_REFUSED;
	if (up && up->is_list)
		up->items++;
	if (up) {
		free(up->key);
		up->key = NULL;
	}
	all->count++;
	return entry;
}

/* Refuses what YAML has and we do not take; the entry stays, as REFUSED. */
static void node_refuse(struct reader *r, struct config_entry *entry, const char *found)
{
	if (entry->is != CONFIG_ENTRY_REFUSED)
		config_fault_add(r->faults, "%s:%u: %s: found %s, allowed plain YAML", r->file, entry->line,
				 *entry->key ? entry->key : "YAML", found);
	entry->is = CONFIG_ENTRY_REFUSED;
}

static bool key_take(struct reader *r, const yaml_event_t *event)
{
	struct level *level = &r->levels[r->depth - 1];
	const char *text = (const char *)event->data.scalar.value;
	char quoted[CONFIG_QUOTE_BYTES];
	level->line = (unsigned)event->start_mark.line + 1;
	level->is_refused = !*text ||
			    text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] ||
			    strlen(text) > 100 || event->data.scalar.anchor || event->data.scalar.tag;
	if (level->is_refused)
		config_fault_add(r->faults, "%s:%u: %s: found a key like that, allowed one word for each level",
				 r->file, level->line, config_quote(text, quoted));
	level->key = strdup(level->is_refused ? "?" : text);
	assert(level->key);
	return true;
}

static bool value_take(struct reader *r, const yaml_event_t *event)
{
	struct config_entry *entry = node_add(r, CONFIG_ENTRY_VALUE, (unsigned)event->start_mark.line + 1);
	if (!entry)
		return false;
	entry->value = strdup((const char *)event->data.scalar.value);
	entry->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	assert(entry->value);
	if (event->data.scalar.anchor || event->data.scalar.tag)
		node_refuse(r, entry, "an anchor or a tag");
	else if (strlen(entry->value) != event->data.scalar.length)
		node_refuse(r, entry, "a NUL character");
	return true;
}

static bool level_open(struct reader *r, const yaml_event_t *event, bool is_list, bool is_decorated)
{
	unsigned line = (unsigned)event->start_mark.line + 1;
	struct level *up = r->depth ? &r->levels[r->depth - 1] : NULL;
	if (r->depth == CONFIG_DEPTH_MAX || (up && !up->is_list && !up->key)) {
		config_fault_add(r->faults, "%s:%u: YAML: found %s, allowed plain YAML", r->file, line,
				 r->depth == CONFIG_DEPTH_MAX ? "nesting too deep" : "a key that is not a word");
		return false;
	}
	struct config_entry *entry = node_add(r, is_list ? CONFIG_ENTRY_LIST : CONFIG_ENTRY_GROUP, line);
	if (!entry)
		return false;
	if (is_decorated)
		node_refuse(r, entry, "an anchor or a tag");
	r->levels[r->depth++] = (struct level){.entry = r->entries->count - 1, .is_list = is_list};
	return true;
}

static bool alias_take(struct reader *r, const yaml_event_t *event)
{
	struct level *up = r->depth ? &r->levels[r->depth - 1] : NULL;
	if (up && !up->is_list && !up->key) {
		config_fault_add(r->faults, "%s:%u: YAML: found a key that is not a word, allowed plain YAML", r->file,
				 (unsigned)event->start_mark.line + 1);
		return false;
	}
	struct config_entry *entry = node_add(r, CONFIG_ENTRY_VALUE, (unsigned)event->start_mark.line + 1);
	if (entry)
		node_refuse(r, entry, "an alias");
	return entry != NULL;
}

static bool document_take(struct reader *r, const yaml_event_t *event)
{
	if (++r->documents == 1)
		return true;
	config_fault_add(r->faults, "%s:%u: YAML: found a second document, allowed one", r->file,
			 (unsigned)event->start_mark.line + 1);
	return false;
}

static bool event_take(struct reader *r, const yaml_event_t *event)
{
	const struct level *up = r->depth ? &r->levels[r->depth - 1] : NULL;
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return document_take(r, event);
	case YAML_ALIAS_EVENT:
		return alias_take(r, event);
	case YAML_SCALAR_EVENT:
		return up && !up->is_list && !up->key ? key_take(r, event) : value_take(r, event);
	case YAML_SEQUENCE_START_EVENT:
		return level_open(r, event, true, event->data.sequence_start.anchor || event->data.sequence_start.tag);
	case YAML_MAPPING_START_EVENT:
		return level_open(r, event, false, event->data.mapping_start.anchor || event->data.mapping_start.tag);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		r->depth--;
		return true;
	default:
		return true;
	}
}

static bool events_read(struct reader *r, yaml_parser_t *parser)
{
	for (bool more = true; more;) {
		yaml_event_t event;
		if (!yaml_parser_parse(parser, &event)) {
			config_fault_add(r->faults, "%s:%u: YAML: found a fault (%s), allowed YAML 1.1", r->file,
					 (unsigned)parser->problem_mark.line + 1,
					 parser->problem ? parser->problem : "no memory");
			return false;
		}
		more = event.type != YAML_STREAM_END_EVENT;
		bool good = event_take(r, &event);
		yaml_event_delete(&event);
		if (!good)
			return false;
	}
	return true;
}

bool config_yaml_read(const char *file, struct config_faults *faults, struct config_entries *ret)
{
	struct reader r = {.file = file, .faults = faults, .entries = ret};
	size_t len;
	yaml_parser_t parser;
	*ret = (struct config_entries){0};
	char *text = file_text(file, faults, &len);
	if (!text)
		return false;
	ret->entry = calloc(CONFIG_ENTRIES_MAX, sizeof *ret->entry);
	int made = yaml_parser_initialize(&parser);
	assert(ret->entry && made);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	bool good = events_read(&r, &parser);
	while (r.depth > 0)
		free(r.levels[--r.depth].key);
	yaml_parser_delete(&parser);
	free(text);
	ret->entry = realloc(ret->entry, (ret->count + 1) * sizeof *ret->entry); /* it lives as long as the config */
	assert(ret->entry);
	return good;
}

void config_entries_free(struct config_entries *entries)
{
	for (size_t i = 0; i < entries->count; i++) {
		free(entries->entry[i].key);
		free(entries->entry[i].value);
	}
	free(entries->entry);
	*entries = (struct config_entries){0};
}

bool config_entry_is_null(const struct config_entry *entry)
{
	return entry->is == CONFIG_ENTRY_VALUE && entry->plain &&
	       (!*entry->value || strcmp(entry->value, "~") == 0 || strcmp(entry->value, "null") == 0);
}
