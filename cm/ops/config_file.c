#include "config_file.h"

#include "config_kind.h"
#include "config_near.h"
#include "config_relation.h"
#include "config_source.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct reading {
	char *directory;
	bool check_files;
	struct config_source *source; /* the config's */
	struct config *config;
	struct config_faults *faults;
};

static const struct config_setting *setting_find(const char *key)
{
	for (size_t i = 0; i < config_setting_count; i++)
		if (strcmp(config_settings[i].key, key) == 0)
			return &config_settings[i];
	return NULL;
}

/* Whether the key is a list's name with `end` behind: "", "[]", or "[].KEY". */
static const struct config_list_setting *list_find(const char *key, const char *end)
{
	for (size_t i = 0; i < config_list_setting_count; i++) {
		size_t len = strlen(config_list_settings[i].list);
		if (strncmp(config_list_settings[i].list, key, len) == 0 && strcmp(key + len, end) == 0)
			return &config_list_settings[i];
	}
	return NULL;
}

static const struct config_list_setting *list_key_find(const char *key)
{
	for (size_t i = 0; i < config_list_setting_count; i++) {
		const struct config_list_setting *list = &config_list_settings[i];
		size_t len = strlen(list->list);
		if (*list->key && strncmp(list->list, key, len) == 0 && strncmp(key + len, "[].", 3) == 0 &&
		    strcmp(key + len + 3, list->key) == 0)
			return list;
	}
	return NULL;
}

static void *list_member(struct config *config, const struct config_list_setting *list, size_t item)
{
	return (char *)config + list->first_at + item * list->member_bytes + list->at;
}

static size_t *list_count(struct config *config, const struct config_list_setting *list)
{
	return (size_t *)((char *)config + list->count_at);
}

static void fault(struct reading *r, const struct config_entry *entry, const char *found, const char *allowed)
{
	config_source_fault_of(r->source, entry, found, allowed, r->faults);
}

static void file_check(struct reading *r, const struct config_entry *entry, const char *path)
{
	char text[CONFIG_VALUE_BYTES], quoted[CONFIG_QUOTE_BYTES];
	struct stat about;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool is_file = fd >= 0 && fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
	snprintf(text, sizeof text, "%s (%s)", config_quote(path, quoted), fd < 0 ? strerror(errno) : "not a file");
	if (!is_file)
		fault(r, entry, text, "a file that can be read");
	if (fd >= 0)
		close(fd);
}

/* True: the member has the entry's value now. */
static bool value_take(struct reading *r, const struct config_entry *entry, const struct config_rule *rule,
		       void *member)
{
	char allowed[CONFIG_VALUE_BYTES];
	char *before = config_kind_is_text(rule->kind) ? *(char **)member : NULL;
	config_value_allowed(rule, allowed);
	if (entry->is == CONFIG_ENTRY_VALUE && !entry->plain && config_kind_is_plain(rule->kind)) {
		fault(r, entry, "a text in quotes", allowed);
		return false;
	}
	if (entry->is != CONFIG_ENTRY_VALUE || config_entry_is_null(entry) ||
	    !config_value_read(rule, r->directory, entry->value, member)) {
		fault(r, entry, NULL, allowed);
		return false;
	}
	free(before);
	if ((rule->kind == CONFIG_KIND_FILE || rule->kind == CONFIG_KIND_MAYFILE) && r->check_files && *(char **)member)
		file_check(r, entry, *(char **)member);
	return true;
}

/* Two members of a list may not be alike in what each must have; port 0 is another port each time. */
static void list_value_compare(struct reading *r, const struct config_entry *entry,
			       const struct config_list_setting *list)
{
	if (!config_kind_is_text(list->rule.kind) || (*list->key && !list->needed))
		return;
	const char *text = *(char **)list_member(r->config, list, (size_t)entry->item);
	size_t len = text ? strlen(text) : 0;
	if (!text)
		return;
	if (list->rule.kind == CONFIG_KIND_ADDR && strcmp(text + len - 2, ":0") == 0)
		return;
	for (int i = 0; i < entry->item; i++) {
		const char *other = *(char **)list_member(r->config, list, (size_t)i);
		if (other && strcmp(other, text) == 0)
			fault(r, entry, NULL, "each only once");
	}
}

