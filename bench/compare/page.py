"""The page of a comparison: bars, light or dark, which needs nothing else."""
import html

STYLE = """
:root{--bg:#fbfbfa;--card:#fff;--ink:#1d2329;--soft:#5d6873;--grid:#e3e6e9;--front:#2463c2;--back:#c65a06;--good:#14794c;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--bg:#14171a;--card:#1c2024;--ink:#e6e9ec;--soft:#9aa5b0;--grid:#31373d;--front:#78aaf5;--back:#f2a35c;--good:#5ac794;--bad:#ff8a80}}
*{box-sizing:border-box}body{margin:0 auto;max-width:1560px;padding:24px;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
h1{font-size:22px;margin:0}h2{font-size:17px;margin:24px 0 10px}p{margin:4px 0;color:var(--soft)}
.plots{display:grid;gap:14px;grid-template-columns:repeat(auto-fit,minmax(min(100%,600px),1fr))}
figure,table{background:var(--card);border:1px solid var(--grid);border-radius:8px;padding:10px 14px;margin:0}
figcaption{font-weight:600}span{color:var(--soft);font-weight:400;font-size:13px;margin-left:8px}
span i{display:inline-block;width:12px;height:12px;border-radius:2px;vertical-align:-1px;margin-right:4px}
svg{width:100%;height:auto;display:block}text{fill:var(--ink);font-size:13px}.value{fill:var(--soft)}
.front{fill:var(--front)}.back{fill:var(--back)}i.front{background:var(--front)}i.back{background:var(--back)}.range{stroke:var(--ink);stroke-width:1.5;opacity:.55}
table{border-collapse:separate}td,th{padding:2px 18px 2px 0;text-align:right;font-variant-numeric:tabular-nums}td:first-child,th:first-child{text-align:left}
.yes{color:var(--good)}.no{color:var(--bad)}
"""
PLOTS = (
    ("message_us", "Processor time for a message", "us", True),
    ("login_us", "Processor time for a login", "us", True),
    ("client_bytes", "Memory of an idle client", "bytes", True),
    ("messages_per_second", "Messages a second", "", False),
    ("half_p99_us", "99th percentile of latency at half that rate", "us", False),
)
WIDTH, NAME, BAR, GAP, VALUE = 700, 170, 15, 9, 150


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def bar(side, value, y, scale):
    width, least, most = (NAME + value[key] * scale for key in ("median", "least", "most"))
    middle = y + BAR / 2
    return (
        f'<rect class="{side}" x="{NAME}" y="{y}" width="{max(width - NAME, 1):.1f}" height="{BAR}" rx="2"/>'
        f'<line class="range" x1="{least:.1f}" x2="{most:.1f}" y1="{middle}" y2="{middle}"/>'
        f'<text class="value" x="{most + 6:.1f}" y="{y + BAR - 3}">{number(value["median"])}</text>'
    )


def plot(key, title, unit, sided, figures):
    """A row for each peer; in it a bar for each side that it has."""
    rows = []
    for name, values in figures.items():
        sides = [side for side in ("front", "back") if f"{side}_{key}" in values and not ("alone" in values and side == "back")] if sided else ["front"]
        rows.append((name, [(side, values[f"{side}_{key}" if sided else key]) for side in sides]))
    most = max(value["most"] for _, bars in rows for _, value in bars) or 1
    scale, y, parts = (WIDTH - NAME - VALUE / 2) / most, 6, []
    for name, bars in rows:
        parts.append(f'<text x="{NAME - 8}" y="{y + len(bars) * BAR / 2 + 5}" text-anchor="end">{html.escape(name)}</text>')
        for side, value in bars:
            parts.append(bar(side, value, y, scale))
            y += BAR
        y += GAP
    keys = '<span><i class="front"></i>what clients meet first</span><span><i class="back"></i>what stands behind</span>' if sided else ""
    return f'<figure><figcaption>{title} <span>{unit}</span>{keys}</figcaption><svg viewBox="0 0 {WIDTH} {y}" role="img" aria-label="{title}">{"".join(parts)}</svg></figure>'


def ratio_rows(ratios):
    for one in ratios:
        verdict = "" if one["holds"] is None else f'<b class="{"yes" if one["holds"] else "no"}">{"holds" if one["holds"] else "does not hold"}</b>'
        wanted = "" if one["wanted"] is None else f'at most {one["wanted"]:.3g}'
        median, least, most = (f'{one[key]:,.{one["digits"]}f}' for key in ("median", "least", "most"))
        yield f'<tr><td>{html.escape(one["what"])}</td><td>{median}</td><td>{least} to {most}</td><td>{wanted}</td><td>{verdict}</td></tr>'


def of(result):
    import peers

    machine = result["machine"]
    head = f'{machine["cpu"]}, {machine["processors"]} processors, Linux {machine["kernel"]}, {machine["date"]}; {len(result["rounds"])} rounds, {result["clients"]} idle clients'
    parts = ["<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"]
    parts += [f"<meta name='color-scheme' content='light dark'><title>stanzagate compared</title><style>{STYLE}</style></head><body>"]
    parts += [f"<h1>stanzagate compared</h1><p>{html.escape(head)}. Bars are medians; lines reach from the least to the most.</p>"]
    for group, title in (("echo", "A message that comes back"), ("servers", "A message to another client")):
        figures = {name: values for name, values in result["peers"].items() if peers.PEERS[name][0] == group}
        if figures:
            parts += [f"<h2>{title}</h2><div class='plots'>", *(plot(*one, figures) for one in PLOTS), "</div>"]
    parts += ["<h2>Ratios and differences, each within a round</h2><table><tr><th></th><th>median</th><th>least to most</th><th>wanted</th><th></th></tr>"]
    parts += [*ratio_rows(result["ratios"]), "</table></body></html>\n"]
    return "\n".join(parts)
