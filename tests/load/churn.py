"""100,000 connections come and go in every way there is; then descriptors, slots and memory are back
to where they were, and the connections that stayed have got everything."""

import random
import socket
import struct
import sys
import time

from swarm import Relay, Swarm, check, frame, from_address, row, text, upgrade, wait_until

CONNECTIONS = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
# So many are there at a time.
OPEN = 400
SEED = 20_260_101


def states(topic):
    """What a client has sent when it goes."""
    joined = upgrade(f"/ws/{topic}")
    return {
        "nothing": b"",
        "half a head": joined[:60],
        "a bad head": b"nonsense\r\n\r\n",
        "a request for the page": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "a handshake": joined,
        "a message": joined + text(b"hello from the churn"),
        "half a frame": joined + text(b"hello from the churn")[:9],
        "half a message": joined + frame(0x01, b"hello"),
        "a ping": joined + frame(0x89, b"ping"),
        "a fault": joined + b"\xff\xff",
        "a close frame": joined + frame(0x88, struct.pack("!H", 1000)),
    }


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def half_close(sock):
    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def main():
    rng = random.Random(SEED)
    counts = {"reset": 0, "end": 0, "half-close": 0, "silence": 0, "clean": 0}
    # Timers so short that silent connections are found out during the run.
    flags = ["--handshake-timeout", "2s", "--keep-alive-timeout", "2s", "--heartbeat-interval", "2s",
             "--pong-timeout", "2s", "--close-timeout", "2s"]
    with Relay(*flags) as relay:
        stayers = Swarm(relay)
        stay = stayers.join(["/ws/0"] * 2 + ["/ws/stay"] * 2)
        empty_kib, descriptors = relay.resident_kib(), relay.descriptors()
        said = 0
        coming, silent = [], []
        began, cpu = time.monotonic(), relay.cpu_s()
        for n in range(CONNECTIONS):
            sock = socket.socket()
            from_address(sock, f"127.0.0.{2 + n // 5_000}")
            sock.connect(("127.0.0.1", relay.port))
            what, sent = rng.choice(list(states(n % 50).items()))
            sock.sendall(sent)
            coming.append((sock, what))
            if len(coming) >= OPEN:
                # One of the open connections ends, most often a new one.
                index = len(coming) - 1 - min(int(rng.expovariate(1 / 100)), len(coming) - 1)
                sock, what = coming.pop(index)
                way = rng.choice(["reset", "end", "half-close", "silence", "clean"])
                counts[way] += 1
                if way == "reset":
                    reset(sock)
                elif way == "end":
                    sock.close()
                elif way == "half-close":
                    half_close(sock)
                    silent.append(sock)
                elif way == "silence":
                    silent.append(sock)
                else:
                    sock.setblocking(False)
                    try:
                        sock.send(frame(0x88, struct.pack("!H", 1000)))
                        sock.recv(1 << 16)
                    except OSError:
                        pass
                    sock.close()
            # This side forgets silent connections long after the relay has dropped them.
            while len(silent) > 5000:
                silent.pop(0).close()
            if n % 500 == 0:
                stayers.send(stay[2], text(b"still here %d" % n))
                said += 1
                stayers.run_until(lambda: stay[3].messages == said, "members that stay get each other's messages")
        seconds, cpu = time.monotonic() - began, relay.cpu_s() - cpu
        for sock, _ in coming:
            reset(sock)
        # The relay finds silent connections by itself.
        stayers.run_until(lambda: relay.descriptors() == descriptors, "every descriptor is given back")
        for sock in silent:
            sock.close()
        stayers.send(stay[2], text(b"after it all"))
        stayers.run_until(lambda: stay[3].messages == said + 1, "members that stay get each other's messages")
        check(stay[0].messages == stay[1].messages, "both members of a topic got the same")
        stayers.run_for(1)
        left_kib = relay.resident_kib()
        row("what", "figure")
        row("---", "---")
        row("connections", f"{CONNECTIONS:,}, about {OPEN} at a time, in {seconds:.0f} s")
        row("how they went", ", ".join(f"{way}: {count:,}" for way, count in counts.items()))
        row("relay CPU", f"{cpu:.1f} s, {cpu / CONNECTIONS * 1e6:.0f} us a connection")
        row("descriptors before and after", f"{descriptors}, {relay.descriptors()}")
        row("resident before and after", f"{empty_kib:,} KiB, {left_kib:,} KiB")
        row("connections that stayed", f"got {stay[0].messages:,} messages of the churn, the same both")
        check(left_kib - empty_kib < 4 * 1024, "memory comes back within a few MB")
        stayers.leave()
        summary = relay.stop()
        print(f"\n{summary}")


main()
