#include "busy.h"
#include "kernel_tls.h"

#include <criterion/criterion.h>
#include <linux/tls.h>
#include <string.h>

enum { BOTH = KERNEL_TLS_SEND | KERNEL_TLS_RECEIVE, ALL = BOTH | KERNEL_TLS_REKEY };

static uint8_t ways(uint8_t can12, uint8_t can13, enum kernel_tls_use use, enum record_version version)
{
	struct kernel_tls_can can = {0};

	can.tls12[RECORD_AES_256_GCM] = can12;
	can.tls13[RECORD_AES_256_GCM] = can13;
	cr_assert_eq(kernel_tls_ways(&can, use, version, RECORD_AES_128_GCM), 0);
	return kernel_tls_ways(&can, use, version, RECORD_AES_256_GCM);
}

Test(kernel_tls, what_is_handed_over)
{
	cr_expect_eq(ways(BOTH, ALL, KERNEL_TLS_OFF, RECORD_TLS12), 0);
	cr_expect_eq(ways(BOTH, ALL, KERNEL_TLS_OFF, RECORD_TLS13), 0);
	cr_expect_eq(ways(BOTH, ALL, KERNEL_TLS_ON, RECORD_TLS13), BOTH);
	cr_expect_eq(ways(BOTH, ALL, KERNEL_TLS_AUTO, RECORD_TLS13), BOTH);
	cr_expect_eq(ways(BOTH, BOTH, KERNEL_TLS_ON, RECORD_TLS13), KERNEL_TLS_SEND);
	cr_expect_eq(ways(BOTH, BOTH, KERNEL_TLS_AUTO, RECORD_TLS13), 0);
	cr_expect_eq(ways(BOTH, BOTH, KERNEL_TLS_ON, RECORD_TLS12), BOTH);
	cr_expect_eq(ways(BOTH, BOTH, KERNEL_TLS_AUTO, RECORD_TLS12), BOTH);
	cr_expect_eq(ways(0, 0, KERNEL_TLS_ON, RECORD_TLS13), 0);
	cr_expect_eq(ways(KERNEL_TLS_RECEIVE, 0, KERNEL_TLS_ON, RECORD_TLS12), 0);
}

Test(kernel_tls, capabilities_are_told)
{
	struct kernel_tls_can can = {0};
	char text[KERNEL_TLS_LIST_BYTES];

	kernel_tls_list(&can, KERNEL_TLS_SEND, text);
	cr_expect_str_eq(text, "none");
	can.tls12[RECORD_AES_128_GCM] = KERNEL_TLS_SEND;
	can.tls13[RECORD_CHACHA20_POLY1305] = ALL;
	kernel_tls_list(&can, KERNEL_TLS_SEND, text);
	cr_expect_str_eq(text, "1.2/AES_128_GCM 1.3/CHACHA20_POLY1305");
	kernel_tls_list(&can, KERNEL_TLS_REKEY, text);
	cr_expect_str_eq(text, "1.3/CHACHA20_POLY1305");
	memset(can.tls12, ALL, sizeof can.tls12);
	memset(can.tls13, ALL, sizeof can.tls13);
	kernel_tls_list(&can, KERNEL_TLS_RECEIVE, text); /* has room for all */
	cr_expect_not_null(strstr(text, "1.3/CHACHA20_POLY1305"));
}

Test(kernel_tls, a_message_says_its_type)
{
	struct kernel_tls_message m;

	kernel_tls_compose(&m, RECORD_CONTENT_ALERT, "\1", 2);
	cr_expect_eq(m.header.msg_iovlen, 1);
	cr_expect_eq(m.part.iov_len, 2);
	cr_expect_eq(CMSG_FIRSTHDR(&m.header)->cmsg_type, TLS_SET_RECORD_TYPE);
	cr_expect_eq(*CMSG_DATA(CMSG_FIRSTHDR(&m.header)), RECORD_CONTENT_ALERT);
	kernel_tls_compose(&m, RECORD_CONTENT_DATA, "text", 4);
	cr_expect_null(CMSG_FIRSTHDR(&m.header));
}

/* Whatever this kernel can, the answer fits together, and a refusal says why. */
Test(kernel_tls, the_probe_answers)
{
	struct kernel_tls_can can = {.why = "x"};
	bool lacking = false;

	kernel_tls_probe(&can);
	for (int cipher = 0; cipher < RECORD_CIPHER_COUNT; cipher++) {
		cr_expect(can.tls12[cipher] == 0 || can.tls12[cipher] == BOTH);
		cr_expect(can.tls13[cipher] == 0 || can.tls13[cipher] == BOTH || can.tls13[cipher] == ALL);
		lacking |= can.tls12[cipher] == 0 || can.tls13[cipher] == 0;
	}
	cr_expect_eq(lacking, can.why[0] != '\0');
}

/* ---- busy */

Test(busy, one_alone_is_counted_exactly)
{
	static struct busy b;

	cr_expect_eq(busy_count(&b, 42, 100), 100);
	cr_expect_eq(busy_count(&b, 42, 23), 123);
	busy_clear(&b);
	cr_expect_eq(busy_count(&b, 42, 1), 1);
}

/* 20,000 that move little, and ten that move much: the ten are found, and nobody is said to have moved more than it
 * did.
 */
Test(busy, those_who_move_much_are_found)
{
	enum { SMALL = 20000, LARGE = 10, LARGE_BYTES = 100000, ROUNDS = 50 };
	static struct busy b;
	uint64_t known[LARGE] = {0};

	for (int round = 1; round <= ROUNDS; round++) {
		for (uint64_t who = 1000; who < 1000 + SMALL; who++)
			cr_assert_leq(busy_count(&b, who, 20), 20u * (unsigned)round);
		for (uint64_t who = 1; who <= LARGE; who++) {
			known[who - 1] = busy_count(&b, who, LARGE_BYTES);
			cr_assert_leq(known[who - 1], (uint64_t)LARGE_BYTES * (unsigned)round);
		}
	}
	for (int i = 0; i < LARGE; i++)
		cr_expect_gt(known[i], (uint64_t)LARGE_BYTES * ROUNDS * 9 / 10);
}
