/*
 * bench-client: what struct client is made of: one line of JSON, bytes of each member, in the order of memory. What
 * members do not fill is "(padding)". bench/memory puts it into its table.
 */
#include "client.h"

#include <stdio.h>

static const struct part {
	const char *name;
	size_t bytes;
} parts[] = {
#define PART(of, member) {#of "." #member, sizeof(((struct of *)0)->member)},
	/* clang-format off */
	PART(conn, dirty_next) PART(conn, outbox) PART(conn, sending) PART(conn, partial) PART(conn, record) PART(conn, tag)
	PART(conn, fd) PART(conn, raw_bytes)
#undef PART
#define PART(member) {"client." #member, sizeof(((struct client *)0)->member)},
	PART(timer) PART(xml) PART(login) PART(partial) PART(stamp) PART(aside) PART(choked_next) PART(stamp_from_len)
	PART(stamp_len) PART(heard_s) PART(stream)
	/* clang-format on */
};

int main(void)
{
	size_t sum = 0;

	printf("{");
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		printf("\"%s\": %zu, ", parts[i].name, parts[i].bytes);
		sum += parts[i].bytes;
	}
	printf("\"states, flags, padding\": %zu, \"struct client\": %zu}\n", sizeof(struct client) - sum,
	       sizeof(struct client));
	return 0;
}
