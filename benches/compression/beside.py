"""Beside other servers that compress: the same load on each, and what comes of it counted alike."""

import contextlib
import statistics
import sys
import time

import cache
import load
import wire
from figures import number, spread
from measure import Failed, running
from peers import COMPRESSING
from probe import probe

# How often a message is compressed (the CPU time per delivery of 10 readers and of 1,000 tells), and with
# what (the sizes are those of zlib with these settings, where it is zlib).
HOW = {
    "fanfare": ("once", "zlib-rs, level 2"),
    "uwebsockets": ("for each reader", "zlib, level 6; there is no setting"),
    "bun": ("for each reader", "its own choice; there is no setting"),
    "gorilla": ("once", "Go's own, level 1, its default"),
    "nchan": ("once", "zlib, level 6, window of 1 KiB, its defaults"),
    "ws": ("for each reader", "zlib, level 3, as its README proposes"),
    "websockets": ("for each reader", "zlib, level 6, window of 4 KiB, its defaults"),
}

ABOUT = """\
Servers that agree on permessage-deflate without context takeover on either side, so that each message is
compressed on its own, as here. Each is told to compress as an experienced user of it would
([the servers](../../benches/peers/servers)), passes the same probe, and every message of every run is
inflated and compared. *On the wire* is the frame of one message, counted by one more reader on a plain
socket, which also checks that it comes compressed. 1,000 readers, one publisher, which compresses what it sends.
"""

UNFAIR = """\
What is unfair:

- Levels differ, and with them bytes and time: each has its default, or what its documentation proposes. This
  relay's is 2; with 6, which it would pay for once a message, it sends as little as most of them.
- Here no server keeps a context. This relay never does, and the load generator asks for that; but for clients that
  compress for each reader, contexts are what they may get in return: fewer bytes, for more memory. uWebSockets'
  dedicated compressors keep theirs whatever a client asks for, so that they can't be measured, and its
  shared one is.
- gorilla and nchan compress once, too: prepared messages, and `nchan_deflate_message_for_websocket`. What sets
  them apart from this relay is not compression but what a delivery costs them anyway, as in
  [RESULTS.md](../../benches/peers/RESULTS.md).
- `ws` compresses on the four threads of Node's pool, beside its own: it may use more than one core, and the
  CPU time counts them all. Everybody else compresses on the one thread that sends.
- nchan keeps messages for a minute, for clients that come later; the others keep none.
- The client inflates what it has not seen, and compares the rest. Where it takes about as much of a core
  as it can get, latencies are its own rather than the server's, and the fastest servers look alike.
"""


def report(args):
    print("## Beside peers that compress\n")
    print(ABOUT)
    commands, on_the_wire = prepare(args.peers)
    servers = [server for server in COMPRESSING if server.name in commands]
    samples = rounds(args.rounds, servers, commands)
    for row in load.ROWS:
        fan_out(row, servers, samples, on_the_wire)
    memory(servers, commands, samples)
    print(UNFAIR)


def prepare(chosen):
    """Installs and checks; returns the servers' commands, and the bytes of a message of each size. What
    is to be known of each server goes into a table."""
    commands, on_the_wire, notes = {}, {}, []
    print("| | a message is compressed | with | version |")
    print("|---|---|---|---|")
    for server in COMPRESSING:
        if server.name not in chosen:
            continue
        try:
            # Installations say what they do.
            with contextlib.redirect_stdout(sys.stderr):
                version, command = server.prepare()
            with running(command) as (port, pid):
                failures = probe(port)
                for size in sorted({size for _, size, _ in load.ROWS}):
                    on_the_wire[server.name, size] = wire.bytes_per_message(port, pid, size)
        except (cache.Unavailable, Failed, AssertionError, OSError) as error:
            notes.append(f"{server.title} was skipped: {error}")
            continue
        commands[server.name] = command
        notes += [f"{server.title} fails the probe: {check}: {how}" for check, how in failures.items()]
        print(f"| {server.title} | {' | '.join(HOW[server.name])} | {version} |", flush=True)
    print()
    if notes:
        print("".join(f"- {note}\n" for note in notes))
    return commands, on_the_wire


