#include "config_file.h"
#include "config_kind.h"
#include "config_source.h"

#include <string.h>

/* Whether the value is the same in both; texts for the report. */
static bool value_is_same(const struct config_rule *rule, const void *before, const void *now,
			  char was[static CONFIG_VALUE_BYTES], char is[static CONFIG_VALUE_BYTES])
{
	config_value_show(rule, before, was);
	config_value_show(rule, now, is);
	return strcmp(was, is) == 0;
}

static void settings_compare(const struct config *before, const struct config *now, struct config_faults *ret)
{
	char was[CONFIG_VALUE_BYTES], is[CONFIG_VALUE_BYTES], was_quoted[CONFIG_QUOTE_BYTES],
		is_quoted[CONFIG_QUOTE_BYTES], allowed[CONFIG_VALUE_BYTES];
	for (size_t i = 0; i < config_setting_count; i++) {
		const struct config_setting *setting = &config_settings[i];
		if (setting->reload || value_is_same(&setting->rule, (const char *)before + setting->at,
						     (const char *)now + setting->at, was, is))
			continue;
		config_quote(is, is_quoted);
		snprintf(allowed, sizeof allowed, "%s until the gate is restarted", config_quote(was, was_quoted));
		config_source_fault(now->source, setting->key, -1, is_quoted, allowed, ret);
	}
}

static bool list_is_same(const struct config *before, const struct config *now, const struct config_list_setting *list)
{
	char was[CONFIG_VALUE_BYTES], is[CONFIG_VALUE_BYTES];
	size_t count = *(const size_t *)((const char *)before + list->count_at);
	bool same = count == *(const size_t *)((const char *)now + list->count_at);
	for (size_t i = 0; i < count && same; i++) {
		size_t at = list->first_at + i * list->member_bytes + list->at;
		same = value_is_same(&list->rule, (const char *)before + at, (const char *)now + at, was, is);
	}
	return same;
}

static void lists_compare(const struct config *before, const struct config *now, struct config_faults *ret)
{
	const char *told = "";
	for (size_t i = 0; i < config_list_setting_count; i++) {
		const struct config_list_setting *list = &config_list_settings[i];
		if (strcmp(told, list->list) == 0 || config_list_reloads(list->list) || list_is_same(before, now, list))
			continue;
		config_source_fault(now->source, list->list, -1, "another list", "the same until the gate is restarted",
				    ret);
		told = list->list;
	}
}

bool config_can_reload(const struct config *before, const struct config *now, struct config_faults *ret)
{
	config_faults_init(ret);
	settings_compare(before, now, ret);
	lists_compare(before, now, ret);
	if (before->backend_count > 0 && now->backend_count == 0)
		config_source_fault(now->source, "backends", -1, "none", "one at least until the gate is restarted",
				    ret);
	return ret->count == 0;
}
