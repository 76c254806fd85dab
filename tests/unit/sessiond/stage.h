/* stage: a whole server on a thread of its own, two accounts, and one gate that has said HELLO. */
#ifndef TEST_STAGE_H
#define TEST_STAGE_H

#include "fixture.h"
#include "gate.h"
#include "held_clock.h"
#include "sessiond.h"
#include <pthread.h>

#define SASL_NS "urn:ietf:params:xml:ns:xmpp-sasl"
#define BIND	"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
#define JULIET	FIXTURE_JID	    /* with FIXTURE_PASSWORD */
#define ROMEO	"romeo@example.com" /* with "juliet" */

extern struct fixture fixture;
extern struct sessiond *server;
extern pthread_t server_thread;
extern struct gate gate;

void stage_begin(bool registration);
void stage_end(void);

/* What stage_begin starts its server with; good until the next call. */
struct sessiond_settings settings_of(void);
void server_begin(const struct sessiond_settings *);
void server_end(void);

/* An <auth/> that must be answered by a failure of this condition. */
void login_fails(frame_session, const char *mechanism, const char *text, const char *condition);

#endif
