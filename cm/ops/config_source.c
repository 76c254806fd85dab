#include "config_source.h"

#include "config_kind.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct config_source *config_source_new(const char *file)
{
	struct config_source *source = calloc(1, sizeof *source);

	assert(source != NULL);
	source->file = strdup(file);
	assert(source->file != NULL);
	return source;
}

void config_source_free(struct config_source *source)
{
	if (source == NULL)
		return;
	config_entries_free(&source->entries);
	free(source->file);
	free(source);
}

const struct config_entry *config_source_find(const struct config_source *source, const char *key, int item)
{
	for (size_t i = 0; i < source->entries.count; i++)
		if (source->entries.entry[i].item == item && strcmp(source->entries.entry[i].key, key) == 0)
			return &source->entries.entry[i];
	return NULL;
}

/* The key as people say it, "listeners[2].address". */
static void key_show(const struct config_entry *entry, char to[static CONFIG_VALUE_BYTES])
{
	const char *mark = strstr(entry->key, "[]");

	if (mark != NULL)
		snprintf(to, CONFIG_VALUE_BYTES, "%.*s[%d]%s", (int)(mark - entry->key), entry->key, entry->item,
			 mark + 2);
	else
		snprintf(to, CONFIG_VALUE_BYTES, "%s", *entry->key != '\0' ? entry->key : "YAML");
}

static void found_show(const struct config_entry *entry, char to[static CONFIG_QUOTE_BYTES])
{
	static const char *const words[] = {[CONFIG_ENTRY_VALUE] = "nothing",
					    [CONFIG_ENTRY_GROUP] = "keys",
					    [CONFIG_ENTRY_LIST] = "a list",
					    [CONFIG_ENTRY_REFUSED] = "nothing"};

	if (entry->is == CONFIG_ENTRY_VALUE && !config_entry_is_null(entry))
		config_quote(entry->value, to);
	else
		snprintf(to, CONFIG_QUOTE_BYTES, "%s", words[entry->is]);
}

void config_source_fault_of(const struct config_source *source, const struct config_entry *entry, const char *found,
			    const char *allowed, struct config_faults *ret)
{
	char key[CONFIG_VALUE_BYTES], stands[CONFIG_QUOTE_BYTES];

	key_show(entry, key);
	if (found == NULL)
		found_show(entry, stands);
	config_fault_add(ret, "%s:%u: %s: found %s, allowed %s", source->file, entry->line, key,
			 found == NULL ? stands : found, allowed);
}

/* Of what the key would stand in. */
static unsigned line_of_group(const struct config_source *source, const char *key, int item)
{
	char group[CONFIG_VALUE_BYTES];
	const struct config_entry *entry;
	char *dot;

	snprintf(group, sizeof group, "%s", key);
	dot = strrchr(group, '.');
	if (dot == NULL)
		return 1;
	*dot = '\0';
	entry = config_source_find(source, group, item);
	return entry != NULL ? entry->line : 1;
}

void config_source_fault(const struct config_source *source, const char *key, int item, const char *found,
			 const char *allowed, struct config_faults *ret)
{
	const struct config_entry *entry = config_source_find(source, key, item);
	struct config_entry missing = {.key = (char *)key, .item = item, .is = CONFIG_ENTRY_REFUSED};

	missing.line = entry == NULL ? line_of_group(source, key, item) : 0;
	config_source_fault_of(source, entry != NULL ? entry : &missing, found, allowed, ret);
}

/* ---- files that it names */

/* What the table says that the file is: the first words of the key's meaning. */
static void blame(const struct config_source *source, const char *key, int item, const char *path, const char *why,
		  const char *meaning, struct config_faults *ret)
{
	char found[CONFIG_VALUE_BYTES], quoted[CONFIG_QUOTE_BYTES], allowed[CONFIG_VALUE_BYTES];

	snprintf(found, sizeof found, "%s (%s)", config_quote(path, quoted), why);
	snprintf(allowed, sizeof allowed, "a %.*s", (int)strcspn(meaning, ",;:"), meaning);
	config_source_fault(source, key, item, found, allowed, ret);
}

static bool is_file(enum config_kind kind)
{
	return kind == CONFIG_KIND_FILE || kind == CONFIG_KIND_MAYFILE;
}

static bool setting_blame(const struct config *config, const char *file, const char *why, struct config_faults *ret)
{
	for (size_t i = 0; i < config_setting_count; i++) {
		const struct config_setting *s = &config_settings[i];

		if (!is_file(s->rule.kind) || *(char *const *)((const char *)config + s->at) != file)
			continue;
		blame(config->source, s->key, -1, file, why, s->meaning, ret);
		return true;
	}
	return false;
}

static bool list_blame(const struct config *config, const struct config_list_setting *list, const char *file,
		       const char *why, struct config_faults *ret)
{
	size_t count = *(const size_t *)((const char *)config + list->count_at);

	for (size_t n = 0; n < count && is_file(list->rule.kind); n++) {
		const char *member = (const char *)config + list->first_at + n * list->member_bytes;
		char key[CONFIG_VALUE_BYTES];

		if (*(char *const *)(member + list->at) != file)
			continue;
		snprintf(key, sizeof key, "%s[].%s", list->list, list->key);
		blame(config->source, key, (int)n, file, why, list->meaning, ret);
		return true;
	}
	return false;
}

void config_source_blame(const struct config *config, const char *file, const char *why, struct config_faults *ret)
{
	bool blamed = file != NULL && setting_blame(config, file, why, ret);

	for (size_t i = 0; i < config_list_setting_count && file != NULL && !blamed; i++)
		blamed = list_blame(config, &config_list_settings[i], file, why, ret);
	assert(blamed || file == NULL);
	if (!blamed)
		config_fault_add(ret, "%s: %s", config->source->file, why);
}
