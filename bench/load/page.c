#include "page.h"

#include "lead.h"
#include "plot.h"
#include "report.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

enum { PERCENTILE_POINTS = 61, NINES_MAX = 5, STEPS_PER_NINE = 12 };

static const char style[] =
	":root{--bg:#fbfbfa;--card:#fff;--ink:#1d2329;--soft:#5d6873;--grid:#e3e6e9;--good:#14794c;--bad:#b3261e;"
	"--s0:#2463c2;--s1:#c65a06;--s2:#16805a;--s3:#7b46b8;--s4:#b3261e;--s5:#0b7c8c;--s6:#7a5c12;--s7:#5d6873}\n"
	"@media(prefers-color-scheme:dark){:root{--bg:#14171a;--card:#1c2024;--ink:#e6e9ec;--soft:#9aa5b0;"
	"--grid:#31373d;--good:#5ac794;--bad:#ff8a80;--s0:#78aaf5;--s1:#f2a35c;--s2:#5ac794;--s3:#c09af0;"
	"--s4:#ff8a80;--s5:#5cc9d8;--s6:#d9bb62;--s7:#9aa5b0}}\n"
	"*{box-sizing:border-box}body{margin:0 "
	"auto;max-width:1560px;padding:24px;background:var(--bg);color:var(--ink);"
	"font:15px/1.5 system-ui,sans-serif}h1{font-size:22px;margin:0}p{margin:4px 0 16px;color:var(--soft)}"
	".good{color:var(--good)}.bad{color:var(--bad)}\n"
	".tiles,.plots{display:grid;gap:14px;grid-template-columns:repeat(auto-fit,minmax(128px,1fr))}"
	".plots{grid-template-columns:repeat(auto-fit,minmax(min(100%,560px),1fr));margin-top:14px}"
	".tile,figure,details,table{background:var(--card);border:1px solid var(--grid);border-radius:8px;padding:10px "
	"14px;"
	"margin:0}.tile "
	"b{display:block;font-size:22px;font-variant-numeric:tabular-nums}.tile,.unit,.key{color:var(--soft)}"
	".tile b{color:var(--ink)}figcaption{font-weight:600}.unit,.key{font-weight:400;font-size:13px;margin-left:6px}"
	".key i{display:inline-block;width:14px;height:3px;vertical-align:middle;margin-right:4px}\n"
	"svg.plot{width:100%;height:auto;display:block}svg text{fill:var(--soft);font-size:12px}"
	".s0{--c:var(--s0)}.s1{--c:var(--s1)}.s2{--c:var(--s2)}.s3{--c:var(--s3)}.s4{--c:var(--s4)}.s5{--c:var(--s5)}"
	".s6{--c:var(--s6)}.s7{--c:var(--s7)}polyline{stroke:var(--c)}.dot{fill:var(--c)}.key i{background:var(--c)}"
	".grid{stroke:var(--grid)}polyline{fill:none;stroke-width:1.8;stroke-linejoin:round}.dot{stroke:none;opacity:."
	"55}"
	"details,table{margin-top:14px}pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:12px}"
	"table{border-collapse:separate;width:auto}td,th{padding:2px 14px 2px 0;text-align:right;"
	"font-variant-numeric:tabular-nums}td:first-child,th:first-child{text-align:left}\n";

static const char *const fault_texts[] = {
#define FAULT(name, text) text,
#include "fault.def"
#undef FAULT
};

static void text_print(FILE *to, const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '<':
			fputs("&lt;", to);
			break;
		case '&':
			fputs("&amp;", to);
			break;
		case '"':
			fputs("&quot;", to);
			break;
		default:
			fputc(*text, to);
		}
}

static const char *title_of(const struct lead *lead)
{
	return lead->options->title[0] ? lead->options->title : "stanzagate-load";
}

static void storm_verdict_print(FILE *to, const struct lead *lead)
{
	const struct counts *counts = &lead->sum->counts;
	uint64_t faults = counts_faults(counts);
	bool good = report_is_good(lead);

	fprintf(to, "<span class=\"%s\">%s%" PRIu64 " logins succeeded, ",
		good && !faults ? "good"
		: good		? ""
				: "bad",
		good ? "" : "The run has failed: ", lead->sum->login_ns.total);
	if (!faults)
		fprintf(to, "none failed.");
	else
		fprintf(to, "%" PRIu64 " failed, %" PRIu64 " of them as an overloaded server's do.", counts->failed,
			counts->overload);
	if (counts->missed || counts->left_out)
		fprintf(to, " %" PRIu64 " more had no place, and %" PRIu64 " this program had no time to begin.",
			counts->missed, counts->left_out);
	fprintf(to, "</span>");
}

