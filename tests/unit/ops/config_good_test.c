#include "config_kind.h"
#include "config_text.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static struct config_faults faults;

TestSuite(config_good, .fini = config_folder_remove);

static struct config *read_good(const char *text)
{
	struct config *config = config_text_read(text, &faults);
	cr_assert_not_null(config, "%s", config_faults_text(&faults));
	cr_assert_eq(faults.count, 0);
	return config;
}

static const char *in_folder(const char *name)
{
	static char path[512];
	snprintf(path, sizeof path, "%s/%s", config_folder(), name);
	return path;
}

Test(config_good, defaults)
{
	struct config *config = read_good(CONFIG_NEEDED);
	cr_assert_eq(config->workers, 0);
	cr_assert_eq(config->drain_ms_max, 5000);
	cr_assert_eq(config->log_level, CONFIG_LOG_INFO);
	cr_assert_str_eq(config->metrics_address, "127.0.0.1:9109");
	cr_assert_eq(config->tls_version_min, 12);
	cr_assert_eq(config->stanza_bytes_max, 262144);
	cr_assert_not(config->sessiond_registration);
	cr_assert_str_eq(config->tls_certificate, in_folder("cert.pem"));
	cr_assert_str_eq(config->tls_key, in_folder("key.pem"));
	cr_assert_str_eq(config->sessiond_database, in_folder("stanzagate.db"));
	cr_assert_eq(config->listener_count, 1);
	cr_assert_str_eq(config->listeners[0].address, "127.0.0.1:0");
	cr_assert_not(config->listeners[0].direct);
	cr_assert_eq(config->backend_count, 0);
	cr_assert_eq(config->domain_count, 1);
	cr_assert_str_eq(config->domains[0].name, "localhost");
	config_free(config);
}

