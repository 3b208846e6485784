"""Strangers who name topics that nobody else reads: they join one, publish into it, and leave, again and again. What
is retained for them keeps within its bound, the oldest such topics go first, and an honest topic notices nothing."""

import re
import sys
import time
import urllib.request

from comeback import free_port, turns
from swarm import Relay, Swarm, check, row, text

TOPICS = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
AT_A_TIME = 200
LOG_BYTES_MAX = 16 << 20
# What a turn may bring beyond the bound: what it reads, and a topic for each of its joins.
SLACK_BYTES = 2 << 20
# The longest that a name may be.
NAME_BYTES = 128


def metrics(admin):
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics") as answer:
        page = answer.read().decode()
    return page, lambda name: int(float(re.search(rf"^{name} (\S+)$", page, re.MULTILINE).group(1)))


def main():
    admin = free_port()
    flags = ("--retain", "1h", "--log-bytes-max", f"{LOG_BYTES_MAX}", "--topic-log-bytes-max", "4MiB")
    flags += ("--admin", f"127.0.0.1:{admin}", "--heartbeat-interval", "off")
    with Relay(*flags) as relay:
        row("what", "figure")
        row("---", "---")
        honest = Swarm(relay)
        publisher, *readers = honest.join("/ws/honest" for _ in range(11))
        before, _ = metrics(admin)
        strangers = Swarm(relay)
        said, log_bytes, topics, resident_kib = 0, 0, 0, 0
        began, cpu = time.monotonic(), relay.cpu_s()
        for start in range(0, TOPICS, AT_A_TIME):
            names = (f"{n:0{NAME_BYTES}}" for n in range(start, min(start + AT_A_TIME, TOPICS)))
            members = strangers.join(f"/ws/{name}" for name in names)
            for member in members:
                strangers.send(member, text(b"x" * 100))
            strangers.run_until(lambda: all(member.messages == 1 for member in members), "each gets its own message")
            strangers.leave()
            honest.send(publisher, text(b"honest"))
            said += 1
            honest.turn(0)
            if start // AT_A_TIME % 20 == 0:
                page, figure = metrics(admin)
                log_bytes, topics = max(log_bytes, figure("fanfare_log_bytes")), max(topics, figure("fanfare_topics"))
                resident_kib = max(resident_kib, relay.resident_kib())
        seconds, cpu = time.monotonic() - began, relay.cpu_s() - cpu
        honest.run_until(lambda: all(member.messages == said for member in readers), "the honest get everything")
        after, figure = metrics(admin)
        was, now = turns(before), turns(after)
        took = {bound: now[bound] - was.get(bound, 0) for bound in now}
        p99 = min(bound for bound, count in took.items() if count >= 0.99 * took[float("inf")])
        row("topics of strangers", f"{TOPICS:,}, with names of {NAME_BYTES} bytes, in {seconds:.0f} s")
        row("relay CPU", f"{cpu / TOPICS * 1e6:.1f} us a topic: its connection, join, message and end")
        row("at most", f"{topics:,} topics, {log_bytes:,} bytes of {LOG_BYTES_MAX:,}, {resident_kib:,} KiB resident")
        row("turns", f"99 % no longer than {p99 * 1000:g} ms")
        row("honest readers", f"{len(readers)} got {said} messages each")
        check(log_bytes <= LOG_BYTES_MAX + SLACK_BYTES, "what is retained keeps within its bound")
        check(figure("fanfare_lapped_total") + figure("fanfare_skips_total") == 0, "no reader is lapped")
        # The newest are there, the oldest are not: a reader is sent what its topic retains.
        late = Swarm(relay)
        newest, oldest = late.join(f"/ws/{n:0{NAME_BYTES}}?since=all" for n in (TOPICS - 1, 0))
        late.run_until(lambda: newest.messages == 1, "the newest topic has its message")
        late.run_for(0.2)
        check(oldest.messages == 0, "the oldest topic is gone")
        late.leave()
        honest.leave()
        print(f"\n{relay.stop()}")


main()
