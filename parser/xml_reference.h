/*
 * References: the five entities and character references (XML 1.0, productions [66] and [68]).
 */
#ifndef PARSER_XML_REFERENCE_H
#define PARSER_XML_REFERENCE_H

#include "xml.h"

enum { XML_REFERENCE_DIGITS_MAX = 16 };

/*
 * Reads what stands behind '&'. Answers its bytes, the semicolon included, and the code point; 0 when it is incomplete;
 * -1 when it is refused: *ret_error says why, *ret_at which byte. It looks at no more than a few bytes.
 */
int xml_reference_read(const uint8_t *p, uint32_t avail, uint32_t *ret_code, enum xml_error *ret_error,
		       uint32_t *ret_at);

#endif
