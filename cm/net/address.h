/*
 * address: texts of addresses to sockets. "127.0.0.1:5222" and "[::1]:5222" for clients; "unix:/path" and
 * "tls:192.0.2.1:15262" or "tcp:127.0.0.1:15262" for links. Hosts are numeric: nothing is looked up.
 */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { ADDRESS_TEXT_BYTES = 64, ADDRESS_ERROR_BYTES = 256 };

struct address {
	struct sockaddr_storage at;
	socklen_t len;
};

/* "host:port". False: not one. */
bool address_parse(const char *text, struct address *ret);
/* "unix:/path", "tls:host:port" or "tcp:host:port". False: not one. */
bool address_parse_link(const char *text, struct address *ret);
/* An address of this machine alone: 127.0.0.0/8 or ::1. */
bool address_is_loopback(const struct address *);
bool address_link_is_tls(const char *text);
/* The host alone, as text, and the port; for a Unix socket "unix" and 0. */
void address_host(const struct address *, char to[static ADDRESS_TEXT_BYTES], uint16_t *ret_port);
/* The peer of a connected socket. False: it has none any more. */
bool address_of_peer(int fd, struct address *ret);

/*
 * What the kernel takes for a client that has no window for it. It would take megabytes, and all clients share its
 * memory for TCP; what is on its way, which is what throughput needs, is not in this.
 */
enum { ADDRESS_UNSENT_BYTES = 128 << 10 };
/*
 * A listening socket for stream clients: non-blocking, SO_REUSEPORT (one for each worker on the same port), TCP_NODELAY
 * and TCP_NOTSENT_LOWAT (ADDRESS_UNSENT_BYTES) for what it accepts. Answers the descriptor; the port 0 takes a free
 * one, and `address` is then what it became. -1: `error` says why in one line.
 */
int address_listen(struct address *, char error[static ADDRESS_ERROR_BYTES]);
/*
 * Whether nobody listens at the address yet: SO_REUSEPORT alone would let two gates share a port without a word. False:
 * `error` says so in one line.
 */
bool address_is_free(const struct address *, char error[static ADDRESS_ERROR_BYTES]);
/* A socket to connect a link with: non-blocking, without Nagle's delay. -1: errno. */
int address_socket(const struct address *);

#endif
