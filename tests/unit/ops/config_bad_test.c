#include "config_text.h"

#include <criterion/criterion.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ADDRESS "IPv4:port or [IPv6]:port, numeric, port 0 to 65535"
#define LINK                                                                                                           \
	"unix:/path (107 bytes at most), tls:IPv4:port or tls:[IPv6]:port, or tcp: instead of tls: with a loopback "   \
	"address, numeric; or dns:tls:host:port, srv:tls:name or file:/path"

static struct config_faults faults;

TestSuite(config_bad, .fini = config_folder_remove);

/* Each text stands behind CONFIG_NEEDED, so that its first line is line 7. */
static const struct {
	const char *text, *faults;
} rows[] = {
	/* unknown keys */
	{"worker: 2\n", "FILE:7: worker: found an unknown key, allowed workers\n"},
	{"limits:\n  clients_mx: 2\n", "FILE:8: limits.clients_mx: found an unknown key, allowed limits.clients_max\n"},
	{"stanza_bytes_max: 2\n", "FILE:7: stanza_bytes_max: found an unknown key, allowed limits.stanza_bytes_max\n"},
	{"limit:\n  clients_max: 2\n  foo: [1, {a: b}]\n", "FILE:7: limit: found an unknown key, allowed limits\n"},
	{"metrics:\n  zzzzzzzzz: 1\n", "FILE:8: metrics.zzzzzzzzz: found an unknown key, allowed address\n"},
	{"xxxxxxxxxxxxxxxxxxxxxxxxxx: 1\n",
	 "FILE:7: xxxxxxxxxxxxxxxxxxxxxxxxxx: found an unknown key, allowed "
	 "workers, drain_ms_max, drain_notice_ms, user, sandbox, core_dumps, io, log, control, metrics, tls, "
	 "proxy, discovery, link, limits, startalk, addresses, sessiond, listeners, backends, pools, certificates\n"},
	{"backends:\n  - {name: a, adress: x, address: 'unix:/a'}\n",
	 "FILE:8: backends[0].adress: found an unknown key, allowed backends[].address\n"},
	{"log.level: debug\n", "FILE:7: \"log.level\": found a key like that, allowed one word for each level\n"},
	{"\"a\\nb\": 1\n", "FILE:7: \"a\\x0ab\": found a key like that, allowed one word for each level\n"},
	{"'': 1\n", "FILE:7: \"\": found a key like that, allowed one word for each level\n"},

	/* numbers */
	{"workers: many\n", "FILE:7: workers: found \"many\", allowed 0 to 256 threads\n"},
	{"workers: -1\n", "FILE:7: workers: found \"-1\", allowed 0 to 256 threads\n"},
	{"workers: 1.0\n", "FILE:7: workers: found \"1.0\", allowed 0 to 256 threads\n"},
	{"workers: 010\n", "FILE:7: workers: found \"010\", allowed 0 to 256 threads\n"},
	{"workers: 0x10\n", "FILE:7: workers: found \"0x10\", allowed 0 to 256 threads\n"},
	{"workers: 18446744073709551616\n",
	 "FILE:7: workers: found \"18446744073709551616\", allowed 0 to 256 threads\n"},
	{"workers: 99999999999999999999999999999999999\n",
	 "FILE:7: workers: found \"99999999999999999999999999999999999\", allowed 0 to 256 threads\n"},
	{"workers: '2'\n", "FILE:7: workers: found a text in quotes, allowed 0 to 256 threads\n"},
	{"workers:\n", "FILE:7: workers: found nothing, allowed 0 to 256 threads\n"},
	{"workers: ~\n", "FILE:7: workers: found nothing, allowed 0 to 256 threads\n"},
	{"workers: [1]\n", "FILE:7: workers: found a list, allowed 0 to 256 threads\n"},
	{"workers:\n  a: {b: c}\n", "FILE:7: workers: found keys, allowed 0 to 256 threads\n"},

	/* other kinds */
	{"log: debug\n", "FILE:7: log: found \"debug\", allowed keys\n"},
	{"log: [debug]\n", "FILE:7: log: found a list, allowed keys\n"},
	{"log: {level: loud}\n", "FILE:7: log.level: found \"loud\", allowed error, warning, info or debug\n"},
	{"io: {direct_descriptors: yes}\n", "FILE:7: io.direct_descriptors: found \"yes\", allowed off, on or auto\n"},
	{"sessiond: {registration: maybe}\n", "FILE:7: sessiond.registration: found \"maybe\", allowed yes or no\n"},
	{"sessiond: {registration: 'yes'}\n",
	 "FILE:7: sessiond.registration: found a text in quotes, allowed yes or no\n"},
	{"sessiond: {database: ''}\n", "FILE:7: sessiond.database: found \"\", allowed a path\n"},
	{"sessiond: {database: }\n", "FILE:7: sessiond.database: found nothing, allowed a path\n"},
	{"sessiond:\n  domains: [a.example, 'b c', A.example]\n",
	 "FILE:8: sessiond.domains[1]: found \"b c\", allowed a domain as in user@domain\n"
	 "FILE:8: sessiond.domains[2]: found \"A.example\", allowed each only once\n"},
	{"sessiond:\n  domains:\n    - {name: a}\n",
	 "FILE:9: sessiond.domains[0]: found keys, allowed a domain as in user@domain\n"},
	{"sessiond:\n  domains: a.example\n", "FILE:8: sessiond.domains: found \"a.example\", allowed a list\n"},
	{"metrics: {address: 'localhost:80'}\n",
	 "FILE:7: metrics.address: found \"localhost:80\", allowed " ADDRESS ", or off\n"},
	{"metrics: {address: '127.0.0.1'}\n",
	 "FILE:7: metrics.address: found \"127.0.0.1\", allowed " ADDRESS ", or off\n"},
	{"metrics: {address: '127.0.0.1:65536'}\n",
	 "FILE:7: metrics.address: found \"127.0.0.1:65536\", allowed " ADDRESS ", or off\n"},
	{"metrics: {address: '::1:80'}\n", "FILE:7: metrics.address: found \"::1:80\", allowed " ADDRESS ", or off\n"},
	{"metrics: {address: '[127.0.0.1]:80'}\n",
	 "FILE:7: metrics.address: found \"[127.0.0.1]:80\", allowed " ADDRESS ", or off\n"},
	{"metrics: {address: '[]:80'}\n", "FILE:7: metrics.address: found \"[]:80\", allowed " ADDRESS ", or off\n"},
	{"metrics: {address: ']:80'}\n", "FILE:7: metrics.address: found \"]:80\", allowed " ADDRESS ", or off\n"},
	{"metrics: {address: ':80'}\n", "FILE:7: metrics.address: found \":80\", allowed " ADDRESS ", or off\n"},

	/* lists */
	{"backends: unix:/a\n", "FILE:7: backends: found \"unix:/a\", allowed a list\n"},
	{"backends: [x]\n", "FILE:7: backends[0]: found \"x\", allowed keys\n"},
	{"backends:\n  - name: a\n", "FILE:8: backends[0].address: found nothing, allowed " LINK "\n"},
	{"backends:\n  - {}\n",
	 "FILE:8: backends[0].name: found nothing, allowed 1 to 63 letters, digits, dots, hyphens and "
	 "underscores\nFILE:8: backends[0].address: found nothing, allowed " LINK "\n"},
	{"backends:\n  - {name: a b, address: 'unix:/a'}\n",
	 "FILE:8: backends[0].name: found \"a b\", allowed 1 to 63 letters, digits, dots, hyphens and underscores\n"},
	{"backends:\n  - {name: a, address: 'tcp:192.0.2.1:5347'}\n",
	 "FILE:8: backends[0].address: found \"tcp:192.0.2.1:5347\", allowed " LINK "\n"},
	{"backends:\n  - {name: a, address: 'tcp:128.0.0.1:5347'}\n",
	 "FILE:8: backends[0].address: found \"tcp:128.0.0.1:5347\", allowed " LINK "\n"},
	{"backends:\n  - {name: a, address: 'tcp:[::2]:5347'}\n",
	 "FILE:8: backends[0].address: found \"tcp:[::2]:5347\", allowed " LINK "\n"},
	{"backends:\n  - {name: a, address: 'tcp:127.0.0.1:0'}\n",
	 "FILE:8: backends[0].address: found \"tcp:127.0.0.1:0\", allowed " LINK "\n"},
	{"backends:\n  - {name: a, address: 'unix:'}\n",
	 "FILE:8: backends[0].address: found \"unix:\", allowed " LINK "\n"},
	{"backends:\n  - {name: a, address: /run/x}\n",
	 "FILE:8: backends[0].address: found \"/run/x\", allowed " LINK "\n"},
	{"backends:\n  - {name: a, address: 'tls:192.0.2.1:0'}\n",
	 "FILE:8: backends[0].address: found \"tls:192.0.2.1:0\", allowed " LINK "\n"},
	{"backends:\n  - {name: a, address: 'tls:server.example:5347'}\nlink: {ca: ca.pem}\n",
	 "FILE:8: backends[0].address: found \"tls:server.example:5347\", allowed " LINK "\n"},
	{"backends:\n  - {name: a, address: 'dns:tls:a.example'}\nlink: {ca: ca.pem}\n",
	 "FILE:8: backends[0].address: found \"dns:tls:a.example\", allowed " LINK "\n"},
	{"backends:\n  - {name: a, address: 'srv:udp:a.example'}\n",
	 "FILE:8: backends[0].address: found \"srv:udp:a.example\", allowed " LINK "\n"},
	{"backends:\n  - {name: a, address: 'dns:tls:a.example:5347'}\n",
	 "FILE:8: backends[0].address: found \"dns:tls:a.example:5347\", allowed tls only when link.ca is given\n"},
	{"backends:\n  - {name: a, address: 'tls:192.0.2.1:5347'}\n",
	 "FILE:8: backends[0].address: found \"tls:192.0.2.1:5347\", allowed tls only when link.ca is given\n"},
	{"backends:\n  - {name: a, address: 'unix:/a', certificate_names: 'a.example  b.example'}\n",
	 "FILE:8: backends[0].certificate_names: found \"a.example  b.example\", allowed names with a space between "
	 "two, or none\n"},
	{"backends:\n  - {name: a, address: 'unix:/a', pool: p}\n",
	 "FILE:8: backends[0].pool: found \"p\", allowed the name of a member of pools, or all\n"},
	{"pools:\n  - {name: p, domains: a.example b.example}\n  - {name: q, domains: c.example b.example}\n",
	 "FILE:9: pools[1].domains: found b.example of pool q, which pool p (line 8) has, allowed each domain, and any "
	 "(no domains), in one pool\n"},
	{"pools:\n  - name: p\n    failover: no\n  - name: q\n  - {name: r, domains: any}\n"
	 "backends: [{name: a, address: 'unix:/a', pool: p}]\n",
	 "FILE:10: pools[1].domains: found any of pool q, which pool p (line 8) has, allowed each domain, and any "
	 "(no domains), in one pool\n"
	 "FILE:11: pools[2].domains: found any of pool r, which pool p (line 8) has, allowed each domain, and any "
	 "(no domains), in one pool\n"
	 "FILE:11: pools[2].domains: found any of pool r, which pool q (line 10) has, allowed each domain, and any "
	 "(no domains), in one pool\n"},
	{"pools:\n  - {name: p, domains: a}\n  - {name: q, domains: b}\n  - name: r\n    policy: user\n"
	 "backends: [{name: a, address: 'unix:/a'}]\n",
	 "FILE:10: pools[2].domains: found any of pool r, which pool all has, allowed domains by name: any is pool "
	 "all's, which needs no line, of backends that name no pool and of the bundled session server\n"},
	{"backends:\n  - {name: a, address: 'tcp:127.0.0.1:5', certificate_names: a.example}\n"
	 "  - {name: b, address: 'file:/b', certificate_names: a.example}\n",
	 "FILE:8: backends[0].certificate_names: found \"a.example\", allowed none, unless the address has TLS (tls:, "
	 "dns:tls:, srv:tls:)\n"},
	{"pools:\n  - {name: all, domains: a.example  b.example}\n  - {name: q, policy: best, failover: never}\n",
	 "FILE:8: pools[0].domains: found \"a.example  b.example\", allowed domains with a space between two, or any\n"
	 "FILE:9: pools[1].policy: found \"best\", allowed user, domain or least-loaded\n"
	 "FILE:9: pools[1].failover: found \"never\", allowed yes or no\n"},
	{"link: {ca: ca.pem, certificate: gate.pem}\n",
	 "FILE:7: link.certificate: found \"gate.pem\", allowed link.certificate and link.key, both or none\n"},
	{"link: {ca: ca.pem, key: gate.pem}\n",
	 "FILE:7: link.key: found \"gate.pem\", allowed link.certificate and link.key, both or none\n"},
	{"link: {users: [root, nobody.at.all, -1, 4294967295]}\n",
	 "FILE:7: link.users[1]: found \"nobody.at.all\", allowed a user's name or number\n"
	 "FILE:7: link.users[2]: found \"-1\", allowed a user's name or number\n"
	 "FILE:7: link.users[3]: found \"4294967295\", allowed a user's name or number\n"},
	{"backends:\n  - {name: a, address: 'unix:/a', weight: 0}\n  - {name: b, address: 'unix:/b', weight: 1001}\n",
	 "FILE:8: backends[0].weight: found \"0\", allowed 1 to 1000\n"
	 "FILE:9: backends[1].weight: found \"1001\", allowed 1 to 1000\n"},
	{"backends:\n  - {name: a, address: 'unix:/a'}\n  - {name: a, address: 'unix:/a'}\n",
	 "FILE:9: backends[1].name: found \"a\", allowed each only once\n"
	 "FILE:9: backends[1].address: found \"unix:/a\", allowed each only once\n"},

	/* twice */
	{"workers: 1\nworkers: 1\n",
	 "FILE:8: workers: found a second one (the first is in line 7), allowed each key once\n"},
	{"tls:\n  version_min: 1.3\n",
	 "FILE:7: tls: found a second one (the first is in line 1), allowed each key once\n"},
	{"listeners:\n  - address: hello\n",
	 "FILE:7: listeners: found a second one (the first is in line 4), allowed each key once\n"},
	{"backends:\n  - name: a\n    address: unix:/a\n    name: b\n",
	 "FILE:10: backends[0].name: found a second one (the first is in line 8), allowed each key once\n"},

	/* PROXY headers */
	{"proxy: {trusted: [192.0.2.0/24, 10.0.0.1/8, 'fe80::/64', localhost]}\n",
	 "FILE:7: proxy.trusted[1]: found \"10.0.0.1/8\", allowed IPv4/bits or IPv6/bits, numeric, without bits behind "
	 "the prefix\n"
	 "FILE:7: proxy.trusted[3]: found \"localhost\", allowed IPv4/bits or IPv6/bits, numeric, without bits behind "
	 "the prefix\n"},
	{"proxy: {header_ms_max: 2999}\n",
	 "FILE:7: proxy.header_ms_max: found \"2999\", allowed 3000 to 600000 milliseconds\n"},

	/* relations */
	{"limits:\n  unread_bytes_high: 65537\n  unread_bytes_max: 65536\n",
	 "FILE:8: limits.unread_bytes_high: found 65537, allowed at most limits.unread_bytes_max\n"},

	/* the log's rooms, the control socket */
	{"log: {rooms: client}\n",
	 "FILE:7: log.rooms: found \"client\", allowed room=level with a space between two, or none\n"},
	{"log: {rooms: client=loud}\n",
	 "FILE:7: log.rooms: found \"client=loud\", allowed room=level with a space between two, or none\n"},
	{"log: {rooms: kitchen=info}\n",
	 "FILE:7: log.rooms: found \"kitchen=info\", allowed room=level with a space between two, or none\n"},
	{"log: {rooms: client=info  link=info}\n",
	 "FILE:7: log.rooms: found \"client=info  link=info\", allowed room=level with a space between two, or none\n"},
	{"control: {socket: /"
	 "123456789/123456789/123456789/123456789/123456789/123456789/123456789/123456789/123456789/123456789/"
	 "1234567}\n",
	 "FILE:7: control.socket: found \"/"
	 "123456789/123456789/123456789/123456789/123456789/123456789/123456789/123456789/123456789/123456789/1234567\""
	 ", allowed a path of 107 bytes at most, or off\n"},
	{"control: {users: [somebody-who-is-not]}\n",
	 "FILE:7: control.users[0]: found \"somebody-who-is-not\", allowed a user's name or number\n"},

	/* more of YAML than is taken */
	{"workers: &a 1\n", "FILE:7: workers: found an anchor or a tag, allowed plain YAML\n"},
	{"workers: !!int 1\n", "FILE:7: workers: found an anchor or a tag, allowed plain YAML\n"},
	{"limits: !x {clients_max: 0}\n", "FILE:7: limits: found an anchor or a tag, allowed plain YAML\n"},
	{"workers: *a\n", "FILE:7: workers: found an alias, allowed plain YAML\n"},
	{"sessiond: {database: \"a\\0b\"}\n", "FILE:7: sessiond.database: found a NUL character, allowed plain YAML\n"},
};

