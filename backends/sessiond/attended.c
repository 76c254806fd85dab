#include "attended.h"

static bool is_wanted(const struct client *client)
{
	const struct store_progress *progress = &client->progress;
	bool unacknowledged = client->managed && progress->managed_out > progress->managed_acked;
	return client->id != 0 && client_is_ours_or_nobodys(client) && (client->until_ms != 0 || unacknowledged);
}

void attended_note(struct client *client)
{
	struct client **first = &client->session.server->attended;
	if (client->attended_place || !is_wanted(client))
		return;
	client->attended_place = first;
	client->attended_next = *first;
	if (*first)
		(*first)->attended_place = &client->attended_next;
	*first = client;
}

void attended_forget(struct client *client)
{
	if (!client->attended_place)
		return;
	*client->attended_place = client->attended_next;
	if (client->attended_next)
		client->attended_next->attended_place = client->attended_place;
	client->attended_place = NULL;
	client->attended_next = NULL;
}

void attended_sift(struct sessiond *server)
{
	for (struct client *client = server->attended, *next; client; client = next) {
		next = client->attended_next;
		if (!is_wanted(client))
			attended_forget(client);
	}
}
