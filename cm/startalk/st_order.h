/*
 * order: what a client may send when. Pure.
 *
 *   NEW ─Welcome─► GREETED ─StartTLS─► (TLS) ─► SECURE ─Auth─► (logged in) UNBOUND ─BIND─► BOUND
 */
#ifndef STARTALK_ORDER_H
#define STARTALK_ORDER_H

#include "st_packet.h"

enum st_phase { ST_NEW, ST_GREETED, ST_SECURE, ST_UNBOUND, ST_BOUND, ST_PHASES };
enum st_order {
	ST_TAKE,   /* it is what comes now */
	ST_IGNORE, /* it is not answered */
	ST_END	   /* it is out of order: StreamEnd 222 */
};

/* Of a packet that was opened. */
enum st_order st_order(enum st_phase, const struct st_packet *);
/* Of one whose signal is not known, or whose payload could not be read: only the signal is there. */
enum st_order st_order_odd(enum st_phase, int32_t signal);

#endif
