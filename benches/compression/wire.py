"""What one message is on the wire, counted from outside and alike for every server: by one more reader in
the room, on a plain socket, which offers what `fanfare bench --deflate` offers.
"""

import concurrent.futures
import zlib

import load
from probe import BINARY, CLOSE, Client, check, frame

OFFER = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
RSV1, FIN = 64, 128
MESSAGES = 100
# Beyond those that are counted, for warming up.
SENT = 2 * MESSAGES


def bytes_per_message(port, pid, size):
    """The mean of the frames of so many messages of `size` bytes; each of them must come compressed."""
    with Client(port, "/ws", OFFER) as reader, concurrent.futures.ThreadPoolExecutor() as executor:
        check("server_no_context_takeover" in reader.extensions, f"it answered {reader.extensions!r}")
        joined(reader)
        room = ("--readers", 1, "--messages", SENT, "--warm-up", "1ms", "--duration", "5s")
        messages = ("--size", size, "--content", "json", "--text")
        publishing = executor.submit(load.checked, "fanout", port, pid, True, *room, *messages)
        try:
            counted = [bytes_of_one(reader, size) for _ in range(MESSAGES)]
        finally:
            # If that failed, its reason is the better one.
            publishing.result()
    return sum(counted) / MESSAGES


def bytes_of_one(reader, size):
    on_the_wire, is_compressed, payload = message(reader)
    check(is_compressed, f"{size} bytes come plain")
    check(len(payload) == size, f"{size} bytes come as {len(payload)}")
    return on_the_wire


def joined(reader):
    """Some servers answer the handshake before the connection has joined: one that gets its own message has."""
    reader.send(frame(BINARY, b"joined"))
    check(message(reader)[2] == b"joined", "a short message comes back as another")


def message(reader):
    """Bytes of its frames, whether it came compressed, and what it says."""
    on_the_wire, is_compressed, payload = 0, False, b""
    while True:
        first, data = reader.frame()
        if first & 15 >= CLOSE:
            continue
        on_the_wire += len(data) + (2 if len(data) < 126 else 4 if len(data) < 65536 else 10)
        is_compressed |= bool(first & RSV1)
        payload += data
        if first & FIN:
            break
    if is_compressed:
        # RFC 7692 §7.2.2, without context: each message is inflated on its own.
        try:
            payload = zlib.decompressobj(-15).decompress(payload + b"\0\0\xff\xff")
        except zlib.error as error:
            raise AssertionError(f"it can't be inflated: {error}") from error
    return on_the_wire, is_compressed, payload
