#include "config_file.h"
#include "config_kind.h"

#include <string.h>

static const char head[] =
	"# Configuration\n"
	"\n"
	"One file in YAML, read at start and again at a reload. `stanzagate check -c FILE` checks it: each fault is\n"
	"one line, `FILE:LINE: KEY: found X, allowed Y`. A dot in a key's name is one level of nesting: `log.level`\n"
	"is the key `level` in `log`. Relative paths are relative to the file's own directory. Keys without a\n"
	"default are needed, as is at least one listener.\n"
	"\n"
	"A reload takes up the keys marked so. When any other key has changed, the reload is refused, and the gate\n"
	"goes on as it was.\n"
	"\n"
	"## Values\n"
	"\n"
	"| Key | Default | Allowed | Reload | Meaning |\n"
	"|---|---|---|---|---|\n";

static const char lists_head[] = "\n"
				 "## Lists\n"
				 "\n"
				 "At most %d members each, of `certificates` %d; a change of `listeners`, "
				 "`sessiond.domains`, `control.users` and `proxy.trusted` needs a restart. "
				 "Without "
				 "backends the bundled session server runs. The\n"
				 "domains are plain texts: `domains: [example.org]`.\n"
				 "\n"
				 "| List | Key of each member | Default | Allowed | Meaning |\n"
				 "|---|---|---|---|---|\n";

static void default_print(FILE *to, const char *otherwise)
{
	fprintf(to, *otherwise ? "`%s`" : "needed%s", otherwise);
}

void config_print_reference(FILE *to)
{
	char allowed[CONFIG_VALUE_BYTES];
	fputs(head, to);
	for (size_t i = 0; i < config_setting_count; i++) {
		const struct config_setting *setting = &config_settings[i];
		config_value_allowed(&setting->rule, allowed);
		fprintf(to, "| `%s` | ", setting->key);
		default_print(to, setting->otherwise);
		fprintf(to, " | %s | %s | %s |\n", allowed, setting->reload ? "yes" : "no", setting->meaning);
	}
	fprintf(to, lists_head, CONFIG_LIST_MAX, CONFIG_CERTIFICATES_MAX);
	for (size_t i = 0; i < config_list_setting_count; i++) {
		const struct config_list_setting *list = &config_list_settings[i];
		config_value_allowed(&list->rule, allowed);
		fprintf(to, "| `%s` | %s%s%s | ", list->list, *list->key ? "`" : "", *list->key ? list->key : "(none)",
			*list->key ? "`" : "");
		if (*list->otherwise || list->needed)
			default_print(to, list->otherwise);
		else
			fputs("none", to);
		fprintf(to, " | %s | %s |\n", allowed, list->meaning);
	}
}

static const char example_head[] = "# stanzagate. Every key is here; those behind a # show their default.\n"
				   "# `stanzagate check -c FILE` checks the file.\n"
				   "\n"
				   "# Where clients come in.\n"
				   "listeners:\n"
				   "  - address: 0.0.0.0:5222\n"
				   "    tls: starttls\n"
				   "  - address: 0.0.0.0:5223\n"
				   "    tls: direct\n"
				   "\n"
				   "# Session servers. Without any, the bundled one runs (sessiond, below).\n"
				   "#backends:\n"
				   "#  - name: one\n"
				   "#    address: unix:/run/stanzagate/one.sock\n"
				   "#    weight: 100\n"
				   "#    pool: chat\n"
				   "#pools:\n"
				   "#  - name: chat\n"
				   "#    domains: example.org example.com\n"
				   "#    policy: user\n"
				   "\n"
				   "# Certificates for further names, or for the same with another kind of key.\n"
				   "#certificates:\n"
				   "#  - certificate: chat.pem\n"
				   "#    key: chat-key.pem\n"
				   "#    ocsp: chat.ocsp\n"
				   "\n";

/* The example's answer where the tables have none. */
static const char *example_value(const struct config_setting *setting)
{
	return strcmp(setting->key, "tls.key") == 0 ? "key.pem" : "certificate.pem";
}

static void example_key_print(FILE *to, const struct config_setting *setting, const char *name, const char *indent)
{
	char allowed[CONFIG_VALUE_BYTES];
	config_value_allowed(&setting->rule, allowed);
	if (config_kind_is_plain(setting->rule.kind))
		fprintf(to, "%s# %s: %s\n", indent, setting->meaning, allowed);
	else
		fprintf(to, "%s# %s\n", indent, setting->meaning);
	if (*setting->otherwise)
		fprintf(to, "%s#%s: %s\n", indent, name, setting->otherwise);
	else
		fprintf(to, "%s%s: %s\n", indent, name, example_value(setting));
}

static void example_lists_print(FILE *to, const char *group, size_t len)
{
	for (size_t i = 0; i < config_list_setting_count; i++) {
		const struct config_list_setting *list = &config_list_settings[i];
		if (strncmp(list->list, group, len) == 0 && list->list[len] == '.')
			fprintf(to, "  # %s\n  #%s: [%s]\n", list->meaning, list->list + len + 1, list->otherwise);
	}
}

void config_print_example(FILE *to)
{
	fputs(example_head, to);
	for (size_t i = 0; i < config_setting_count; i++) {
		const char *key = config_settings[i].key, *dot = strchr(key, '.');
		const char *next = i + 1 < config_setting_count ? config_settings[i + 1].key : "";
		size_t len = dot ? (size_t)(dot - key) + 1 : 0;
		if (dot && (i == 0 || strncmp(config_settings[i - 1].key, key, len) != 0))
			fprintf(to, "\n%.*s:\n", (int)len - 1, key);
		example_key_print(to, &config_settings[i], dot ? dot + 1 : key, dot ? "  " : "");
		if (dot && strncmp(next, key, len) != 0)
			example_lists_print(to, key, len - 1);
	}
}
