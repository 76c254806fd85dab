#include "st_order.h"

#include <string.h>

enum kind {
#define ORDER(kind, ...) KIND_##kind,
#include "st_order.def"
#undef ORDER
	KINDS
};

static const uint8_t orders[KINDS][ST_PHASES] = {
#define ORDER(kind, new, greeted, secure, unbound, bound)                                                              \
	[KIND_##kind] = {[ST_NEW] = ST_##new,                                                                          \
			 [ST_GREETED] = ST_##greeted,                                                                  \
			 [ST_SECURE] = ST_##secure,                                                                    \
			 [ST_UNBOUND] = ST_##unbound,                                                                  \
			 [ST_BOUND] = ST_##bound},
#include "st_order.def"
#undef ORDER
};

static bool is_bind(const Startalk__IQMessage *iq)
{
	return iq->has_definedkey ? iq->definedkey == 1 : iq->key != NULL && strcmp(iq->key, "BIND") == 0;
}

static enum kind kind_of(const struct st_packet *packet)
{
	if (!st_signal_is_client_s(packet->signal))
		return KIND_UNKNOWN;
	switch (packet->is) {
	case ST_PAYLOAD_WELCOME:
		return KIND_WELCOME;
	case ST_PAYLOAD_NOTHING:
		return KIND_STARTTLS;
	case ST_PAYLOAD_AUTH:
		return KIND_AUTH;
	case ST_PAYLOAD_IQ:
		return is_bind(packet->iq) ? KIND_BIND : KIND_STANZA;
	case ST_PAYLOAD_PRESENCE:
	case ST_PAYLOAD_MESSAGE:
		return KIND_STANZA;
	case ST_PAYLOAD_STREAM_END:
		return KIND_STREAM_END;
	case ST_PAYLOAD_SUCCEEDED:
	case ST_PAYLOAD_FAILURE:
		break;
	}
	return KIND_UNKNOWN;
}

enum st_order st_order(enum st_phase phase, const struct st_packet *packet)
{
	return (enum st_order)orders[kind_of(packet)][phase];
}

enum st_order st_order_odd(enum st_phase phase, int32_t signal)
{
	bool login = signal == ST_SIGNAL_WELCOME || signal == ST_SIGNAL_AUTH;

	return (enum st_order)orders[login ? KIND_ODD_LOGIN : KIND_UNKNOWN][phase];
}