static void list_value_take(struct reading *r, const struct config_entry *entry, const struct config_list_setting *list)
{
	if ((size_t)entry->item < list->items_max &&
	    value_take(r, entry, &list->rule, list_member(r->config, list, (size_t)entry->item)))
		list_value_compare(r, entry, list);
}

static void list_defaults_set(struct config *config, const struct config_list_setting *of, size_t item)
{
	for (size_t i = 0; i < config_list_setting_count; i++) {
		const struct config_list_setting *list = &config_list_settings[i];
		if (strcmp(list->list, of->list) != 0 || !*list->otherwise || !*list->key)
			continue;
		bool good = config_value_read(&list->rule, "", list->otherwise, list_member(config, list, item));
		assert(good);
	}
}

/* A member of a list begins. False: its keys are of no use. */
static bool list_item_take(struct reading *r, const struct config_entry *entry, const struct config_list_setting *list)
{
	size_t item = (size_t)entry->item;
	char allowed[64];
	if (item >= list->items_max) {
		snprintf(allowed, sizeof allowed, "%zu", list->items_max);
		if (item == list->items_max)
			fault(r, entry, "one more", allowed);
		return false;
	}
	*list_count(r->config, list) = item + 1;
	list_defaults_set(r->config, list, item);
	if (!*list->key)
		list_value_take(r, entry, list);
	else if (entry->is != CONFIG_ENTRY_GROUP)
		fault(r, entry, NULL, "keys");
	return *list->key && entry->is == CONFIG_ENTRY_GROUP;
}

/* Whether some known key begins so, with a dot behind. */
static bool is_group(const char *key)
{
	size_t len = strlen(key);
	for (size_t i = 0; i < config_setting_count; i++)
		if (strncmp(config_settings[i].key, key, len) == 0 && config_settings[i].key[len] == '.')
			return true;
	return len == 0;
}

static bool unknown_take(struct reading *r, const struct config_entry *entry)
{
	char allowed[CONFIG_FAULT_BYTES];
	fault(r, entry, "an unknown key", config_near(entry->key, allowed, sizeof allowed));
	return false;
}

/* True: the entry was fine so far, and what is in it should be read too. */
static bool entry_take(struct reading *r, const struct config_entry *entry)
{
	const struct config_setting *setting = setting_find(entry->key);
	const struct config_list_setting *list;
	if (setting)
		return value_take(r, entry, &setting->rule, (char *)r->config + setting->at);
	if ((list = list_key_find(entry->key)) != NULL)
		return list_value_take(r, entry, list), false;
	if ((list = list_find(entry->key, "[]")) != NULL)
		return list_item_take(r, entry, list);
	list = list_find(entry->key, "");
	if (!list && !is_group(entry->key))
		return unknown_take(r, entry);
	if (entry->is == (list ? CONFIG_ENTRY_LIST : CONFIG_ENTRY_GROUP) || config_entry_is_null(entry))
		return true;
	fault(r, entry, NULL, list ? "a list" : "keys");
	return false;
}

static bool entry_is_second(struct reading *r, size_t at)
{
	const struct config_entry *entry = &r->source->entries.entry[at], *first;
	char found[64];
	if (strcmp(entry->key + strlen(entry->key) - (*entry->key ? 1 : 0), "]") == 0 ||
	    (first = config_source_find(r->source, entry->key, entry->item)) == entry)
		return false;
	snprintf(found, sizeof found, "a second one (the first is in line %u)", first->line);
	fault(r, entry, found, "each key once");
	return true;
}

static void entries_take(struct reading *r)
{
	for (size_t i = 0; i < r->source->entries.count;) {
		const struct config_entry *entry = &r->source->entries.entry[i];
		bool into = entry->is != CONFIG_ENTRY_REFUSED && !entry_is_second(r, i) && entry_take(r, entry);
		for (i++; !into && i < r->source->entries.count && r->source->entries.entry[i].depth > entry->depth;)
			i++;
	}
}

