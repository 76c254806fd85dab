/*
 * The XML declaration before a stream header (XML 1.0, production [23]; RFC 6120, sections 11.5 and 11.6), byte by
 * byte. Allowed is <?xml version='1.0'?>, with encoding='UTF-8' in any case of letters. `standalone` is refused, as is
 * every other processing instruction.
 */
#ifndef PARSER_XML_DECLARATION_H
#define PARSER_XML_DECLARATION_H

#include "xml_state.h"

/* Takes one byte; the state starts as zeros. Sets *ret_done behind the last one. */
enum xml_error xml_declaration_take(struct xml_declaring *, uint8_t c, bool *ret_done);

#endif
