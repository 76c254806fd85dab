#include "archive_query.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive.h"
#include "store_archive.h"
#include "utc.h"

static const char mam_ns[] = "urn:xmpp:mam:2", form_ns[] = "jabber:x:data", rsm_ns[] = "http://jabber.org/protocol/rsm";

/* A page as it is asked for. */
struct search {
	const struct request *request;
	const char *account;
	struct archive_range all, page; /* without and with what the result set says */
	long long oldest;		/* the number of the first message that is not too old */
	char contact[JID_BYTES_MAX + 1];
	const struct element *ids; /* the field that names single messages, or NULL */
	size_t max;
	bool backwards; /* the last page, or the one before something */
};

struct found {
	long long id, stamp_ms;
	char *xml;
};

struct page {
	struct found messages[ARCHIVE_PAGE_MAX];
	size_t count, max, bytes;
	bool more;
};

static bool number_read(const char *text, long long *ret)
{
	char *end;
	long long number;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	number = strtoll(text, &end, 10);
	if (*end != '\0' || errno != 0)
		return false;
	*ret = number;
	return true;
}

static bool see_first(void *context, const struct archive_message *message)
{
	*(struct archive_message *)context = (struct archive_message){.id = message->id, .stamp_ms = message->stamp_ms};
	return false;
}

/* The number that a client names; it must be one of a message that the account has. */
static enum error_condition id_read(const struct search *search, const char *text, long long *ret)
{
	struct archive_message found = {0};
	struct archive_range range = {0};
	long long id;

	if (!number_read(text, &id) || id == 0 || id == LLONG_MAX)
		return ERROR_ITEM_NOT_FOUND;
	range.after = id - 1;
	range.before = id + 1;
	if (!archive_read(incoming_store(search->request->in), search->account, &range, false, see_first, &found))
		return ERROR_INTERNAL_SERVER_ERROR;
	if (found.id == 0 || id < search->oldest)
		return ERROR_ITEM_NOT_FOUND;
	*ret = id;
	return ERROR_COUNT;
}

static enum error_condition with_read(struct search *search, const char *value)
{
	struct jid jid;
	size_t bare_len;

	if (!jid_parse(value, strlen(value), &jid))
		return ERROR_JID_MALFORMED;
	memcpy(search->contact, jid.text, strlen(jid.text) + 1);
	bare_len = jid_bare_len(&jid);
	search->all.contact = search->contact;
	if (search->contact[bare_len] == '/') {
		search->contact[bare_len] = '\0';
		search->all.resource = search->contact + bare_len + 1;
	}
	return ERROR_COUNT;
}

static void raise_to(long long *bound, long long to)
{
	if (*bound < to)
		*bound = to;
}

static void lower_to(long long *bound, long long to)
{
	if (*bound > to)
		*bound = to;
}

static enum error_condition stamp_id(struct search *search, const char *value, long long more_ms, long long *ret)
{
	long long ms;

	if (!utc_parse(value, &ms))
		return ERROR_BAD_REQUEST;
	if (!archive_since(incoming_store(search->request->in), search->account, ms + more_ms, ret))
		return ERROR_INTERNAL_SERVER_ERROR;
	return ERROR_COUNT;
}

static enum error_condition start_read(struct search *search, const char *value)
{
	long long id;
	enum error_condition error = stamp_id(search, value, 0, &id);

	if (error == ERROR_COUNT)
		raise_to(&search->all.after, id - 1);
	return error;
}

/* What is of the very end belongs to it. */
static enum error_condition end_read(struct search *search, const char *value)
{
	long long id;
	enum error_condition error = stamp_id(search, value, 1, &id);

	if (error == ERROR_COUNT)
		lower_to(&search->all.before, id);
	return error;
}

static enum error_condition after_read(struct search *search, const char *value)
{
	long long id;
	enum error_condition error = id_read(search, value, &id);

