/* The control socket: who listens, who may ask, what is refused, what is bounded. */
#include "control.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static char folder[] = "/tmp/control-XXXXXX", path[64];

static json_t *echo(void *context, const char *command, const json_t *arguments, char error[static CONTROL_ERROR_BYTES])
{
	++*(int *)context;
	if (strcmp(command, "refuse") == 0) {
		snprintf(error, CONTROL_ERROR_BYTES, "no");
		return NULL;
	}
	return json_pack("{s:s, s:O}", "command", command, "arguments", arguments);
}

static int asked;
static char error[CONTROL_ERROR_BYTES];

static struct control *begin(const struct config_user *users, size_t count)
{
	struct control_settings settings = {path, users, count, echo, &asked};

	return control_start(&settings, error);
}

static void setup(void)
{
	cr_assert(mkdtemp(folder) != NULL);
	snprintf(path, sizeof path, "%s/socket", folder);
	asked = 0;
}

static void teardown(void)
{
	unlink(path);
	rmdir(folder);
}

TestSuite(control, .init = setup, .fini = teardown);

static void dial(int fd)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
	cr_assert(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
}

/* Sends the bytes, ends, and answers what came back. */
static char *say(const char *bytes, size_t len)
{
	static char heard[4096];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	size_t had = 0;
	ssize_t got;

	dial(fd);
	while (len > 0 && (got = send(fd, bytes, len, MSG_NOSIGNAL)) > 0) {
		bytes += got;
		len -= (size_t)got;
	}
	shutdown(fd, SHUT_WR);
	while ((got = read(fd, heard + had, sizeof heard - 1 - had)) > 0)
		had += (size_t)got;
	heard[had] = '\0';
	close(fd);
	return heard;
}

Test(control, a_question_and_its_answer)
{
	struct control *c = begin(NULL, 0);
	json_t *arguments = json_pack("{s:s}", "who", "alice"), *result;
	bool reached;

	cr_assert(c != NULL);
	result = control_ask(path, "find", arguments, error, &reached);
	cr_assert(reached);
	cr_assert(eq(str, (char *)json_string_value(json_object_get(result, "command")), "find"));
	cr_assert(json_equal(json_object_get(result, "arguments"), arguments));
	json_decref(result);
	cr_assert(control_ask(path, "refuse", arguments, error, &reached) == NULL);
	cr_assert(reached);
	cr_assert(eq(str, error, "no"));
	json_decref(arguments);
	control_stop(c);
	cr_assert(access(path, F_OK) != 0, "the socket is taken away");
}

Test(control, nobody_is_there)
{
	json_t *none = json_object();
	bool reached = true;

	cr_assert(control_ask(path, "find", none, error, &reached) == NULL);
	cr_assert(not(reached));
	cr_assert(strstr(error, strerror(ENOENT)) != NULL);
	json_decref(none);
}

Test(control, what_is_no_request_is_refused_and_asks_nothing)
{
	static const char *const wrong[] = {"\n",
					    "find\n",
					    "[]\n",
					    "{\"command\": 1}\n",
					    "{\"arguments\": {}}\n",
					    "{\"command\": \"find\", \"arguments\": []}\n",
					    "{\"command\": \"find\"",
					    "{\"command\": \"a\", \"command\": \"b\"}\n"};
	struct control *c = begin(NULL, 0);

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		cr_assert(eq(str, say(wrong[i], strlen(wrong[i])), "{\"error\":\"not a request\"}\n"), "%s", wrong[i]);
	cr_assert(eq(int, asked, 0));
	cr_assert(strstr(say("{\"command\": \"find\"}\n", 20), "\"result\"") != NULL, "and the next one is served");
	control_stop(c);
}

Test(control, a_request_is_bounded)
{
	struct control *c = begin(NULL, 0);
	size_t len = CONTROL_REQUEST_BYTES + 1;
	char *line = malloc(len + 64);
	int head = sprintf(line, "{\"command\":\"");

	memset(line + head, 'a', len);
	memcpy(line + len - 2, "\"}\n", 3); /* the line feed is byte len + 1, and the line is of len bytes */
	cr_assert(strstr(say(line, len + 1), "not a request") != NULL);
	cr_assert(eq(int, asked, 0));
	memcpy(line + len - 3, "\"}\n", 3);
	cr_assert(strstr(say(line, len), "\"result\"") != NULL);
	free(line);
	control_stop(c);
}

Test(control, rights_of_the_file)
{
	struct config_user user = {.uid = 12345};
	struct control *c = begin(NULL, 0);
	struct stat about;

	cr_assert(stat(path, &about) == 0);
	cr_assert(eq(int, (int)(about.st_mode & 0777), 0600));
	control_stop(c);
	c = begin(&user, 1);
	cr_assert(stat(path, &about) == 0);
	cr_assert(eq(int, (int)(about.st_mode & 0777), 0666), "who may ask is asked by then");
	control_stop(c);
}

Test(control, what_a_dead_gate_left_is_replaced_and_a_living_one_is_not)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct control *first, *second;

	snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
	cr_assert(bind(fd, (struct sockaddr *)&at, sizeof at) == 0);
	close(fd); /* without unlink */
	first = begin(NULL, 0);
	cr_assert(first != NULL, "%s", error);
	second = begin(NULL, 0);
	cr_assert(second == NULL);
	cr_assert(strstr(error, strerror(EADDRINUSE)) != NULL);
	cr_assert(strstr(say("{\"command\": \"find\"}\n", 20), "\"result\"") != NULL, "the first goes on");
	control_stop(first);
}

Test(control, a_file_that_is_no_socket_stays)
{
	FILE *file = fopen(path, "w");

	fclose(file);
	cr_assert(begin(NULL, 0) == NULL);
	cr_assert(access(path, F_OK) == 0);
}

static bool is_answered(int fd, int within_ms)
{
	struct pollfd answer = {.fd = fd, .events = POLLIN};

	return poll(&answer, 1, within_ms) == 1;
}

static int64_t cpu_ms(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (int64_t)used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

Test(control, without_a_descriptor_whoever_asks_waits_and_nobody_spins)
{
	struct control *c = begin(NULL, 0);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), last = fd, next;
	struct rlimit limit;
	int64_t before_ms;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = 64;
	setrlimit(RLIMIT_NOFILE, &limit);
	while ((next = dup(fd)) >= 0)
		last = next;
	dial(fd);
	cr_assert(eq(int, (int)send(fd, "{\"command\": \"find\"}\n", 20, MSG_NOSIGNAL), 20));
	before_ms = cpu_ms();
	cr_assert(not(is_answered(fd, 400)));
	cr_assert(lt(i64, cpu_ms() - before_ms, 50));
	close(last);
	cr_assert(is_answered(fd, 20000));
	close(fd);
	control_stop(c);
}
