#include "kernel_tls.h"

#include "record_crypto.h"

#include <assert.h>
#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

/* What the kernel takes: one of the three, by cipher. */
union info {
	struct tls_crypto_info head;
	struct tls12_crypto_info_aes_gcm_128 aes128;
	struct tls12_crypto_info_aes_gcm_256 aes256;
	struct tls12_crypto_info_chacha20_poly1305 chacha;
};

uint8_t kernel_tls_can(const struct kernel_tls_can *can, enum record_version version, enum record_cipher cipher)
{
	return version == RECORD_TLS13 ? can->tls13[cipher] : can->tls12[cipher];
}

void kernel_tls_list(const struct kernel_tls_can *can, enum kernel_tls_way way, char to[static KERNEL_TLS_LIST_BYTES])
{
	size_t len = 0;

	for (int version = RECORD_TLS12; version <= RECORD_TLS13; version++)
		for (int cipher = 0; cipher < RECORD_CIPHER_COUNT; cipher++)
			if (kernel_tls_can(can, (enum record_version)version, (enum record_cipher)cipher) & way)
				len += (size_t)snprintf(to + len, KERNEL_TLS_LIST_BYTES - len, "%s1.%d/%s",
							len > 0 ? " " : "", version - 10,
							record_cipher_name((enum record_cipher)cipher));
	if (len == 0)
		snprintf(to, KERNEL_TLS_LIST_BYTES, "none");
	assert(len < KERNEL_TLS_LIST_BYTES);
}

uint8_t kernel_tls_ways(const struct kernel_tls_can *can, enum kernel_tls_use use, enum record_version version,
			enum record_cipher cipher)
{
	uint8_t ways = kernel_tls_can(can, version, cipher);

	if (use == KERNEL_TLS_OFF || (ways & KERNEL_TLS_SEND) == 0)
		return 0;
	if (version == RECORD_TLS12 || (ways & KERNEL_TLS_REKEY) != 0)
		return ways & (KERNEL_TLS_SEND | KERNEL_TLS_RECEIVE);
	return use == KERNEL_TLS_ON ? ways & KERNEL_TLS_SEND : 0;
}

/* ---- keys */

static void number_put(uint8_t to[static 8], uint64_t value)
{
	for (int i = 7; i >= 0; i--, value >>= 8)
		to[i] = (uint8_t)value;
}

static uint64_t number_get(const uint8_t from[static 8])
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++)
		value = value << 8 | from[i];
	return value;
}

/*
 * The eight bytes behind the salt of AES-GCM. In TLS 1.3 they are the iv's. In TLS 1.2 they are the explicit nonce,
 * from which the kernel counts up by one, whereas the user engine has used that of record 0 xor the sequence number:
 * with another first bit, and zeros to count in, the two never meet.
 */
static void nonce_put(const struct record *r, const uint8_t *iv, uint64_t sequence, uint8_t to[static 8])
{
	memcpy(to, iv + 4, 8);
	if (r->version == RECORD_TLS13)
		return;
	assert(sequence < UINT64_C(1) << 32);
	to[0] ^= 0x80;
	memset(to + 4, 0, 4);
}

static socklen_t info_make(struct record *r, enum record_direction direction, union info *to)
{
	struct record_keys keys = record_keys(r, direction);
	uint64_t sequence = direction == RECORD_WRITE ? r->write.sequence : r->read.sequence;

	memset(to, 0, sizeof *to);
	to->head.version = r->version == RECORD_TLS13 ? TLS_1_3_VERSION : TLS_1_2_VERSION;
	switch ((enum record_cipher)r->cipher) {
	case RECORD_AES_128_GCM:
		to->head.cipher_type = TLS_CIPHER_AES_GCM_128;
		memcpy(to->aes128.key, keys.key, sizeof to->aes128.key);
		memcpy(to->aes128.salt, keys.iv, sizeof to->aes128.salt);
		nonce_put(r, keys.iv, sequence, to->aes128.iv);
		number_put(to->aes128.rec_seq, sequence);
		return sizeof to->aes128;
	case RECORD_AES_256_GCM:
		to->head.cipher_type = TLS_CIPHER_AES_GCM_256;
		memcpy(to->aes256.key, keys.key, sizeof to->aes256.key);
		memcpy(to->aes256.salt, keys.iv, sizeof to->aes256.salt);
		nonce_put(r, keys.iv, sequence, to->aes256.iv);
		number_put(to->aes256.rec_seq, sequence);
		return sizeof to->aes256;
	case RECORD_CHACHA20_POLY1305:
		to->head.cipher_type = TLS_CIPHER_CHACHA20_POLY1305;
		memcpy(to->chacha.key, keys.key, sizeof to->chacha.key);
		memcpy(to->chacha.iv, keys.iv, sizeof to->chacha.iv);
		number_put(to->chacha.rec_seq, sequence);
		return sizeof to->chacha;
	case RECORD_CIPHER_COUNT:
		break;
	}
	assert(!"a cipher");
	return 0;
}

