#include "gate.h"

#include "address.h"
#include "bundled.h"
#include "config_file.h"
#include "desk.h"
#include "discovery.h"
#include "log.h"
#include "notify.h"
#include "privilege.h"
#include "reload.h"
#include "sandbox.h"
#include "tls_memory.h"
#include "watch.h"
#include "worker.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

enum { WORKERS_MAX = 256, LOOK_MS = 100, DESCRIPTORS_BESIDES = 256 };

/* A worker's thread. */
struct crew {
	pthread_t thread;
	bool running;
	char error[WORKER_ERROR_BYTES];
};

struct gate {
	const char *file, *xml_kernel;
	struct config *config; /* the one in force */
	struct bundled *bundled;
	struct reload reload;
	struct discovery *discovery;
	struct watch watch;
	struct desk *desk;
	struct notify notify;		     /* the service manager */
	struct worker *workers[WORKERS_MAX]; /* crew_count of them, NULL before they are made */
	struct crew crew[WORKERS_MAX];
	size_t crew_count;
	uint32_t direct_wanted;		  /* direct descriptors of each worker */
	struct listener *listeners;	  /* of all workers, one worker's after the other's */
	struct kernel_tls_can kernel_can; /* once it was asked for */
	bool kernel_probed;
	bool ready_said;
};

/* ---- beginning */

static size_t workers_wanted(const struct config *config)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (config->workers > 0)
		return config->workers;
	return cores < 1 ? 1 : cores > WORKERS_MAX ? WORKERS_MAX : (size_t)cores;
}

static bool fail(const char *what, const char *why)
{
	log_event(CONFIG_LOG_ERROR, "gate.failed", log_text("what", what), log_text("why", why));
	return false;
}

/* One socket for each worker on the same address: the kernel spreads the clients. */
static bool listen_at(struct gate *g, size_t which)
{
	const struct config_listener *l = &g->config->listeners[which];
	struct address address;
	char error[ADDRESS_ERROR_BYTES], host[ADDRESS_TEXT_BYTES], text[ADDRESS_TEXT_BYTES + 8];
	uint16_t port;

	if (!address_parse(l->address, &address))
		return fail(l->address, "not an address");
	if (!address_is_free(&address, error))
		return fail(l->address, error);
	for (size_t i = 0; i < g->crew_count; i++) {
		struct listener *socket = &g->listeners[i * g->config->listener_count + which];

		socket->fd = address_listen(&address, error);
		socket->direct = l->direct;
		socket->startalk = l->startalk;
		socket->proxy = (enum proxy_version)l->proxy;
		if (socket->fd < 0)
			return fail(l->address, error);
	}
	address_host(&address, host, &port);
	snprintf(text, sizeof text, strchr(host, ':') == NULL ? "%s:%u" : "[%s]:%u", host, (unsigned)port);
	log_event(CONFIG_LOG_INFO, "gate.listening", log_text("address", text),
		  log_text("protocol", l->startalk ? "startalk" : "xmpp"),
		  log_text("tls", l->direct ? "direct" : "starttls"));
	return true;
}

static bool listen_all(struct gate *g)
{
	size_t count = g->config->listener_count * g->crew_count;

	g->listeners = calloc(count, sizeof *g->listeners);
	if (g->listeners == NULL)
		return fail("listeners", "no memory");
	for (size_t i = 0; i < count; i++)
		g->listeners[i].fd = -1;
	for (size_t i = 0; i < g->config->listener_count; i++)
		if (!listen_at(g, i))
			return false;
	return true;
}

struct work {
	struct worker *worker;
	struct crew *crew;
};

static void *work(void *context)
{
	struct work *job = context;

	worker_run(job->worker, job->crew->error);
	free(job);
	return NULL;
}

static struct tls_context *ref_or_null(struct tls_context *context)
{
	return context == NULL ? NULL : tls_context_ref(context);
}

static void secret_hand(struct worker *w, const struct link_secret *secret)
{
	struct link_secret *copy = malloc(sizeof *copy);

	assert(copy != NULL);
	*copy = *secret;
	free(atomic_exchange(&w->orders.link_secret, copy));
}