Test(config_bad, every_fault_is_one_line)
{
	char text[4096];
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		snprintf(text, sizeof text, "%s%s", CONFIG_NEEDED, rows[i].text);
		cr_expect_null(config_text_read(text, &faults), "%s", rows[i].text);
		cr_expect_str_eq(config_faults_text(&faults), rows[i].faults, "\n%s%s", rows[i].text,
				 config_faults_text(&faults));
	}
}

/* Whole files. */
static const struct {
	const char *text, *faults;
} files[] = {
	{"", "FILE:1: tls.certificate: found nothing, allowed a file that can be read\n"
	     "FILE:1: tls.key: found nothing, allowed a file that can be read\n"
	     "FILE:1: listeners: found nothing, allowed a list with the addresses to listen on\n"},
	{"# only a comment\n---\n",
	 "FILE:1: tls.certificate: found nothing, allowed a file that can be read\n"
	 "FILE:1: tls.key: found nothing, allowed a file that can be read\n"
	 "FILE:1: listeners: found nothing, allowed a list with the addresses to listen on\n"},
	{"workers: 1\ntls:\n  key: k\nlisteners:\n",
	 "FILE:2: tls.certificate: found nothing, allowed a file that can be read\n"
	 "FILE:4: listeners: found nothing, allowed a list with the addresses to listen on\n"},
	{"tls: {certificate: c, key: ''}\nlisteners: []\n",
	 "FILE:1: tls.key: found \"\", allowed a file that can be read\n"
	 "FILE:2: listeners: found nothing, allowed a list with the addresses to listen on\n"},
	{"tls: {certificate: c, key: k, client_certificates: request}\nlisteners: [{address: '0.0.0.0:1'}]\n",
	 "FILE:1: tls.client_certificates: found \"request\", allowed off, unless tls.client_ca is given\n"},
	{"tls: {certificate: c, key: k, client_certificates: maybe}\nlisteners: [{address: '0.0.0.0:1'}]\n",
	 "FILE:1: tls.client_certificates: found \"maybe\", allowed off, request or require\n"},
	{"tls: {certificate: c, key: k}\nlisteners:\n  - address: 0.0.0.0:1\n    proxy: v1\n  - address: 0.0.0.0:2\n"
	 "    proxy: v3\n  - {address: '0.0.0.0:3', proxy: no}\n",
	 "FILE:6: listeners[1].proxy: found \"v3\", allowed no, v1, v2 or any\n"
	 "FILE:4: listeners[0].proxy: found \"v1\", allowed no, unless proxy.trusted has networks\n"},
	{"tls: {certificate: c, key: k}\nlisteners:\n  - address: 0.0.0.0:1\n    protocol: startalk\n    tls: direct\n"
	 "  - {address: '0.0.0.0:2', protocol: Startalk}\n",
	 "FILE:6: listeners[1].protocol: found \"Startalk\", allowed xmpp or startalk\n"
	 "FILE:5: listeners[0].tls: found \"direct\", allowed starttls, with protocol: startalk\n"},
	{"tls: {certificate: c, key: k}\nlisteners:\n  - tls: direct\n  - address: 0.0.0.0:1\n    tls: none\n"
	 "  - address: off\n  - address: 0.0.0.0:1\n",
	 "FILE:5: listeners[1].tls: found \"none\", allowed starttls or direct\n"
	 "FILE:6: listeners[2].address: found \"off\", allowed " ADDRESS "\n"
	 "FILE:7: listeners[3].address: found \"0.0.0.0:1\", allowed each only once\n"
	 "FILE:3: listeners[0].address: found nothing, allowed " ADDRESS "\n"},
	{CONFIG_NEEDED "---\nworkers: 1\n", "FILE:7: YAML: found a second document, allowed one\n"},
	{"? [a]\n: b\n", "FILE:1: YAML: found a key that is not a word, allowed plain YAML\n"},
	{"*a : b\n", "FILE:1: YAML: found a key that is not a word, allowed plain YAML\n"},
	{"[[[[[[[[[1]]]]]]]]]\n", "FILE:1: YAML: found nesting too deep, allowed plain YAML\n"},
};