	if (error == ERROR_COUNT)
		raise_to(&search->all.after, id);
	return error;
}

static enum error_condition before_read(struct search *search, const char *value)
{
	long long id;
	enum error_condition error = id_read(search, value, &id);

	if (error == ERROR_COUNT)
		lower_to(&search->all.before, id);
	return error;
}

static enum error_condition type_read(struct search *search, const char *value)
{
	return strcmp(value, mam_ns) == 0 ? ERROR_COUNT : ERROR_BAD_REQUEST;
}

/* Names, kinds and readers of the form's fields; `ids` has many values, which are read when they are looked for. */
static const struct {
	const char *name, *type;
	enum error_condition (*read)(struct search *, const char *value);
} fields[] = {
	{"FORM_TYPE", "hidden", type_read},
	{"with", "jid-single", with_read},
	{"start", "text-single", start_read},
	{"end", "text-single", end_read},
	{"before-id", "text-single", before_read},
	{"after-id", "text-single", after_read},
	{"ids", "list-multi", NULL},
};

static enum error_condition value_read(struct search *search, const struct element *field, size_t which)
{
	struct element *value = element_child(field, "value", form_ns);
	enum error_condition error;
	char *text;

	if (fields[which].read == NULL) {
		search->ids = field;
		return ERROR_COUNT;
	}
	if (value == NULL)
		return ERROR_COUNT;
	text = element_text(value);
	error = *text != '\0' ? fields[which].read(search, text) : ERROR_COUNT;
	free(text);
	return error;
}

static enum error_condition field_read(struct search *search, const struct element *field)
{
	const char *name = element_attribute(field, "var");

	for (size_t i = 0; name != NULL && i < sizeof fields / sizeof fields[0]; i++)
		if (strcmp(name, fields[i].name) == 0)
			return value_read(search, field, i);
	return ERROR_FEATURE_NOT_IMPLEMENTED;
}

static enum error_condition form_read(struct search *search)
{
	struct element *form = element_child(search->request->payload, "x", form_ns);
	enum error_condition error = ERROR_COUNT;

	for (struct element *e = form != NULL ? element_first(form) : NULL; e != NULL && error == ERROR_COUNT;
	     e = element_next(e))
		if (element_is(e, "field", form_ns))
			error = field_read(search, e);
	return error;
}

static enum error_condition max_read(struct search *search, const char *value)
{
	long long max;

	if (!number_read(value, &max))
		return ERROR_BAD_REQUEST;
	search->max = max < ARCHIVE_PAGE_MAX ? (size_t)max : ARCHIVE_PAGE_MAX;
	return ERROR_COUNT;
}

static enum error_condition set_after_read(struct search *search, const char *value)
{
	long long id = 0;
	enum error_condition error = id_read(search, value, &id);

	raise_to(&search->page.after, id);
	return error;
}

/* Without a number: the last page. */
static enum error_condition set_before_read(struct search *search, const char *value)
{
	long long id = LLONG_MAX;
	enum error_condition error = *value != '\0' ? id_read(search, value, &id) : ERROR_COUNT;

	lower_to(&search->page.before, id);
	search->backwards = true;
	return error;
}

static const struct {
	const char *name;
	enum error_condition (*read)(struct search *, const char *value);
} set_parts[] = {{"max", max_read}, {"after", set_after_read}, {"before", set_before_read}};

static enum error_condition set_part_read(struct search *search, const struct element *part)
{
	enum error_condition error = ERROR_FEATURE_NOT_IMPLEMENTED;
	char *text = element_text(part);

	for (size_t i = 0; i < sizeof set_parts / sizeof set_parts[0]; i++)
		if (element_is(part, set_parts[i].name, rsm_ns))
			error = set_parts[i].read(search, text);
	free(text);
	return error;
}

static enum error_condition set_read(struct search *search)
{
	struct element *set = element_child(search->request->payload, "set", rsm_ns);
	enum error_condition error = ERROR_COUNT;

