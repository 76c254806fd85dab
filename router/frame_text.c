#include "frame_text.h"

/* RFC 3629, section 4: what leads a sequence, how long that is, and between which bounds its second byte lies. */
static const struct text_lead {
	uint8_t first, last, len, low, high;
} leads[] = {
	{0x01, 0x7f, 1, 0, 0},	     {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
	{0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
	{0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

static const struct text_lead *lead_find(uint8_t byte)
{
	for (size_t i = 0; i < sizeof leads / sizeof *leads; i++)
		if (byte >= leads[i].first && byte <= leads[i].last)
			return &leads[i];
	return NULL;
}

/* Bytes of the sequence that begins here, 0: none. */
static size_t sequence_len(const uint8_t *at, size_t len)
{
	const struct text_lead *lead = lead_find(*at);
	if (!lead || lead->len > len)
		return 0;
	if (lead->len > 1 && (at[1] < lead->low || at[1] > lead->high))
		return 0;
	for (size_t i = 2; i < lead->len; i++)
		if (at[i] < 0x80 || at[i] > 0xbf)
			return 0;
	return lead->len;
}

bool frame_text_is_good(const uint8_t *bytes, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t step = sequence_len(bytes + at, len - at);
		if (step == 0)
			return false;
		at += step;
	}
	return true;
}