static bool hire(struct gate *g, size_t index, const struct reload_tls *tls)
{
	struct crew *c = &g->crew[index];
	struct work *job = malloc(sizeof *job);
	char name[64], host[32] = "gate";
	uint64_t epoch; /* a worker's own: its sessions are named by it */

	gethostname(host, sizeof host - 1);
	snprintf(name, sizeof name, "%s/%zu", host, index);
	if (getrandom(&epoch, sizeof epoch, 0) != sizeof epoch)
		return fail("random numbers", strerror(errno));
	g->workers[index] =
		worker_new(g->config, tls_context_ref(tls->clients), g->listeners + index * g->config->listener_count,
			   g->config->listener_count, epoch, name);
	g->workers[index]->direct_wanted = g->direct_wanted;
	g->workers[index]->net.kernel_can = &g->kernel_can;
	atomic_store(&g->workers[index]->orders.link_context, ref_or_null(tls->links));
	secret_hand(g->workers[index], &tls->secret);
	if (job == NULL)
		return fail("worker", "no memory");
	*job = (struct work){g->workers[index], c};
	c->running = pthread_create(&c->thread, NULL, work, job) == 0;
	if (!c->running)
		free(job);
	return c->running || fail("worker", "no thread can be made");
}

static void certificate_note_one(struct metrics_certificate *to, const char *file, const struct tls_context *context,
				 size_t index)
{
	const char *fault;
	int64_t until_s;
	enum tls_staple_is staple = tls_context_staple(context, index, &until_s, &fault);

	if (staple == TLS_STAPLE_BAD)
		log_event(CONFIG_LOG_WARNING, "staple.refused", log_text("certificate", file),
			  log_text("fault", fault));
	counter_store(&to->expiry_s, (uint64_t)tls_context_expires_at_s(context, index));
	counter_store(&to->staple_until_s, staple != TLS_STAPLE_GOOD ? 0
					   : until_s == INT64_MAX    ? UINT64_MAX
								     : (uint64_t)until_s);
	counter_store(&to->staple_refused, staple == TLS_STAPLE_BAD);
	__atomic_store_n(&to->file, file, __ATOMIC_RELEASE);
}

/* For the metrics; the names live as long as the configurations, which is to the end. */
static void certificate_note(struct gate *g, const struct tls_context *context)
{
	struct metrics_process *process = &g->watch.process;
	size_t count = g->config->certificate_count;

	counter_store(&process->certificate_expiry_s, (uint64_t)tls_context_expires_s(context));
	certificate_note_one(&process->certificates[0], g->config->tls_certificate, context, 0);
	for (size_t i = 0; i < count; i++)
		certificate_note_one(&process->certificates[1 + i], g->config->certificates[i].certificate, context,
				     1 + i);
	if (count < CONFIG_CERTIFICATES_MAX)
		__atomic_store_n(&process->certificates[1 + count].file, NULL, __ATOMIC_RELEASE);
}

static bool hire_all(struct gate *g)
{
	struct config_faults *faults = calloc(1, sizeof *faults);
	struct reload_tls tls;
	bool good;

	assert(faults != NULL);
	good = reload_tls(&g->reload, g->config, &tls, faults);
	for (size_t i = 0; i < faults->count; i++)
		fail("configuration", faults->line[i]);
	free(faults);
	if (!good)
		return false;
	for (size_t i = 0; good && i < g->crew_count; i++)
		good = hire(g, i, &tls);
	certificate_note(g, tls.clients);
	reload_tls_unref(&tls);
	return good;
}

static bool watch(struct gate *g)
{
	char error[METRICS_ERROR_BYTES];

	if (!watch_start(&g->watch, g->config->metrics_address, g->workers, g->crew_count, g->xml_kernel, error))
		return fail(g->config->metrics_address, error);
	return true;
}

/* All that the system allows; how many that is. */
static uint64_t descriptors_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return UINT64_MAX;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_max;
}

