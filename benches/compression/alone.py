"""The relay alone: compressed against plain, every level and several sizes, for the choice of the
defaults. Bytes on the wire and time spent are the relay's own counters.
"""

import contextlib
import socket
import statistics
import urllib.request

import load
from measure import running
from peers import FANFARE

LEVELS = [1, 2, 3, 4, 5, 6]
SMALL_SIZES = [128, 256, 512, 1024, 4096, 16384]


def report(args):
    fan_outs(args.rounds)
    levels()
    sizes()
    idle()
    print()


@contextlib.contextmanager
def relay(*flags):
    """A relay that was started for this: its port, process and admin port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        admin = free.getsockname()[1]

    def command(port, _):
        addresses = ["--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}"]
        return [FANFARE, *addresses, "--log-level", "error", *flags], {}

    with running(command) as (port, pid):
        yield port, pid, admin


def metrics(admin):
    page = urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=10).read().decode()
    lines = (line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines}


def measured(readers, size, window, deflate, *flags, duration="2s"):
    """CPU in µs and wire bytes per delivery, latency in ms, and what compression did."""
    with relay(*flags) as (port, pid, admin):
        report = load.fanout(port, pid, (readers, size, window), deflate, duration)
        after = metrics(admin)
    compressed = after['fanfare_compression_messages_total{outcome="compressed"}']
    tried = compressed + after['fanfare_compression_messages_total{outcome="in_vain"}']
    before = after['fanfare_compression_bytes_total{size="before"}']
    return {
        "cpu": report["server"]["cpu_ns_per_delivery"] / 1000,
        "wire": after["fanfare_sent_bytes_total"] / after["fanfare_deliveries_total"],
        "p50": report["messages"]["latency"]["p50_ns"] / 1e6,
        "p99": report["messages"]["latency"]["p99_ns"] / 1e6,
        "shrunk": after['fanfare_compression_bytes_total{size="after"}'] / before if before else 1,
        "spent": after["fanfare_compression_seconds_total"] / tried * 1e6 if tried else 0,
    }


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def fan_outs(rounds):
    print("## Fan-out\n")
    print("CPU of the relay and bytes on the wire per delivery, and latency of a window; of the")
    print("compressed runs, also what compressing one message took, once for all readers.\n")
    print("| readers | bytes | outstanding | | CPU, µs | on the wire | p50, ms | p99, ms | a message, µs |")
    print("|--:|--:|--:|---|--:|--:|--:|--:|--:|")
    for readers, size, window in load.ROWS:
        both = [[measured(readers, size, window, deflate) for deflate in (False, True)] for _ in range(rounds)]
        for name, runs in zip(("plain", "compressed"), zip(*both)):
            print(
                f"| {readers:,} | {size:,} | {window} | {name} | {median(runs, 'cpu'):.2f} "
                f"| {median(runs, 'wire'):,.0f} | {median(runs, 'p50'):.1f} | {median(runs, 'p99'):.1f} "
                f"| {median(runs, 'spent'):.0f} |",
                flush=True,
            )


def levels():
    print("\n## Levels\n")
    print("One reader; size after compression, and time for one message.\n")
    print("| level | 1 KiB, size | µs | 16 KiB, size | µs |")
    print("|--:|--:|--:|--:|--:|")
    for level in LEVELS:
        small, large = [
            measured(1, size, 8, True, "--compression-level", str(level), duration="1s")
            for size in (1024, 16384)
        ]
        print(
            f"| {level} | {small['shrunk']:.0%} | {small['spent']:.0f} "
            f"| {large['shrunk']:.0%} | {large['spent']:.0f} |",
            flush=True,
        )


def sizes():
    print("\n## Sizes\n")
    print("One reader, no threshold: what messages of one record and more shrink to, and the time.\n")
    print("| bytes | size after | bytes saved | µs |")
    print("|--:|--:|--:|--:|")
    for size in SMALL_SIZES:
        run = measured(1, size, 8, True, "--compression-bytes-min", "1", duration="1s")
        saved = size * (1 - run["shrunk"])
        print(f"| {size:,} | {run['shrunk']:.0%} | {saved:,.0f} | {run['spent']:.1f} |", flush=True)


def idle():
    print(f"\n## Memory of {load.IDLE_CONNECTIONS:,} idle connections\n")
    print("| | resident bytes per connection |")
    print("|---|--:|")
    for name, deflate in (("plain", False), ("compressed", True)):
        with relay() as (port, pid, _):
            report = load.idle(port, pid, deflate)
        print(f"| {name} | {report['server']['resident_bytes_per_connection']:.0f} |", flush=True)
