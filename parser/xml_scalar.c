/*
 * The kernel for any CPU: one byte at a time, by table.
 */
#include "xml_state.h"
#include "xml_valid.h"

enum { LANES = 1 };
typedef uint8_t lanes;
typedef uint32_t lanes_mask;

static inline lanes lanes_load(const uint8_t *p)
{
	return *p;
}

static inline lanes_mask lanes_stops(lanes c, enum stop stop, uint8_t quote)
{
	if (stop == STOP_NAME)
		return !(xml_class[c] & XML_CLASS_NAME);
	if (stop == STOP_GT)
		return c == '>';
	return c == '<' || c == '&' || c == (stop == STOP_VALUE ? quote : '>');
}

static inline uint32_t lanes_first(lanes_mask mask)
{
	(void)mask;
	return 0;
}

#include "xml_body.h"

static uint32_t scalar_valid(const uint8_t *bytes, uint32_t from, uint32_t len)
{
	return valid_end(bytes, from, len);
}

static void scalar_walk(struct xml_walk *k, struct xml_work *w)
{
	item_walk(k, w);
}

const struct xml_kernel xml_kernel_scalar = {"scalar", scalar_valid, scalar_walk};
