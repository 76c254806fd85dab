#include "config_near.h"

#include "config_kind.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

enum { NEAR_BYTES = 64 };

/* Levenshtein's distance; texts beyond NEAR_BYTES are near to nothing. */
static size_t distance(const char *a, const char *b)
{
	size_t row[NEAR_BYTES + 1], a_len = strlen(a), b_len = strlen(b);
	if (a_len > NEAR_BYTES || b_len > NEAR_BYTES)
		return NEAR_BYTES;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 0; i < a_len; i++) {
		size_t corner = row[0];
		row[0] = i + 1;
		for (size_t j = 0; j < b_len; j++) {
			size_t replaced = corner + (a[i] != b[j]), removed = row[j + 1] + 1, added = row[j] + 1;
			corner = row[j + 1];
			row[j + 1] = replaced < removed ? replaced : removed;
			row[j + 1] = row[j + 1] < added ? row[j + 1] : added;
		}
	}
	return row[b_len];
}

static const char *last_part(const char *key)
{
	const char *dot = strrchr(key, '.');
	return dot ? dot + 1 : key;
}

/* A known key: the settings, then the lists' names, then their keys. Empty at a line that gives none. */
static void known_key(size_t n, char to[static CONFIG_VALUE_BYTES])
{
	size_t lists = config_list_setting_count;
	*to = '\0';
	if (n < config_setting_count)
		snprintf(to, CONFIG_VALUE_BYTES, "%s", config_settings[n].key);
	else if (n < config_setting_count + lists)
		snprintf(to, CONFIG_VALUE_BYTES, "%s", config_list_settings[n - config_setting_count].list);
	else if (*config_list_settings[n - config_setting_count - lists].key)
		snprintf(to, CONFIG_VALUE_BYTES, "%s[].%s", config_list_settings[n - config_setting_count - lists].list,
			 config_list_settings[n - config_setting_count - lists].key);
}

/* The part of a known key that could stand in place of the unknown one's last part: "" when it is somewhere else. */
static void sibling(const char *known, const char *key, char to[static CONFIG_VALUE_BYTES])
{
	size_t before = (size_t)(last_part(key) - key);
	*to = '\0';
	if (strncmp(known, key, before) == 0)
		snprintf(to, CONFIG_VALUE_BYTES, "%.*s", (int)strcspn(known + before, ".["), known + before);
}

/* Adds a word to a text of words, unless it is there already. */
static void word_add(char *to, size_t cap, const char *word)
{
	size_t len = strlen(word), used = strlen(to);
	if (len == 0)
		return;
	for (const char *at = to; (at = strstr(at, word)) != NULL; at++)
		if ((at == to || at[-1] == ' ') && (at[len] == ',' || !at[len]))
			return;
	if (used + len + 3 < cap)
		snprintf(to + used, cap - used, "%s%s", used ? ", " : "", word);
}

/* The known key whose last part is nearest, among those at the same place, or that has the same last part elsewhere. */
static bool nearest_find(const char *key, char *to, size_t cap)
{
	const char *name = last_part(key);
	size_t nearest = strlen(name) / 2 + 1;
	char known[CONFIG_VALUE_BYTES], word[CONFIG_VALUE_BYTES];
	bool found = false;
	for (size_t n = 0; n < config_setting_count + 2 * config_list_setting_count; n++) {
		known_key(n, known);
		sibling(known, key, word);
		bool elsewhere = strcmp(last_part(known), name) == 0;
		size_t far = elsewhere ? 0 : *word ? distance(name, word) : NEAR_BYTES;
		if (far >= nearest)
			continue;
		if (elsewhere)
			snprintf(to, cap, "%s", known);
		else
			snprintf(to, cap, "%.*s%s", (int)(name - key), key, word);
		nearest = far;
		found = true;
	}
	return found;
}

char *config_near(const char *key, char *to, size_t cap)
{
	char known[CONFIG_VALUE_BYTES], word[CONFIG_VALUE_BYTES];
	assert(cap > 0);
	*to = '\0';
	if (nearest_find(key, to, cap))
		return to;
	for (size_t n = 0; n < config_setting_count + 2 * config_list_setting_count; n++) {
		known_key(n, known);
		sibling(known, key, word);
		word_add(to, cap, word);
	}
	return to;
}
