#include "kernel_tls.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_MS = 1000 };

/* A TCP connection over the loopback interface: what is sealed at one end is opened at the other. */
struct pair {
	int sends, receives;
};

static bool loopback_listen(int fd, struct sockaddr_in *address)
{
	socklen_t len = sizeof *address;

	*address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	return bind(fd, (struct sockaddr *)address, len) == 0 && listen(fd, 1) == 0 &&
	       getsockname(fd, (struct sockaddr *)address, &len) == 0;
}

static void pair_close(struct pair *p)
{
	if (p->sends >= 0)
		close(p->sends);
	if (p->receives >= 0)
		close(p->receives);
}

static bool pair_open(struct pair *p)
{
	struct timeval wait = {.tv_sec = WAIT_MS / 1000};
	struct sockaddr_in address;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	p->receives = -1;
	p->sends = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener >= 0 && p->sends >= 0 && loopback_listen(listener, &address) &&
	    connect(p->sends, (struct sockaddr *)&address, sizeof address) == 0)
		p->receives = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (listener >= 0)
		close(listener);
	if (p->receives >= 0 && setsockopt(p->receives, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0)
		return true;
	pair_close(p);
	return false;
}

/* Both ends have the same keys, which are no secret. */
static struct record record_of(enum record_version version, enum record_cipher cipher, uint8_t key)
{
	struct record r = {.version = (uint8_t)version, .cipher = (uint8_t)cipher};

	memset(r.keys, key, sizeof r.keys);
	return r;
}

static bool carries(const struct pair *p, char what)
{
	char came = 0;

	return send(p->sends, &what, 1, MSG_NOSIGNAL) == 1 && recv(p->receives, &came, 1, 0) == 1 && came == what;
}

/* A KeyUpdate is sent and fetched, both ends take the next key, and that one serves. */
static bool rekeys(const struct pair *p, enum record_cipher cipher)
{
	static const uint8_t update[] = {24, 0, 0, 1, 0};
	struct record next = record_of(RECORD_TLS13, cipher, 2);
	struct kernel_tls_message message;
	uint8_t came[sizeof update], type;

	kernel_tls_compose(&message, RECORD_CONTENT_HANDSHAKE, update, sizeof update);
	return sendmsg(p->sends, &message.header, MSG_NOSIGNAL) == sizeof update &&
	       kernel_tls_take(p->sends, &next, KERNEL_TLS_SEND) == 0 && recv(p->receives, came, 1, 0) < 0 &&
	       errno == EIO && kernel_tls_fetch(p->receives, came, sizeof came, &type) == sizeof update &&
	       type == RECORD_CONTENT_HANDSHAKE && kernel_tls_take(p->receives, &next, KERNEL_TLS_RECEIVE) == 0 &&
	       carries(p, 'k');
}

/* The end that sends is tried with the kernel; what it seals is good when the kernel's other end can open it. */
static uint8_t ways_of(const struct pair *p, enum record_version version, enum record_cipher cipher, int *ret_error)
{
	struct record r = record_of(version, cipher, 1);
	int error = kernel_tls_attach(p->sends);

	if (error == 0)
		error = kernel_tls_attach(p->receives);
	if (error == 0)
		error = kernel_tls_take(p->sends, &r, KERNEL_TLS_SEND);
	if (error == 0)
		error = kernel_tls_take(p->receives, &r, KERNEL_TLS_RECEIVE);
	if (error == 0 && !carries(p, 'd'))
		error = EPROTO;
	if (error != 0) {
		*ret_error = error;
		return 0;
	}
	if (version == RECORD_TLS13 && rekeys(p, cipher))
		return KERNEL_TLS_SEND | KERNEL_TLS_RECEIVE | KERNEL_TLS_REKEY;
	return KERNEL_TLS_SEND | KERNEL_TLS_RECEIVE;
}

static uint8_t try(enum record_version version, enum record_cipher cipher, int *ret_error)
{
	struct pair pair;
	uint8_t ways;

	if (!pair_open(&pair)) {
		*ret_error = errno;
		return 0;
	}
	ways = ways_of(&pair, version, cipher, ret_error);
	pair_close(&pair);
	return ways;
}

static void why_say(struct kernel_tls_can *can, int error)
{
	const char *advice = "";

	if (error == ENOENT)
		advice = ": the kernel has no TLS, or its modules are not loaded (modprobe tls, and the ciphers)";
	else if (error == EPROTO)
		advice = ": what the kernel sealed could not be opened";
	if (error != 0)
		snprintf(can->why, sizeof can->why, "%s%s", strerror(error), advice);
}

void kernel_tls_probe(struct kernel_tls_can *ret)
{
	struct kernel_tls_can can = {0};
	int error = 0;

	for (int cipher = 0; cipher < RECORD_CIPHER_COUNT; cipher++) {
		can.tls12[cipher] = try(RECORD_TLS12, (enum record_cipher)cipher, &error);
		can.tls13[cipher] = try(RECORD_TLS13, (enum record_cipher)cipher, &error);
	}
	why_say(&can, error);
	*ret = can;
}
