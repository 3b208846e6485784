"""What a server must do before it is measured: the same for all, over plain sockets."""

import base64
import contextlib
import hashlib
import http.client
import os
import socket
import struct

from scenarios import POST, SSE

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
TIMEOUT_S = 5


class Client:
    """A WebSocket client that sends what it is told to, and takes frames as they come."""

    def __init__(self, port, path, extensions=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        self.buffer = b""
        key = base64.b64encode(os.urandom(16)).decode()
        offer = f"Sec-WebSocket-Extensions: {extensions}\r\n" if extensions else ""
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{offer}\r\n".encode()
        )
        while b"\r\n\r\n" not in self.buffer:
            self.receive()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
        check(status.split()[1] == "101", f"it answered {status!r}")
        check(headers.get("sec-websocket-accept") == base64.b64encode(digest).decode(), "wrong accept key")
        self.extensions = headers.get("sec-websocket-extensions", "")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def receive(self):
        data = self.socket.recv(1 << 18)
        check(data, "it closed the connection")
        self.buffer += data

    def send(self, *frames):
        self.socket.sendall(b"".join(frames))

    def take(self, count):
        while len(self.buffer) < count:
            self.receive()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def frame(self):
        first, second = self.take(2)
        check(second < 128, "it masks its frames")
        length = second
        if length == 126:
            (length,) = struct.unpack(">H", self.take(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self.take(8))
        return first, self.take(length)

    def message(self, wanted=(TEXT, BINARY)):
        """The next message, put together; control frames of other kinds are passed over."""
        kind, payload = None, b""
        while True:
            first, data = self.frame()
            opcode = first & 15
            if opcode >= CLOSE and opcode not in wanted:
                continue
            kind = kind or opcode
            payload += data
            if first & 128:
                return kind, payload

    def gets(self, opcode, payload):
        kind, data = self.message()
        check(data == payload, f"{len(payload)} bytes came back as {len(data)} others: {data[:20]!r}")
        check(kind == opcode, f"opcode {opcode} came back as {kind}")


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def frame(opcode, payload=b"", fin=True):
    """A masked frame."""
    size = len(payload)
    head = bytes([opcode | (128 if fin else 0)])
    if size < 126:
        head += bytes([128 | size])
    elif size < 65536:
        head += struct.pack(">BH", 254, size)
    else:
        head += struct.pack(">BQ", 255, size)
    key = os.urandom(4)
    mask = (key * (size // 4 + 1))[:size]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")
    return head + key + masked.to_bytes(size, "big")


def every_member_gets_it(port):
    with Client(port, "/ws") as one, Client(port, "/ws") as two, Client(port, "/ws") as three:
        settle(one, two, three)
        for opcode, payload in [(TEXT, "grüße".encode()), (BINARY, bytes(range(256)))]:
            two.send(frame(opcode, payload))
            for client in (one, two, three):
                client.gets(opcode, payload)


def in_order_from_one_segment(port):
    payloads = [f"message {number}".encode() for number in range(200)]
    with Client(port, "/ws/order") as one, Client(port, "/ws/order") as two:
        settle(one, two)
        one.send(*(frame(BINARY, payload) for payload in payloads))
        for client in (one, two):
            for payload in payloads:
                client.gets(BINARY, payload)


def fragments_come_whole(port):
    with Client(port, "/ws/fragments") as one, Client(port, "/ws/fragments") as two:
        settle(one, two)
        one.send(frame(TEXT, b"one ", fin=False), frame(PING, b"between"), frame(0, b"message"))
        two.gets(TEXT, b"one message")


def any_size(port):
    with Client(port, "/ws/sizes") as one, Client(port, "/ws/sizes") as two:
        settle(one, two)
        for size in (0, 1, 125, 126, 65535, 65536, 200_000):
            payload = os.urandom(size)
            one.send(frame(BINARY, payload))
            two.gets(BINARY, payload)


def other_topics_get_nothing(port):
    with Client(port, "/ws/here") as here, Client(port, "/ws/there") as there:
        settle(here)
        settle(there)
        here.send(frame(BINARY, b"of here"))
        here.gets(BINARY, b"of here")
        there.send(frame(BINARY, b"of there"))
        there.gets(BINARY, b"of there")


def pings_are_answered(port):
    with Client(port, "/ws/ping") as one:
        one.send(frame(PING, b"are you there"))
        check(one.message(wanted=(PONG,)) == (PONG, b"are you there"), "the pong has another payload")


def closing_is_answered(port):
    with Client(port, "/ws/close") as one:
        one.send(frame(CLOSE, struct.pack(">H", 1000)))
        kind, payload = one.message(wanted=(CLOSE,))
        check(kind == CLOSE and payload[:2] == struct.pack(">H", 1000), f"close was answered by {payload!r}")


def settle(*clients):
    """Some servers answer the handshake before the connection has joined: one that gets its own message has."""
    for number, client in enumerate(clients):
        client.send(frame(BINARY, b"joined %d" % number))
        while client.message() != (BINARY, b"joined %d" % number):
            pass
    last = (BINARY, b"joined %d" % (len(clients) - 1))
    for client in clients[:-1]:
        while client.message() != last:
            pass


def posts_reach_every_member(port):
    with Client(port, "/ws/post") as one, Client(port, "/ws/post") as two:
        settle(one, two)
        post(port, "/ws/post", "grüße".encode())
        for client in (one, two):
            client.gets(TEXT, "grüße".encode())


def posts_in_one_segment(port):
    payloads = [b"post %d" % number for number in range(50)]
    with Client(port, "/ws/posts") as one, socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as requests:
        settle(one)
        requests.sendall(
            b"".join(
                b"POST /ws/posts HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: text/plain\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (port, len(payload), payload)
                for payload in payloads
            )
        )
        for payload in payloads:
            one.gets(TEXT, payload)


def lines_are_one_event(port):
    with Client(port, "/ws/lines") as one:
        settle(one)
        stream = EventStream(port, "/ws/lines")
        for payload in ("two\nlines", "grüße", "data: this is none"):
            one.send(frame(TEXT, payload.encode()))
            data = stream.event()
            check(data == payload, f"{payload!r} came as {data!r}")


class EventStream:
    """A reader of server-sent events."""

    def __init__(self, port, path):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        self.connection.request("GET", path, headers={"Accept": "text/event-stream"})
        self.response = self.connection.getresponse()
        kind = self.response.headers.get_content_type()
        check(kind == "text/event-stream", f"it answered {self.response.status} with {kind}")

    def event(self):
        """The data of the next event that has any."""
        data = []
        while True:
            line = self.response.readline()
            check(line, "it closed the stream")
            field, _, value = line.decode().rstrip("\r\n").partition(":")
            if field == "data":
                data.append(value.removeprefix(" "))
            elif not field and not value and data:
                return "\n".join(data)


def post(port, path, body):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    with contextlib.closing(connection):
        connection.request("POST", path, body, {"Content-Type": "text/plain"})
        status = connection.getresponse().status
        check(200 <= status < 300, f"it answered {status}")


CHECKS = [
    ("messages reach every member verbatim, with their opcode", every_member_gets_it),
    ("200 in one segment arrive in order", in_order_from_one_segment),
    ("a fragmented message arrives whole", fragments_come_whole),
    ("0 to 200,000 bytes", any_size),
    ("topics are apart", other_topics_get_nothing),
    ("a ping is answered", pings_are_answered),
    ("a close is answered", closing_is_answered),
]
FURTHER = {
    POST: [
        ("a message by POST reaches every member", posts_reach_every_member),
        ("50 by POST in one segment arrive in order", posts_in_one_segment),
    ],
    SSE: [("a message of several lines is one server-sent event", lines_are_one_event)],
}


def checks(has):
    """What is asked of a server that has these besides WebSockets."""
    return [*CHECKS, *(check for what in (POST, SSE) if what in has for check in FURTHER[what])]


def probe(port, has=()):
    """What fails, and how."""
    failures = {}
    for name, run in checks(has):
        try:
            run(port)
        except (AssertionError, OSError) as error:
            failures[name] = str(error) or type(error).__name__
    return failures
