#include "control.h"

#include "log.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { ACCEPT_PAUSE_MS = 100 };

struct control {
	struct control_settings settings;
	struct config_user *users;
	char *path;
	int listener, stop;
	pthread_t thread;
};

/* ---- bytes, until a time */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool wait_for(int fd, short what, int64_t until_ms)
{
	struct pollfd wanted = {.fd = fd, .events = what};
	int64_t left_ms = until_ms - now_ms();

	return left_ms > 0 && poll(&wanted, 1, (int)left_ms) > 0;
}

static bool line_write(int fd, const char *text, size_t len, int64_t until_ms)
{
	while (len > 0) {
		ssize_t sent = send(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (sent < 0 && !wait_for(fd, POLLOUT, until_ms))
			return false;
		text += sent < 0 ? 0 : sent;
		len -= sent < 0 ? 0 : (size_t)sent;
	}
	return true;
}

/* One line, its line feed taken off, in memory that is the caller's. NULL: none came in time, or it was too long. */
static char *line_read(int fd, size_t bytes_max, int64_t until_ms)
{
	char *line = NULL, *end = NULL;
	size_t len = 0, room = 0;

	while (end == NULL) {
		ssize_t got;

		if (len == room) {
			room = room == 0 ? 4096 : 2 * room;
			line = realloc(line, room + 1);
			assert(line != NULL);
		}
		got = recv(fd, line + len, room - len, MSG_DONTWAIT);
		if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR) ||
		    (got < 0 && !wait_for(fd, POLLIN, until_ms)) || len > bytes_max)
			break;
		if (got > 0)
			end = memchr(line + len, '\n', (size_t)got);
		len += got < 0 ? 0 : (size_t)got;
	}
	if (end != NULL && end - line <= (ssize_t)bytes_max) {
		*end = '\0';
		return line;
	}
	free(line);
	return NULL;
}

static bool json_write(int fd, json_t *message, int64_t until_ms)
{
	char *text = json_dumps(message, JSON_COMPACT);
	size_t len = text == NULL ? 0 : strlen(text);
	bool good = text != NULL && line_write(fd, text, len, until_ms) && line_write(fd, "\n", 1, until_ms);

	free(text);
	return good;
}

/* ---- the gate's end */

static bool peer_may(const struct control *c, int fd, uid_t *ret_uid)
{
	struct ucred peer;
	socklen_t len = sizeof peer;
	bool may;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		return false;
	*ret_uid = peer.uid;
	may = peer.uid == 0 || peer.uid == geteuid();
	for (size_t i = 0; i < c->settings.user_count; i++)
		may |= c->users[i].uid == peer.uid;
	return may;
}

/* An error that was cut in the middle of a character ends before it. */
static json_t *error_json(const char *why)
{
	size_t len = strlen(why);
	json_t *text = NULL;

	while (text == NULL)
		text = json_stringn(why, len--);
	return json_pack("{s:o}", "error", text);
}

/* The answer to a line, whatever stands in it. */
static json_t *line_answer(struct control *c, const char *line)
{
	json_t *request = line == NULL ? NULL : json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	json_t *arguments = json_object_get(request, "arguments"), *result = NULL;
	const char *command = json_string_value(json_object_get(request, "command"));
	char error[CONTROL_ERROR_BYTES] = "not a request";
	json_t *none = json_object();

	if (command != NULL && (arguments == NULL || json_is_object(arguments)))
		result = c->settings.answer(c->settings.context, command, arguments != NULL ? arguments : none, error);
	json_decref(none);
	json_decref(request);
	return result != NULL ? json_pack("{s:o}", "result", result) : error_json(error);
}

/* What was said and not read would take the answer from whoever reads on to the end. */
static void rest_drop(int fd)
{
	char rest[CONTROL_REQUEST_BYTES];

	for (int i = 0; i < CONTROL_BACKLOG && recv(fd, rest, sizeof rest, MSG_DONTWAIT) > 0; i++)
		;
}

/* Whoever may not ask is not waited for. */
static void serve(struct control *c, int fd)
{
	char *line = NULL;
	uid_t uid = (uid_t)-1;
	json_t *answer;

	if (peer_may(c, fd, &uid)) {
		line = line_read(fd, CONTROL_REQUEST_BYTES, now_ms() + CONTROL_READ_MS);
		answer = line_answer(c, line);
	} else {
		log_event(CONFIG_LOG_WARNING, "control.refused", log_count("uid", uid));
		answer = error_json("this user may not: root, the gate's own user and those of control.users may");
	}
	json_write(fd, answer, now_ms() + CONTROL_WRITE_MS);
	rest_drop(fd);
	json_decref(answer);
	free(line);
}

