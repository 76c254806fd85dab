/* Ranges of addresses. */
#include "network.h"

#include <criterion/criterion.h>

static bool has(const char *network, const char *address)
{
	struct network n;
	struct address a;

	cr_assert(network_parse(network, &n), "%s", network);
	cr_assert(address_parse(address, &a), "%s", address);
	return network_has(&n, &a);
}

Test(network, has)
{
	static const struct {
		const char *network, *address;
		bool has;
	} rows[] = {
		{"192.0.2.0/24", "192.0.2.0:1", true},
		{"192.0.2.0/24", "192.0.2.255:1", true},
		{"192.0.2.0/24", "192.0.3.0:1", false},
		{"192.0.2.0/24", "[::ffff:192.0.2.7]:1", true},
		{"192.0.2.0/24", "[::192.0.2.7]:1", false},
		{"192.0.2.128/25", "192.0.2.127:1", false},
		{"192.0.2.128/25", "192.0.2.128:1", true},
		{"192.0.2.7", "192.0.2.7:1", true},
		{"192.0.2.7", "192.0.2.6:1", false},
		{"0.0.0.0/0", "255.255.255.255:1", true},
		{"0.0.0.0/0", "[::1]:1", false},
		{"::/0", "[2001:db8::1]:1", true},
		{"::/0", "192.0.2.1:1", true},
		{"2001:db8::/33", "[2001:db8:7fff::1]:1", true},
		{"2001:db8::/33", "[2001:db8:8000::]:1", false},
		{"2001:db8::1", "[2001:db8::1]:1", true},
		{"2001:db8::1/128", "[2001:db8::2]:1", false},
		{"::ffff:192.0.2.0/120", "192.0.2.9:1", true},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_assert_eq(has(rows[i].network, rows[i].address), rows[i].has, "%s %s", rows[i].network,
			     rows[i].address);
}

Test(network, unix_socket_is_in_none)
{
	struct network n;
	struct address a;

	cr_assert(network_parse("::/0", &n));
	cr_assert(address_parse_link("unix:/x", &a));
	cr_assert_not(network_has(&n, &a));
}

Test(network, refused)
{
	static const char *const texts[] = {
		"",
		"/",
		"/8",
		"192.0.2.0/",
		"192.0.2.0/33",
		"192.0.2.0/-1",
		"192.0.2.0/024",
		"192.0.2.0/ 24",
		"192.0.2.0/24 ",
		"192.0.2.1/24",
		"192.0.2.0/1000",
		"192.0.2/24",
		"::/129",
		"2001:db8::1/64",
		"localhost",
		"[::1]/128",
		"192.0.2.0/24/24",
		"192.0.2.128/24",
		"2001:0db8:0000:0000:0000:0000:0000:0000:0000:0000/64",
	};
	struct network n = {.bits = 77};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		cr_assert_not(network_parse(texts[i], &n), "%s", texts[i]);
		cr_assert_eq(n.bits, 77);
	}
}