static void settings_missing(struct reading *r)
{
	char allowed[CONFIG_VALUE_BYTES];
	for (size_t i = 0; i < config_setting_count; i++) {
		const struct config_setting *setting = &config_settings[i];
		if (*setting->otherwise || config_source_find(r->source, setting->key, -1))
			continue;
		config_value_allowed(&setting->rule, allowed);
		config_source_fault(r->source, setting->key, -1, NULL, allowed, r->faults);
	}
	if (r->config->listener_count == 0)
		config_source_fault(r->source, "listeners", -1, "nothing", "a list with the addresses to listen on",
				    r->faults);
}

/* Only members that are groups can lack a key. */
static void list_keys_missing(struct reading *r)
{
	char key[CONFIG_VALUE_BYTES], allowed[CONFIG_VALUE_BYTES];
	for (size_t i = 0; i < r->source->entries.count; i++) {
		const struct config_entry *entry = &r->source->entries.entry[i];
		const struct config_list_setting *list = list_find(entry->key, "[]");
		for (size_t n = 0; list && entry->is == CONFIG_ENTRY_GROUP && n < config_list_setting_count; n++) {
			const struct config_list_setting *other = &config_list_settings[n];
			if (strcmp(other->list, list->list) != 0 || !other->needed)
				continue;
			snprintf(key, sizeof key, "%s.%s", entry->key, other->key);
			config_value_allowed(&other->rule, allowed);
			if (!config_source_find(r->source, key, entry->item))
				config_source_fault(r->source, key, entry->item, NULL, allowed, r->faults);
		}
	}
}

static char *directory_of(const char *file)
{
	const char *slash = strrchr(file, '/');
	char *directory = strndup(file, slash ? (size_t)(slash - file) + (slash == file) : 0);
	assert(directory);
	return directory;
}

static struct config *config_new(const char *directory)
{
	struct config *config = calloc(1, sizeof *config);
	assert(config);
	for (size_t i = 0; i < config_setting_count; i++) {
		const struct config_setting *setting = &config_settings[i];
		bool good = !*setting->otherwise || config_value_read(&setting->rule, directory, setting->otherwise,
								      (char *)config + setting->at);
		assert(good);
	}
	return config;
}

/* The bundled server always serves a domain. */
static void domains_default(struct config *config)
{
	const struct config_list_setting *list = list_find("sessiond.domains", "");
	if (config->domain_count > 0)
		return;
	bool good = config_value_read(&list->rule, "", list->otherwise, list_member(config, list, 0));
	assert(good);
	config->domain_count = 1;
}

static struct config *config_read_as(const char *file, bool check_files, struct config_faults *ret)
{
	struct reading r = {.check_files = check_files, .faults = ret};
	config_faults_init(ret);
	r.directory = directory_of(file);
	r.config = config_new(r.directory);
	r.source = r.config->source = config_source_new(file);
	if (config_yaml_read(file, ret, &r.source->entries)) {
		entries_take(&r);
		settings_missing(&r);
		list_keys_missing(&r);
		config_relations_check(r.config, ret);
		domains_default(r.config);
	}
	free(r.directory);
	if (ret->count == 0)
		return r.config;
	config_free(r.config);
	return NULL;
}

struct config *config_read(const char *file, struct config_faults *ret)
{
	return config_read_as(file, false, ret);
}

struct config *config_check(const char *file, struct config_faults *ret)
{
	return config_read_as(file, true, ret);
}

void config_free(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config_setting_count; i++)
		if (config_kind_is_text(config_settings[i].rule.kind))
			free(*(char **)((char *)config + config_settings[i].at));
	for (size_t i = 0; i < config_list_setting_count; i++)
		for (size_t n = 0;
		     n < config_list_settings[i].items_max && config_kind_is_text(config_list_settings[i].rule.kind);
		     n++)
			free(*(char **)list_member(config, &config_list_settings[i], n));
	config_source_free(config->source);
	free(config);
}