Test(config_bad, whole_files)
{
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		cr_expect_null(config_text_read(files[i].text, &faults), "%s", files[i].text);
		cr_expect_str_eq(config_faults_text(&faults), files[i].faults, "\n%s%s", files[i].text,
				 config_faults_text(&faults));
	}
}

Test(config_bad, not_yaml_says_the_line)
{
	static const struct {
		const char *text, *start;
	} broken[] = {
		{"workers: 1\n\tlog:\n", "FILE:2: YAML: found a fault ("},
		{"a: [1, 2\nb: c\n", "FILE:2: YAML: found a fault ("},
		{"a: b: c\n", "FILE:1: YAML: found a fault ("},
		{"a: \xff\n", "FILE:1: YAML: found a fault ("},
		{"a: 'b\n", "FILE:2: YAML: found a fault ("},
	};
	for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
		cr_expect_null(config_text_read(broken[i].text, &faults), "%s", broken[i].text);
		cr_expect_eq(faults.count, 1);
		cr_expect_eq(strncmp(config_faults_text(&faults), broken[i].start, strlen(broken[i].start)), 0, "%s%s",
			     broken[i].text, config_faults_text(&faults));
	}
}

Test(config_bad, root_of_another_kind)
{
	cr_assert_null(config_text_read("[1, 2]\n", &faults));
	cr_assert_str_eq(faults.line[0] + strlen(config_folder()), "/gate.yaml:1: YAML: found a list, allowed keys");
	cr_assert_null(config_text_read("hello\n", &faults));
	cr_assert_str_eq(faults.line[0] + strlen(config_folder()), "/gate.yaml:1: YAML: found \"hello\", allowed keys");
}