/* Whether there may be more clients than descriptors, and what comes of it. */
static void descriptors_plan(struct gate *g)
{
	uint64_t limit = descriptors_raise();
	uint64_t clients = g->crew_count * g->config->clients_max;
	bool scarce = limit < clients + DESCRIPTORS_BESIDES;

	if (g->config->direct_descriptors == CONFIG_ON || (g->config->direct_descriptors == CONFIG_AUTO && scarce))
		g->direct_wanted = (uint32_t)g->config->clients_max;
	else if (scarce)
		log_event(CONFIG_LOG_WARNING, "gate.descriptors", log_count("limit", limit),
			  log_count("clients_max", clients),
			  log_text("advice",
				   "all clients count against this limit of open files: raise it (LimitNOFILE= "
				   "or ulimit -n), set io.direct_descriptors, or lower limits.clients_max"));
}

/* What the kernel can do with TLS; not before anybody wants to know, since asking may load its modules. */
static void kernel_probe(struct gate *g, const struct config *config)
{
	char send[KERNEL_TLS_LIST_BYTES], receive[KERNEL_TLS_LIST_BYTES], rekey[KERNEL_TLS_LIST_BYTES];

	if (config->tls_kernel == KERNEL_TLS_OFF || g->kernel_probed)
		return;
	g->kernel_probed = true;
	kernel_tls_probe(&g->kernel_can);
	kernel_tls_list(&g->kernel_can, KERNEL_TLS_SEND, send);
	kernel_tls_list(&g->kernel_can, KERNEL_TLS_RECEIVE, receive);
	kernel_tls_list(&g->kernel_can, KERNEL_TLS_REKEY, rekey);
	log_event(CONFIG_LOG_INFO, "tls.kernel", log_text("send", send), log_text("receive", receive),
		  log_text("rekey", rekey), log_text("why_not", g->kernel_can.why));
	__atomic_store_n(&g->watch.process.kernel_can, &g->kernel_can, __ATOMIC_RELEASE);
}

/* Before any key is read. To change the user also changes who may trace the process. */
static bool become(struct gate *g)
{
	char error[PRIVILEGE_ERROR_BYTES];

	if (g->config->user != NULL && !privilege_drop(g->config->user, error))
		return fail("user", error);
	prctl(PR_SET_DUMPABLE, g->config->core_dumps);
	if (geteuid() == 0)
		log_event(CONFIG_LOG_WARNING, "gate.root",
			  log_text("advice", "the gate runs as root and need not: set user"));
	return true;
}

static bool begin(struct gate *g)
{
	char error[512];

	g->crew_count = workers_wanted(g->config);
	descriptors_plan(g);
	if (!listen_all(g) || !become(g))
		return false;
	if (!tls_memory_wipe_freed())
		return fail("OpenSSL", "its memory is in use already");
	if (g->config->backend_count == 0) {
		g->bundled = bundled_start(g->config, error);
		if (g->bundled == NULL)
			return fail("bundled session server", error);
		bundled_enter(g->bundled, g->config);
	}
	kernel_probe(g, g->config);
	g->discovery = discovery_new();
	discovery_set(g->discovery, g->config);
	return hire_all(g) && watch(g);
}

/* ---- while it runs */

static bool any_done(const struct gate *g)
{
	for (size_t i = 0; i < g->crew_count; i++)
		if (atomic_load(&g->workers[i]->orders.done))
			return true;
	return false;
}

static bool all_done(const struct gate *g)
{
	for (size_t i = 0; i < g->crew_count; i++)
		if (g->crew[i].running && !atomic_load(&g->workers[i]->orders.done))
			return false;
	return true;
}

static void say_ready(struct gate *g)
{
	if (g->ready_said || watch_readiness(&g->watch) != NULL)
		return;
	g->ready_said = true;
	log_event(CONFIG_LOG_INFO, "gate.ready", log_count("workers", g->crew_count));
	notify_say(&g->notify, "READY=1");
}

static void hand_out_fleet(struct gate *g)
{
	for (size_t i = 0; i < g->crew_count; i++) {
		struct fleet *fleet = discovery_fleet(g->discovery);

		desk_steer(g->desk, fleet);
		fleet_free(atomic_exchange(&g->workers[i]->orders.fleet, fleet));
		worker_wake(g->workers[i]);
	}
}

