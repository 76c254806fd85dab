/*
 * subscription_state: the nine states of RFC 6121, A.1, from the user's view. The value is the set of what is there.
 */
#ifndef MODULES_SUBSCRIPTION_STATE_H
#define MODULES_SUBSCRIPTION_STATE_H

enum subscription_state {
	SUBSCRIPTION_TO = 1,   /* the user sees the contact's presence */
	SUBSCRIPTION_FROM = 2, /* the contact sees the user's */
	SUBSCRIPTION_OUT = 4,  /* the user has asked for TO */
	SUBSCRIPTION_IN = 8,   /* the contact has asked for FROM */

	STATE_NONE = 0,
	STATE_NONE_OUT = SUBSCRIPTION_OUT,
	STATE_NONE_IN = SUBSCRIPTION_IN,
	STATE_NONE_OUT_IN = SUBSCRIPTION_OUT | SUBSCRIPTION_IN,
	STATE_TO = SUBSCRIPTION_TO,
	STATE_TO_IN = SUBSCRIPTION_TO | SUBSCRIPTION_IN,
	STATE_FROM = SUBSCRIPTION_FROM,
	STATE_FROM_OUT = SUBSCRIPTION_FROM | SUBSCRIPTION_OUT,
	STATE_BOTH = SUBSCRIPTION_TO | SUBSCRIPTION_FROM,
	STATE_END = 16 /* above all of them */
};

#endif
