#include "login.h"

#include "worker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct login *login_new(struct worker *w)
{
	struct login *login = calloc(1, sizeof *login);

	assert(login != NULL);
	login->stream.bytes_max = (uint32_t)w->config->login_bytes_max;
	login->stream.elements_max = (uint32_t)w->config->login_elements_max;
	login->until_ms = worker_now_ms(w) + w->config->login_ms_max;
	counter_add(&w->counters, COUNTER_memory_login, sizeof *login);
	return login;
}

void login_hold(struct worker *w, struct login *login, const uint8_t *bytes, size_t len)
{
	login->held = realloc(login->held, login->held_len + len);
	assert(login->held != NULL);
	memcpy(login->held + login->held_len, bytes, len);
	login->held_len += len;
	counter_add(&w->counters, COUNTER_memory_login, (int64_t)len);
}

void login_let_go(struct worker *w, struct login *login)
{
	counter_add(&w->counters, COUNTER_memory_login, -(int64_t)login->held_len);
	login->held = NULL;
	login->held_len = 0;
}

void login_drop(struct worker *w, struct login *login)
{
	free(login->held);
	login_let_go(w, login);
}

void login_free(struct worker *w, struct login *login)
{
	if (login == NULL)
		return;
	counter_add(&w->counters, COUNTER_memory_login, -(int64_t)sizeof *login);
	free(login->features);
	login_drop(w, login);
	tls_context_unref(login->context);
	free(login->facts.identity);
	explicit_bzero(login, sizeof *login);
	free(login);
}