Test(config_bad, no_file)
{
	cr_assert_null(config_read("/nonexistent/gate.yaml", &faults));
	cr_assert_eq(faults.count, 1);
	cr_assert_str_eq(faults.line[0], "/nonexistent/gate.yaml:0: file: found nothing (No such file or directory), "
					 "allowed a file that can be read");
	cr_assert_null(config_read("/", &faults));
	cr_assert_str_eq(faults.line[0], "/:0: file: found nothing (Is a directory), allowed a file that can be read");
}

Test(config_bad, faults_are_bounded)
{
	static char text[20000];
	for (int i = 0; i < 70; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "zzzzzzzzzzzz%d: 1\n", i);
	cr_assert_null(config_text_read(text, &faults));
	cr_assert_eq(faults.count, CONFIG_FAULTS_MAX);
	cr_assert_eq(faults.left_out, 70 + 3 - CONFIG_FAULTS_MAX);
}

Test(config_bad, size_is_bounded)
{
	size_t len = (1 << 20) + 1;
	char *text = malloc(len + 1);
	memset(text, '#', len);
	text[len] = '\0';
	cr_assert_null(config_text_read(text, &faults));
	cr_assert_str_eq(config_faults_text(&faults), "FILE:0: file: found more than 1048576 bytes, allowed 1048576\n");
	text[len - 1] = '\0';
	config_text_read(text, &faults);
	cr_assert_null(strstr(config_faults_text(&faults), "1048576"));
	for (size_t i = 0; i < len / 2; i++)
		memcpy(text + 2 * i, i == 0 ? "- " : i % 2 ? "1\n" : "- ", 2);
	cr_assert_null(config_text_read(text, &faults));
	cr_assert_str_eq(config_faults_text(&faults), "FILE:4096: YAML: found more than 4096 entries, allowed 4096\n");
	free(text);
}

Test(config_bad, control_characters_are_shown_harmless)
{
	cr_assert_null(config_text_read(CONFIG_NEEDED "log: \"\\e[31m\"\n", &faults));
	cr_assert_str_eq(config_faults_text(&faults), "FILE:7: log: found \"\\x1b[31m\", allowed keys\n");
}

/* Wherever the cut falls, no character is cut in the middle. */
Test(config_bad, long_values_are_cut)
{
	char text[4096];
	cr_assert_not_null(setlocale(LC_ALL, "C.UTF-8"));
	for (int pad = 230; pad < 260; pad++) {
		snprintf(text, sizeof text, "%slog: {level: \"%0*d\xc3\xbc\xe2\x82\xac%0300d\"}\n", CONFIG_NEEDED, pad,
			 0, 0);
		cr_assert_null(config_text_read(text, &faults));
		cr_assert(strstr(faults.line[0], "\"..., allowed"));
		cr_assert_neq(mbstowcs(NULL, faults.line[0], 0), (size_t)-1, "%d", pad);
		cr_assert_lt(strlen(faults.line[0]), 400);
	}
}
