/*
 * config: what an operator has set; one immutable snapshot. ops/ reads it from a file; everybody else only sees this
 * struct. A reload makes a new snapshot. config.def and config_list.def are the tables: key, kind, range, default,
 * unit, whether a reload changes it, and a sentence of meaning; docs/configuration.md and the checks are made from
 * them.
 */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Members of a list. Certificates: beside that of tls_certificate, and numbered by a byte together with it. */
enum { CONFIG_LIST_MAX = 64, CONFIG_CERTIFICATES_MAX = 255 };
enum config_log_level { CONFIG_LOG_ERROR, CONFIG_LOG_WARNING, CONFIG_LOG_INFO, CONFIG_LOG_DEBUG };

enum config_kernel { CONFIG_OFF, CONFIG_ON, CONFIG_AUTO };

struct config_listener {
	char *address; /* "host:port", numeric host */
	bool direct;
	bool startalk;	/* its clients speak Startalk's dialect */
	uint32_t proxy; /* versions of PROXY header that clients come with: 0 none, 1, 2, or 3 for either */
};
struct config_backend {
	char *name;
	char *address;		 /* "unix:/path", "tls:host:port" or "tcp:host:port" */
	char *certificate_names; /* separated by spaces; NULL: the name */
	uint32_t weight;
	char *pool; /* its name; NULL: the first there is */
	bool drain;
};
struct config_pool {
	char *name;
	uint32_t policy; /* 0 user, 1 domain, 2 least-loaded */
	bool failover;
	char *domains; /* separated by spaces; NULL: any */
};
struct config_certificate {
	char *certificate, *key;
	char *ocsp; /* NULL: none */
};
struct config_network {
	char *prefix; /* "192.0.2.0/24" or "2001:db8::/32" */
};
struct config_user {
	uint32_t uid;
};
struct config_domain {
	char *name;
};

/* C types of the kinds of config.def. */
#define CONFIG_C_INT	 uint64_t
#define CONFIG_C_BOOL	 bool
#define CONFIG_C_FILE	 char * /* a file that must be there; set whenever a listener is */
#define CONFIG_C_MAYFILE char * /* a file that must be there; NULL: none */
#define CONFIG_C_PATH	 char * /* a file that is made when it is not there */
#define CONFIG_C_ADDR	 char *
#define CONFIG_C_SOCKET	 char *	  /* NULL: off */
#define CONFIG_C_ACCOUNT char *	  /* NULL: none */
#define CONFIG_C_FORM	 uint32_t /* 0 text, 1 json */
#define CONFIG_C_PLACE	 uint32_t /* 0 stderr, 1 journal */
#define CONFIG_C_ROOMS	 char *	  /* "client=debug link=error"; NULL: none */
#define CONFIG_C_LEVEL	 enum config_log_level
#define CONFIG_C_CLIENTS uint32_t /* certificates: 0 off, 1 request, 2 require */
#define CONFIG_C_KERNEL	 uint32_t /* 0 off, 1 on, 2 auto */
#define CONFIG_C_TLS	 int	  /* 12 or 13 */

struct config_source;

struct config {
#define SETTING(key, member, kind, min, max, otherwise, unit, reload, meaning) CONFIG_C_##kind member;
#include "config.def"
	struct config_listener listeners[CONFIG_LIST_MAX];
	size_t listener_count;
	struct config_backend backends[CONFIG_LIST_MAX];
	size_t backend_count;
	struct config_domain domains[CONFIG_LIST_MAX];
	size_t domain_count;
	struct config_certificate certificates[CONFIG_CERTIFICATES_MAX]; /* besides that of tls_certificate */
	size_t certificate_count;
	struct config_network networks[CONFIG_LIST_MAX]; /* that may send PROXY headers */
	size_t network_count;
	struct config_pool pools[CONFIG_LIST_MAX];
	size_t pool_count;
	struct config_user link_users[CONFIG_LIST_MAX]; /* that may be session servers */
	size_t link_user_count;
	struct config_network exempt[CONFIG_LIST_MAX]; /* from the limits of addresses */
	size_t exempt_count;
	struct config_user operators[CONFIG_LIST_MAX]; /* that may use the control socket */
	size_t operator_count;
	struct config_source *source; /* ops': the file it was read from, for what is found out later. NULL: none */
};

#endif