static void *work(void *context)
{
	struct control *c = context;
	struct pollfd wanted[] = {{.fd = c->listener, .events = POLLIN}, {.fd = c->stop, .events = POLLIN}};

	for (;;) {
		int fd;

		if (poll(wanted, 2, -1) < 0)
			continue;
		if (wanted[1].revents != 0)
			return NULL;
		fd = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			serve(c, fd);
			close(fd);
		} else {
			/* No descriptor is left: whoever waits goes on waiting, and would wake poll at once. */
			poll(&wanted[1], 1, ACCEPT_PAUSE_MS);
		}
	}
}

/* ---- the socket */

/* False, and errno: the path is too long. */
static bool address_of(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof ret->sun_path) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(ret->sun_path, path, strlen(path) + 1);
	return true;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address;
	int fd = -1;

	if (address_of(path, &address))
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
		int why = errno;

		close(fd);
		errno = why;
		return -1;
	}
	return fd;
}

/* What a gate left behind that has died; nothing that somebody listens at, and nothing that is no socket. */
static void path_clear(const char *path)
{
	struct stat about;
	int fd = connect_to(path);

	if (fd >= 0)
		close(fd);
	else if (errno == ECONNREFUSED && lstat(path, &about) == 0 && S_ISSOCK(about.st_mode))
		unlink(path);
}

/* Rights are set before anybody can connect; whoever does is judged by his user all the same. */
static bool socket_open(int fd, const struct control_settings *s, const struct sockaddr_un *address)
{
	return bind(fd, (const struct sockaddr *)address, sizeof *address) == 0 &&
	       chmod(s->path, s->user_count > 0 ? 0666 : 0600) == 0 && listen(fd, CONTROL_BACKLOG) == 0;
}

static int socket_listen(const struct control_settings *s)
{
	struct sockaddr_un address;
	int fd = -1, why;

	path_clear(s->path);
	if (address_of(s->path, &address))
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && socket_open(fd, s, &address))
		return fd;
	why = errno;
	if (fd >= 0)
		close(fd);
	errno = why;
	return -1;
}

static bool thread_start(struct control *c)
{
	sigset_t all, before;
	bool good;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	good = pthread_create(&c->thread, NULL, work, c) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return good;
}

static void control_free(struct control *c)
{
	close(c->listener);
	close(c->stop);
	free(c->users);
	free(c->path);
	free(c);
}

struct control *control_start(const struct control_settings *settings, char error[static CONTROL_ERROR_BYTES])
{
	struct control *c;
	int listener = socket_listen(settings);

	if (listener < 0) {
		snprintf(error, CONTROL_ERROR_BYTES, "cannot listen: %s", strerror(errno));
		return NULL;
	}
	c = calloc(1, sizeof *c);
	assert(c != NULL);
	*c = (struct control){.settings = *settings, .listener = listener, .path = strdup(settings->path)};
	c->users = calloc(settings->user_count + 1, sizeof *c->users);
	c->stop = eventfd(0, EFD_CLOEXEC);
	assert(c->users != NULL && c->path != NULL && c->stop >= 0);
	if (settings->user_count > 0)
		memcpy(c->users, settings->users, settings->user_count * sizeof *c->users);
	if (thread_start(c))
		return c;
	snprintf(error, CONTROL_ERROR_BYTES, "no thread can be made");
	unlink(c->path);
	control_free(c);
	return NULL;
}

void control_stop(struct control *c)
{
	if (c == NULL)
		return;
	unlink(c->path);
	eventfd_write(c->stop, 1);
	pthread_join(c->thread, NULL);
	control_free(c);
}

/* ---- the other end */

enum { ANSWER_BYTES_MAX = 64 << 20, ANSWER_MS = 30000 };

static json_t *answer_take(json_t *answer, char *error)
{
	json_t *result = json_object_get(answer, "result");
	const char *why = json_string_value(json_object_get(answer, "error"));

	if (result != NULL)
		json_incref(result);
	else
		snprintf(error, CONTROL_ERROR_BYTES, "%s", why != NULL ? why : "an answer that is none");
	return result;
}

json_t *control_ask(const char *path, const char *command, json_t *arguments, char error[static CONTROL_ERROR_BYTES],
		    bool *ret_reached)
{
	json_t *request = json_pack("{s:s, s:O}", "command", command, "arguments", arguments), *answer, *result = NULL;
	char *line = NULL;
	int fd = connect_to(path);

	assert(request != NULL);
	*ret_reached = false;
	if (fd < 0) {
		snprintf(error, CONTROL_ERROR_BYTES, "%s: %s", path, strerror(errno));
	} else {
		json_write(fd, request, now_ms() + CONTROL_WRITE_MS);
		line = line_read(fd, ANSWER_BYTES_MAX, now_ms() + ANSWER_MS);
		snprintf(error, CONTROL_ERROR_BYTES, "%s: the gate did not answer", path);
		close(fd);
	}
	answer = line == NULL ? NULL : json_loads(line, 0, NULL);
	if (answer != NULL) {
		*ret_reached = true;
		result = answer_take(answer, error);
	}
	json_decref(answer);
	json_decref(request);
	free(line);
	return result;
}