	search->page = search->all;
	for (struct element *e = set != NULL ? element_first(set) : NULL; e != NULL && error == ERROR_COUNT;
	     e = element_next(e))
		error = set_part_read(search, e);
	return error;
}

/* Everything that is not too old. */
static enum error_condition search_begin(struct search *search, const struct request *request)
{
	struct sessiond *server = request->in->session->server;
	long long first = 0;

	*search = (struct search){.request = request, .account = request->in->session->bare_jid, .max = ARCHIVE_PAGE};
	if (!archive_is_on(server))
		return ERROR_SERVICE_UNAVAILABLE;
	if (!archive_since(sessiond_store(server), search->account, archive_since_ms(server), &first))
		return ERROR_INTERNAL_SERVER_ERROR;
	search->oldest = first;
	search->all.after = first - 1;
	search->all.before = LLONG_MAX;
	return ERROR_COUNT;
}

static bool page_add(void *context, const struct archive_message *message)
{
	struct page *page = context;

	page->more = page->count == page->max || page->bytes > ARCHIVE_PAGE_BYTES;
	if (page->more)
		return false;
	page->messages[page->count++] =
		(struct found){message->id, message->stamp_ms, text_copy_len(message->xml, message->len)};
	page->bytes += message->len;
	return true;
}

static void page_turn(struct page *page)
{
	for (size_t i = 0; i < page->count / 2; i++) {
		struct found swapped = page->messages[i];

		page->messages[i] = page->messages[page->count - 1 - i];
		page->messages[page->count - 1 - i] = swapped;
	}
}

static enum error_condition page_add_id(const struct search *search, const struct element *value, struct page *page)
{
	struct archive_range range = {0};
	char *text = element_text(value);
	long long id = 0;
	enum error_condition error = id_read(search, text, &id);

	free(text);
	if (error != ERROR_COUNT)
		return error;
	range.after = id - 1;
	range.before = id + 1;
	return archive_read(incoming_store(search->request->in), search->account, &range, false, page_add, page)
		       ? ERROR_COUNT
		       : ERROR_INTERNAL_SERVER_ERROR;
}

/* In the order in which they are asked for. */
static enum error_condition page_read_ids(const struct search *search, struct page *page)
{
	enum error_condition error = ERROR_COUNT;

	page->max = ARCHIVE_PAGE_MAX;
	for (struct element *e = element_first(search->ids); e != NULL && error == ERROR_COUNT && !page->more;
	     e = element_next(e))
		if (element_is(e, "value", form_ns))
			error = page_add_id(search, e, page);
	return error;
}

static enum error_condition page_read(const struct search *search, struct page *page)
{
	if (search->ids != NULL)
		return page_read_ids(search, page);
	page->max = search->max;
	if (!archive_read(incoming_store(search->request->in), search->account, &search->page, search->backwards,
			  page_add, page))
		return ERROR_INTERNAL_SERVER_ERROR;
	if (search->backwards)
		page_turn(page);
	return ERROR_COUNT;
}

static void message_send(const struct search *search, const struct found *found)
{
	const char *queryid = element_attribute(search->request->payload, "queryid");
	struct session *session = search->request->in->session;
	struct text xml = {0};
	char stamp[UTC_MS_BYTES], id[24];

	utc_write(found->stamp_ms, stamp);
	snprintf(id, sizeof id, "%lld", found->id);
	text_put(&xml, "<message from='%s' to='%s'><result xmlns='%r' id='%r'", search->account, session->full_jid,
		 mam_ns, id);
	if (queryid != NULL)
		text_put(&xml, " queryid='%s'", queryid);
	text_put(&xml,
		 "><forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='%r'/>%r</forwarded>"
		 "</result></message>",
		 stamp, found->xml);
	session_send(session, xml.bytes, xml.len);
	text_free(&xml);
}

