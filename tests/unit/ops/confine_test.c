/* What a gate cannot do any more once it runs: each tries it in a process of its own. */
#include "notify.h"
#include "privilege.h"
#include "sandbox.h"
#include "sanitized.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <pwd.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char error[SANDBOX_ERROR_BYTES];

/* Whether the call was refused, and not by anything else. */
static bool refused(long result)
{
	return result == -1 && errno == EPERM;
}

/* Whatever was allowed would fail for another reason: nothing here may happen. */
static bool no_program(void)
{
	return refused(execl("/nowhere", "nowhere", NULL)) &&
	       refused(syscall(SYS_execveat, -1, "nowhere", NULL, NULL, 0));
}

static bool no_process(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	return refused(child) && refused(syscall(SYS_clone, CLONE_THREAD, 0, 0, 0, 0));
}

static bool no_debugger(void)
{
	char byte;
	struct iovec mine = {&byte, 1}, theirs = {&byte, 1};

	return refused(ptrace(PTRACE_ATTACH, -1, 0, 0)) &&
	       refused(syscall(SYS_process_vm_readv, getppid(), &mine, 1, &theirs, 1, 0));
}

static bool no_power(void)
{
	return refused(mount("none", "/nowhere", "tmpfs", 0, NULL)) && refused(syscall(SYS_bpf, 0, NULL, 0)) &&
	       refused(syscall(SYS_unshare, CLONE_NEWUSER)) && refused(syscall(SYS_init_module, NULL, 0, "")) &&
	       refused(setuid(0)) && refused(chroot("/nowhere")) &&
	       refused(syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0)) && refused(syscall(SYS_keyctl, 0)) &&
	       refused(syscall(SYS_userfaultfd, 0));
}

static bool no_other_ring(void)
{
	struct io_uring_params params = {0};

	return refused(syscall(SYS_io_uring_setup, 8, &params));
}

