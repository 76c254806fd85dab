/*
 * The tables of xml_table.def, and the faults that some of them speak of.
 */
#ifndef PARSER_XML_TABLE_H
#define PARSER_XML_TABLE_H

#include <stdint.h>

/*
 * What may be wrong with a byte and the one before it: one bit each, set in all three tables (upper and lower half of
 * the byte before, upper half of the byte) when the pair has that fault.
 */
enum {
	TOO_SHORT = 1 << 0,  /* a first byte, then none that continues */
	TOO_LONG = 1 << 1,   /* one below U+0080, then one that continues */
	OVERLONG_3 = 1 << 2, /* E0, then below A0 */
	TOO_LARGE = 1 << 3,  /* F4 90 and above, F5 and above */
	SURROGATE = 1 << 4,  /* ED, then A0 and above */
	OVERLONG_2 = 1 << 5, /* C0 and C1 */
	OVERLONG_4 = 1 << 6, /* F0, then below 90; F5 and above with such a byte */
	CONTINUED = 1 << 7   /* two that continue: right only as third or fourth byte */
};

enum xml_table {
#define XML_TABLE(name, ...)	  XML_TABLE_##name,
#define XML_TABLE_ALL(name, byte) XML_TABLE_##name,
#include "xml_table.def"
	XML_TABLES
};

/* Each is there as often as the longest vector holds it. */
extern const uint8_t xml_tables[XML_TABLES][64];

#endif
