"""What an attacker's bytes cost: relay CPU and memory for each kind of attack, and how long others
wait meanwhile. Loopback only, and each attack is bounded in bytes or connections."""

import multiprocessing
import socket
import struct
import sys
import threading
import time

from swarm import Relay, Swarm, frame, row, text, upgrade, wait_until

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def connect(relay, small=False):
    sock = socket.socket()
    if small:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.settimeout(30)
    sock.connect(("127.0.0.1", relay.port))
    return sock


def join(relay, path="/ws/attack", small=False):
    sock = connect(relay, small)
    sock.sendall(upgrade(path))
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += sock.recv(1)
    return sock


def drain(sock):
    """Reads and forgets whatever comes, in a thread of its own."""

    def read():
        buffer = bytearray(1 << 20)
        try:
            while sock.recv_into(buffer):
                pass
        except OSError:
            pass

    threading.Thread(target=read, daemon=True).start()


def pour(sock, blob, total):
    sent = 0
    try:
        while sent < total:
            sock.sendall(blob)
            sent += len(blob)
    except OSError:
        pass
    return sent


def flood(unit, total, reads, path="/ws/attack"):
    """One WebSocket sends the same over and over."""

    def attack(relay, keep):
        sock = join(relay, path, small=not reads)
        keep.append(sock)
        if reads:
            drain(sock)
        blob = unit * max(1, (1 << 18) // len(unit))
        return pour(sock, blob, total)

    return attack


def unfinished(unit, total):
    def attack(relay, keep):
        sock = join(relay)
        keep.append(sock)
        sock.sendall(frame(0x02, b"x"))
        blob = unit * ((1 << 18) // len(unit))
        return pour(sock, blob, total)

    return attack


def byte_by_byte(relay, keep):
    sock = join(relay)
    keep.append(sock)
    drain(sock)
    data = text(b"x" * 50) * 1000
    for n in range(len(data)):
        sock.send(data[n : n + 1])
    return len(data)


def pipelined(request, total):
    def attack(relay, keep):
        sock = connect(relay)
        keep.append(sock)
        drain(sock)
        return pour(sock, request * ((1 << 18) // len(request)), total)

    return attack


def pipelined_unread(relay, keep):
    """Many connections ask for pages in one segment and read none of them."""
    blob = REQUEST * 2000
    sent = 0
    for _ in range(500):
        sock = connect(relay, small=True)
        sock.setblocking(False)
        keep.append(sock)
        for _ in range(4):
            try:
                sent += sock.send(blob)
            except OSError:
                break
    return sent


def join_storm(relay, keep):
    sent = 0
    for n in range(5000):
        sock = connect(relay)
        request = upgrade(f"/ws/{n:0128}")
        sock.sendall(request)
        sent += len(request)
        # A reset, before or after the relay has seen the request.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    return sent


def half_heads(relay, keep):
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 16_000
    for _ in range(2000):
        sock = connect(relay)
        keep.append(sock)
        sock.sendall(head)
    return len(head) * 2000


def many_headers(relay, keep):
    head = b"GET /nowhere HTTP/1.1\r\nHost: a\r\n" + b"X:\r\n" * 98 + b"\r\n"
    for _ in range(3000):
        sock = connect(relay)
        sock.sendall(head)
        sock.close()
    return len(head) * 3000


def half_messages(relay, keep):
    """Each stops one byte short of a message of a mebibyte."""
    unit = frame(0x82, b"x" * (1 << 20))[:-1]
    sent = 0
    for n in range(600):
        sock = join(relay, f"/ws/{n % 20}")
        keep.append(sock)
        sent += pour(sock, unit, len(unit))
    return sent


def own_echo(path):
    """Many topics of one, in which the echo is not read."""

    def attack(relay, keep):
        unit = text(b"x" * 1000) * 100
        sent = 0
        for n in range(100):
            sock = join(relay, path.format(n), small=True)
            sock.settimeout(5)
            keep.append(sock)
            sent += pour(sock, unit, 6 << 20)
        return sent

    return attack


def quiet_pairs(relay, keep):
    """Topics with one stalled reader, and two publishers without echo that take turns with empty messages."""
    unit = text(b"") * 50
    sent = 0
    for n in range(4):
        keep.append(join(relay, f"/ws/{n}", small=True))
        pair = [join(relay, f"/ws/{n}?echo=0") for _ in range(2)]
        keep.extend(pair)
        for sock in pair:
            drain(sock)
        for _ in range(3000):
            for sock in pair:
                sock.sendall(unit)
                sent += len(unit)
    return sent


def a_readers_hears(relay, keep):
    """What broadcasting is for, seen as an attack: tiny messages to 1,000 readers, one segment each."""
    readers = Swarm(relay)
    keep.append(readers)
    readers.join(["/ws/readers"] * 1000)
    sock = join(relay, "/ws/readers?echo=0")
    keep.append(sock)
    unit = text(b"")
    for n in range(300):
        sock.sendall(unit)
        readers.run_until(lambda: readers.messages >= 1000 * (n + 1), "the readers get it")
    return len(unit) * 300


MIB = 1 << 20

ATTACKS = {
    "empty messages, echo read": flood(text(b""), 8 * MIB, True),
    "empty messages, echo unread": flood(text(b""), 8 * MIB, False),
    "messages of 1 KiB, echo unread": flood(text(b"x" * 1024), 32 * MIB, False),
    "empty pings, pongs read": flood(frame(0x89), 8 * MIB, True),
    "empty pings, pongs unread": flood(frame(0x89), 8 * MIB, False),
    "pings of 125 bytes, pongs unread": flood(frame(0x89, b"x" * 125), 32 * MIB, False),
    "pongs": flood(frame(0x8A), 8 * MIB, True),
    "fragments of 1 byte": unfinished(frame(0x00, b"x"), 6 * MIB),
    "empty fragments": unfinished(frame(0x00), 32 * MIB),
    "1 byte a segment": byte_by_byte,
    "pipelined requests for the page": pipelined(REQUEST, MIB // 4),
    "pipelined HEADs": pipelined(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", MIB),
    "pipelined requests of 500 connections, unread": pipelined_unread,
    "5,000 joins of as many topics, each reset at once": join_storm,
    "2,000 heads of 16,000 bytes, unfinished": half_heads,
    "3,000 heads of 100 headers": many_headers,
    "600 messages of 1 MiB, unfinished": half_messages,
    "100 topics of one, 6 MiB of echo each unread": own_echo("/ws/{}"),
    "4 topics, two without echo take turns with empty messages": quiet_pairs,
    "empty messages to 1,000 readers, a segment each": a_readers_hears,
}


def bystander(port, stop, result):
    """Exchanges messages with itself, and tells the longest that it waited."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(upgrade("/ws/bystander"))
    sock.recv(4096)
    waits = []
    while not stop.is_set():
        began = time.monotonic()
        sock.sendall(text(b"!"))
        sock.recv(4096)
        waits.append(time.monotonic() - began)
        stop.wait(0.005)
    waits.sort()
    result.put((waits[len(waits) // 2], waits[-1]))


def press(name, attack):
    with Relay() as relay:
        stop, result = multiprocessing.Event(), multiprocessing.Queue()
        other = multiprocessing.Process(target=bystander, args=(relay.port, stop, result))
        other.start()
        time.sleep(0.3)
        before_kib, cpu = relay.resident_kib(), relay.cpu_s()
        keep = []
        peak = [before_kib]
        done = threading.Event()

        def watch():
            while not done.wait(0.02):
                peak[0] = max(peak[0], relay.resident_kib())

        watcher = threading.Thread(target=watch)
        watcher.start()
        sent = attack(relay, keep)
        # Until the relay has dealt with all of it, and only the bystander is left.
        last = -1
        while (now := relay.cpu_s()) - last > 0.03:
            last = now
            time.sleep(0.3)
        done.set()
        watcher.join()
        cpu = relay.cpu_s() - cpu
        stop.set()
        median, longest = result.get(timeout=60)
        other.join()
        grown = peak[0] - before_kib
        row(
            name,
            f"{sent / MIB:.2f}",
            f"{cpu:.2f}",
            f"{cpu / sent * 1e9:,.0f}",
            f"{grown:,}",
            f"{grown * 1024 / sent:.2f}",
            f"{median * 1e3:.1f} / {longest * 1e3:.0f}",
        )
        for sock in keep:
            sock.leave() if isinstance(sock, Swarm) else sock.close()


def main():
    row("attack", "MiB sent", "relay CPU, s", "ns a byte", "grown at most, KiB", "bytes a byte", "others wait, median / longest, ms")
    row("---", "--:", "--:", "--:", "--:", "--:", "--:")
    for name, attack in ATTACKS.items():
        if len(sys.argv) < 2 or sys.argv[1] in name:
            press(name, attack)


main()
