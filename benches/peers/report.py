"""RESULTS.md: tables of what was measured, ours and theirs alike."""

import statistics

from figures import Results, by_round, number, spread
from measure import LIMIT
from probe import checks
from scenarios import ECHO, FANOUT, IDLE, PACED, PIPELINED, PUBLISH, ROOMS, SLOW, STREAMS

UNFAIR = """\
## What is unfair about this

- **We wrote all of it:** the client, our server and all others. Each peer's
  [server](servers) is short and written to be fast, with the library's own broadcast where it has
  one, but its authors might know better. Corrections are welcome.
- **fanfare does one thing.** The others are libraries, and what is measured is the smallest server
  that one can write with them; they leave room for an application, in languages that people like to
  write. A server that does something with each message will not care about a microsecond.
- **Client and server share the machine,** over loopback: there is no network card, no loss, no delay,
  and little memory traffic but theirs. CPU per delivery is the figure to look at; rates are bounded
  by the client's core as soon as a server takes less than it, and servers with two threads have to
  take the second core from the client. The kernel handles acknowledgements where it gets them: every
  second one of the client's is the sender's cost, *limit*'s too.
- **`limit` is no server,** and not quite a bound: it sends whole rounds to sockets in a fixed order
  and reads nothing. Figures below 1.0 of it are within the noise, or come from a client that read
  in larger pieces.
- **The closed loop suits servers that batch.** With many messages outstanding they come in one read, and
  a server that writes once per turn sends them in one call; fanfare and uWebSockets are built for
  that. With one outstanding, all have to make one call for each delivery.
- **Slow readers are treated alike as far as possible:** a reader that lags by 8 MiB is disconnected (1,024
  or 256 messages where a library counts those). The hub of gorilla's that waits does what its name says.
- **One instance, one port, one thread each,** except where it says otherwise. uWebSockets, Bun and
  Node scale by further processes or threads that don't share topics by themselves; that is not
  measured here. No TLS, and no compression, which has a
  [record of its own](../../docs/record/2026-11-22-compression.md).
- **A server does more or less with a POST.** nchan keeps the last 4,096 messages, since without that its readers
  miss some, and answers with how many it keeps; fanfare, uWebSockets, Bun and `ws` answer with how many readers
  there are, and keep none. uWebSockets, Bun and Node leave to the application what fanfare and nchan look at: origins,
  limits, UTF-8, and what to say of it all.
- **Centrifugo, Mercure and ntfy are missing:** none of these servers is in Debian 12, on crates.io, PyPI or npm, which
  have only clients by these names. With them, publishing by HTTP and server-sent events would be at home.
- **Garbage collectors** run when they please, and a second is not long: their memory per connection
  depends on when it was looked at.
"""


def markdown(results):
    found = Results(results)
    parts = [
        heading(found),
        aims(found),
        fanout(found),
        streams(found),
        publishing(found),
        latency(found),
        small(found),
        slow(found),
        idle(found),
        UNFAIR,
        servers(found),
    ]
    return "\n".join(part for part in parts if part)


def heading(found):
    about, machine = found.about, found.about["machine"]
    loads = [one["other_load"] for one in found.samples if one.get("other_load") is not None]
    other = statistics.median(loads) if loads else 0
    lines = [
        "# fanfare and other WebSocket servers\n",
        f"{about['date']}, {machine['cores']} × {machine['cpu']}, {machine['memory_gib']} GiB, Linux "
        f"{machine['kernel']}. Written by `{about['command']}`.\n",
        "Medians, with the lowest and the highest value in parentheses, of runs on fresh processes that took",
        "turns. Ratios are of runs of the same round. Load of other programs meanwhile, median:",
        f"{other:.0f} % of a core.\n",
    ]
    if about["quick"]:
        lines.append("**A smoke run with next to no load: nothing can be concluded from these figures.**\n")
    elif other > 5:
        lines.append("**Provisional: the machine had other things to do.**\n")
    lines.append("![CPU time per delivery, and memory per connection](chart.svg)\n")
    return "\n".join(lines)