/* No more than was seen. */
static void verdict_print(FILE *to, const struct lead *lead)
{
	const struct counts *counts = &lead->sum->counts;
	bool good = report_is_good(lead);

	fprintf(to, "<span class=\"%s\">%s</span>", good ? "good" : "bad",
		!good		   ? "The run has failed."
		: counts->slow_cut ? "All logged in, and everything arrived once and in order, but for clients that "
				     "did not read and were cut off."
		: counts->expected || counts->pings ? "All logged in, and everything arrived once and in order."
						    : "All logged in.");
}

static void head_print(FILE *to, const struct lead *lead)
{
	time_t now = time(NULL);
	struct tm utc;
	char when[32];

	strftime(when, sizeof when, "%Y-%m-%d %H:%M UTC", gmtime_r(&now, &utc));
	fprintf(to, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
		    "<meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" "
		    "content=\"light dark\"><title>");
	text_print(to, title_of(lead));
	fprintf(to, "</title><style>\n%s</style></head><body>\n<h1>", style);
	text_print(to, title_of(lead));
	fprintf(to, "</h1><p>%s, %s:%u. ", when, lead->options->host, lead->options->port);
	if (lead->options->storm)
		storm_verdict_print(to, lead);
	else
		verdict_print(to, lead);
	fprintf(to, "</p>\n");
}

/* ---- numbers */

static void tile_print(FILE *to, const char *name, const char *unit, double value)
{
	fprintf(to, "<div class=\"tile\"><b>%.*f</b>%s%s%s</div>\n", value >= 100 || value == floor(value) ? 0 : 1,
		value, name, unit[0] ? ", " : "", unit);
}

static double seconds_between(uint64_t from, uint64_t to)
{
	return to > from ? (double)(to - from) / 1e9 : 0;
}

static void tiles_print(FILE *to, const struct lead *lead)
{
	const struct tally *sum = lead->sum;
	double run = seconds_between(lead->run_ns, lead->run_end_ns),
	       login = seconds_between(lead->start_ns, sum->online_ns);

	fprintf(to, "<div class=\"tiles\">");
	if (lead->options->storm)
		tile_print(to, "logins", "", (double)sum->login_ns.total);
	else
		tile_print(to, "clients online", "", (double)sum->counts.online);
	if (login > 0 && !lead->options->churn)
		tile_print(to, "logins", "each second", (double)sum->login_ns.total / login);
	tile_print(to, "login, p50", "ms", (double)histogram_at(&sum->login_ns, 0.5) / 1e6);
	tile_print(to, "login, p99", "ms", (double)histogram_at(&sum->login_ns, 0.99) / 1e6);
	if (sum->counts.received && run > 0) {
		tile_print(to, "stanzas received", "each second", (double)lead->received_in_time / run);
		tile_print(to, "latency, p50", "us", (double)histogram_at(&sum->latency_ns, 0.5) / 1e3);
		tile_print(to, "latency, p99", "us", (double)histogram_at(&sum->latency_ns, 0.99) / 1e3);
	}
	if (!lead->options->storm)
		tile_print(to, "lost", "", (double)counts_lost(&sum->counts));
	tile_print(to, "errors", "", (double)counts_faults(&sum->counts));
	fprintf(to, "</div>\n");
}

static void faults_print(FILE *to, const struct lead *lead)
{
	const struct counts *counts = &lead->sum->counts;

	if (!counts_faults(counts))
		return;
	fprintf(to, "<table><tr><th>what went wrong</th><th>how often</th></tr>\n");
	for (unsigned i = 0; i < FAULT_COUNT; i++)
		if (counts->faults[i])
			fprintf(to, "<tr><td>%s</td><td>%" PRIu64 "</td></tr>\n", fault_texts[i], counts->faults[i]);
	fprintf(to, "</table>\n");
}

/* ---- plots */

static void plot_show(FILE *to, const struct plot *plot)
{
	if (plot_is_worth(plot))
		plot_print(to, plot);
}

static void percentiles_show(FILE *to, const char *title, const struct histogram *histogram, double unit_ns,
			     const char *unit)
{
	double x[PERCENTILE_POINTS], y[PERCENTILE_POINTS];
	struct plot plot = {.title = title, .x_unit = "", .y_unit = unit, .y_log = true, .x_percentile = true};
	unsigned count = 0;

	/* No further than there are values to speak of. */
	while (count < PERCENTILE_POINTS && histogram->total) {
		x[count] = (double)count / STEPS_PER_NINE;
		y[count] = (double)histogram_at(histogram, 1 - pow(10, -x[count])) / unit_ns;
		if (pow(10, x[count]) > (double)histogram->total)
			break;
		count++;
	}
	plot.lines[0] = (struct plot_line){title, x, y, count};
	plot.line_count = 1;
	plot_show(to, &plot);
}

