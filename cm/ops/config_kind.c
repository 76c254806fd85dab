#include "config_kind.h"

#include "jid.h"
#include "log.h"
#include "network.h"

#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

enum { NAME_BYTES_MAX = 63, NAMES_ONE_MAX = 253 };
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

#define SETTING(key, member, kind, min, max, otherwise, unit, reload, meaning)                                         \
	{key, offsetof(struct config, member), {CONFIG_KIND_##kind, min, max, unit, true}, otherwise, reload, meaning},
const struct config_setting config_settings[] = {
#include "config.def"
};
const size_t config_setting_count = sizeof config_settings / sizeof *config_settings;

#define COUNT_listeners	   offsetof(struct config, listener_count)
#define COUNT_backends	   offsetof(struct config, backend_count)
#define COUNT_domains	   offsetof(struct config, domain_count)
#define COUNT_certificates offsetof(struct config, certificate_count)
#define COUNT_networks	   offsetof(struct config, network_count)
#define COUNT_pools	   offsetof(struct config, pool_count)
#define COUNT_link_users   offsetof(struct config, link_user_count)
#define COUNT_exempt	   offsetof(struct config, exempt_count)
#define COUNT_operators	   offsetof(struct config, operator_count)
#define MEMBER(list)	   ((struct config *)0)->list[0]
#define LIST_SETTING(name, list, member, key, kind, otherwise, needed, meaning)                                        \
	{name,                                                                                                         \
	 key,                                                                                                          \
	 offsetof(struct config, list),                                                                                \
	 COUNT_##list,                                                                                                 \
	 sizeof((struct config *)0)->list / sizeof MEMBER(list),                                                       \
	 sizeof MEMBER(list),                                                                                          \
	 offsetof(struct config, list[0].member) - offsetof(struct config, list),                                      \
	 {CONFIG_KIND_##kind, 1, 1000, "", false},                                                                     \
	 otherwise,                                                                                                    \
	 needed,                                                                                                       \
	 meaning},
const struct config_list_setting config_list_settings[] = {
#include "config_list.def"
};
const size_t config_list_setting_count = sizeof config_list_settings / sizeof *config_list_settings;

bool config_list_reloads(const char *list)
{
	static const char *const lists[] = {
#define LIST_SETTING(...)
#define LIST_RELOADS(name) name,
#include "config_list.def"
	};
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		if (strcmp(lists[i], list) == 0)
			return true;
	return false;
}

static bool number_read(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t number = 0;
	if (!*text || (text[0] == '0' && text[1]))
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || number > (UINT64_MAX - 9) / 10)
			return false;
		number = number * 10 + (uint64_t)(*text - '0');
	}
	if (number < min || number > max)
		return false;
	*ret = number;
	return true;
}

static bool text_set(const char *text, void *ret)
{
	char *copy = strdup(text);
	assert(copy);
	*(char **)ret = copy;
	return true;
}

static bool int_read(const struct config_rule *rule, const char *directory, const char *text, void *ret)
{
	return number_read(text, rule->min, rule->max, ret);
}

static bool weight_read(const struct config_rule *rule, const char *directory, const char *text, void *ret)
{
	uint64_t number;
	if (!number_read(text, rule->min, rule->max, &number))
		return false;
	*(uint32_t *)ret = (uint32_t)number;
	return true;
}

static bool bool_read(const struct config_rule *rule, const char *directory, const char *text, void *ret)
{
	bool yes = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0;
	if (!yes && strcmp(text, "no") != 0 && strcmp(text, "false") != 0)
		return false;
	*(bool *)ret = yes;
	return true;
}

static bool level_read(const struct config_rule *rule, const char *directory, const char *text, void *ret)
{
	int level = log_level_find(text, strlen(text));
	if (level >= 0)
		*(enum config_log_level *)ret = (enum config_log_level)level;
	return level >= 0;
}

static bool tls_read(const struct config_rule *rule, const char *directory, const char *text, void *ret)
{
	if (strcmp(text, "1.2") != 0 && strcmp(text, "1.3") != 0)
		return false;
	*(int *)ret = 10 + (text[2] - '0');
	return true;
}

enum { WORDS_MAX = 4 };
/* Of kinds whose value is the place of a word: uint32_t, or bool where there are two. */
static const char *const kind_words[CONFIG_KIND_COUNT][WORDS_MAX] = {
	[CONFIG_KIND_BOOL] = {"no", "yes"},
	[CONFIG_KIND_ENTRY] = {"starttls", "direct"},
	[CONFIG_KIND_SPEECH] = {"xmpp", "startalk"},
	[CONFIG_KIND_PROXY] = {"no", "v1", "v2", "any"}, /* by their bits */
	[CONFIG_KIND_CLIENTS] = {"off", "request", "require"},
	[CONFIG_KIND_KERNEL] = {"off", "on", "auto"},
	[CONFIG_KIND_FORM] = {"text", "json"},
	[CONFIG_KIND_PLACE] = {"stderr", "journal"},
	[CONFIG_KIND_POLICY] = {"user", "domain", "least-loaded"},
};

static bool is_bool(enum config_kind kind)
{
	return kind == CONFIG_KIND_BOOL || kind == CONFIG_KIND_ENTRY || kind == CONFIG_KIND_SPEECH;
}

static bool word_read(const struct config_rule *rule, const char *directory, const char *text, void *ret)
{
	const char *const *of = kind_words[rule->kind];

	for (uint32_t i = 0; i < WORDS_MAX && of[i] != NULL; i++) {
		if (strcmp(text, of[i]) != 0)
			continue;
		if (is_bool(rule->kind))
			*(bool *)ret = i > 0;
		else
			*(uint32_t *)ret = i;
		return true;
	}
	return false;
}

static const char *word_of(enum config_kind kind, const void *member)
{
	uint32_t at = is_bool(kind) ? *(const bool *)member : *(const uint32_t *)member;

	assert(at < WORDS_MAX && kind_words[kind][at] != NULL);
	return kind_words[kind][at];
}

/* Answers the path, with the directory before it when it is relative; NULL: empty. Owned by the caller. */
static char *path_resolve(const char *directory, const char *path)
{
	size_t bytes = strlen(directory) + strlen(path) + 2;
	if (!*path)
		return NULL;
	char *whole = malloc(bytes);
	assert(whole);
	if (*path == '/' || !*directory)
		snprintf(whole, bytes, "%s", path);
	else
		snprintf(whole, bytes, "%s%s%s", directory, directory[strlen(directory) - 1] == '/' ? "" : "/", path);
	return whole;
}

static bool path_read(const struct config_rule *rule, const char *directory, const char *text, void *ret)
{
	char *path = path_resolve(directory, text);
	if (path)
		*(char **)ret = path;
	return path != NULL;
}

static bool socket_read(const struct config_rule *rule, const char *directory, const char *text, void *ret)
{
	char *path = NULL;
	if (strcmp(text, "off") == 0) {
		*(char **)ret = NULL;
		return true;
	}
	if ((path = path_resolve(directory, text)) == NULL)
		return false;
	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
		free(path);
		return false;
	}
	*(char **)ret = path;
	return true;
}

