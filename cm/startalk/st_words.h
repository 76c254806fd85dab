/* words: lists in tables, as texts of words with blanks between them. Pure. */
#ifndef STARTALK_WORDS_H
#define STARTALK_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* The next word, of *ret_len bytes; *at is moved behind it. NULL: there is no more. */
const char *st_words_next(const char **at, size_t *ret_len);
bool st_words_have(const char *words, const char *word);

#endif
