/*
 * privacy_item: items of privacy lists as XML (XEP-0016, 2.1).
 */
#ifndef MODULES_PRIVACY_ITEM_H
#define MODULES_PRIVACY_ITEM_H

#include "element.h"
#include "incoming.h"
#include "store_privacy.h"

/*
 * The items of a <list/>, sorted by their order. ERROR_COUNT: it was read, free it with privacy_list_free. The
 * account's roster is asked for groups.
 */
enum error_condition privacy_items_read(struct store *, const char *account, const struct element *list,
					struct privacy_list *ret);
void privacy_item_write(const struct privacy_item *, struct text *to);

#endif
