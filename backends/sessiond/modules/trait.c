#include "trait.h"

#include <string.h>

#define BODY	   TRAIT_BODY
#define TALK	   TRAIT_TALK
#define STORE	   TRAIT_STORE
#define NO_COPY	   TRAIT_NO_COPY
#define NO_ARCHIVE TRAIT_NO_ARCHIVE
#define NO_KEEP	   TRAIT_NO_KEEP

static const struct {
	const char *name, *ns;
	unsigned traits;
} known[] = {
#define TRAIT(name, ns, traits) {name, ns, traits},
#include "trait.def"
#undef TRAIT
};

static unsigned traits_of_child(const struct element *child)
{
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (strcmp(element_ns(child), known[i].ns) == 0 &&
		    (*known[i].name == '\0' || strcmp(element_name(child), known[i].name) == 0))
			return known[i].traits;
	return 0;
}

unsigned traits_of(const struct element *message)
{
	unsigned traits = 0;

	for (struct element *e = element_first(message); e != NULL; e = element_next(e))
		traits |= traits_of_child(e);
	return traits;
}
