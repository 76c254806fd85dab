#include "base64.h"
#include <criterion/criterion.h>
#include <string.h>

/* RFC 4648, section 10. */
static const char *const vectors[][2] = {
	{"", ""},
	{"f", "Zg=="},
	{"fo", "Zm8="},
	{"foo", "Zm9v"},
	{"foob", "Zm9vYg=="},
	{"fooba", "Zm9vYmE="},
	{"foobar", "Zm9vYmFy"},
};

Test(base64, encodes_the_vectors)
{
	char text[16];
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		size_t len = base64_encode((const uint8_t *)vectors[i][0], strlen(vectors[i][0]), text);
		cr_expect_str_eq(text, vectors[i][1]);
		cr_expect_eq(len, strlen(vectors[i][1]));
	}
}

Test(base64, decodes_the_vectors)
{
	uint8_t bytes[16];
	size_t len;
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		cr_assert(base64_decode(vectors[i][1], strlen(vectors[i][1]), bytes, &len));
		cr_expect_eq(len, strlen(vectors[i][0]));
		cr_expect_eq(memcmp(bytes, vectors[i][0], len), 0);
	}
}

Test(base64, every_byte_survives)
{
	uint8_t bytes[256], back[256];
	char text[BASE64_CHARACTERS(256)];
	size_t len;
	for (int i = 0; i < 256; i++)
		bytes[i] = (uint8_t)i;
	for (size_t n = 0; n <= 256; n++) {
		size_t text_len = base64_encode(bytes, n, text);
		cr_assert(base64_decode(text, text_len, back, &len));
		cr_assert_eq(len, n);
		cr_assert_eq(memcmp(back, bytes, n), 0);
	}
}

Test(base64, A3_refuses_what_is_not_strict)
{
	static const char *const bad[] = {
		"Zg",	"Zg=",	"Z===", "====", "=Zg=", "Zg==Zg==", "Zg= ",	" Zg==",      "Zm\n9v", "Zm9v\n",
		"Zm9-", "Zm9_", "Zh==", "Zm9=", "Z=g=", "Zm9v=",    "Zm9vZ===", "\xc3\xa9g=", "Zg=g",	"A=A=",
	};
	uint8_t bytes[16];
	size_t len = 77;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		cr_expect_not(base64_decode(bad[i], strlen(bad[i]), bytes, &len), "%s", bad[i]);
	cr_expect_eq(len, 77);
}
