#include "st_words.h"

#include <string.h>

const char *st_words_next(const char **at, size_t *ret_len)
{
	const char *word = *at + strspn(*at, " ");

	*ret_len = strcspn(word, " ");
	*at = word + *ret_len;
	return *ret_len > 0 ? word : NULL;
}

bool st_words_have(const char *words, const char *word)
{
	const char *found;
	size_t len;

	while ((found = st_words_next(&words, &len)) != NULL)
		if (strlen(word) == len && memcmp(found, word, len) == 0)
			return true;
	return false;
}
