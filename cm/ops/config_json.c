#include "config_json.h"

#include "config_kind.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What stands in a file may be of any bytes; what is not UTF-8 is left out. */
static json_t *value_json(const struct config_rule *rule, const void *member)
{
	char text[CONFIG_VALUE_BYTES];
	json_t *value;

	config_value_show(rule, member, text);
	value = json_string(text);
	return value != NULL ? value : json_string("");
}

static const void *member_of(const struct config *config, const struct config_setting *setting)
{
	return (const char *)config + setting->at;
}

/* Lines of one list stand together in the table. */
static bool is_first(size_t line)
{
	return line == 0 || strcmp(config_list_settings[line - 1].list, config_list_settings[line].list) != 0;
}

static json_t *list_member_json(const struct config *config, size_t first, size_t index)
{
	const struct config_list_setting *list = &config_list_settings[first];
	json_t *member = json_object();

	for (size_t i = first; i < config_list_setting_count && (i == first || !is_first(i)); i++) {
		const struct config_list_setting *line = &config_list_settings[i];
		const char *base = (const char *)config + line->first_at + index * line->member_bytes;

		json_object_set_new(member, line->key, value_json(&line->rule, base + line->at));
	}
	if (*list->key == '\0') { /* the member is the value itself */
		json_t *value = json_incref(json_object_get(member, ""));

		json_decref(member);
		member = value;
	}
	return member;
}

static json_t *list_json(const struct config *config, size_t first)
{
	size_t count = *(const size_t *)((const char *)config + config_list_settings[first].count_at);
	json_t *members = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(members, list_member_json(config, first, i));
	return members;
}

json_t *config_json(const struct config *config)
{
	json_t *values = json_array(), *lists = json_array();

	for (size_t i = 0; i < config_setting_count; i++) {
		const struct config_setting *setting = &config_settings[i];
		json_t *value = value_json(&setting->rule, member_of(config, setting));
		bool is_default = strcmp(json_string_value(value), setting->otherwise) == 0;

		json_array_append_new(values, json_pack("{s:s, s:o, s:b, s:b}", "key", setting->key, "value", value,
							"default", is_default, "reload", setting->reload));
	}
	for (size_t i = 0; i < config_list_setting_count; i++)
		if (is_first(i))
			json_array_append_new(lists, json_pack("{s:s, s:o, s:b}", "key", config_list_settings[i].list,
							       "members", list_json(config, i), "reload",
							       config_list_reloads(config_list_settings[i].list)));
	return json_pack("{s:o, s:o}", "values", values, "lists", lists);
}

static json_t *list_text(const struct config *config, size_t first)
{
	json_t *members = list_json(config, first);
	char *text = json_dumps(members, JSON_COMPACT);
	json_t *value = json_string(text);

	assert(value != NULL);
	json_decref(members);
	free(text);
	return value;
}

/* Takes the references over. */
static void difference_add(json_t *to, const char *key, bool reload, json_t *now, json_t *file)
{
	if (json_equal(now, file)) {
		json_decref(now);
		json_decref(file);
		return;
	}
	json_array_append_new(
		to, json_pack("{s:s, s:o, s:o, s:b}", "key", key, "now", now, "file", file, "reload", reload));
}

json_t *config_json_difference(const struct config *now, const struct config *file)
{
	json_t *all = json_array();

	for (size_t i = 0; i < config_setting_count; i++) {
		const struct config_setting *setting = &config_settings[i];

		difference_add(all, setting->key, setting->reload, value_json(&setting->rule, member_of(now, setting)),
			       value_json(&setting->rule, member_of(file, setting)));
	}
	for (size_t i = 0; i < config_list_setting_count; i++)
		if (is_first(i))
			difference_add(all, config_list_settings[i].list,
				       config_list_reloads(config_list_settings[i].list), list_text(now, i),
				       list_text(file, i));
	return all;
}
