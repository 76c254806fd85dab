#include "config_file.h"

#include "config_kind.h"
#include "config_near.h"
#include "config_yaml.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct reading {
	const char *file;
	char *directory;
	bool check_files;
	struct config_entries entries;
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

/* The key as people say it, "listeners[2].address". */
static void key_show(const struct config_entry *entry, char to[static CONFIG_VALUE_BYTES])
{
	const char *mark = strstr(entry->key, "[]");
	if (mark)
		snprintf(to, CONFIG_VALUE_BYTES, "%.*s[%d]%s", (int)(mark - entry->key), entry->key, entry->item,
			 mark + 2);
	else
		snprintf(to, CONFIG_VALUE_BYTES, "%s", *entry->key ? entry->key : "YAML");
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

static void fault(struct reading *r, const struct config_entry *entry, const char *found, const char *allowed)
{
	char key[CONFIG_VALUE_BYTES];
	key_show(entry, key);
	config_fault_add(r->faults, "%s:%u: %s: found %s, allowed %s", r->file, entry->line, key, found, allowed);
}

static void fault_value(struct reading *r, const struct config_entry *entry, const char *allowed)
{
	char found[CONFIG_QUOTE_BYTES];
	found_show(entry, found);
	fault(r, entry, found, allowed);
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
		fault_value(r, entry, allowed);
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
			fault_value(r, entry, "each only once");
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
		fault_value(r, entry, "keys");
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

static const struct config_entry *entry_find(const struct config_entries *entries, size_t end, const char *key,
					     int item)
{
	for (size_t i = 0; i < end; i++)
		if (entries->entry[i].item == item && strcmp(entries->entry[i].key, key) == 0)
			return &entries->entry[i];
	return NULL;
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
	fault_value(r, entry, list ? "a list" : "keys");
	return false;
}

static bool entry_is_second(struct reading *r, size_t at)
{
	const struct config_entry *entry = &r->entries.entry[at], *first;
	char found[64];
	if (strcmp(entry->key + strlen(entry->key) - (*entry->key ? 1 : 0), "]") == 0 ||
	    !(first = entry_find(&r->entries, at, entry->key, entry->item)))
		return false;
	snprintf(found, sizeof found, "a second one (the first is in line %u)", first->line);
	fault(r, entry, found, "each key once");
	return true;
}

static void entries_take(struct reading *r)
{
	for (size_t i = 0; i < r->entries.count;) {
		const struct config_entry *entry = &r->entries.entry[i];
		bool into = entry->is != CONFIG_ENTRY_REFUSED && !entry_is_second(r, i) && entry_take(r, entry);
		for (i++; !into && i < r->entries.count && r->entries.entry[i].depth > entry->depth;)
			i++;
	}
}

/* The line at which a key that is not there would stand: that of its group, or else the first. */
static void fault_missing(struct reading *r, const char *key, int item, const char *allowed)
{
	char parent[CONFIG_VALUE_BYTES];
	struct config_entry missing = {.key = (char *)key, .item = item, .line = 1};
	snprintf(parent, sizeof parent, "%s", key);
	char *dot = strrchr(parent, '.');
	if (dot) {
		*dot = '\0';
		const struct config_entry *group = entry_find(&r->entries, r->entries.count, parent, item);
		missing.line = group ? group->line : 1;
	}
	fault(r, &missing, "nothing", allowed);
}

static void settings_missing(struct reading *r)
{
	char allowed[CONFIG_VALUE_BYTES];
	for (size_t i = 0; i < config_setting_count; i++) {
		const struct config_setting *setting = &config_settings[i];
		if (*setting->otherwise || entry_find(&r->entries, r->entries.count, setting->key, -1))
			continue;
		config_value_allowed(&setting->rule, allowed);
		fault_missing(r, setting->key, -1, allowed);
	}
	if (r->config->listener_count == 0)
		fault_missing(r, "listeners", -1, "a list with the addresses to listen on");
}

/* Only members that are groups can lack a key. */
static void list_keys_missing(struct reading *r)
{
	char key[CONFIG_VALUE_BYTES], allowed[CONFIG_VALUE_BYTES];
	for (size_t i = 0; i < r->entries.count; i++) {
		const struct config_entry *entry = &r->entries.entry[i];
		const struct config_list_setting *list = list_find(entry->key, "[]");
		for (size_t n = 0; list && entry->is == CONFIG_ENTRY_GROUP && n < config_list_setting_count; n++) {
			const struct config_list_setting *other = &config_list_settings[n];
			if (strcmp(other->list, list->list) != 0 || !other->needed)
				continue;
			snprintf(key, sizeof key, "%s.%s", entry->key, other->key);
			config_value_allowed(&other->rule, allowed);
			if (!entry_find(&r->entries, r->entries.count, key, entry->item))
				fault_missing(r, key, entry->item, allowed);
		}
	}
}

/* Who sends PROXY headers says where clients are: that is never left to anybody. */
static void proxies_check(struct reading *r)
{
	for (size_t i = 0; i < r->config->listener_count && r->config->network_count == 0; i++) {
		const struct config_entry *entry =
			entry_find(&r->entries, r->entries.count, "listeners[].proxy", (int)i);
		if (r->config->listeners[i].proxy != 0 && entry)
			fault_value(r, entry, "no, unless proxy.trusted has networks");
	}
}

/* Startalk's clients begin in clear: those that would not have no way to be told. */
static void speech_check(struct reading *r)
{
	for (size_t i = 0; i < r->config->listener_count; i++) {
		const struct config_entry *entry = entry_find(&r->entries, r->entries.count, "listeners[].tls", (int)i);
		if (r->config->listeners[i].startalk && r->config->listeners[i].direct && entry)
			fault_value(r, entry, "starttls, with protocol: startalk");
	}
}

static void clients_check(struct reading *r)
{
	const struct config_entry *entry = entry_find(&r->entries, r->entries.count, "tls.client_certificates", -1);
	if (entry && r->config->tls_client_certificates != 0 && !r->config->tls_client_ca)
		fault_value(r, entry, "off, unless tls.client_ca is given");
}

static int pool_find(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->pool_count; i++)
		if (c->pools[i].name && strcmp(c->pools[i].name, name) == 0)
			return (int)i;
	return -1;
}

/* The pool that needs no line, for whoever is in it: the backends that name none, and the bundled one. */
static void pools_default(struct config *c)
{
	bool used = c->backend_count == 0;
	for (size_t i = 0; i < c->backend_count; i++)
		used |= c->backends[i].pool && strcmp(c->backends[i].pool, "all") == 0;
	if (!used || pool_find(c, "all") >= 0 || c->pool_count == CONFIG_LIST_MAX)
		return;
	c->pools[c->pool_count++] = (struct config_pool){.name = strdup("all"), .failover = true};
	assert(c->pools[c->pool_count - 1].name);
}

static bool names_have(const char *names, const char *name, size_t name_len)
{
	for (size_t len; *names; names += len + (names[len] == ' ')) {
		len = strcspn(names, " ");
		if (len == name_len && memcmp(names, name, len) == 0)
			return true;
	}
	return false;
}

/* Whether two pools say that they serve one domain. */
static bool pools_meet(const struct config_pool *one, const struct config_pool *other)
{
	const char *at = one->domains;
	if (!at || !other->domains)
		return at == other->domains;
	for (size_t len; *at; at += len + (at[len] == ' ')) {
		len = strcspn(at, " ");
		if (names_have(other->domains, at, len))
			return true;
	}
	return false;
}

static void pool_check(struct reading *r, size_t which)
{
	static const char key[] = "pools[].domains";
	static const char allowed[] = "each domain in one pool, and any in one (all without a line is any)";
	const struct config_entry *entry = entry_find(&r->entries, r->entries.count, key, (int)which);
	bool meets = false;
	for (size_t i = 0; i < which; i++)
		meets |= pools_meet(&r->config->pools[which], &r->config->pools[i]);
	if (meets && entry)
		fault_value(r, entry, allowed);
	else if (meets)
		fault_missing(r, key, (int)which, allowed);
}

/* Each backend is in a pool that there is, and each domain in one pool. */
static void pools_check(struct reading *r)
{
	struct config *c = r->config;
	const struct config_entry *entry;
	pools_default(c);
	for (size_t i = 0; i < c->backend_count; i++) {
		entry = entry_find(&r->entries, r->entries.count, "backends[].pool", (int)i);
		if (entry && c->backends[i].pool && pool_find(c, c->backends[i].pool) < 0)
			fault_value(r, entry, "the name of a member of pools, or all");
	}
	for (size_t i = 0; i < c->pool_count; i++)
		pool_check(r, i);
}

/* Of its own accord, or by the names it is found by. */
static bool link_is_tls(const char *address)
{
	bool found = strncmp(address, "dns:", 4) == 0 || strncmp(address, "srv:", 4) == 0;
	return strncmp(address + (found ? 4 : 0), "tls:", 4) == 0;
}

/* Links with TLS need somebody to believe, and a certificate its key. */
static void links_check(struct reading *r)
{
	const struct config *c = r->config;
	const struct config_entry *entry;
	for (size_t i = 0; i < c->backend_count && !c->link_ca; i++) {
		entry = entry_find(&r->entries, r->entries.count, "backends[].address", (int)i);
		if (entry && c->backends[i].address && link_is_tls(c->backends[i].address))
			fault_value(r, entry, "tls only when link.ca is given");
	}
	if (!c->link_certificate == !c->link_key)
		return;
	entry = entry_find(&r->entries, r->entries.count, c->link_key ? "link.key" : "link.certificate", -1);
	if (entry)
		fault_value(r, entry, "link.certificate and link.key, both or none");
}

/* What the tables cannot say: limits that stand in a relation. */
static void unread_check(struct reading *r)
{
	static const char key[] = "limits.unread_bytes_high";
	const struct config_entry *entry = entry_find(&r->entries, r->entries.count, key, -1);
	const struct config_setting *setting = setting_find(key);
	char found[CONFIG_VALUE_BYTES];
	if (r->config->unread_bytes_high <= r->config->unread_bytes_max)
		return;
	config_value_show(&setting->rule, &r->config->unread_bytes_high, found);
	struct config_entry missing = {.key = (char *)key, .item = -1, .line = 1};
	fault(r, entry ? entry : &missing, found, "at most limits.unread_bytes_max");
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
	struct reading r = {.file = file, .check_files = check_files, .faults = ret};
	config_faults_init(ret);
	r.directory = directory_of(file);
	r.config = config_new(r.directory);
	if (config_yaml_read(file, ret, &r.entries)) {
		entries_take(&r);
		settings_missing(&r);
		list_keys_missing(&r);
		unread_check(&r);
		proxies_check(&r);
		speech_check(&r);
		clients_check(&r);
		links_check(&r);
		pools_check(&r);
		domains_default(r.config);
	}
	config_entries_free(&r.entries);
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

bool config_check(const char *file, struct config_faults *ret)
{
	struct config *config = config_read_as(file, true, ret);
	config_free(config);
	return config != NULL;
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
	free(config);
}