static bool no_code_of_its_own(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page != MAP_FAILED && refused(mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC)) &&
	       refused((long)mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static bool no_odd_socket(void)
{
	return refused(socket(AF_PACKET, SOCK_RAW, 0)) && refused(socket(AF_VSOCK, SOCK_STREAM, 0)) &&
	       refused(kill(getppid(), 0)) && refused(prctl(PR_SET_DUMPABLE, 1));
}

static void *nothing(void *context)
{
	return context;
}

/* And what it does need goes on. */
static bool work_goes_on(void)
{
	pthread_t thread;
	void *answer = NULL;
	int pair[2], file = open("/proc/self/status", O_RDONLY | O_CLOEXEC), tcp = socket(AF_INET, SOCK_STREAM, 0);
	bool good = file >= 0 && tcp >= 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && kill(getpid(), 0) == 0;

	return good && pthread_create(&thread, NULL, nothing, &answer) == 0 && pthread_join(thread, &answer) == 0 &&
	       answer == &answer && getpwnam("root") != NULL && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == -1;
}

static const struct {
	const char *name;
	bool (*holds)(void);
} rows[] = {
	{"no program", no_program},	  {"no process", no_process},	    {"no debugger", no_debugger},
	{"no power", no_power},		  {"no other ring", no_other_ring}, {"no code of its own", no_code_of_its_own},
	{"no odd socket", no_odd_socket}, {"work goes on", work_goes_on},
};
enum { ROWS = sizeof rows / sizeof *rows };

static sem_t begun, confined;

/* A thread that was there before. */
static void *early(void *context)
{
	sem_post(&begun);
	sem_wait(&confined);
	for (int i = 0; i < ROWS; i++)
		if (!rows[i].holds())
			*(int *)context = 10 + i;
	return NULL;
}

/* In a process of its own: 0, or which did not hold. */
static int try_all(void)
{
	pthread_t thread;
	int wrong = 0;

	sem_init(&begun, 0, 0);
	sem_init(&confined, 0, 0);
	pthread_create(&thread, NULL, early, &wrong);
	sem_wait(&begun);
	if (!sandbox_enter(error))
		return 99;
	sem_post(&confined);
	pthread_join(thread, NULL);
	for (int i = 0; i < ROWS; i++)
		if (!rows[i].holds())
			wrong = 50 + i;
	return wrong;
}

static int in_a_process(int (*what)(void))
{
	int status = 0;
	pid_t child = fork();

	if (child == 0)
		_exit(what());
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Test(confine, forbidden_calls_fail_in_all_threads_and_the_rest_goes_on)
{
	int wrong;

	if (SANITIZED) {
		cr_assert(not(sandbox_enter(error)));
		cr_assert(strstr(error, "sanitizers") != NULL);
		return;
	}
	wrong = in_a_process(try_all);
	cr_assert(eq(int, wrong, 0), "%s", wrong >= 10 && wrong < 99 ? rows[wrong % 10].name : "not entered");
}

/* ---- another user */

static int become_nobody(void)
{
	char why[PRIVILEGE_ERROR_BYTES];
	gid_t groups[16];
	const struct passwd *nobody = getpwnam("nobody");

	if (setgroups(1, (gid_t[]){0}) != 0 || !privilege_drop("nobody", why))
		return 1;
	if (getuid() != nobody->pw_uid || geteuid() != nobody->pw_uid || getgid() != nobody->pw_gid)
		return 2;
	for (int i = getgroups(16, groups); i > 0; i--)
		if (groups[i - 1] == 0)
			return 3;
	if (setuid(0) == 0 || setgid(0) == 0)
		return 3;
	if (!privilege_drop("nobody", why))
		return 4;
	if (privilege_drop("root", why) || strstr(why, "only root can become root") == NULL)
		return 5;
	return open("/etc/shadow", O_RDONLY) < 0 ? 0 : 6;
}

Test(confine, root_becomes_another_and_cannot_come_back)
{
	char why[PRIVILEGE_ERROR_BYTES];

	if (geteuid() != 0)
		cr_skip("only root can");
	cr_assert(eq(int, in_a_process(become_nobody), 0));
	cr_assert(not(privilege_drop("nobody-of-that-name", why)));
	cr_assert(strstr(why, "nobody-of-that-name") != NULL);
}

/* ---- the service manager */

static char heard[256];

static const char *hear(int fd)
{
	ssize_t len = recv(fd, heard, sizeof heard - 1, MSG_DONTWAIT);

	heard[len < 0 ? 0 : len] = '\0';
	return heard;
}

static int listen_as(const char *name)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	memcpy(at.sun_path, name, strlen(name));
	if (name[0] == '@')
		at.sun_path[0] = '\0';
	cr_assert(bind(fd, (struct sockaddr *)&at,
		       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))) == 0);
	return fd;
}

static void manager_speaks(const char *name)
{
	struct notify n;
	int fd = listen_as(name);

	setenv("NOTIFY_SOCKET", name, 1);
	setenv("WATCHDOG_USEC", "3000000", 1);
	notify_open(&n);
	cr_assert(getenv("NOTIFY_SOCKET") == NULL && getenv("WATCHDOG_USEC") == NULL, "not for anybody else");
	notify_say(&n, "READY=1");
	cr_assert(eq(str, (char *)hear(fd), "READY=1"));
	notify_alive(&n, 5000000);
	cr_assert(eq(str, (char *)hear(fd), "WATCHDOG=1"));
	notify_alive(&n, 6400000);
	cr_assert(eq(str, (char *)hear(fd), ""), "not yet");
	notify_alive(&n, 6500000);
	cr_assert(eq(str, (char *)hear(fd), "WATCHDOG=1"), "twice within what is allowed");
	notify_close(&n);
	close(fd);
}

Test(confine, the_manager_is_told)
{
	char path[] = "/tmp/notify-XXXXXX", name[64];

	cr_assert(mkdtemp(path) != NULL);
	snprintf(name, sizeof name, "%s/socket", path);
	manager_speaks(name);
	unlink(name);
	rmdir(path);
	snprintf(name, sizeof name, "@stanzagate-test-%d", getpid());
	manager_speaks(name);
}

Test(confine, no_manager_no_word)
{
	struct notify n;

	unsetenv("NOTIFY_SOCKET");
	setenv("WATCHDOG_USEC", "3000000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	notify_open(&n);
	cr_assert(eq(int, n.fd, -1));
	cr_assert(eq(u64, n.every_us, 0), "it is somebody else's watchdog");
	notify_say(&n, "READY=1");
	notify_alive(&n, 1);
	notify_close(&n);
}
