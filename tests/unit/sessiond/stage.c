#include "stage.h"
#include "xml.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

struct fixture fixture;
struct sessiond *server;
pthread_t server_thread;
struct gate gate;
static char listen_at[FIXTURE_PATH_BYTES + 8];

static void *server_main(void *nothing)
{
	sessiond_run(server);
	return NULL;
}

static void log_nothing(void *context, enum sessiond_level level, const struct sessiond_line *line)
{
	cr_expect(strchr(line->text, '\n') == NULL);
	cr_expect(line->jid[0] == '\0' || strstr(line->text, line->jid));
	cr_expect(strstr(line->text, line->address));
}

struct sessiond_settings settings_of(void)
{
	snprintf(listen_at, sizeof listen_at, "unix:%s", fixture.socket);
	return (struct sessiond_settings){
		.name = "session-1",
		.database = fixture.database,
		.domains = {"Example.COM", "example.org"},
		.domain_count = 2,
		.listen = {listen_at},
		.listen_count = 1,
		.iterations = PASSWORD_ITERATIONS_MIN,
		.offline_messages_max = 10,
		.log = log_nothing,
	};
}

void server_begin(const struct sessiond_settings *settings)
{
	char error[SESSIOND_ERROR_BYTES];
	server = sessiond_new(settings, error);
	cr_assert(server, "%s", error);
	cr_assert_eq(pthread_create(&server_thread, NULL, server_main, NULL), 0);
}

void server_end(void)
{
	sessiond_stop(server);
	cr_assert_eq(pthread_join(server_thread, NULL), 0);
	sessiond_free(server);
}

void stage_begin(bool registration)
{
	xml_kernel_choose(NULL);
	fixture_begin(&fixture);
	fixture_account(&fixture, JULIET, FIXTURE_PASSWORD);
	fixture_account(&fixture, ROMEO, "juliet");
	struct sessiond_settings settings = settings_of();
	settings.registration = registration;
	server_begin(&settings);
	gate_begin(&gate, fixture.socket, 2);
}

void stage_end(void)
{
	gate_end(&gate);
	server_end();
	fixture_end(&fixture);
}

void login_fails(frame_session session, const char *mechanism, const char *text, const char *condition)
{
	char part[128];
	snprintf(part, sizeof part, "<failure xmlns='" SASL_NS "'><%s/></failure>", condition);
	gate_put(&gate, session, "<auth xmlns='" SASL_NS "' mechanism='%s'>%s</auth>", mechanism, text);
	gate_expect_element(&gate, session, part);
}