static int option_of(enum kernel_tls_way way)
{
	assert(way == KERNEL_TLS_SEND || way == KERNEL_TLS_RECEIVE);
	return way == KERNEL_TLS_SEND ? TLS_TX : TLS_RX;
}

int kernel_tls_attach(int fd)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls") == 0 ? 0 : errno;
}

int kernel_tls_take(int fd, struct record *r, enum kernel_tls_way way)
{
	union info info;
	socklen_t len = info_make(r, way == KERNEL_TLS_SEND ? RECORD_WRITE : RECORD_READ, &info);
	int error = setsockopt(fd, SOL_TLS, option_of(way), &info, len) == 0 ? 0 : errno;

	OPENSSL_cleanse(&info, sizeof info);
	return error;
}

bool kernel_tls_sequence(int fd, const struct record *r, enum kernel_tls_way way, uint64_t *ret)
{
	static const struct {
		socklen_t len;
		size_t sequence_at;
	} places[RECORD_CIPHER_COUNT] = {
		[RECORD_AES_128_GCM] = {sizeof(struct tls12_crypto_info_aes_gcm_128),
					offsetof(struct tls12_crypto_info_aes_gcm_128, rec_seq)},
		[RECORD_AES_256_GCM] = {sizeof(struct tls12_crypto_info_aes_gcm_256),
					offsetof(struct tls12_crypto_info_aes_gcm_256, rec_seq)},
		[RECORD_CHACHA20_POLY1305] = {sizeof(struct tls12_crypto_info_chacha20_poly1305),
					      offsetof(struct tls12_crypto_info_chacha20_poly1305, rec_seq)},
	};
	socklen_t len = places[r->cipher].len;
	uint8_t info[sizeof(union info)];
	bool told = getsockopt(fd, SOL_TLS, option_of(way), info, &len) == 0 && len == places[r->cipher].len;

	if (told)
		*ret = number_get(info + places[r->cipher].sequence_at);
	OPENSSL_cleanse(info, sizeof info);
	return told;
}

/* ---- records of other types than text */

ssize_t kernel_tls_fetch(int fd, void *to, size_t cap, uint8_t *ret_type)
{
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(1)];
	struct iovec part = {.iov_base = to, .iov_len = cap};
	struct msghdr header = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	ssize_t len = recvmsg(fd, &header, MSG_DONTWAIT);
	const struct cmsghdr *said = len < 0 ? NULL : CMSG_FIRSTHDR(&header);

	if (len < 0)
		return -errno;
	if (said == NULL || said->cmsg_level != SOL_TLS || said->cmsg_type != TLS_GET_RECORD_TYPE)
		return -EPROTO;
	*ret_type = *CMSG_DATA(said);
	return len;
}

void kernel_tls_compose(struct kernel_tls_message *m, uint8_t type, const void *bytes, size_t len)
{
	struct cmsghdr *said = (struct cmsghdr *)m->control;

	m->part = (struct iovec){.iov_base = (void *)bytes, .iov_len = len};
	m->header = (struct msghdr){.msg_iov = &m->part, .msg_iovlen = 1};
	if (type == RECORD_CONTENT_DATA)
		return;
	memset(m->control, 0, sizeof m->control);
	said->cmsg_level = SOL_TLS;
	said->cmsg_type = TLS_SET_RECORD_TYPE;
	said->cmsg_len = CMSG_LEN(1);
	*CMSG_DATA(said) = type;
	m->header.msg_control = m->control;
	m->header.msg_controllen = CMSG_LEN(1);
}