static bool rooms_read(const struct config_rule *rule, const char *directory, const char *text, void *ret)
{
	int levels[LOG_ROOMS];
	if (strcmp(text, "none") == 0) {
		*(char **)ret = NULL;
		return true;
	}
	return log_rooms_read(text, levels) && text_set(text, ret);
}

static bool mayfile_read(const struct config_rule *rule, const char *directory, const char *text, void *ret)
{
	if (strcmp(text, "none") != 0)
		return path_read(rule, directory, text, ret);
	*(char **)ret = NULL;
	return true;
}

/* Splits "192.0.2.1:5222" or "[2001:db8::1]:5222". */
static bool address_is_good(const char *text, uint64_t port_min, bool *ret_loopback)
{
	char host[INET6_ADDRSTRLEN];
	const char *colon = strrchr(text, ':');
	uint64_t port;
	struct in_addr four;
	struct in6_addr six;
	bool bracketed = *text == '[' && colon > text && colon[-1] == ']';
	if (!colon || !number_read(colon + 1, port_min, UINT16_MAX, &port))
		return false;
	size_t len = (size_t)(colon - text) - (bracketed ? 2 : 0);
	if (len == 0 || len >= sizeof host)
		return false;
	memcpy(host, text + bracketed, len);
	host[len] = '\0';
	if (bracketed ? inet_pton(AF_INET6, host, &six) != 1 : inet_pton(AF_INET, host, &four) != 1)
		return false;
	*ret_loopback = bracketed ? IN6_IS_ADDR_LOOPBACK(&six) : ntohl(four.s_addr) >> 24 == IN_LOOPBACKNET;
	return true;
}