Test(config_good, every_kind_of_value)
{
	struct config *config = read_good(
		"listeners:\n"
		"  - {address: '[::]:5223', tls: direct, proxy: any}\n"
		"  - address: \"[2001:db8::1]:5222\"\n"
		"  - address: 192.0.2.1:0\n"
		"  - {address: '192.0.2.1:0', protocol: startalk, tls: starttls}\n"
		"backends:\n"
		"  - {name: a.b-c_1, address: 'unix:/run/x.sock', weight: 1}\n"
		"  - name: b\n"
		"    address: unix:sub/x.sock\n"
		"    pool: p\n"
		"    drain: yes\n"
		"  - name: c\n"
		"    address: tcp:127.3.2.1:65535\n"
		"    weight: 1000\n"
		"  - name: d\n"
		"    address: tcp:[::1]:1\n"
		"  - {name: e, address: 'tls:192.0.2.7:15262', certificate_names: e.example e2.example}\n"
		"pools:\n"
		"  - {name: p, policy: domain, domains: Example.ORG xn--bcher-kva.example}\n"
		"  - {name: q, policy: least-loaded, failover: no, domains: x.example}\n"
		"link: {ca: ca.pem, users: [root, 4711]}\n"
		"metrics: {address: off}\n"
		"certificates:\n"
		"  - {certificate: a.pem, key: b.pem}\n"
		"  - {certificate: c.pem, key: d.pem, ocsp: e.der}\n"
		"proxy: {trusted: [192.0.2.0/24, '2001:db8::/32', 198.51.100.7]}\n"
		"log: {level: \"debug\"}\n"
		"limits:\n"
		"tls: {certificate: /etc/x.pem, key: k/y.pem, version_min: \"1.3\", client_certificates: require,\n"
		"      client_ca: ca.pem}\n"
		"sessiond:\n"
		"  domains: [Example.ORG, xn--bcher-kva.example, b\xc3\xbc"
		"cher.example]\n"
		"  registration: true\n"
		"  database: '/var/lib/a b.db'\n");
	cr_assert_eq(config->listener_count, 4);
	cr_assert(config->listeners[0].direct);
	cr_assert_not(config->listeners[1].direct);
	cr_assert_not(config->listeners[2].startalk);
	cr_assert(config->listeners[3].startalk);
	cr_assert_eq(config->listeners[0].proxy, 3);
	cr_assert_eq(config->listeners[1].proxy, 0);
	cr_assert_eq(config->certificate_count, 2);
	cr_assert_str_eq(config->certificates[0].key, in_folder("b.pem"));
	cr_assert_null(config->certificates[0].ocsp);
	cr_assert_str_eq(config->certificates[1].ocsp, in_folder("e.der"));
	cr_assert_null(config->tls_ocsp);
	cr_assert_eq(config->tls_client_certificates, 2);
	cr_assert_str_eq(config->tls_client_ca, in_folder("ca.pem"));
	cr_assert_not(config->tls_tickets);
	cr_assert_not(config->tls_strict_names);
	cr_assert_eq(config->network_count, 3);
	cr_assert_str_eq(config->networks[1].prefix, "2001:db8::/32");
	cr_assert_str_eq(config->listeners[1].address, "[2001:db8::1]:5222");
	cr_assert_eq(config->backend_count, 5);
	cr_assert_str_eq(config->backends[0].name, "a.b-c_1");
	cr_assert_str_eq(config->backends[0].address, "unix:/run/x.sock");
	cr_assert_eq(config->backends[0].weight, 1);
	cr_assert_eq(strncmp(config->backends[1].address, "unix:/tmp/", 10), 0);
	cr_assert(strstr(config->backends[1].address, "/sub/x.sock"));
	cr_assert_eq(config->backends[1].weight, 100);
	cr_assert_str_eq(config->backends[2].address, "tcp:127.3.2.1:65535");
	cr_assert_eq(config->backends[2].weight, 1000);
	cr_assert_str_eq(config->backends[3].address, "tcp:[::1]:1");
	cr_assert_null(config->backends[3].certificate_names);
	cr_assert_str_eq(config->backends[4].address, "tls:192.0.2.7:15262");
	cr_assert_str_eq(config->backends[4].certificate_names, "e.example e2.example");
	cr_assert_str_eq(config->link_ca, in_folder("ca.pem"));
	cr_assert_eq(config->pool_count, 3);
	cr_assert_str_eq(config->pools[0].domains, "example.org xn--bcher-kva.example");
	cr_assert_eq(config->pools[0].policy, 1);
	cr_assert(config->pools[0].failover);
	cr_assert_eq(config->pools[1].policy, 2);
	cr_assert_not(config->pools[1].failover);
	cr_assert_str_eq(config->pools[2].name, "all");
	cr_assert_null(config->pools[2].domains);
	cr_assert_str_eq(config->backends[0].pool, "all");
	cr_assert_str_eq(config->backends[1].pool, "p");
	cr_assert_not(config->backends[0].drain);
	cr_assert(config->backends[1].drain);
	cr_assert_eq(config->link_user_count, 2);
	cr_assert_eq(config->link_users[0].uid, 0);
	cr_assert_eq(config->link_users[1].uid, 4711);
	cr_assert_str_eq(config->metrics_address, "off");
	cr_assert_eq(config->log_level, CONFIG_LOG_DEBUG);
	cr_assert_eq(config->tls_version_min, 13);
	cr_assert_str_eq(config->tls_certificate, "/etc/x.pem");
	cr_assert_str_eq(config->tls_key, in_folder("k/y.pem"));
	cr_assert_str_eq(config->sessiond_database, "/var/lib/a b.db");
	cr_assert(config->sessiond_registration);
	cr_assert_eq(config->domain_count, 3);
	cr_assert_str_eq(config->domains[0].name, "example.org");
	cr_assert_str_eq(config->domains[2].name, "b\xc3\xbc"
						  "cher.example");
	config_free(config);
}

/* A file for one setting; unread_bytes_max goes along, so that the one relation between two settings holds. */
static const char *setting_text(const struct config_setting *setting, const char *value)
{
	static char text[1024];
	const char *dot = strchr(setting->key, '.'), *name = dot ? dot + 1 : setting->key;
	bool relation = strcmp(setting->key, "limits.unread_bytes_high") == 0;
	snprintf(text, sizeof text, "%s%.*s%s%s: %s\n%s", CONFIG_NEEDED, dot ? (int)(dot - setting->key) : 0,
		 setting->key, dot ? ":\n  " : "", name, value, relation ? "  unread_bytes_max: 16000000\n" : "");
	return text;
}

/* The number that the setting has, read from the value that is given. */
static bool setting_takes(const struct config_setting *setting, uint64_t value)
{
	char text[32];
	snprintf(text, sizeof text, "%" PRIu64, value);
	struct config *config = config_text_read(setting_text(setting, text), &faults);
	if (!config)
		return false;
	cr_assert_eq(*(uint64_t *)((char *)config + setting->at), value, "%s", setting->key);
	config_free(config);
	return true;
}

