"""19,000 connections in one relay: pings are answered, messages of many topics go through, and the
memory comes back when all have left."""

import time

from swarm import Relay, Swarm, check, row, text, wait_until

CONNECTIONS = 19_000
TOPICS = 1_000
ROUNDS = 20
HEARTBEAT_S = 10


def main():
    with Relay("--heartbeat-interval", f"{HEARTBEAT_S}s", "--pong-timeout", "10s") as relay:
        row("what", "figure")
        row("---", "---")
        empty_kib, descriptors = relay.resident_kib(), relay.descriptors()
        row("resident, empty", f"{empty_kib:,} KiB")

        swarm = Swarm(relay)
        began = time.monotonic()
        members = swarm.join(f"/ws/{n % TOPICS}" for n in range(CONNECTIONS))
        row("connections", f"{CONNECTIONS:,} in {TOPICS:,} topics, joined in {time.monotonic() - began:.1f} s")
        swarm.run_for(2)
        held_kib = relay.resident_kib()
        row("resident, all idle", f"{held_kib:,} KiB")
        row("per connection", f"{(held_kib - empty_kib) * 1024 / CONNECTIONS:.0f} bytes, topics included")

        # One member of each topic speaks, in turns.
        began, cpu = time.monotonic(), relay.cpu_s()
        for turn in range(ROUNDS):
            for topic in range(TOPICS):
                speaker = members[topic + TOPICS * (turn % (CONNECTIONS // TOPICS))]
                swarm.send(speaker, text(b"message %d of topic %d" % (turn, topic)))
            expected = (turn + 1) * CONNECTIONS
            swarm.run_until(lambda: swarm.messages >= expected, f"{expected} deliveries")
        seconds, cpu = time.monotonic() - began, relay.cpu_s() - cpu
        check(all(member.messages == ROUNDS for member in members), "every member gets every message once")
        deliveries = ROUNDS * CONNECTIONS
        row("messages", f"{ROUNDS * TOPICS:,} to {CONNECTIONS // TOPICS} each: {deliveries:,} deliveries")
        row("relay CPU", f"{cpu:.2f} s, {cpu / deliveries * 1e6:.2f} us a delivery (run took {seconds:.1f} s)")

        # Then all are silent for so long that each is pinged at least twice.
        before, cpu = swarm.pings, relay.cpu_s()
        for member in members:
            member.pings = 0
        swarm.run_until(lambda: all(member.pings >= 2 for member in members), "two pings each", 60)
        pings, cpu = swarm.pings - before, relay.cpu_s() - cpu
        check(len(swarm.members) == CONNECTIONS, "no connection that answers is dropped")
        row("pings", f"{pings:,} answered, {cpu / pings * 1e6:.1f} us of relay CPU each, none dropped")
        row("resident, after it", f"{relay.resident_kib():,} KiB")

        began = time.monotonic()
        swarm.leave()
        wait_until(lambda: relay.descriptors() == descriptors, "every descriptor is given back")
        row("all leave at once", f"descriptors back to {descriptors} in {time.monotonic() - began:.1f} s")
        # The last of them is freed at the end of its turn.
        time.sleep(0.5)
        left_kib = relay.resident_kib()
        row("resident, after all left", f"{left_kib:,} KiB, {left_kib - empty_kib:,} KiB over the empty relay")
        check(left_kib - empty_kib < 4 * 1024, "memory comes back within a few MB")

        again = Swarm(relay)
        again.join(f"/ws/{n % TOPICS}" for n in range(1000))
        again.leave()
        wait_until(lambda: relay.descriptors() == descriptors, "every descriptor is given back")
        print(f"\n{relay.stop()}")


main()
