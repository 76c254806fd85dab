#include "sandbox.h"

#include "sanitized.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static const int calls[] = {
#define CALL(name) SCMP_SYS(name),
#include "sandbox.def"
};

/* Calls whose arguments must be such. SAME: equal; ALL: of these bits, these. */
enum how { SAME, BITS };
struct narrow {
	int call;
	unsigned argument;
	enum how how;
	uint64_t bits, value;
};

static const struct narrow narrows[] = {
	{SCMP_SYS(mmap), 2, BITS, PROT_WRITE | PROT_EXEC, 0},
	{SCMP_SYS(mmap), 2, BITS, PROT_WRITE | PROT_EXEC, PROT_WRITE},
	{SCMP_SYS(mmap), 2, BITS, PROT_WRITE | PROT_EXEC, PROT_EXEC},
	{SCMP_SYS(mprotect), 2, BITS, PROT_WRITE | PROT_EXEC, 0},
	{SCMP_SYS(mprotect), 2, BITS, PROT_WRITE | PROT_EXEC, PROT_WRITE},
	{SCMP_SYS(mprotect), 2, BITS, PROT_WRITE | PROT_EXEC, PROT_EXEC},
	{SCMP_SYS(socket), 0, SAME, 0, AF_UNIX},
	{SCMP_SYS(socket), 0, SAME, 0, AF_INET},
	{SCMP_SYS(socket), 0, SAME, 0, AF_INET6},
	{SCMP_SYS(socket), 0, SAME, 0, AF_NETLINK},
	{SCMP_SYS(socketpair), 0, SAME, 0, AF_UNIX},
	{SCMP_SYS(clone), 0, BITS, CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM},
	{SCMP_SYS(ioctl), 1, SAME, 0, FIONREAD},
	{SCMP_SYS(ioctl), 1, SAME, 0, FIONBIO},
	{SCMP_SYS(ioctl), 1, SAME, 0, TCGETS},
	{SCMP_SYS(prctl), 0, SAME, 0, PR_SET_NAME},
};

static int narrow_add(scmp_filter_ctx filter, const struct narrow *n)
{
	if (n->how == SAME)
		return seccomp_rule_add(filter, SCMP_ACT_ALLOW, n->call, 1,
					SCMP_CMP(n->argument, SCMP_CMP_EQ, n->value));
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, n->call, 1,
				SCMP_CMP(n->argument, SCMP_CMP_MASKED_EQ, n->bits, n->value));
}

/* clone3 hides its flags behind a pointer; the C library then takes clone. */
static int rules_add(scmp_filter_ctx filter)
{
	scmp_datum_t self = (scmp_datum_t)getpid();
	int refused = 0;

	for (size_t i = 0; refused == 0 && i < sizeof calls / sizeof *calls; i++)
		refused = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	for (size_t i = 0; refused == 0 && i < sizeof narrows / sizeof *narrows; i++)
		refused = narrow_add(filter, &narrows[i]);
	if (refused == 0)
		refused = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1, SCMP_A0(SCMP_CMP_EQ, self));
	if (refused == 0)
		refused = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, self));
	if (refused == 0)
		refused = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return refused;
}

bool sandbox_enter(char error[static SANDBOX_ERROR_BYTES])
{
	scmp_filter_ctx filter;
	int refused;

	if (SANITIZED) {
		snprintf(error, SANDBOX_ERROR_BYTES, "built with sanitizers, which need more");
		return false;
	}
	filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	refused = filter == NULL ? -ENOMEM : rules_add(filter);
	if (refused == 0)
		refused = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (refused == 0) /* a tree, since a list of a hundred and more calls would be walked for each */
		refused = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (refused == 0)
		refused = seccomp_load(filter);
	seccomp_release(filter);
	snprintf(error, SANDBOX_ERROR_BYTES, "%s", strerror(-refused));
	return refused == 0;
}