/* Columns of the series, as the plots want them. */
enum column {
	COLUMN_AT,
	COLUMN_ONLINE,
	COLUMN_LOGINS,
	COLUMN_STANZAS,
	COLUMN_LOGIN50,
	COLUMN_LOGIN99,
	COLUMN_LATENCY50,
	COLUMN_LATENCY99,
	COLUMN_CPU,
	COLUMN_RSS = COLUMN_CPU + WATCH_NAMES_MAX,
	COLUMN_COUNT = COLUMN_RSS + WATCH_NAMES_MAX
};

static double per_second(double now, double before, double seconds)
{
	return seconds > 0 && now > before ? (now - before) / seconds : 0;
}

static double *columns_make(const struct lead *lead)
{
	static const struct moment nothing;
	unsigned n = lead->series.count;
	double *to = calloc((size_t)n * COLUMN_COUNT, sizeof *to);

	assert(to);
	for (unsigned i = 0; i < n; i++) {
		const struct moment *m = &lead->series.moments[i], *old = i ? m - 1 : &nothing;
		double seconds = m->at_s - old->at_s;

		to[COLUMN_AT * n + i] = m->at_s;
		to[COLUMN_ONLINE * n + i] = (double)m->online;
		to[COLUMN_LOGINS * n + i] = per_second((double)m->logins, (double)old->logins, seconds);
		to[COLUMN_STANZAS * n + i] =
			per_second((double)(m->received + m->answers), (double)(old->received + old->answers), seconds);
		to[COLUMN_LOGIN50 * n + i] = m->login_ms_p50;
		to[COLUMN_LOGIN99 * n + i] = m->login_ms_p99;
		to[COLUMN_LATENCY50 * n + i] = m->latency_us_p50;
		to[COLUMN_LATENCY99 * n + i] = m->latency_us_p99;
		for (unsigned w = 0; w < lead->watch.count; w++) {
			to[(COLUMN_CPU + w) * n + i] = i ? 100 * per_second(m->cpu_s[w], old->cpu_s[w], seconds) : 0;
			to[(COLUMN_RSS + w) * n + i] = m->rss_bytes[w] / 1e6;
		}
	}
	return to;
}

/* Two columns, or one when the second has no name, over time. */
static void times_show(FILE *to, const struct lead *lead, const double *columns, const char *title, const char *unit,
		       const char *name, enum column column, const char *other_name, enum column other)
{
	unsigned n = lead->series.count;
	struct plot plot = {.title = title, .x_unit = "s", .y_unit = unit, .line_count = other_name ? 2 : 1};

	plot.no_zero = column == COLUMN_LOGIN50 || column == COLUMN_LATENCY50; /* there was none to be timed */
	plot.lines[0] = (struct plot_line){name, columns, columns + column * n, n};
	plot.lines[1] = (struct plot_line){other_name, columns, columns + other * n, n};
	plot_show(to, &plot);
}

static void watched_show(FILE *to, const struct lead *lead, const double *columns, const char *title, const char *unit,
			 enum column first)
{
	unsigned n = lead->series.count;
	struct plot plot = {
		.title = title, .x_unit = "s", .y_unit = unit, .line_count = lead->watch.count, .named = true};

	for (unsigned i = 0; i < lead->watch.count; i++)
		plot.lines[i] = (struct plot_line){lead->watch.watched[i].name, columns, columns + (first + i) * n, n};
	plot_show(to, &plot);
}

static void plots_print(FILE *to, const struct lead *lead)
{
	double *columns = columns_make(lead);

	fprintf(to, "<div class=\"plots\">\n");
	percentiles_show(to, "Latency by percentile", &lead->sum->latency_ns, 1e3, "us");
	percentiles_show(to, "Answers to pings by percentile", &lead->sum->ping_ns, 1e3, "us");
	percentiles_show(to, "Logins by percentile", &lead->sum->login_ns, 1e6, "ms");
	percentiles_show(to, "Returns by percentile", &lead->sum->return_ns, 1e6, "ms");
	times_show(to, lead, columns, "Clients online", "", "online", COLUMN_ONLINE, NULL, COLUMN_ONLINE);
	times_show(to, lead, columns, "Rates", "each second", "stanzas received", COLUMN_STANZAS, "logins",
		   COLUMN_LOGINS);
	times_show(to, lead, columns, "Latency", "us", "p50", COLUMN_LATENCY50, "p99", COLUMN_LATENCY99);
	times_show(to, lead, columns, "Login time", "ms", "p50", COLUMN_LOGIN50, "p99", COLUMN_LOGIN99);
	watched_show(to, lead, columns, "Processor time", "% of one processor", COLUMN_CPU);
	watched_show(to, lead, columns, "Resident memory", "MB", COLUMN_RSS);
	fprintf(to, "</div>\n");
	free(columns);
}

void page_print(FILE *to, const struct lead *lead)
{
	head_print(to, lead);
	tiles_print(to, lead);
	faults_print(to, lead);
	plots_print(to, lead);
	fprintf(to, "<details><summary>All figures</summary><pre>");
	report_print(to, lead);
	fprintf(to, "</pre></details></body></html>\n");
}