static bool network_read(const struct config_rule *rule, const char *directory, const char *text, void *ret)
{
	struct network network;
	return network_parse(text, &network) && text_set(text, ret);
}

static bool addr_read(const struct config_rule *rule, const char *directory, const char *text, void *ret)
{
	bool loopback;
	return ((rule->may_be_off && strcmp(text, "off") == 0) || address_is_good(text, 0, &loopback)) &&
	       text_set(text, ret);
}

static bool link_unix_read(const char *directory, const char *path, void *ret)
{
	char *whole = path_resolve(directory, path), *link = NULL;
	if (whole && strlen(whole) < sizeof(((struct sockaddr_un *)0)->sun_path)) {
		size_t bytes = strlen(whole) + sizeof "unix:";
		link = malloc(bytes);
		assert(link);
		snprintf(link, bytes, "unix:%s", whole);
		*(char **)ret = link;
	}
	free(whole);
	return link != NULL;
}

/* Behind "dns:" or "srv:". */
static bool link_name_read(const char *text, bool with_port, void *ret)
{
	const char *name = text + 8, *end = with_port ? strrchr(name, ':') : name + strlen(name);
	uint64_t port;
	if (strncmp(text + 4, "tls:", 4) != 0 && strncmp(text + 4, "tcp:", 4) != 0)
		return false;
	if (!end || end == name || end - name > NAMES_ONE_MAX || strspn(name, NAME_CHARACTERS) != (size_t)(end - name))
		return false;
	return (!with_port || number_read(end + 1, 1, UINT16_MAX, &port)) && text_set(text, ret);
}

static bool link_file_read(const char *directory, const char *path, void *ret)
{
	char *whole = path_resolve(directory, path), *link;
	if (!whole)
		return false;
	if (asprintf(&link, "file:%s", whole) < 0)
		abort();
	free(whole);
	*(char **)ret = link;
	return true;
}

static bool link_read(const struct config_rule *rule, const char *directory, const char *text, void *ret)
{
	bool loopback = false;
	if (strncmp(text, "unix:", 5) == 0)
		return link_unix_read(directory, text + 5, ret);
	if (strncmp(text, "dns:", 4) == 0 || strncmp(text, "srv:", 4) == 0)
		return link_name_read(text, *text == 'd', ret);
	if (strncmp(text, "file:", 5) == 0)
		return link_file_read(directory, text + 5, ret);
	if (strncmp(text, "tls:", 4) == 0)
		return address_is_good(text + 4, 1, &loopback) && text_set(text, ret);
	return strncmp(text, "tcp:", 4) == 0 && address_is_good(text + 4, 1, &loopback) && loopback &&
	       text_set(text, ret);
}

static bool name_read(const struct config_rule *rule, const char *directory, const char *text, void *ret)
{
	size_t len = strspn(text, NAME_CHARACTERS);
	return len > 0 && !text[len] && len <= NAME_BYTES_MAX && text_set(text, ret);
}

/* Names with one space between two. */
static bool names_read(const struct config_rule *rule, const char *directory, const char *text, void *ret)
{
	const char *at = text;
	size_t len;
	if (strcmp(text, "none") == 0) {
		*(char **)ret = NULL;
		return true;
	}
	for (; (len = strspn(at, NAME_CHARACTERS)) > 0 && len <= NAMES_ONE_MAX; at += len + 1)
		if (at[len] == '\0')
			return text_set(text, ret);
		else if (at[len] != ' ')
			return false;
	return false;
}

