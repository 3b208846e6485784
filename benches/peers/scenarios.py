"""What is measured: the calls of `fanfare bench`, and which of its figures count."""

import dataclasses

KIB = 1024

# What not all servers have: publishing by HTTP, and server-sent events.
POST, SSE = "post", "sse"
# Requests in flight on one connection, where it is more than one.
PIPELINED = 64


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One call of `fanfare bench`, and what is taken from its report."""

    name: str
    title: str
    bench: str
    arguments: tuple
    # Name to where it stands in the report, and by what it is divided.
    figures: dict
    # The path on the server, unless the server says otherwise.
    path: str = "/ws"
    # Whether `fanfare bench limit` can do the same.
    has_limit: bool = False
    # What the multiple of the limit should be at most.
    aim: float | None = None
    # At most so many rounds: it does not vary.
    rounds_max: int = 100
    # Servers that are not close do it once, since they take long.
    is_long: bool = False
    # Measured with the servers only that have it.
    needs: str | None = None
    # The title of a smoke run, whose load is another one.
    quick_title: str | None = None

    def titled(self, quick):
        return self.quick_title if quick and self.quick_title else self.title


COST = {"cost": ("server.cpu_ns_per_delivery", 1000)}


def fanout(readers, window, size, aim):
    load = ("--readers", str(readers), "--window", str(window), "--size", str(size))
    title = f"{size // KIB} KiB × {window}" if size >= KIB else f"{window} outstanding"
    if readers != 1000:
        title += f", {readers:,} readers"
    return Scenario(
        name=f"fanout-{readers}-{window}-{size}",
        title=title,
        quick_title=title.split(",")[0],
        bench="fanout",
        arguments=load,
        figures={**COST, "rate": ("messages.delivered_per_s", 1000)},
        has_limit=True,
        aim=aim,
    )


FANOUT = [
    fanout(1000, 1, 64, 1.08),
    fanout(1000, 8, 64, 1.10),
    fanout(1000, 32, 64, 1.25),
    fanout(1000, 64, 64, 1.25),
    fanout(1000, 256, 64, 1.15),
    fanout(1000, 32, KIB, 1.15),
    fanout(1000, 4, 16 * KIB, 1.15),
    fanout(10000, 8, 64, 1.15),
]

PACED = Scenario(
    name="paced",
    title="1,000 readers, 100 messages of 64 bytes a second",
    quick_title="50 readers, 100 messages of 64 bytes a second",
    bench="paced",
    arguments=("--readers", "1000", "--rate", "100", "--duration", "3s"),
    figures={
        "p50": ("messages.latency.p50_ns", 1e6),
        "p99": ("messages.latency.p99_ns", 1e6),
        "p99.9": ("messages.latency.p99_9_ns", 1e6),
    },
)

# As many sockets as in the rooms: what a system call takes depends on how many there are.
ECHO = Scenario(
    name="echo",
    title="2,000 connections, each gets only its own messages",
    quick_title="50 connections, each gets only its own messages",
    bench="echo",
    arguments=("--connections", "2000"),
    figures={**COST, "p50": ("messages.latency.p50_ns", 1e6)},
    path="{echo}",
)

ROOMS = Scenario(
    name="rooms",
    title="1,000 rooms of 2, one message outstanding in each, which both get",
    quick_title="20 rooms of 51, one message outstanding in each",
    bench="fanout",
    arguments=("--rooms", "1000", "--readers", "1", "--window", "1"),
    figures={**COST, "p50": ("messages.latency.p50_ns", 1e6)},
    path="/ws/{i}",
)

SLOW = Scenario(
    name="slow",
    title="4 of 200 readers stop reading, 24 MB are published",
    quick_title="4 of 50 readers stop reading, at most 0.8 MB are published",
    bench="slow",
    arguments=(
        *("--readers", "200", "--stalled", "4", "--window", "16", "--size", "4096"),
        *("--messages", "6000", "--duration", "8s", "--timeout", "4s"),
    ),
    figures={
        "others": ("stalled.rate_ratio", 1),
        "growth": ("stalled.resident_bytes_growth", 1e6),
        **COST,
    },
    is_long=True,
)

IDLE = Scenario(
    name="idle",
    title="15,000 idle connections",
    quick_title="50 idle connections",
    bench="idle",
    arguments=("--connections", "15000", "--hold", "100ms"),
    figures={"memory": ("server.resident_bytes_per_connection", 1)},
    rounds_max=2,
    is_long=True,
)



def publish(depth, readers):
    title = "one by one" if depth == 1 else f"{depth} in flight"
    audience = {0: "no readers", 1: "1 reader"}.get(readers, f"{readers} readers")
    return Scenario(
        name=f"publish-{depth}-{readers}",
        title=f"{title}, {audience}",
        quick_title=f"{title}, {'50' if readers else 'no'} readers",
        bench="publish",
        arguments=(
            *("--depth", str(depth), "--duration", "2s"),
            *(("--readers", str(readers)) if readers else ()),
            "--text",
        ),
        figures={
            "cost": ("server.cpu_ns_per_request", 1000),
            "rate": ("requests.succeeded_per_s", 1000),
        },
        needs=POST,
    )


PUBLISH = [publish(depth, readers) for depth in (1, PIPELINED) for readers in (0, 1, 100)]


def sse(twin):
    """The same fan-out to readers of server-sent events; the publisher stays a WebSocket."""
    return dataclasses.replace(
        twin,
        name=twin.name.replace("fanout", "sse"),
        arguments=(*twin.arguments, "--sse"),
        has_limit=False,
        aim=None,
        needs=SSE,
    )


# Beside each stands the fan-out to WebSockets that it is compared with.
STREAMS = [(sse(twin), twin) for twin in (FANOUT[0], FANOUT[2], FANOUT[4])]

SCENARIOS = [*FANOUT, *(scenario for scenario, _ in STREAMS), *PUBLISH, PACED, ECHO, ROOMS, SLOW, IDLE]

# Those of a smoke run: the same code, next to no load.
QUICK = {
    "--readers": "50",
    "--connections": "50",
    "--rooms": "20",
    "--messages": "200",
    "--duration": "200ms",
}


def arguments(scenario, quick):
    """Of the call, without URL and process. Options without a value stand last."""
    given = list(scenario.arguments)
    if quick:
        given = [QUICK.get(given[i - 1], word) if i % 2 else word for i, word in enumerate(given)]
    defaults = []
    if scenario.bench != "idle":
        defaults += ["--warm-up", "50ms" if quick else "300ms"]
        if "--duration" not in given:
            defaults += ["--duration", "200ms" if quick else "1s"]
    return [*given, *defaults]