Test(config_good, every_number_at_its_ends)
{
	size_t numbers = 0;
	char expected[512];
	for (size_t i = 0; i < config_setting_count; i++) {
		const struct config_setting *setting = &config_settings[i];
		const struct config_rule *rule = &setting->rule;
		if (rule->kind != CONFIG_KIND_INT)
			continue;
		numbers++;
		if (strncmp(setting->key, "tls.", 4) == 0)
			continue; /* below: their group is needed */
		cr_assert(setting_takes(setting, rule->min), "%s: %s", setting->key, config_faults_text(&faults));
		cr_assert(setting_takes(setting, rule->max), "%s: %s", setting->key, config_faults_text(&faults));
		cr_assert_not(setting_takes(setting, rule->max + 1), "%s", setting->key);
		snprintf(expected, sizeof expected,
			 "FILE:%d: %s: found \"%" PRIu64 "\", allowed %" PRIu64 " to %" PRIu64 " %s\n",
			 strchr(setting->key, '.') ? 8 : 7, setting->key, rule->max + 1, rule->min, rule->max,
			 rule->unit);
		cr_assert_str_eq(config_faults_text(&faults), expected);
		cr_assert_not(rule->min > 0 && setting_takes(setting, rule->min - 1), "%s", setting->key);
	}
	cr_assert_gt(numbers, 15);
}

Test(config_good, numbers_of_tls_at_their_ends)
{
	static const struct {
		const char *key;
		uint64_t value;
		bool good;
	} rows[] = {
		{"handshakes_max", 1, true},	    {"handshakes_max", 0, false},
		{"handshakes_max", 100000, true},   {"handshakes_max", 100001, false},
		{"ticket_hours", 1, true},	    {"ticket_hours", 0, false},
		{"ticket_hours", 168, true},	    {"ticket_hours", 169, false},
		{"handshake_ms_max", 100, true},    {"handshake_ms_max", 99, false},
		{"handshake_ms_max", 600000, true}, {"handshake_ms_max", 600001, false},
	};
	char text[512];
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		snprintf(text, sizeof text,
			 "tls: {certificate: c, key: k, %s: %" PRIu64 "}\nlisteners: [{address: '127.0.0.1:0'}]\n",
			 rows[i].key, rows[i].value);
		struct config *config = config_text_read(text, &faults);
		cr_assert_eq(config != NULL, rows[i].good, "%s", text);
		config_free(config);
	}
}

Test(config_good, defaults_keep_to_their_own_ranges)
{
	struct config *config = read_good(CONFIG_NEEDED);
	for (size_t i = 0; i < config_setting_count; i++) {
		const struct config_rule *rule = &config_settings[i].rule;
		uint64_t value;
		if (rule->kind != CONFIG_KIND_INT)
			continue;
		memcpy(&value, (char *)config + config_settings[i].at, sizeof value);
		cr_assert(value >= rule->min && value <= rule->max, "%s", config_settings[i].key);
	}
	config_free(config);
}

Test(config_good, as_many_list_members_as_there_may_be)
{
	static char text[8192];
	snprintf(text, sizeof text, "%sbackends:\n", CONFIG_NEEDED);
	for (int i = 0; i < CONFIG_LIST_MAX; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "  - {name: b%d, address: 'unix:/x%d'}\n", i,
			 i);
	struct config *config = read_good(text);
	cr_assert_eq(config->backend_count, CONFIG_LIST_MAX);
	cr_assert_str_eq(config->backends[CONFIG_LIST_MAX - 1].name, "b63");
	config_free(config);
	snprintf(text + strlen(text), sizeof text - strlen(text), "  - {name: c, address: 'unix:/c'}\n  - 5\n");
	cr_assert_null(config_text_read(text, &faults));
	cr_assert_str_eq(config_faults_text(&faults), "FILE:72: backends[64]: found one more, allowed 64\n");
}

Test(config_good, as_many_certificates_as_there_may_be)
{
	static char text[32768];
	snprintf(text, sizeof text, "%scertificates:\n", CONFIG_NEEDED);
	for (int i = 0; i < CONFIG_CERTIFICATES_MAX; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "  - {certificate: c%d, key: k%d}\n", i, i);
	struct config *config = read_good(text);
	cr_assert_eq(config->certificate_count, CONFIG_CERTIFICATES_MAX);
	cr_assert_eq(strcmp(strrchr(config->certificates[254].key, '/'), "/k254"), 0);
	config_free(config);
	snprintf(text + strlen(text), sizeof text - strlen(text), "  - {certificate: c, key: k}\n");
	cr_assert_null(config_text_read(text, &faults));
	cr_assert_not_null(strstr(config_faults_text(&faults), "certificates[255]: found one more, allowed 255\n"));
}