/* By number, or by name as this machine knows it. */
static bool user_read(const struct config_rule *rule, const char *directory, const char *text, void *ret)
{
	uint64_t number;
	const struct passwd *user = NULL;
	if (!number_read(text, 0, UINT32_MAX - 1, &number) && (user = getpwnam(text)) == NULL)
		return false;
	*(uint32_t *)ret = user ? user->pw_uid : (uint32_t)number;
	return true;
}

static bool account_read(const struct config_rule *rule, const char *directory, const char *text, void *ret)
{
	if (strcmp(text, "none") != 0)
		return getpwnam(text) != NULL && text_set(text, ret);
	*(char **)ret = NULL;
	return true;
}

static bool domain_read(const struct config_rule *rule, const char *directory, const char *text, void *ret)
{
	char prepared[JID_PART_BYTES_MAX + 1];
	return jid_prepare_domain(text, strlen(text), prepared) && text_set(prepared, ret);
}

/* Each is prepared; so the text may grow, but by no more than a part of a JID. */
static bool domains_read(const struct config_rule *rule, const char *directory, const char *text, void *ret)
{
	char prepared[JID_PART_BYTES_MAX + 1], whole[CONFIG_VALUE_BYTES] = "";
	size_t len, used = 0;
	if (strcmp(text, "any") == 0) {
		*(char **)ret = NULL;
		return true;
	}
	for (;; text += len + 1) {
		len = strcspn(text, " ");
		if (!jid_prepare_domain(text, len, prepared) || used + strlen(prepared) + 2 > sizeof whole)
			return false;
		used += (size_t)snprintf(whole + used, sizeof whole - used, "%s%s", used > 0 ? " " : "", prepared);
		if (text[len] == '\0')
			return text_set(whole, ret);
	}
}

static const struct {
	bool (*read)(const struct config_rule *, const char *directory, const char *text, void *ret);
	bool text, plain;
	const char *allowed;
} kinds[CONFIG_KIND_COUNT] = {
	[CONFIG_KIND_INT] = {int_read, false, true, NULL},
	[CONFIG_KIND_WEIGHT] = {weight_read, false, true, NULL},
	[CONFIG_KIND_BOOL] = {bool_read, false, true, "yes or no"},
	[CONFIG_KIND_LEVEL] = {level_read, false, false, "error, warning, info or debug"},
	[CONFIG_KIND_TLS] = {tls_read, false, false, "1.2 or 1.3"},
	[CONFIG_KIND_ENTRY] = {word_read, false, false, "starttls or direct"},
	[CONFIG_KIND_SPEECH] = {word_read, false, false, "xmpp or startalk"},
	[CONFIG_KIND_PROXY] = {word_read, false, false, "no, v1, v2 or any"},
	[CONFIG_KIND_CLIENTS] = {word_read, false, false, "off, request or require"},
	[CONFIG_KIND_KERNEL] = {word_read, false, false, "off, on or auto"},
	[CONFIG_KIND_NETWORK] = {network_read, true, false,
				 "IPv4/bits or IPv6/bits, numeric, without bits behind the prefix"},
	[CONFIG_KIND_FILE] = {path_read, true, false, "a file that can be read"},
	[CONFIG_KIND_MAYFILE] = {mayfile_read, true, false, "a file that can be read, or none"},
	[CONFIG_KIND_PATH] = {path_read, true, false, "a path"},
	[CONFIG_KIND_SOCKET] = {socket_read, true, false, "a path of 107 bytes at most, or off"},
	[CONFIG_KIND_ACCOUNT] = {account_read, true, false, "the name of a user of this machine, or none"},
	[CONFIG_KIND_ROOMS] = {rooms_read, true, false, "room=level with a space between two, or none"},
	[CONFIG_KIND_ADDR] = {addr_read, true, false, "IPv4:port or [IPv6]:port, numeric, port 0 to 65535"},
	[CONFIG_KIND_LINK] =
		{link_read, true, false,
		 "unix:/path (107 bytes at most), tls:IPv4:port or tls:[IPv6]:port, or tcp: instead of "
		 "tls: with a loopback address, numeric; or dns:tls:host:port, srv:tls:name or file:/path"},
	[CONFIG_KIND_NAMES] = {names_read, true, false, "names with a space between two, or none"},
	[CONFIG_KIND_USER] = {user_read, false, false, "a user's name or number"},
	[CONFIG_KIND_NAME] = {name_read, true, false, "1 to 63 letters, digits, dots, hyphens and underscores"},
	[CONFIG_KIND_POLICY] = {word_read, false, false, "user, domain or least-loaded"},
	[CONFIG_KIND_FORM] = {word_read, false, false, "text or json"},
	[CONFIG_KIND_PLACE] = {word_read, false, false, "stderr or journal"},
	[CONFIG_KIND_DOMAINS] = {domains_read, true, false, "domains with a space between two, or any"},
	[CONFIG_KIND_DOMAIN] = {domain_read, true, false, "a domain as in user@domain"},
};

