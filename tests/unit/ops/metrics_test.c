#include "metrics.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct counters counters;
static const struct counters *const workers[] = {&counters};
static struct metrics_process process;
static const char *sick, *unready;
static int context;

static const char *health(void *given)
{
	cr_assert_eq(given, &context);
	return sick;
}

static const char *readiness(void *given)
{
	cr_assert_eq(given, &context);
	return unready;
}

static struct metrics *begin(const char *address, char error[static METRICS_ERROR_BYTES])
{
	return metrics_start(&(struct metrics_settings){.address = address,
							.workers = workers,
							.worker_count = 1,
							.process = &process,
							.xml_kernel = "scalar",
							.health = health,
							.readiness = readiness,
							.context = &context},
			     error);
}

static struct metrics *begin_good(void)
{
	char error[METRICS_ERROR_BYTES] = "";
	struct metrics *m = begin("127.0.0.1:0", error);
	cr_assert_not_null(m, "%s", error);
	return m;
}

static int dial(const struct metrics *m)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(metrics_port(m)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

/* The whole answer, until the server closes. */
static const char *ask_raw(const struct metrics *m, const char *request)
{
	static char answer[1 << 17];
	size_t len = 0;
	ssize_t more;
	int fd = dial(m);
	send(fd, request, strlen(request), MSG_NOSIGNAL); /* may fail when the server closes early */
	while ((more = recv(fd, answer + len, sizeof answer - 1 - len, 0)) > 0)
		len += (size_t)more;
	answer[len] = '\0';
	close(fd);
	return answer;
}

static const char *ask(const struct metrics *m, const char *method, const char *path)
{
	char request[512];
	snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n", method, path);
	return ask_raw(m, request);
}

static int status_of(const char *answer)
{
	int status = 0;
	sscanf(answer, "HTTP/1.1 %d", &status);
	return status;
}

static const char *body_of(const char *answer)
{
	const char *body = strstr(answer, "\r\n\r\n");
	cr_assert_not_null(body, "%s", answer);
	return body + 4;
}

Test(metrics, serves_the_page)
{
	struct metrics *m = begin_good();
	counters.value[COUNTER_logins] = 42;
	const char *answer = ask(m, "GET", "/metrics");
	cr_assert_eq(status_of(answer), 200);
	cr_assert(strstr(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	cr_assert_eq(strncmp(body_of(answer), "# HELP stanzagate_connections_accepted_total ", 45), 0);
	cr_assert(strstr(body_of(answer), "\nstanzagate_logins_total 42\n"));
	counter_add(&counters, COUNTER_logins, 1);
	cr_assert(strstr(ask(m, "GET", "/metrics?x=y"), "\nstanzagate_logins_total 43\n"));
	metrics_stop(m);
}

Test(metrics, health_and_readiness)
{
	struct metrics *m = begin_good();
	cr_assert_eq(status_of(ask(m, "GET", "/healthz")), 200);
	cr_assert_str_eq(body_of(ask(m, "GET", "/readyz")), "ok\n");
	unready = "no session server is up";
	cr_assert_eq(status_of(ask(m, "GET", "/readyz")), 503);
	cr_assert_str_eq(body_of(ask(m, "GET", "/readyz")), "no session server is up\n");
	cr_assert_eq(status_of(ask(m, "GET", "/healthz")), 200);
	sick = "worker 1 stands still";
	unready = NULL;
	cr_assert_str_eq(body_of(ask(m, "GET", "/healthz")), "worker 1 stands still\n");
	cr_assert_eq(status_of(ask(m, "HEAD", "/healthz")), 503);
	cr_assert_eq(status_of(ask(m, "GET", "/readyz")), 200);
	metrics_stop(m);
}

Test(metrics, pages_for_people)
{
	struct metrics *m = begin_good();
	const char *answer = ask(m, "GET", "/");
	cr_assert_eq(status_of(answer), 200);
	cr_assert(strstr(answer, "Content-Type: text/html; charset=utf-8\r\n"));
	cr_assert(strstr(answer, "Content-Security-Policy: default-src 'none'"));
	cr_assert_eq(strncmp(body_of(answer), "<!DOCTYPE html>", 15), 0);
	cr_assert_str_eq(answer + strlen(answer) - 8, "</html>\n", "all of it");
	metrics_stop(m);
}

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

Test(metrics, status_is_made_anew_now_and_then)
{
	struct metrics *m = begin_good();
	int64_t began_ms;
	bool same;
	do { /* what takes longer than that says nothing */
		usleep(METRICS_STATUS_MS * 1000);
		began_ms = now_ms();
		counters.value[COUNTER_logins] = 42;
		const char *answer = ask(m, "GET", "/status.json");
		cr_assert(strstr(answer, "Content-Type: application/json\r\n"));
		cr_assert(strstr(body_of(answer), "\"logins\":42"));
		counters.value[COUNTER_logins] = 43;
		same = strstr(ask(m, "GET", "/status.json"), "\"logins\":42") != NULL;
	} while (now_ms() - began_ms >= METRICS_STATUS_MS);
	cr_assert(same, "not made anew for everybody");
	usleep(METRICS_STATUS_MS * 1000);
	cr_assert(strstr(ask(m, "GET", "/status.json"), "\"logins\":43"));
	metrics_stop(m);
}

Test(metrics, head_has_no_body)
{
	struct metrics *m = begin_good();
	const char *answer = ask(m, "HEAD", "/metrics");
	cr_assert_eq(status_of(answer), 200);
	cr_assert_str_eq(body_of(answer), "");
	metrics_stop(m);
}

Test(metrics, nothing_else)
{
	static const struct {
		const char *method, *path;
		int status;
	} rows[] = {
		{"GET", "//", 404},	   {"GET", "/metrics/", 404},	{"GET", "/Metrics", 404},
		{"GET", "//metrics", 404}, {"GET", "/../metrics", 404}, {"HEAD", "/x", 404},
		{"POST", "/metrics", 405}, {"PUT", "/healthz", 405},	{"DELETE", "/", 405},
		{"OPTIONS", "/", 405},	   {"get", "/metrics", 405},
	};
	struct metrics *m = begin_good();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_assert_eq(status_of(ask(m, rows[i].method, rows[i].path)), rows[i].status, "%s %s", rows[i].method,
			     rows[i].path);
	const char *answer =
		ask_raw(m, "POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n"
			   "\r\nhello");
	cr_assert_eq(status_of(answer), 405);
	cr_assert(strstr(answer, "Allow: GET, HEAD\r\n"));
	metrics_stop(m);
}

Test(metrics, bounds)
{
	struct metrics *m = begin_good();
	char *request = malloc(100000);
	snprintf(request, 100000, "GET /metrics HTTP/1.1\r\nHost: x\r\nX: %090000d\r\n\r\n", 0);
	int status = status_of(ask_raw(m, request));
	cr_assert(status == 431 || status == 0, "%d", status);
	free(request);

	/* Connections are taken in the order they came: the last one has to wait for its turn. */
	int fds[METRICS_CONNECTIONS_MAX + 1];
	for (int i = 0; i <= METRICS_CONNECTIONS_MAX; i++) {
		fds[i] = dial(m);
		cr_assert_eq(send(fds[i], "GET /healthz HTTP/1.1\r\nHost: x\r\n\r", 33, MSG_NOSIGNAL), 33);
	}
	struct pollfd last = {.fd = fds[METRICS_CONNECTIONS_MAX], .events = POLLIN};
	cr_assert_eq(send(last.fd, "\n", 1, MSG_NOSIGNAL), 1);
	cr_assert_eq(poll(&last, 1, 300), 0, "one too many was served");
	close(fds[0]);
	cr_assert_eq(poll(&last, 1, 60000), 1, "its turn did not come");
	metrics_stop(m);
	for (int i = 1; i <= METRICS_CONNECTIONS_MAX; i++)
		close(fds[i]);
}

Test(metrics, addresses)
{
	char error[METRICS_ERROR_BYTES], taken[64], expected[256];
	struct metrics *m = begin_good();
	snprintf(taken, sizeof taken, "127.0.0.1:%u", metrics_port(m));
	cr_assert_null(begin(taken, error));
	snprintf(expected, sizeof expected, "cannot listen on %s: Address already in use", taken);
	cr_assert_str_eq(error, expected);
	cr_assert_eq(status_of(ask(m, "GET", "/healthz")), 200); /* the connection lingers in TIME_WAIT */
	metrics_stop(m);
	m = begin(taken, error);
	cr_assert_not_null(m, "the port is free again: %s", error);
	metrics_stop(m);
	cr_assert_null(begin("hello", error));
	cr_assert_str_eq(error, "hello is not an address");
	cr_assert_null(begin("127.0.0.1:65536", error));
	cr_assert_null(begin("[127.0.0.1]:1", error));
	cr_assert_null(begin("192.0.2.1:1", error));
	cr_assert_str_eq(error, "cannot listen on 192.0.2.1:1: Cannot assign requested address");
	m = begin("[::1]:0", error);
	cr_assert(m || strstr(error, "address"), "%s", error);
	metrics_stop(m);
	metrics_stop(NULL);
}

static void on_signal(int number)
{
}

/* A signal to the process must not land on the thread of the pages. */
Test(metrics, thread_takes_no_signals)
{
	sigset_t usr1, pending;
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	signal(SIGUSR1, on_signal);
	struct metrics *m = begin_good();
	sigset_t now;
	pthread_sigmask(SIG_SETMASK, NULL, &now);
	cr_assert_not(sigismember(&now, SIGUSR1), "the caller's signals are as before");
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	kill(getpid(), SIGUSR1);
	cr_assert_eq(status_of(ask(m, "GET", "/healthz")), 200);
	sigpending(&pending);
	cr_assert(sigismember(&pending, SIGUSR1));
	metrics_stop(m);
}