Test(config_good, check_wants_the_files)
{
	char path[512], expected[2048];
	snprintf(path, sizeof path, "%s", config_file_write("gate.yaml", CONFIG_NEEDED));
	cr_assert_null(config_check(path, &faults));
	snprintf(expected, sizeof expected,
		 "FILE:2: tls.certificate: found \"%s/cert.pem\" (No such file or directory), allowed a file that can "
		 "be "
		 "read\n"
		 "FILE:3: tls.key: found \"%s/key.pem\" (No such file or directory), allowed a file that can be read\n",
		 config_folder(), config_folder());
	cr_assert_str_eq(config_faults_text(&faults), expected);
	config_file_write("cert.pem", "");
	config_file_write("key.pem", "");
	struct config *checked = config_check(path, &faults);
	cr_assert_not_null(checked, "%s", config_faults_text(&faults));
	config_free(checked);
	config_file_write("gate.yaml", "tls: {certificate: ., key: key.pem}\nlisteners: [address: '127.0.0.1:0']\n");
	cr_assert_null(config_check(path, &faults));
	cr_assert(strstr(config_faults_text(&faults), "/.\" (not a file), allowed a file that can be read\n"));
}

Test(config_good, reload_takes_what_the_table_says)
{
	struct config *before = read_good(CONFIG_NEEDED);
	for (size_t i = 0; i < config_setting_count; i++) {
		const struct config_setting *setting = &config_settings[i];
		if (setting->rule.kind != CONFIG_KIND_INT || strncmp(setting->key, "tls.", 4) == 0)
			continue;
		char value[32], start[64];
		uint64_t other = *(uint64_t *)((char *)before + setting->at) == setting->rule.min ? setting->rule.max
												  : setting->rule.min;
		snprintf(value, sizeof value, "%" PRIu64, other);
		struct config *now = read_good(setting_text(setting, value));
		bool also_high = strcmp(setting->key, "limits.unread_bytes_high") == 0;
		cr_assert(setting->reload || !also_high);
		cr_assert_eq(config_can_reload(before, now, &faults), setting->reload, "%s", setting->key);
		cr_assert_eq(faults.count, setting->reload ? 0 : 1);
		snprintf(start, sizeof start, ": %s: found \"%s\", allowed ", setting->key, value);
		cr_assert(setting->reload || strstr(faults.line[0], start) != NULL, "%s", faults.line[0]);
		config_free(now);
	}
	config_free(before);
}

Test(config_good, reload_compares_every_member)
{
	struct config *before = read_good(CONFIG_NEEDED "  - address: 127.0.0.1:1\n  - address: 127.0.0.1:2\n");
	struct config *now = read_good(CONFIG_NEEDED "  - address: 127.0.0.1:1\n  - address: 127.0.0.1:3\n");
	cr_assert_not(config_can_reload(before, now, &faults));
	cr_assert_str_eq(config_faults_text(&faults),
			 "FILE:4: listeners: found another list, allowed the same until the gate is restarted\n");
	config_free(before);
	config_free(now);
}

Test(config_good, reload_names_all_that_needs_a_restart)
{
	struct config *before = read_good(CONFIG_NEEDED);
	struct config *now = read_good("workers: 3\n"
				       "log: {level: debug}\n"
				       "metrics: {address: off}\n"
				       "tls: {certificate: other.pem, key: key.pem, version_min: 1.3}\n"
				       "listeners:\n"
				       "  - {address: '127.0.0.1:0', tls: direct}\n"
				       "backends:\n"
				       "  - {name: a, address: 'unix:/a'}\n"
				       "certificates: [{certificate: c.pem, key: d.pem}]\n"
				       "sessiond: {registration: yes, domains: [localhost, b.example]}\n");
	cr_assert_not(config_can_reload(before, now, &faults));
	cr_assert_str_eq(
		config_faults_text(&faults),
		"FILE:1: workers: found \"3\", allowed \"0\" until the gate is restarted\n"
		"FILE:3: metrics.address: found \"off\", allowed \"127.0.0.1:9109\" until the gate is restarted\n"
		"FILE:10: sessiond.registration: found \"yes\", allowed \"no\" until the gate is restarted\n"
		"FILE:5: listeners: found another list, allowed the same until the gate is restarted\n"
		"FILE:10: sessiond.domains: found another list, allowed the same until the gate is restarted\n");
	cr_assert_not(config_can_reload(now, before, &faults));
	cr_assert(strstr(config_faults_text(&faults),
			 "FILE:1: backends: found none, allowed one at least until the gate is restarted\n"));
	cr_assert(config_can_reload(before, before, &faults));
	cr_assert(config_can_reload(now, now, &faults));
	config_free(before);
	config_free(now);
}
