#include "xml_table.h"

enum {
	ANY_LOW = TOO_SHORT | TOO_LONG | CONTINUED,
	LOW_0 = ANY_LOW | OVERLONG_3 | OVERLONG_2 | OVERLONG_4,
	LOW_1 = ANY_LOW | OVERLONG_2,
	LOW_4 = ANY_LOW | TOO_LARGE,
	LOW_5 = ANY_LOW | TOO_LARGE | OVERLONG_4,
	LOW_D = LOW_5 | SURROGATE,
	HIGH_8 = TOO_LONG | CONTINUED | OVERLONG_2 | OVERLONG_3 | OVERLONG_4,
	HIGH_9 = TOO_LONG | CONTINUED | OVERLONG_2 | OVERLONG_3 | TOO_LARGE,
	HIGH_A = TOO_LONG | CONTINUED | OVERLONG_2 | SURROGATE | TOO_LARGE
};

#define XML_TABLE(name, ...)	  {__VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__},
#define XML_TABLE_ALL(name, byte) {[0 ... 63] = byte},
_Alignas(64) const uint8_t xml_tables[XML_TABLES][64] = {
#include "xml_table.def"
};