static void put_edge(struct text *to, const char *name, long long id)
{
	char number[24];

	snprintf(number, sizeof number, "%lld", id);
	text_put(to, "<%r>%r</%r>", name, number, name);
}

static void put_set(const struct search *search, const struct page *page, struct text *to)
{
	size_t count = 0;

	text_put(to, "<set xmlns='%r'>", rsm_ns);
	if (page->count > 0) {
		put_edge(to, "first", page->messages[0].id);
		put_edge(to, "last", page->messages[page->count - 1].id);
	}
	if (search->ids == NULL &&
	    archive_count(incoming_store(search->request->in), search->account, &search->all, ARCHIVE_COUNT_MAX + 1,
			  &count) &&
	    count <= ARCHIVE_COUNT_MAX)
		text_put(to, "<count>%u</count>", (unsigned)count);
	text_put(to, "</set>");
}

static void page_send(const struct search *search, struct page *page)
{
	struct text fin = {0};

	text_put(&fin, "<fin xmlns='%r'", mam_ns);
	if (!page->more)
		text_put(&fin, " complete='true'");
	text_put(&fin, ">");
	put_set(search, page, &fin);
	text_put(&fin, "</fin>");
	if (element_child(search->request->payload, "flip-page", mam_ns) != NULL)
		page_turn(page);
	for (size_t i = 0; i < page->count; i++)
		message_send(search, &page->messages[i]);
	request_answer(search->request, fin.bytes);
	text_free(&fin);
}

void archive_query(const struct request *request)
{
	struct search search;
	struct page page = {0};
	enum error_condition error = search_begin(&search, request);

	if (error == ERROR_COUNT)
		error = form_read(&search);
	if (error == ERROR_COUNT)
		error = set_read(&search);
	if (error == ERROR_COUNT)
		error = page_read(&search, &page);
	if (error == ERROR_COUNT)
		page_send(&search, &page);
	else
		request_refuse(request, error);
	for (size_t i = 0; i < page.count; i++)
		free(page.messages[i].xml);
}

void archive_form(const struct request *request)
{
	struct text query = {0};

	if (!archive_is_on(request->in->session->server)) {
		request_refuse(request, ERROR_SERVICE_UNAVAILABLE);
		return;
	}
	text_put(&query, "<query xmlns='%r'><x xmlns='%r' type='form'>", mam_ns, form_ns);
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		text_put(&query, "<field type='%r' var='%r'", fields[i].type, fields[i].name);
		if (fields[i].read == type_read)
			text_put(&query, "><value>%r</value></field>", mam_ns);
		else
			text_put(&query, "/>");
	}
	text_put(&query, "</x></query>");
	request_answer(request, query.bytes);
	text_free(&query);
}

static void put_metadata(struct text *to, const char *name, const struct archive_message *message)
{
	char stamp[UTC_MS_BYTES], id[24];

	utc_write(message->stamp_ms, stamp);
	snprintf(id, sizeof id, "%lld", message->id);
	text_put(to, "<%r id='%r' timestamp='%r'/>", name, id, stamp);
}

void archive_metadata(const struct request *request)
{
	struct archive_message first = {0}, last = {0};
	struct search search;
	struct text metadata = {0};
	enum error_condition error = search_begin(&search, request);

	if (error == ERROR_COUNT &&
	    (!archive_read(incoming_store(request->in), search.account, &search.all, false, see_first, &first) ||
	     !archive_read(incoming_store(request->in), search.account, &search.all, true, see_first, &last)))
		error = ERROR_INTERNAL_SERVER_ERROR;
	if (error != ERROR_COUNT) {
		request_refuse(request, error);
		return;
	}
	text_put(&metadata, "<metadata xmlns='%r'>", mam_ns);
	if (first.id != 0) {
		put_metadata(&metadata, "start", &first);
		put_metadata(&metadata, "end", &last);
	}
	text_put(&metadata, "</metadata>");
	request_answer(request, metadata.bytes);
	text_free(&metadata);
}