/* Gives every worker the certificates, and the configuration in force. Takes the references over. */
static void hand_out(struct gate *g, struct reload_tls *tls)
{
	certificate_note(g, tls->clients);
	for (size_t i = 0; i < g->crew_count; i++) {
		struct worker *w = g->workers[i];

		tls_context_unref(atomic_exchange(&w->orders.context, tls_context_ref(tls->clients)));
		tls_context_unref(atomic_exchange(&w->orders.link_context, ref_or_null(tls->links)));
		secret_hand(w, &tls->secret);
		atomic_store(&w->orders.config, g->config);
		worker_wake(w);
	}
	hand_out_fleet(g);
	reload_tls_unref(tls);
}

/* Levels of all rooms as the configuration says. */
static void log_take(const struct config *config)
{
	int levels[LOG_ROOMS];
	bool good = log_rooms_read(config->log_rooms, levels);

	assert(good); /* checked when the configuration was read */
	log_level_set(config->log_level);
	for (int room = 0; room < LOG_ROOMS; room++)
		log_room_level_set((enum log_room)room, levels[room]);
}

/* False: it was refused, and logged. */
static bool reload(struct gate *g)
{
	struct reload_tls tls;
	struct config *now = reload_read(&g->reload, g->file, g->config, g->bundled, &tls);

	if (now == NULL) {
		counter_bump(&g->watch.process.reloads_failed, 1);
		return false;
	}
	counter_bump(&g->watch.process.reloads, 1);
	g->config = now;
	discovery_set(g->discovery, now);
	log_take(now);
	kernel_probe(g, now);
	hand_out(g, &tls);
	return true;
}

/* The certificates' files have changed by themselves: a renewal needs no signal. */
static void renew(struct gate *g)
{
	struct reload_tls tls;

	switch (reload_renew(&g->reload, g->config, &tls)) {
	case RELOAD_SAME:
		break;
	case RELOAD_BAD:
		counter_bump(&g->watch.process.renewals_failed, 1);
		break;
	case RELOAD_NEW:
		counter_bump(&g->watch.process.renewals, 1);
		hand_out(g, &tls);
		break;
	}
}

/* Waits for a signal, a worker's end, or a look around. 0: nothing came. */
static int wait_signal(const sigset_t *set)
{
	struct timespec look = {.tv_nsec = LOOK_MS * 1000000L};
	int signal = sigtimedwait(set, NULL, &look);

	return signal < 0 ? 0 : signal;
}

/* ---- for the desk */

static const struct config *desk_config(void *gate)
{
	return ((struct gate *)gate)->config;
}

static const char *desk_reload(void *gate)
{
	return reload(gate) ? NULL : "refused; the log says why";
}

static struct fleet *desk_fleet(void *gate)
{
	return discovery_fleet(((struct gate *)gate)->discovery);
}

static void desk_hand_out(void *gate)
{
	hand_out_fleet(gate);
}

static bool open_desk(struct gate *g)
{
	struct desk_hands hands = {desk_config, desk_reload, desk_fleet, desk_hand_out, g, g->file, g->bundled};
	struct ask ask = {g->workers, g->crew_count, ASK_PATIENCE_US};
	char error[CONTROL_ERROR_BYTES];

	g->desk = desk_open(&hands, &ask, &g->watch.settings, error);
	return g->desk != NULL || fail(g->config->control_socket, error);
}

/* Whether each worker has made its ring, or will not. */
static bool rings_are_made(const struct gate *g)
{
	for (size_t i = 0; i < g->crew_count; i++)
		if (atomic_load(&g->workers[i]->orders.io) == NULL && !atomic_load(&g->workers[i]->orders.done))
			return false;
	return true;
}

/* From here on the process cannot do what it does not need. */
static void confine(struct gate *g)
{
	struct timespec pause = {.tv_nsec = 1000000};
	char error[SANDBOX_ERROR_BYTES];

	while (!rings_are_made(g))
		nanosleep(&pause, NULL);
	if (!g->config->sandbox)
		log_event(CONFIG_LOG_WARNING, "gate.unconfined", log_text("why", "sandbox: no"));
	else if (!sandbox_enter(error))
		log_event(CONFIG_LOG_WARNING, "gate.unconfined", log_text("why", error));
	else
		log_event(CONFIG_LOG_INFO, "gate.confined", log_count("uid", geteuid()));
}

static void sign_of_life(struct gate *g)
{
	if (watch_health(&g->watch) == NULL)
		notify_alive(&g->notify, io_now_us());
}

