/* What is printed from the tables must be what stands in docs/ and deploy/. SOURCE_ROOT is the top of the tree. */
#include "config_kind.h"
#include "config_text.h"
#include "metrics.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct config_faults faults;

TestSuite(print, .fini = config_folder_remove);

static char *printed(void (*print)(FILE *))
{
	char *text;
	size_t len;
	FILE *to = open_memstream(&text, &len);
	cr_assert_not_null(to);
	print(to);
	cr_assert_eq(fclose(to), 0);
	return text;
}

static char *file_read(const char *name)
{
	char path[1024];
	const char *root = getenv("SOURCE_ROOT");
	char *text = calloc(1, 1 << 20);
	cr_assert_not_null(root, "SOURCE_ROOT is not set");
	snprintf(path, sizeof path, "%s/%s", root, name);
	FILE *in = fopen(path, "r");
	cr_assert_not_null(in, "%s", path);
	cr_assert_gt(fread(text, 1, (1 << 20) - 1, in), 0);
	fclose(in);
	return text;
}

static void compare(const char *file, void (*print)(FILE *))
{
	char *expected = printed(print), *found = file_read(file);
	cr_assert_str_eq(found, expected, "%s is not what the tables say: print it anew", file);
	free(expected);
	free(found);
}

Test(print, configuration_reference_is_in_docs)
{
	compare("docs/configuration.md", config_print_reference);
}

Test(print, metrics_reference_is_in_docs)
{
	compare("docs/metrics.md", metrics_print_reference);
}

Test(print, example_is_in_deploy)
{
	compare("deploy/stanzagate.yaml", config_print_example);
}

/* A line of the example that is a key with its default: "#workers: 0", "  #level: info". */
static bool is_commented_key(const char *line)
{
	line += strspn(line, " ");
	return line[0] == '#' && line[1] >= 'a' && line[1] <= 'z' && strchr(line, ':') &&
	       strcspn(line, " ") > strcspn(line, ":");
}

Test(print, example_parses_and_shows_the_defaults)
{
	char *text = printed(config_print_example), *uncommented = strdup(text), *to = uncommented;
	size_t keys = 0;
	struct config *plain = config_text_read(text, &faults);
	cr_assert_not_null(plain, "%s", config_faults_text(&faults));
	for (char *line = text, *next; *line; line = next) {
		next = line + strcspn(line, "\n") + 1;
		bool key = is_commented_key(line) && strncmp(line, "#backends", 9) != 0 &&
			   strncmp(line, "#pools", 6) != 0 && strncmp(line, "#certificates", 13) != 0;
		keys += key;
		for (char *at = line; at < next; at++)
			if (!key || *at != '#')
				*to++ = *at;
	}
	*to = '\0';
	struct config *all = config_text_read(uncommented, &faults);
	cr_assert_not_null(all, "%s%s", uncommented, config_faults_text(&faults));
	cr_assert_eq(keys, config_setting_count - 2 + 5,
		     "%zu: all but the two that are needed, and the lists of plain texts", keys);
	for (size_t i = 0; i < config_setting_count; i++) {
		char one[CONFIG_VALUE_BYTES], other[CONFIG_VALUE_BYTES];
		config_value_show(&config_settings[i].rule, (char *)plain + config_settings[i].at, one);
		config_value_show(&config_settings[i].rule, (char *)all + config_settings[i].at, other);
		cr_assert_str_eq(one, other);
	}
	cr_assert(config_can_reload(plain, all, &faults));
	config_free(plain);
	config_free(all);
	free(text);
	free(uncommented);
}

Test(print, reference_has_every_key)
{
	char *text = printed(config_print_reference), key[128];
	for (size_t i = 0; i < config_setting_count; i++) {
		snprintf(key, sizeof key, "| `%s` |", config_settings[i].key);
		cr_assert(strstr(text, key), "%s", key);
	}
	for (size_t i = 0; i < config_list_setting_count; i++) {
		snprintf(key, sizeof key, "| `%s` | %s%s%s |", config_list_settings[i].list,
			 *config_list_settings[i].key ? "`" : "",
			 *config_list_settings[i].key ? config_list_settings[i].key : "(none)",
			 *config_list_settings[i].key ? "`" : "");
		cr_assert(strstr(text, key), "%s", key);
	}
	free(text);
}
