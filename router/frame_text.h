/* Is it a text of fields.def: UTF-8 (RFC 3629: nothing overlong, no surrogates, nothing above U+10FFFF) without U+0000?
 */
#ifndef ROUTER_FRAME_TEXT_H
#define ROUTER_FRAME_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool frame_text_is_good(const uint8_t *bytes, size_t len); /* no bytes are a text */

#endif