bool config_kind_is_text(enum config_kind kind)
{
	assert((size_t)kind < CONFIG_KIND_COUNT);
	return kinds[kind].text;
}

bool config_kind_is_plain(enum config_kind kind)
{
	assert((size_t)kind < CONFIG_KIND_COUNT);
	return kinds[kind].plain;
}

bool config_value_read(const struct config_rule *rule, const char *directory, const char *text, void *ret_member)
{
	assert((size_t)rule->kind < CONFIG_KIND_COUNT);
	return kinds[rule->kind].read(rule, directory, text, ret_member);
}

/* The word for a text that is not there. */
static const char *text_absent(enum config_kind kind)
{
	if (kind == CONFIG_KIND_DOMAINS)
		return "any";
	if (kind == CONFIG_KIND_SOCKET)
		return "off";
	return kind == CONFIG_KIND_MAYFILE || kind == CONFIG_KIND_NAMES || kind == CONFIG_KIND_ROOMS ||
			       kind == CONFIG_KIND_ACCOUNT
		       ? "none"
		       : "";
}

static const char *text_of(enum config_kind kind, const void *member)
{
	if (kind == CONFIG_KIND_LEVEL)
		return log_level_name(*(const enum config_log_level *)member);
	if (kind == CONFIG_KIND_TLS)
		return *(const int *)member == 13 ? "1.3" : "1.2";
	if (!config_kind_is_text(kind))
		return word_of(kind, member);
	return *(char *const *)member != NULL ? *(char *const *)member : text_absent(kind);
}

void config_value_show(const struct config_rule *rule, const void *member, char to[static CONFIG_VALUE_BYTES])
{
	if (rule->kind == CONFIG_KIND_INT)
		snprintf(to, CONFIG_VALUE_BYTES, "%" PRIu64, *(const uint64_t *)member);
	else if (rule->kind == CONFIG_KIND_WEIGHT || rule->kind == CONFIG_KIND_USER)
		snprintf(to, CONFIG_VALUE_BYTES, "%" PRIu32, *(const uint32_t *)member);
	else
		snprintf(to, CONFIG_VALUE_BYTES, "%s", text_of(rule->kind, member));
}

void config_value_allowed(const struct config_rule *rule, char to[static CONFIG_VALUE_BYTES])
{
	const char *words = kinds[rule->kind].allowed;
	if (!words)
		snprintf(to, CONFIG_VALUE_BYTES, "%" PRIu64 " to %" PRIu64 "%s%s", rule->min, rule->max,
			 *rule->unit ? " " : "", rule->unit);
	else if (rule->kind == CONFIG_KIND_ADDR && rule->may_be_off)
		snprintf(to, CONFIG_VALUE_BYTES, "%s, or off", words);
	else
		snprintf(to, CONFIG_VALUE_BYTES, "%s", words);
}
