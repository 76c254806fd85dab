/* When passwords of PLAIN are checked: in all of the time that nothing else needs, and a quarter of what others need.
 */
#include "client.h"
#include "negotiation.h"
#include "stage.h"
#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

enum { A_MINUTE_US = 60000000 };

/* juliet with a password that is wrong */
#define AUTH "<auth xmlns='" SASL_NS "' mechanism='PLAIN'>AGp1bGlldAB3cm9uZw==</auth>"

Test(checks, who_has_nothing_else_to_do_checks_at_once)
{
	stage_begin(false);
	server->verify_after_us = server_clock_us() + 60ull * A_MINUTE_US;
	gate_open(&gate, 1, "example.com", NULL);
	gate_put(&gate, 1, "%s", AUTH);
	gate_expect_element(&gate, 1, "not-authorized");
	gate_session(&gate, 2, ROMEO, "juliet", "garden");
	stage_end();
}

static uint64_t cpu_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Of a server that does not run: its password waits; what it is told goes nowhere. */
static struct client *client_waiting(struct sessiond *of)
{
	struct client *client = client_make(of, NULL);
	struct sasl_client facts = {.domain = "example.com", .encrypted = true};
	client->session.domain = server_copy("example.com", strlen("example.com"));
	client->sasl = sasl_new(of->sasl, &facts);
	negotiation_element(client, (const uint8_t *)AUTH, strlen(AUTH));
	cr_assert(client->verifying);
	client->closed = true;
	return client;
}

static void client_end(struct client *client)
{
	client->session.server->dying = client;
	clients_reap(client->session.server);
}

Test(checks, others_who_wait_get_three_quarters)
{
	char error[SESSIOND_ERROR_BYTES];
	fixture_begin(&fixture);
	fixture_account(&fixture, JULIET, FIXTURE_PASSWORD);
	struct sessiond_settings settings = settings_of();
	struct sessiond *idle = sessiond_new(&settings, error);
	cr_assert(idle, "%s", error);
	struct client *one = client_waiting(idle), *other = client_waiting(idle);
	uint64_t begin_us = server_clock_us(), needed_us = cpu_us();
	negotiation_run(idle, false);
	needed_us = cpu_us() - needed_us;
	cr_expect(!one->verifying && other->verifying && negotiation_waits(idle));
	cr_expect_gt(idle->verify_after_us - begin_us, needed_us * 7 / 2);
	idle->verify_after_us = begin_us + A_MINUTE_US;
	negotiation_run(idle, false);
	cr_expect(other->verifying, "it is not paid for");
	negotiation_run(idle, true);
	cr_expect(!other->verifying && !negotiation_waits(idle));
	client_end(one);
	client_end(other);
	sessiond_free(idle);
	fixture_end(&fixture);
}
