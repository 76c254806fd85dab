#include "st_client_type.h"

#include "st_words.h"

#include <string.h>

static const struct {
	int32_t number;
	const char *name, *ma;
} types[] = {
#define CLIENT_TYPE(number, name, ma) {number, name, ma},
#include "st_client_type.def"
#undef CLIENT_TYPE
};
enum { TYPES = sizeof types / sizeof types[0] };

const char *st_client_type_name(int32_t number)
{
	for (int i = 0; i < TYPES; i++)
		if (types[i].number == number)
			return types[i].name;
	return NULL;
}

int32_t st_client_type_number(const char *name)
{
	for (int i = 0; name != NULL && i < TYPES; i++)
		if (strcmp(types[i].name, name) == 0 || (name[0] == '0' + types[i].number && name[1] == '\0'))
			return types[i].number;
	return 0;
}

int32_t st_client_type_of_ma(const char *digits)
{
	for (int i = 0; digits != NULL && i < TYPES; i++)
		if (st_words_have(types[i].ma, digits))
			return types[i].number;
	return 0;
}