def table(columns, rows):
    lines = ["| " + " | ".join(columns) + " |", "|---|" + "--:|" * (len(columns) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def marked(found, scenarios, server):
    """A server's title, with what went wrong beside it: no figure stands without that."""
    troubles = {trouble for scenario in scenarios for trouble in found.troubles(scenario, server.name)}
    title = f"**{server.title}**" if server.name == "fanfare" else server.title
    if found.about["probe"].get(server.name):
        troubles.add("fails the probe")
    return f"{title} ({', '.join(sorted(troubles))})" if troubles else title


def rows(found, scenarios, cells, is_shown=lambda server: True):
    """A row for each server that has anything to show."""
    shown = [(marked(found, scenarios, server), cells(server)) for server in found.servers if is_shown(server)]
    return [[title, *values] for title, values in shown if any(value != "–" for value in values)]


def fanout(found):
    present = [scenario for scenario in FANOUT if found.has(scenario)]
    if not present:
        return ""
    titles = [scenario.titled(found.is_quick) for scenario in present]
    readers = "50 readers" if found.is_quick else "1,000 readers (or as it says)"

    def costs(name):
        return [spread(found.of(scenario, name, "cost").values()) for scenario in present]

    def over(other):
        def cells(server):
            return [spread(found.ratios(scenario, server.name, other, "cost"), "{:.2f}".format) for scenario in present]

        return cells

    def rates(server):
        return [spread(found.of(scenario, server.name, "rate").values()) for scenario in present]

    limit = [["*limit*: send() alone", *costs(LIMIT)]] if found.has_limit else []
    others = rows(found, present, over("fanfare"), lambda server: server.name != "fanfare")
    return "\n".join(
        [
            "## Fan-out\n",
            f"One publisher, {readers}, messages of 64 bytes (or as it says); so many are",
            "outstanding, and one is done when every reader has it. µs of the server's CPU time per delivery:\n",
            table(["", *titles], limit + rows(found, present, lambda server: costs(server.name))),
            "The same as a multiple of *limit*, which sends the same bytes with no server at all:\n",
            table(["", *titles], rows(found, present, over(LIMIT))),
            "And as a multiple of fanfare's. Below 1 they are cheaper than we are:\n" if others else "",
            table(["", *titles], others) if others else "",
            "Thousands of deliveries a second, with the client on the other core:\n",
            table(["", *titles], rows(found, present, rates)),
        ]
    )


def streams(found):
    present = [(sse, twin) for sse, twin in STREAMS if found.has(sse)]
    if not present:
        return ""
    scenarios = [sse for sse, _ in present]
    readers = "50 readers" if found.is_quick else "1,000 readers"

    def costs(server):
        return [spread(found.of(sse, server.name, "cost").values()) for sse in scenarios]

    def over_its_own(server):
        pairs = [(found.of(sse, server.name, "cost"), found.of(twin, server.name, "cost")) for sse, twin in present]
        return [spread(by_round(*pair), "{:.2f}".format) for pair in pairs]

    titles = [sse.titled(found.is_quick) for sse in scenarios]
    columns = ["", *(f"{title}, µs" for title in titles), *(f"{title}, over a WebSocket's" for title in titles)]
    return "\n".join(
        [
            "## Server-sent events\n",
            f"The same, to {readers} of server-sent events; the publisher is a WebSocket still. µs of the server's CPU",
            "time per delivery, and over that of the same server's delivery to WebSockets:\n",
            table(columns, rows(found, scenarios, lambda server: costs(server) + over_its_own(server))),
        ]
    )


def publishing(found):
    present = [scenario for scenario in PUBLISH if found.has(scenario)]
    if not present:
        return ""
    titles = [scenario.titled(found.is_quick) for scenario in present]

    def figures(name):
        return lambda server: [spread(found.of(scenario, server.name, name).values()) for scenario in present]

    def over_ours(server):
        return [spread(found.ratios(scenario, server.name, "fanfare", "cost"), "{:.2f}".format) for scenario in present]

    others = rows(found, present, over_ours, lambda server: server.name != "fanfare")
    return "\n".join(
        [
            "## Publishing by HTTP\n",
            "Each message of 64 bytes is the body of a POST, on one connection that is kept: one by one, or",
            f"{PIPELINED} of them in flight. The next one follows when one is answered and each reader, a WebSocket,",
            "has its message. µs of the server's CPU time per request, with its deliveries:\n",
            table(["", *titles], rows(found, present, figures("cost"))),
            "As a multiple of fanfare's. Below 1 they are cheaper than we are:\n" if others else "",
            table(["", *titles], others) if others else "",
            "Thousands of requests a second, with the client on the other core:\n",
            table(["", *titles], rows(found, present, figures("rate"))),
        ]
    )


def latency(found):
    if not found.has(PACED):
        return ""
    names = list(PACED.figures)

    def cells(server):
        times = [spread(found.of(PACED, server.name, name).values()) for name in names]
        ratios = [spread(found.ratios(PACED, server.name, "fanfare", name), "{:.2f}".format) for name in names]
        return times + ([""] * len(names) if server.name == "fanfare" else ratios)

    columns = ["", *(f"{name}, ms" for name in names), *(f"{name} over ours" for name in names)]
    return "\n".join(
        [
            "## Latency\n",
            f"{PACED.titled(found.is_quick)}, whatever the server does: from when",
            "a message was due until a reader had it.\n",
            table(columns, rows(found, [PACED], cells)),
        ]
    )


def small(found):
    if not (found.has(ECHO) or found.has(ROOMS)):
        return ""

    def cells(server):
        echo = found.of(ECHO, server.name, "cost").values()
        rooms = found.of(ROOMS, server.name, "cost").values()
        return [
            spread(echo),
            spread(found.of(ECHO, server.name, "p50").values()),
            spread([found.room * cost for cost in rooms]),
            spread(rooms),
            spread(found.of(ROOMS, server.name, "p50").values()),
        ]

    columns = ["", "echo, µs", "p50, ms", "room: µs a message", "µs a delivery", "p50, ms"]
    return "\n".join(
        [
            "## Small rooms\n",
            f"Echo: {ECHO.titled(found.is_quick)}, one message outstanding on each; with uWebSockets its",
            f"own `ws->send()`, without topics. Rooms: {ROOMS.titled(found.is_quick)}.",
            "CPU time of the server:\n",
            table(columns, rows(found, [ECHO, ROOMS], cells)),
        ]
    )


def slow(found):
    if not found.has(SLOW):
        return ""

    def cells(server):
        endings = {}
        for one in found.samples:
            if (one["scenario"], one["server"]) == (SLOW.name, server.name):
                endings.update(one.get("endings", {}))
        return [
            spread(found.of(SLOW, server.name, "others").values(), "{:.2f}".format),
            spread(found.of(SLOW, server.name, "growth").values()),
            spread(found.of(SLOW, server.name, "cost").values()),
            ", ".join(sorted(endings)) or "–",
        ]

    columns = ["", "others' rate, of that before", "memory grows by, MB", "µs a delivery", "the stalled, when they read on"]
    return "\n".join(
        [
            "## Slow readers\n",
            f"{SLOW.titled(found.is_quick)} meanwhile, in messages of 4 KiB, 16",
            "outstanding (or less, if it took longer than 8 s). That is more than a socket's buffers take, so the",
            "server has to keep it, or to part with the reader.\n",
            table(columns, rows(found, [SLOW], cells)),
        ]
    )


def idle(found):
    if not found.has(IDLE):
        return ""
    connections = "15 to 50" if found.is_quick else "5,000 to 15,000"
    return "\n".join(
        [
            "## Memory\n",
            f"Resident bytes of the server per idle connection: the slope from {connections} connections of",
            "one topic. The kernel's own, some kilobytes for each, are the same for all.\n",
            table(
                ["", "bytes"],
                rows(found, [IDLE], lambda server: [spread(found.of(IDLE, server.name, "memory").values())]),
            ),
        ]
    )


def aims(found):
    """What we set out for, and whether it was reached in this run; a smoke run can't say."""
    if found.is_quick:
        return ""
    wanted = []

    def add(what, values, aim, at_most=True, show="{:.2f}".format):
        if values:
            value = statistics.median(values)
            is_met = value <= aim if at_most else value >= aim
            bound = ("at most " if at_most else "at least ") + show(aim)
            wanted.append([what, spread(values, show), bound, "yes" if is_met else "**no**"])

    for scenario in FANOUT:
        values = found.ratios(scenario, "fanfare", LIMIT, "cost")
        add(f"CPU per delivery over *limit*: {scenario.title}", values, scenario.aim)
    for name in PACED.figures:
        add(f"paced latency over uWebSockets': {name}", found.ratios(PACED, "fanfare", "uwebsockets", name), 1.05)
    for scenario in PUBLISH[3:]:
        if scenario is PUBLISH[3]:
            add(f"a POST, {scenario.title}: µs of CPU", list(found.of(scenario, "fanfare", "cost").values()), 3)
        ratios = found.ratios(scenario, "fanfare", "nchan", "cost")
        add(f"a POST, {scenario.title}: CPU over nchan's", ratios, 1 / 3)
    ratios = by_round(found.of(ROOMS, "fanfare", "cost"), found.of(ECHO, "uwebsockets", "cost"))
    what = "1,000 rooms of 2: CPU per {} over an echo of uWebSockets"
    add(what.format("delivered message"), ratios, 1)
    add(what.format("message, which is two deliveries,"), [2 * ratio for ratio in ratios], 1)
    add("4 of 200 stalled: the others' rate", list(found.of(SLOW, "fanfare", "others").values()), 0.95, at_most=False)
    # The log's bound of 8 MiB.
    add("4 of 200 stalled: memory grows by, MB", list(found.of(SLOW, "fanfare", "growth").values()), 8.4, show=number)
    add("resident bytes per idle connection", list(found.of(IDLE, "fanfare", "memory").values()), 100, show=number)
    if not wanted:
        return ""
    return "## What we aim at\n\n" + table(["", "median", "aim", "met"], wanted)


def servers(found):
    about = found.about
    lines = ["## The servers\n"]
    by_name = {server.name: server for server in found.servers}
    for name, version in about["versions"].items():
        if name in by_name:
            failures = about["probe"].get(name, {})
            verdict = f"passes all {len(checks(by_name[name].has))} checks of the [probe](probe.py)"
            if failures:
                verdict = "**fails** the [probe](probe.py): " + "; ".join(failures)
            lines.append(f"- {by_name[name].title}: {version}; {verdict}.")
    lines += [f"- Skipped: {name}: {why}." for name, why in about["skipped"].items()]
    return "\n".join(lines) + "\n"
