/* share: what other nodes have changed in the store, as it is taken into the registry. Within the turn's work. */
#ifndef SESSIOND_SHARE_H
#define SESSIOND_SHARE_H

#include "server.h"

/*
 * What has changed since the last time. Of our own sessions those that another node has taken or ended are ours no
 * more: before anything else is done, so that nobody acts for a session that is not his.
 */
void share_refresh(struct sessiond *);
/* Everything, whether it has changed or not. */
void share_read(struct sessiond *);

#endif
