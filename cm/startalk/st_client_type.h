/* client_type: the kinds of clients, as numbers and as the words that stand in XML. Pure. */
#ifndef STARTALK_CLIENT_TYPE_H
#define STARTALK_CLIENT_TYPE_H

#include <stdint.h>

enum { ST_CLIENT_TYPE_USUAL = 3 /* PC */ };

/* NULL: a number that is none. */
const char *st_client_type_name(int32_t number);
/* Of a word or of digits; 0: neither. NULL is neither. */
int32_t st_client_type_number(const char *name);
/* Of the looser numbers in maType; 0: unknown. NULL is unknown. */
int32_t st_client_type_of_ma(const char *digits);

#endif
