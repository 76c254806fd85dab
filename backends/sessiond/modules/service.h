/*
 * service: the small questions: are you there (XEP-0199), which version are you (XEP-0092), what time is it (XEP-0202).
 */
#ifndef MODULES_SERVICE_H
#define MODULES_SERVICE_H

#include "request.h"

void service_ping(const struct request *);
void service_version(const struct request *);
void service_time(const struct request *);

#endif
