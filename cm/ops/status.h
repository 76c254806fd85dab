/*
 * status: what the gate is doing, as JSON, for the status page and `stanzagate ctl`. The numbers are those of /metrics,
 * by the names of their lines in base/counters.def:
 *
 *     {"version", "xml_kernel", "time_s", "started_s", "workers",
 *      "health": null or why not, "readiness": null or why not,
 *      "counters": {"clients_bound": 3, ...}, "closes": {"idle": 0, ...}, "stream_errors": {"reset": 0, ...},
 *      "latency": {"to_server": {"buckets": [...], "count", "sum_us"}, "to_client": ...},
 *      "process": {"cpu_s", "resident_bytes", "open_fds", "max_fds"},
 *      "certificates": [{"file", "days"}]}
 *
 * buckets: the n-th counts what took at most 2^n microseconds and more than half of that, the last all above.
 */
#ifndef OPS_STATUS_H
#define OPS_STATUS_H

#include "metrics.h"

#include <jansson.h>

/* A new reference. Any thread, while the settings and what they point to stay. */
json_t *status_json(const struct metrics_settings *);

#endif