static void serve(struct gate *g, const sigset_t *set)
{
	int signal;

	while (!any_done(g)) {
		signal = wait_signal(set);
		sign_of_life(g);
		desk_look(g->desk);
		say_ready(g);
		renew(g);
		reload_rotate(&g->reload, g->config);
		if (discovery_look(g->discovery))
			hand_out_fleet(g);
		if (signal == SIGTERM || signal == SIGINT)
			return;
		if (signal == SIGHUP)
			reload(g);
	}
}

/* ---- the end */

/* Everything goes on, but load balancers are told. */
static void give_notice(struct gate *g, const sigset_t *set)
{
	uint64_t until_us = io_now_us() + g->config->drain_notice_ms * 1000;
	int signal = 0;

	atomic_store(&g->watch.leaving, true);
	if (g->config->drain_notice_ms > 0)
		log_event(CONFIG_LOG_INFO, "gate.leaving", log_count("in_ms", g->config->drain_notice_ms));
	while (io_now_us() < until_us && !any_done(g) && signal != SIGTERM && signal != SIGINT) {
		signal = wait_signal(set);
		desk_look(g->desk);
		sign_of_life(g);
	}
}

static void drain(struct gate *g, const sigset_t *set)
{
	notify_say(&g->notify, "STOPPING=1");
	log_event(CONFIG_LOG_INFO, "gate.draining", log_count("within_ms", g->config->drain_ms_max));
	for (size_t i = 0; i < g->crew_count; i++) {
		if (g->workers[i] == NULL)
			continue;
		atomic_store(&g->workers[i]->orders.drain, true);
		worker_wake(g->workers[i]);
	}
	while (!all_done(g)) {
		int signal = wait_signal(set);

		desk_look(g->desk);
		sign_of_life(g);
		if (signal == SIGTERM || signal == SIGINT)
			_exit(1); /* asked twice: at once */
	}
}

static bool dismiss(struct gate *g)
{
	bool good = true;

	for (size_t i = 0; i < g->crew_count; i++) {
		struct crew *c = &g->crew[i];

		if (c->running)
			pthread_join(c->thread, NULL);
		if (c->error[0] != '\0')
			good = fail("worker", c->error);
	}
	return good;
}

static void give_back(struct gate *g)
{
	desk_close(g->desk);
	watch_stop(&g->watch);
	for (size_t i = 0; i < g->crew_count; i++)
		if (g->workers[i] != NULL)
			worker_free(g->workers[i]);
	if (g->bundled != NULL)
		bundled_stop(g->bundled);
	discovery_free(g->discovery);
	notify_close(&g->notify);
	reload_done(&g->reload);
	config_free(g->config);
	free(g->listeners);
	free(g);
	log_flush();
}

static void signals_block(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	sigaddset(set, DESK_SIGNAL);
	pthread_sigmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static struct config *config_read_or_say(const char *file)
{
	struct config_faults *faults = calloc(1, sizeof *faults);
	struct config *config = faults == NULL ? NULL : config_read(file, faults);

	for (size_t i = 0; faults != NULL && i < faults->count; i++)
		fprintf(stderr, "%s\n", faults->line[i]);
	free(faults);
	return config;
}

int gate_run(const char *config_file, const char *xml_kernel)
{
	struct gate *g = calloc(1, sizeof *g);
	sigset_t set;
	bool good;

	if (g == NULL)
		return 1;
	g->file = config_file;
	g->xml_kernel = xml_kernel;
	g->config = config_read_or_say(config_file);
	if (g->config == NULL) {
		free(g);
		return 2;
	}
	log_open(&(struct log_settings){.fd = STDERR_FILENO,
					.level = g->config->log_level,
					.form = g->config->log_format == 0 ? LOG_TEXT : LOG_JSON,
					.journal = g->config->log_to == 0 ? NULL : "/run/systemd/journal/socket"});
	log_take(g->config);
	signals_block(&set);
	notify_open(&g->notify);
	good = begin(g) && open_desk(g);
	if (good) {
		confine(g);
		serve(g, &set);
		give_notice(g, &set);
	}
	drain(g, &set);
	good = dismiss(g) && good;
	give_back(g);
	return good ? 0 : 1;
}
