#include <assert.h>

#include "subscription.h"

enum { QUIET, ROUTE };

struct transition {
	bool passes;
	enum subscription_state next;
};

#define TRANSITIONS(state, p1, n1, p2, n2, p3, n3, p4, n4)                                                             \
	[STATE_##state] = {                                                                                            \
		[KIND_SUBSCRIBE] = {p1, STATE_##n1},                                                                   \
		[KIND_SUBSCRIBED] = {p2, STATE_##n2},                                                                  \
		[KIND_UNSUBSCRIBE] = {p3, STATE_##n3},                                                                 \
		[KIND_UNSUBSCRIBED] = {p4, STATE_##n4},                                                                \
	},

static const struct transition outbound[STATE_END][KIND_COUNT] = {
#define OUTBOUND TRANSITIONS
#include "outbound.def"
#undef OUTBOUND
};

static const struct transition inbound[STATE_END][KIND_COUNT] = {
#define INBOUND TRANSITIONS
#include "inbound.def"
#undef INBOUND
};

static bool look_up(const struct transition table[STATE_END][KIND_COUNT], enum subscription_kind kind,
		    enum subscription_state state, enum subscription_state *ret_next)
{
	assert(kind < KIND_COUNT && state < STATE_END);
	*ret_next = table[state][kind].next;
	return table[state][kind].passes;
}

bool subscription_outbound(enum subscription_kind kind, enum subscription_state state,
			   enum subscription_state *ret_next)
{
	return look_up(outbound, kind, state, ret_next);
}

bool subscription_inbound(enum subscription_kind kind, enum subscription_state state, enum subscription_state *ret_next)
{
	return look_up(inbound, kind, state, ret_next);
}
