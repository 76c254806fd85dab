/*
 * The link's promises, under everything that can happen to a link: cut at any byte, with frames lost in flight; old
 * links that linger at one end; backends that start anew, with a store or without; sessions that go to another backend.
 * From a seed each. Elements of a session arrive each once and in order; when it is quiet, none is missing; and the
 * memory that is held is bounded.
 */
#include "link_cuts.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { SEEDS = 300, STEPS = 4000, QUIET_STEPS = 3000, HELD_MAX = 4 << 20 };

static uint64_t state;
struct wire wires[WIRES];
size_t memory_held;
uint64_t seed_now;
static size_t held_most;

uint64_t draw(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1d % below;
}

void seed_set(uint64_t seed)
{
	state = seed * 0x9e3779b97f4a7c15 + 1;
}

/* The size stands before the bytes. */
static void *resize(void *context, void *old, size_t len)
{
	size_t *block = old ? (size_t *)old - 2 : NULL;
	(void)context;
	memory_held -= block ? *block : 0;
	memory_held += len;
	if (held_most < memory_held)
		held_most = memory_held;
	if (len == 0) {
		free(block);
		return NULL;
	}
	block = realloc(block, len + 2 * sizeof *block);
	cr_assert(block);
	*block = len;
	return block + 2;
}

const struct memory memory = {.resize = resize};

size_t element_make(uint8_t to[static LARGE], const struct place *places, uint32_t count)
{
	size_t len = sizeof count + count * sizeof *places, more = draw(50) == 0 ? draw(LARGE - 200) : draw(300);
	memcpy(to, &count, sizeof count);
	memcpy(to + sizeof count, places, count * sizeof *places);
	memset(to + len, 'x', more);
	return len + more;
}

uint32_t element_n(const uint8_t *element, size_t len, uint32_t gate, frame_session number)
{
	uint32_t count;
	memcpy(&count, element, sizeof count);
	cr_assert(count <= PLACES && len >= sizeof count + count * sizeof(struct place));
	for (uint32_t i = 0; i < count; i++) {
		struct place place;
		memcpy(&place, element + sizeof count + i * sizeof place, sizeof place);
		if (place.gate == gate && place.number == number)
			return place.n;
	}
	cr_assert_fail("an element of another session");
	return 0;
}

struct wire *wire_new(uint32_t gate, uint32_t backend)
{
	for (size_t i = 0; i < WIRES; i++) {
		if (wires[i].used)
			continue;
		wires[i] = (struct wire){
			.used = true, .gate_has = true, .backend_has = true, .gate = gate, .backend = backend};
		wires[i].up.memory = wires[i].down.memory = &memory;
		return &wires[i];
	}
	return NULL;
}

/* Of what is on its way some still arrives, at the one end and at the other. */
static void wire_cut(struct wire *wire)
{
	wire->cut = true;
	wire->up.end -= draw(bytes_len(&wire->up) + 1);
	wire->down.end -= draw(bytes_len(&wire->down) + 1);
}

static void fault(uint64_t now_ms)
{
	struct wire *wire = &wires[draw(WIRES)];
	uint64_t what = draw(100);
	if (what < 60 && wire->used)
		wire_cut(wire);
	else if (what < 75)
		gate_lose((uint32_t)draw(GATES)); /* without the backend's knowledge */
	else if (what < 85)
		gate_move((uint32_t)draw(GATES));
	else if (what < 92)
		backend_restart((uint32_t)draw(BACKENDS), draw(2), now_ms);
}

/* Links are noticed to be gone, and made anew, each in its time. */
static void gate_live(uint32_t gate)
{
	const struct wire *wire = gate_wire(gate);
	if (wire && wire->cut && bytes_len(&wire->down) == 0 && draw(4) == 0)
		gate_lose(gate);
	if (draw(4) == 0)
		gate_dial(gate);
	gate_turn(gate, draw(4) > 0);
}

static void step(uint64_t now_ms)
{
	uint32_t gate = (uint32_t)draw(GATES), backend = (uint32_t)draw(BACKENDS);
	uint64_t what = draw(100);
	if (what < 25)
		gate_live(gate);
	else if (what < 50)
		backend_turn(backend, now_ms);
	else if (what < 65)
		gate_say(gate);
	else if (what < 90)
		backend_act(backend);
	else if (what < 95)
		gate_open(gate);
	else if (what < 96)
		gate_leave(gate);
	else if (what < 98)
		gate_pause(gate, false);
	else if (draw(8) == 0)
		fault(now_ms);
}

static bool is_settled(void)
{
	for (uint32_t gate = 0; gate < GATES; gate++)
		if (!gate_is_settled(gate))
			return false;
	return true;
}

/* No more faults and nothing new: everything arrives. */
static void settle(uint64_t now_ms)
{
	for (int i = 0; i < QUIET_STEPS; i++) {
		for (uint32_t gate = 0; gate < GATES; gate++) {
			gate_live(gate);
			gate_turn(gate, false);
			gate_pause(gate, true);
		}
		for (uint32_t backend = 0; backend < BACKENDS; backend++) {
			backend_calm(backend);
			backend_turn(backend, now_ms);
		}
		if (i > 200 && is_settled())
			return;
	}
	cr_assert_fail("seed %zu: it does not come to rest", (size_t)seed_now);
}

static void play(uint64_t seed)
{
	seed_now = seed;
	seed_set(seed);
	memset(wires, 0, sizeof wires);
	backends_begin();
	gates_begin();
	for (uint64_t i = 0; i < STEPS; i++)
		step(i);
	settle(STEPS);
	for (uint32_t gate = 0; gate < GATES; gate++)
		gate_check(gate);
	gates_end();
	backends_end();
	for (size_t i = 0; i < WIRES; i++) {
		bytes_free(&wires[i].up);
		bytes_free(&wires[i].down);
	}
	cr_assert(memory_held == 0, "seed %zu: %zu bytes are left", (size_t)seed, memory_held);
}

static void plays(bool store)
{
	has_store = store;
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		play(seed + (store ? 0 : 1000));
	/* A world in which something never happens proves nothing about it. */
	for (int is = BACKEND_NOTHING; is <= BACKEND_DEAD; is++)
		cr_assert(events[is] > 0 || is == BACKEND_DRAIN, "event %d never came", is);
	cr_assert(gate_counts.reattached > 1000 && gate_counts.adopted > 200 && gate_counts.ghosts > 5 &&
		  fanouts > 1000);
	cr_assert(gate_counts.again > 1000, "%u frames were sent again", gate_counts.again);
	cr_assert(held_most < HELD_MAX, "%zu bytes were held", held_most);
	cr_assert(!store || refused > 10, "no ADOPT came too late");
}

Test(link_cuts, each_once_and_in_order_with_a_store)
{
	plays(true);
}

Test(link_cuts, each_once_and_in_order_without_one)
{
	plays(false);
}
