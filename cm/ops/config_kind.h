/*
 * config_kind: the kinds of values that config.def and config_list.def speak of, and the two tables as data.
 */
#ifndef OPS_CONFIG_KIND_H
#define OPS_CONFIG_KIND_H

#include "config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum config_kind {
	CONFIG_KIND_INT,     /* uint64_t */
	CONFIG_KIND_WEIGHT,  /* uint32_t */
	CONFIG_KIND_BOOL,    /* bool */
	CONFIG_KIND_LEVEL,   /* enum config_log_level */
	CONFIG_KIND_TLS,     /* int: 12 or 13 */
	CONFIG_KIND_ENTRY,   /* bool: direct */
	CONFIG_KIND_SPEECH,  /* bool: Startalk's dialect */
	CONFIG_KIND_PROXY,   /* uint32_t: versions */
	CONFIG_KIND_CLIENTS, /* uint32_t: 0 off, 1 request, 2 require */
	CONFIG_KIND_KERNEL,  /* uint32_t: 0 off, 1 on, 2 auto */
	CONFIG_KIND_POLICY,  /* uint32_t: 0 user, 1 domain, 2 least-loaded */
	CONFIG_KIND_FORM,    /* uint32_t: 0 text, 1 json */
	CONFIG_KIND_PLACE,   /* uint32_t: 0 stderr, 1 journal */
	CONFIG_KIND_USER,    /* uint32_t: a user's number */
	CONFIG_KIND_FILE,    /* char *, as all that follow: a file that must be there */
	CONFIG_KIND_MAYFILE, /* the same, or "none": NULL */
	CONFIG_KIND_PATH,    /* a file */
	CONFIG_KIND_SOCKET,  /* a path for a Unix socket, or "off": NULL */
	CONFIG_KIND_ACCOUNT, /* a user of this machine by name, or "none": NULL */
	CONFIG_KIND_ROOMS,   /* rooms of the log with their levels, or "none": NULL */
	CONFIG_KIND_ADDR,    /* host:port; a setting may be "off" */
	CONFIG_KIND_LINK,    /* unix:/path, tls:host:port or tcp:host:port */
	CONFIG_KIND_NAMES,   /* names separated by one space, or "none": NULL */
	CONFIG_KIND_NETWORK, /* address/bits */
	CONFIG_KIND_NAME,
	CONFIG_KIND_DOMAIN,
	CONFIG_KIND_DOMAINS, /* separated by one space, or "any": NULL */
	CONFIG_KIND_COUNT
};

enum { CONFIG_VALUE_BYTES = 1100 };

/* What a value must keep to. */
struct config_rule {
	enum config_kind kind;
	uint64_t min, max;
	const char *unit;
	bool may_be_off;
};

/* A line of config.def. */
struct config_setting {
	const char *key;
	size_t at; /* in struct config */
	struct config_rule rule;
	const char *otherwise; /* the default; "": there is none, the key is needed */
	bool reload;
	const char *meaning;
};
extern const struct config_setting config_settings[];
extern const size_t config_setting_count;

/* A line of config_list.def: a key of each member of a list. */
struct config_list_setting {
	const char *list, *key;	   /* key "": the member is the value itself */
	size_t first_at, count_at; /* of the list, in struct config */
	size_t items_max;
	size_t member_bytes, at; /* of each member; of the value in it */
	struct config_rule rule;
	const char *otherwise;
	bool needed;
	const char *meaning;
};
extern const struct config_list_setting config_list_settings[];
extern const size_t config_list_setting_count;

/* Whether a reload takes up another list of the name. */
bool config_list_reloads(const char *list);

/* Whether the kind's value is text, allocated with malloc and owned by the config. */
bool config_kind_is_text(enum config_kind);

/* Whether the kind must be written without quotes. */
bool config_kind_is_plain(enum config_kind);

/*
 * Reads a value into its member. Relative paths are taken to be in `directory` ("": left as they are). False: it is not
 * allowed, and the member was not touched.
 */
bool config_value_read(const struct config_rule *, const char *directory, const char *text, void *ret_member);

/* The value as it is written in the file. A text that is not set is "". */
void config_value_show(const struct config_rule *, const void *member, char to[static CONFIG_VALUE_BYTES]);

/* What is allowed, in words: "0 to 256 threads". */
void config_value_allowed(const struct config_rule *, char to[static CONFIG_VALUE_BYTES]);

#endif
