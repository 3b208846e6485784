"""200 clients send as fast as they can, and read as fast as they can; one exchanges messages with itself
in a topic of its own. How long does that one wait?"""

import multiprocessing
import select
import socket
import time

from swarm import Relay, check, frame, row, text, upgrade

FLOODERS = 200
SECONDS = 5

FLOODS = [
    ("empty messages, a topic each", text(b"") * 40_000, "/ws/{}"),
    ("messages of 1,000 bytes, a topic each", text(b"x" * 1000) * 250, "/ws/{}"),
    ("messages of 100 bytes, all in one topic", text(b"x" * 100) * 2500, "/ws/flood"),
    ("empty pings", frame(0x89) * 40_000, "/ws/{}"),
]


def join(port, path):
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(upgrade(path))
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += sock.recv(1)
    return sock


def bystander(port, stop, result):
    sock = join(port, "/ws/bystander")
    waits = []
    while not stop.wait(0.002):
        began = time.monotonic()
        sock.sendall(text(b"!"))
        sock.recv(64)
        waits.append(time.monotonic() - began)
    result.put(sorted(waits))


def flood(relay, unit, path):
    """Bytes sent, and bytes read."""
    poll = select.epoll()
    progress = {}
    for n in range(FLOODERS):
        sock = join(relay.port, path.format(n))
        sock.setblocking(False)
        progress[sock.fileno()] = [sock, 0]
        poll.register(sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
    unit, buffer = memoryview(unit), bytearray(1 << 20)
    sent = read = 0
    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends:
        for descriptor, events in poll.poll(0.1):
            sock, at = progress[descriptor]
            try:
                if events & select.EPOLLIN:
                    read += sock.recv_into(buffer)
                if events & select.EPOLLOUT:
                    taken = sock.send(unit[at:])
                    sent += taken
                    progress[descriptor][1] = (at + taken) % len(unit)
            except BlockingIOError:
                pass
            except OSError:
                # A reader that is too slow for this flood is closed, as the policy says.
                poll.unregister(descriptor)
    for sock, _ in progress.values():
        sock.close()
    return sent, read


def main():
    row("200 clients flood", "MiB in", "MiB out", "relay CPU", "exchanges", "median", "p99", "longest")
    row("---", "--:", "--:", "--:", "--:", "--:", "--:", "--:")
    for what, unit, path in FLOODS:
        with Relay("--slow-policy", "skip") as relay:
            stop, result = multiprocessing.Event(), multiprocessing.Queue()
            other = multiprocessing.Process(target=bystander, args=(relay.port, stop, result))
            other.start()
            cpu = relay.cpu_s()
            sent, read = flood(relay, unit, path)
            cpu = relay.cpu_s() - cpu
            stop.set()
            waits = result.get(timeout=60)
            other.join()
        median, p99, longest = (waits[int(share * (len(waits) - 1))] * 1e3 for share in (0.5, 0.99, 1))
        row(what, sent >> 20, read >> 20, f"{cpu:.1f} s", len(waits), *(f"{wait:.1f} ms" for wait in (median, p99, longest)))
        check(longest < 2000, "no connection waits long")


main()