def rounds(count, servers, commands):
    """All servers take turns at each load, so that what slows the machine down does so for all: reports, or
    why there is none, by server and load."""
    samples = {(server.name, row): [] for server in servers for row in load.ROWS}
    for number in range(count):
        for row in load.ROWS:
            # The other way round each second time: no server always comes after the same one.
            for server in servers[:: -1 if number % 2 else 1]:
                one = attempt(f"round {number + 1}, {named(row)}", server, commands, load.fanout, row, True)
                samples[server.name, row].append(one)
    return samples


def attempt(what, server, commands, call, *arguments):
    """A report, or why there is none."""
    began = time.monotonic()
    try:
        with running(commands[server.name]) as (port, pid):
            one, said = call(port, pid, *arguments), "done"
    except Failed as error:
        one = said = str(error)
    print(f"{time.monotonic() - began:5.1f} s  {what}: {server.title}: {said}", file=sys.stderr, flush=True)
    return one


def fan_out(row, servers, samples, on_the_wire):
    _, size, _ = row
    print(f"### {named(row)}\n")
    print("| | CPU per delivery, µs | of fanfare's | on the wire | p50, ms | p99, ms | client, % of a core |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for server in servers:
        reports = [one for one in samples[server.name, row] if isinstance(one, dict)]
        failures = {one for one in samples[server.name, row] if isinstance(one, str)}
        if failures:
            print(f"| {server.title} | {'; '.join(sorted(failures))} |  |  |  |  |  |")
        if not reports:
            continue
        cells = [
            spread(cpu(one) for one in reports),
            ratio(samples[server.name, row], samples.get(("fanfare", row), [])),
            f"{on_the_wire[server.name, size]:,.0f}",
            number(median(one["messages"]["latency"]["p50_ns"] / 1e6 for one in reports)),
            number(median(one["messages"]["latency"]["p99_ns"] / 1e6 for one in reports)),
            f"{median(one['client']['cpu_percent'] for one in reports):.0f}",
        ]
        print(f"| {server.title} | {' | '.join(cells)} |")
    print(flush=True)


def memory(servers, commands, samples):
    print(f"### Memory of {load.IDLE_CONNECTIONS:,} idle connections\n")
    print("Resident bytes per connection that has had no message yet: of clients that don't offer compression, and")
    print("of those that do, one run each; and of the whole process when 1,000 readers have had messages of 1 KiB")
    print("(`ws` keeps a compressor for each connection, once it was used).\n")
    print("| | plain, bytes | compressed, bytes | process with 1,000 readers, MB |")
    print("|---|--:|--:|--:|")
    for server in servers:
        cells = []
        for name, deflate in (("plain", False), ("compressed", True)):
            one = attempt(f"idle, {name}", server, commands, load.idle, deflate)
            cells.append(one if isinstance(one, str) else f"{one['server']['resident_bytes_per_connection']:,.0f}")
        reports = [one for one in samples[server.name, load.ROWS[0]] if isinstance(one, dict)]
        cells.append(number(median(one["server"]["after"]["resident_bytes"] / 1e6 for one in reports)))
        print(f"| {server.title} | {' | '.join(cells)} |", flush=True)
    print()


def named(row):
    _, size, window = row
    return f"{size // 1024} KiB × {window}"


def cpu(one):
    return one["server"]["cpu_ns_per_delivery"] / 1000


def ratio(mine, others):
    """Of the same rounds: what slowed both falls out."""
    pairs = [(one, other) for one, other in zip(mine, others) if isinstance(one, dict) and isinstance(other, dict)]
    return number(median(cpu(one) / cpu(other) for one, other in pairs))


def median(values):
    values = list(values)
    return statistics.median(values) if values else None
