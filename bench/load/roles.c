/* Who is who in a run, by number. */
#include "load.h"

#include <stdio.h>

unsigned load_unit(const struct options *options)
{
	return options->room_size ? options->room_size : options->resources ? options->resources : 2;
}

unsigned load_first(const struct options *options, unsigned processes, unsigned index)
{
	uint64_t unit = load_unit(options), units = (options->clients + unit - 1) / unit;
	uint64_t first = units * index / processes * unit;

	return first < options->clients ? (unsigned)first : options->clients;
}

static unsigned returners(const struct options *options)
{
	bool all = !options->messages_per_second && !options->window;

	return !options->churn ? 0 : all ? options->clients : options->clients / RETURNER_EACH;
}

/* Counted from the end, so that what is left in front are whole pairs. */
unsigned load_talkers(const struct options *options)
{
	return (options->clients - returners(options)) & ~1u;
}

bool number_returns(const struct load *load, unsigned number)
{
	return load->options->churn && number >= load_talkers(load->options);
}

/* Of a pair with one that does not read. */
static bool number_is_slow(const struct load *load, unsigned number)
{
	unsigned end = load_talkers(load->options), slow = load->options->slow * 2;

	return slow && number < end && number + slow >= end;
}

bool number_is_talker(const struct load *load, unsigned number)
{
	return !number_returns(load, number);
}

bool load_is_slow_reader(const struct load *load, const struct client *client)
{
	return load->phase >= PHASE_RUN && client->number & 1 && number_is_slow(load, client->number);
}

unsigned number_user(const struct load *load, unsigned number)
{
	unsigned resources = load->options->resources;

	return (resources ? number / resources : number) % load->options->users;
}

unsigned number_resource(const struct load *load, unsigned number)
{
	unsigned resources = load->options->resources;

	return resources ? number % resources : number / load->options->users;
}

void number_jid(const struct load *load, unsigned number, char to[static LOAD_JID_BYTES])
{
	snprintf(to, LOAD_JID_BYTES, "%s%u@%s/r%u", load->options->user_prefix, number_user(load, number),
		 load->options->domain, number_resource(load, number));
}

void load_jid(const struct load *load, const struct client *client, char to[static LOAD_JID_BYTES])
{
	if (client->jid)
		snprintf(to, LOAD_JID_BYTES, "%s", client->jid);
	else
		number_jid(load, client->number, to);
}
