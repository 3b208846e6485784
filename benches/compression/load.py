"""What servers are put under here: calls of `fanfare bench`, the same for all, that bring figures only if
every message arrived as it should.
"""

from measure import Failed, bench

# Readers, payload bytes, messages outstanding.
ROWS = [(1000, 1024, 1), (1000, 1024, 32), (1000, 16384, 1), (1000, 16384, 4)]
IDLE_CONNECTIONS = 10_000


def fanout(port, pid, row, deflate, duration="2s"):
    readers, size, window = row
    load = ["--readers", readers, "--size", size, "--window", window, "--content", "json", "--text"]
    return checked("fanout", port, pid, deflate, *load, "--duration", duration, "--warm-up", "300ms")


def idle(port, pid, deflate):
    return checked("idle", port, pid, deflate, "--connections", IDLE_CONNECTIONS, "--hold", "2s")


def checked(scenario, port, pid, deflate, *more):
    """Its report, if all went well."""
    words = [scenario, f"ws://127.0.0.1:{port}/ws", "--pid", pid, "--pid-tree", *more]
    report = bench([str(word) for word in words] + ["--deflate"] * deflate)
    if report["outcome"] != "complete" or not report["correct"]:
        faults = ", ".join(f"{count} {name}" for name, count in (report["faults"] or {}).items())
        raise Failed(f"{report['outcome'].replace('_', ' ')} {faults}".strip())
    return report
