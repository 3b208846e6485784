"""A relay to press, and thousands of clients that one process plays.

Python's standard library alone: raw sockets and epoll. Loopback only; every wait has a deadline.
"""

import os
import re
import select
import signal
import socket
import struct
import subprocess
import time

DEADLINE_S = 120
KEY = b"\x37\xfa\x21\x3d"
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


# <linux/in.h>: the port is chosen when the connection is made, and not searched for among all.
IP_BIND_ADDRESS_NO_PORT = 24


def from_address(sock, address):
    """Lets a socket connect from that address: each has ports for some 28,000 connections."""
    sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    sock.bind((address, 0))


def mask(payload):
    key = KEY * (len(payload) // 4 + 1)
    return bytes(a ^ b for a, b in zip(payload, key))


def frame(first, payload=b""):
    """A masked frame, as clients send them."""
    length = len(payload)
    if length < 126:
        head = struct.pack("!BB", first, 0x80 | length)
    elif length < 1 << 16:
        head = struct.pack("!BBH", first, 0x80 | 126, length)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, length)
    return head + KEY + mask(payload)


def text(payload):
    return frame(0x81, payload)


def upgrade(path):
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def frames(buffer):
    """The whole frames at the start of a buffer, and how many bytes they take."""
    found, at = [], 0
    while len(buffer) - at >= 2:
        first, length = buffer[at], buffer[at + 1]
        start = at + 2
        if length == 126:
            if len(buffer) < start + 2:
                break
            (length,) = struct.unpack_from("!H", buffer, start)
            start += 2
        elif length == 127:
            if len(buffer) < start + 8:
                break
            (length,) = struct.unpack_from("!Q", buffer, start)
            start += 8
        if len(buffer) < start + length:
            break
        found.append((first, bytes(buffer[start : start + length])))
        at = start + length
    return found, at


class Relay:
    """The binary, on a free port of this machine."""

    def __init__(self, *flags):
        here = os.path.dirname(os.path.abspath(__file__))
        binary = os.environ.get("FANFARE", os.path.join(here, "../../target/release/fanfare"))
        self.process = subprocess.Popen(
            [binary, "--listen", "0.0.0.0:0", *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.line = self.process.stdout.readline()
        port = re.search(r":(\d+)/", self.line)
        if not port:
            raise SystemExit(f"the relay did not start: {self.process.stderr.read()}")
        self.port = int(port.group(1))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _proc(self, name):
        with open(f"/proc/{self.process.pid}/{name}") as file:
            return file.read()

    def resident_kib(self):
        return int(self._proc("statm").split()[1]) * PAGE_KIB

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def cpu_s(self):
        # To the nanosecond, where utime and stime are sampled; the relay is one thread.
        return int(self._proc("schedstat").split()[0]) / 1e9

    def stop(self):
        """Ends it as an operator would; returns what it said of what happened."""
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=60)
        if self.process.returncode != 0:
            raise SystemExit(f"exit code {self.process.returncode}: {errors}")
        return errors.strip().splitlines()[-1]


def wait_until(condition, what, pause=0.05):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"never happened: {what}")
        time.sleep(pause)


class Member:
    """A connection of the swarm."""

    __slots__ = ("socket", "buffer", "joined", "messages", "pings", "closed_with", "ended")

    def __init__(self, sock):
        self.socket = sock
        self.buffer = b""
        self.joined = False
        self.messages = 0
        self.pings = 0
        self.closed_with = None
        self.ended = False


class Swarm:
    """Connections that join, answer pings, and count what they get."""

    # As many handshakes are under way at a time.
    OPENING_MAX = 500

    def __init__(self, relay):
        self.relay = relay
        self.epoll = select.epoll()
        self.members = {}
        self.opened = 0
        self.messages = 0
        self.pings = 0

    def connect(self, path):
        """Begins to open one connection."""
        sock = socket.socket()
        sock.setblocking(False)
        from_address(sock, f"127.0.0.{2 + self.opened // 5_000 % 200}")
        self.opened += 1
        sock.connect_ex(("127.0.0.1", self.relay.port))
        member = Member(sock)
        self.members[sock.fileno()] = member
        # The request leaves as soon as the connection stands.
        member.buffer = upgrade(path)
        self.epoll.register(sock.fileno(), select.EPOLLOUT)
        return member

    def join(self, paths):
        """Opens a connection for each path, and waits until all have joined."""
        paths = list(paths)
        joined = [None] * len(paths)
        started = 0
        deadline = time.monotonic() + DEADLINE_S
        waiting = []
        while started < len(paths) or waiting:
            while started < len(paths) and len(waiting) < self.OPENING_MAX:
                joined[started] = self.connect(paths[started])
                waiting.append(joined[started])
                started += 1
            self.turn(1)
            waiting = [member for member in waiting if not member.joined]
            if any(member.ended for member in waiting) or time.monotonic() > deadline:
                raise SystemExit("a connection was not let in")
        return joined

    def turn(self, timeout):
        """Takes in what has come."""
        for descriptor, events in self.epoll.poll(timeout, 4096):
            member = self.members[descriptor]
            if events & select.EPOLLOUT:
                request, member.buffer = member.buffer, b""
                try:
                    member.socket.send(request)
                except OSError:
                    self._end(member)
                    continue
                self.epoll.modify(descriptor, select.EPOLLIN)
                continue
            try:
                read = member.socket.recv(1 << 16)
            except BlockingIOError:
                continue
            except OSError:
                read = b""
            if not read:
                self._end(member)
                continue
            self._take(member, member.buffer + read if member.buffer else read)

    def _take(self, member, buffer):
        if not member.joined:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                member.buffer = buffer
                return
            if not buffer.startswith(b"HTTP/1.1 101 "):
                raise SystemExit(f"not let in: {buffer[:200]}")
            member.joined = True
            buffer = buffer[end + 4 :]
        found, taken = frames(buffer)
        member.buffer = buffer[taken:]
        for first, payload in found:
            opcode = first & 0xF
            if opcode in (1, 2):
                member.messages += 1
                self.messages += 1
            elif opcode == 9:
                member.pings += 1
                self.pings += 1
                self.send(member, frame(0x8A, payload))
            elif opcode == 8:
                member.closed_with = struct.unpack("!H", payload[:2])[0] if payload else 0
                self.send(member, frame(0x88, payload[:2]))

    def send(self, member, data):
        try:
            member.socket.sendall(data)
        except OSError:
            self._end(member)

    def _end(self, member):
        descriptor = member.socket.fileno()
        if descriptor >= 0:
            self.members.pop(descriptor, None)
            member.socket.close()
        member.ended = True

    def run_until(self, condition, what, seconds=DEADLINE_S):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise SystemExit(f"never happened: {what}")
            self.turn(0.1)

    def run_for(self, seconds):
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.turn(min(left, 0.5))

    def leave(self):
        """All leave at once, without a word."""
        for member in list(self.members.values()):
            self._end(member)


def row(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def check(holds, what):
    """An expectation that a record must not be made without."""
    if not holds:
        raise SystemExit(f"FAILED: {what}")
