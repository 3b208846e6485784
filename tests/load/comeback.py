"""19,000 readers that come back at once, each 200 messages of 200 bytes behind: how long they take, what it costs
the relay, and how long its turns are meanwhile."""

import json
import re
import socket
import time
import urllib.request

from swarm import Relay, Swarm, check, frame, frames, row, text, upgrade, wait_until

READERS = 19_000
MESSAGES = 200
MESSAGE_BYTES = 200
# What a turn may take, but for one in a hundred.
TURN_S_MAX = 0.005


class Comeback(Swarm):
    """Connections that stand, and ask for what they missed when they are told to."""

    OPENING_MAX = READERS

    def connect_all(self, count):
        for _ in range(count):
            member = self.connect("/ws/prices")
            member.buffer = b""
        wait_until(lambda: self.stand() >= count, "all connections stand")

    def stand(self):
        for descriptor, _ in self.epoll.poll(0, 4096):
            self.epoll.modify(descriptor, 0)
            self.standing = getattr(self, "standing", 0) + 1
        return getattr(self, "standing", 0)

    def ask(self, since):
        request = upgrade(f"/ws/prices?since={since}")
        for descriptor, member in list(self.members.items()):
            member.socket.send(request)
            self.epoll.modify(descriptor, 1)


def metrics(admin):
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics") as answer:
        return answer.read().decode()


def turns(page):
    """How many turns took no longer than each bound, in seconds."""
    found = re.findall(r'fanfare_turn_duration_seconds_bucket\{le="([^"]+)"\} (\d+)', page)
    return {float(bound): int(count) for bound, count in found}


def publisher(relay):
    """A connection that speaks fanfare.v1: its socket, and the id before its first message."""
    sock = socket.create_connection(("127.0.0.1", relay.port))
    request = upgrade("/ws/prices").replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Protocol: fanfare.v1\r\n\r\n")
    sock.sendall(request)
    buffer = b""
    while True:
        buffer += sock.recv(4096)
        head, _, rest = buffer.partition(b"\r\n\r\n")
        found, _ = frames(rest)
        if found:
            return sock, json.loads(found[0][1])["id"]


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def main():
    admin = free_port()
    flags = ("--retain", "10m", "--admin", f"127.0.0.1:{admin}", "--handshake-timeout", "60s")
    with Relay(*flags) as relay:
        row("what", "figure")
        row("---", "---")
        sock, since = publisher(relay)
        payload = b"x" * MESSAGE_BYTES
        for _ in range(MESSAGES):
            sock.sendall(text(payload))
        last = since.rsplit("-", 1)[0] + f"-{MESSAGES}"
        wait_until(lambda: f"fanfare_messages_published_total {MESSAGES}" in metrics(admin), "all were published")

        readers = Comeback(relay)
        readers.connect_all(READERS)
        standing_kib, cpu = relay.resident_kib(), relay.cpu_s()
        before = turns(metrics(admin))
        began = time.monotonic()
        readers.ask(since)
        expected = READERS * MESSAGES
        peak_kib = 0
        while readers.messages < expected:
            readers.run_until(lambda: readers.messages >= expected or time.monotonic() > began + 60, "all", 61)
            peak_kib = max(peak_kib, relay.resident_kib())
        seconds, cpu = time.monotonic() - began, relay.cpu_s() - cpu
        after = turns(metrics(admin))
        members = list(readers.members.values())
        check(all(member.messages == MESSAGES for member in members), "each has each message once")
        took = {bound: after[bound] - before.get(bound, 0) for bound in after}
        total = took[float("inf")]
        p99 = min(bound for bound, count in took.items() if count >= 0.99 * total)
        row("readers", f"{READERS:,}, each {MESSAGES} messages of {MESSAGE_BYTES} bytes behind")
        row("until all have them", f"{seconds:.1f} s, of which the relay computed {cpu:.2f} s")
        row("relay CPU", f"{cpu / READERS * 1e6:.1f} us a reader")
        row("turns", f"{total:,}, 99 % of them no longer than {p99 * 1000:g} ms")
        row("resident, before and after", f"{standing_kib:,} KiB, {relay.resident_kib():,} KiB")
        grown = (relay.resident_kib() - standing_kib) * 1024 / READERS
        row("grown by", f"{grown:.0f} bytes a reader")
        check(p99 <= TURN_S_MAX, f"99 % of turns take no longer than {TURN_S_MAX} s")

        # Those that have missed nothing get nothing, and then what all get.
        readers.leave()
        late = Swarm(relay)
        late.join(f"/ws/prices?since={last}" for _ in range(1000))
        sock.sendall(text(b"news"))
        late.run_until(lambda: late.messages >= 1000, "all get the news")
        check(all(member.messages == 1 for member in late.members.values()), "and nothing else")
        late.leave()
        sock.close()
        print(f"\n{relay.stop()}")


if __name__ == "__main__":
    main()
