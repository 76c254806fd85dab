/*
 * status_page: page/status.html, as it was when the program was built.
 */
#ifndef OPS_STATUS_PAGE_H
#define OPS_STATUS_PAGE_H

#include <stddef.h>

extern const unsigned char status_page[];
extern const size_t status_page_bytes;

#endif
