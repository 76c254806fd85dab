/* Whom the tick looks at: only those who need it, however many there are. */
#include "attended.h"
#include <criterion/criterion.h>

enum { OURS = 7, ANOTHERS = 8, CLIENTS = 4 };

static struct sessiond server;
static struct client clients[CLIENTS];

static void begin(void)
{
	server = (struct sessiond){.node = OURS};
	for (int i = 0; i < CLIENTS; i++)
		clients[i] = (struct client){.session = {.server = &server}, .id = i + 1, .owner = OURS};
}

TestSuite(attended, .init = begin);

static unsigned count(void)
{
	unsigned found = 0;
	for (const struct client *client = server.attended; client; client = client->attended_next)
		found++;
	return found;
}

static void note_all(void)
{
	for (int i = 0; i < CLIENTS; i++)
		attended_note(&clients[i]);
}

Test(attended, nobody_who_is_there_and_has_everything)
{
	clients[0].managed = true;
	clients[0].progress = (struct store_progress){.managed_out = 5, .managed_acked = 5};
	clients[1].progress = (struct store_progress){.managed_out = 5}; /* from before a failed start of management */
	note_all();
	cr_assert_eq(count(), 0);
}

Test(attended, who_waits_for_a_gate_until_it_is_there)
{
	clients[1].until_ms = 1000;
	note_all();
	note_all();
	cr_assert_eq(count(), 1);
	cr_assert_eq(server.attended, &clients[1]);
	clients[1].until_ms = 0;
	attended_sift(&server);
	cr_assert_eq(count(), 0);
}

Test(attended, who_has_not_acknowledged_until_he_has)
{
	clients[2].managed = true;
	clients[2].progress = (struct store_progress){.managed_out = 5, .managed_acked = 4};
	note_all();
	attended_sift(&server);
	cr_assert_eq(server.attended, &clients[2]);
	clients[2].progress.managed_acked = 5;
	attended_sift(&server);
	cr_assert_eq(count(), 0);
}

Test(attended, another_nodes_are_left_to_it_and_nobodys_are_not)
{
	for (int i = 0; i < CLIENTS; i++)
		clients[i].until_ms = 1000;
	clients[0].owner = ANOTHERS;
	clients[1].owner = 0;
	clients[2].id = 0; /* the store failed when it began */
	note_all();
	cr_assert_eq(count(), 2);
	clients[3].owner = ANOTHERS;
	attended_sift(&server);
	cr_assert_eq(server.attended, &clients[1]);
	cr_assert_eq(count(), 1);
}

Test(attended, whoever_goes_leaves_the_others)
{
	for (int i = 0; i < CLIENTS; i++)
		clients[i].until_ms = 1000;
	note_all();
	attended_forget(&clients[1]);
	attended_forget(&clients[1]);
	attended_forget(&clients[3]);
	cr_assert_eq(count(), 2);
	attended_forget(&clients[0]);
	cr_assert_eq(server.attended, &clients[2]);
	attended_note(&clients[0]);
	cr_assert_eq(count(), 2);
}
