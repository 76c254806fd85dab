#include "stream.h"

#include <criterion/criterion.h>
#include <string.h>

#define DECLARATION "<?xml version='1.0'?>"
#define NAMESPACES  " xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
#define ERRORS	    " xmlns='urn:ietf:params:xml:ns:xmpp-streams'"

struct writer {
	size_t (*write)(char *to, size_t cap, const void *subject);
	const void *subject;
};

/* The text whole, at exactly its length; and nothing said, and nothing behind the room touched, at every length below.
 */
static void expect_writes(struct writer writer, const char *want)
{
	size_t len = strlen(want);
	char room[4096];

	for (size_t cap = 0; cap <= len + 1; cap++) {
		memset(room, '#', sizeof room);
		size_t written = writer.write(cap ? room : NULL, cap, writer.subject);
		cr_expect_eq(written, cap < len ? 0 : len, "cap %zu: %zu written of %s", cap, written, want);
		cr_expect_eq(room[cap], '#', "cap %zu: written behind the room", cap);
		if (cap >= len)
			cr_expect(memcmp(room, want, len) == 0, "%.*s", (int)written, room);
	}
}

static size_t write_header(char *to, size_t cap, const void *subject)
{
	return stream_write_header(to, cap, subject);
}

static void expect_header(struct stream_greeting greeting, const char *want)
{
	expect_writes((struct writer){write_header, &greeting}, want);
}

Test(stream_write, S8_header)
{
	expect_header((struct stream_greeting){"example.org", "0123", "", "", true},
		      DECLARATION "<stream:stream from='example.org' id='0123' version='1.0' xml:lang='en'" NAMESPACES);
	expect_header((struct stream_greeting){"example.org", "0123", "de", "juliet@example.org", true},
		      DECLARATION "<stream:stream from='example.org' id='0123' to='juliet@example.org' version='1.0' "
				  "xml:lang='de'" NAMESPACES);
}

Test(stream_write, S10_header_without_version)
{
	expect_header((struct stream_greeting){"", "0123", "", "", false},
		      DECLARATION "<stream:stream from='' id='0123' xml:lang='en'" NAMESPACES);
}

Test(stream_write, header_escapes)
{
	expect_header((struct stream_greeting){"a'b", "<", "&", "\"o'>@x", true},
		      DECLARATION "<stream:stream from='a&apos;b' id='&lt;' to='&quot;o&apos;&gt;@x' version='1.0' "
				  "xml:lang='&amp;'" NAMESPACES);
}

struct offer {
	struct stream stream;
	const char *features;
};

static size_t write_features(char *to, size_t cap, const void *subject)
{
	const struct offer *offer = subject;

	return stream_write_features(to, cap, &offer->stream, offer->features, strlen(offer->features));
}

Test(stream_write, T1_features_before_tls_are_starttls_alone)
{
	struct offer offer = {{.state = STREAM_PLAIN}, "<mechanisms/>"};

	expect_writes((struct writer){write_features, &offer},
		      "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
		      "</stream:features>");
}

Test(stream_write, T5_features_after_tls_are_those_of_the_session_server)
{
	struct offer offer = {{.state = STREAM_SECURE}, "<mechanisms><mechanism>X</mechanism></mechanisms>"};

	expect_writes((struct writer){write_features, &offer},
		      "<stream:features><mechanisms><mechanism>X</mechanism></mechanisms></stream:features>");
	offer = (struct offer){{.state = STREAM_AUTHENTICATED}, ""};
	expect_writes((struct writer){write_features, &offer}, "<stream:features></stream:features>");
}

static size_t write_end(char *to, size_t cap, const void *subject)
{
	return stream_write_end(to, cap, subject);
}

Test(stream_write, S16_end)
{
	expect_writes((struct writer){write_end, &(struct stream_farewell){"", "nothing of this", "<nor/>"}},
		      "</stream:stream>");
	expect_writes((struct writer){write_end, &(struct stream_farewell){"reset", "", ""}},
		      "<stream:error><reset" ERRORS "/></stream:error></stream:stream>");
	expect_writes(
		(struct writer){write_end, &(struct stream_farewell){"host-unknown", "a < b & 'c'", "<x xmlns='y'/>"}},
		"<stream:error><host-unknown" ERRORS "/><text" ERRORS
		" xml:lang='en'>a &lt; b &amp; &apos;c&apos;</text><x xmlns='y'/>"
		"</stream:error></stream:stream>");
}

/* Every reason's error fits into the room that the header promises. */
Test(stream_write, room_is_enough_for_every_reason)
{
	char room[STREAM_WRITE_BYTES + 256];

	for (enum reason reason = REASON_NONE; reason < REASON_COUNT; reason++) {
		struct stream_farewell farewell = {reason_condition(reason), reason_text(reason), ""};
		size_t cap = STREAM_WRITE_BYTES + strlen(farewell.condition) + 6 * strlen(farewell.text);
		cr_expect(stream_write_end(room, cap < sizeof room ? cap : sizeof room, &farewell));
	}
}
