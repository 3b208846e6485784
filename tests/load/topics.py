"""10,000 idle topics cost nothing but their names."""

import time

from swarm import Relay, Swarm, check, row, text, wait_until

TOPICS = 10_000


def held(path, say_something):
    """Resident bytes per connection of 10,000, the slope from 5,000 on."""
    with Relay() as relay:
        swarm = Swarm(relay)
        descriptors = relay.descriptors()
        swarm.join(path(n) for n in range(TOPICS // 2))
        half_kib = relay.resident_kib()
        members = swarm.join(path(n) for n in range(TOPICS // 2, TOPICS))
        if say_something:
            for member in members:
                swarm.send(member, text(b"x" * 500))
            swarm.run_until(lambda: all(member.messages for member in members), "every member gets it")
        swarm.run_for(1)
        per_topic = (relay.resident_kib() - half_kib) * 1024 / (TOPICS // 2)
        cpu = relay.cpu_s()
        swarm.run_for(3)
        cpu = relay.cpu_s() - cpu
        swarm.leave()
        wait_until(lambda: relay.descriptors() == descriptors, "every descriptor is given back")
        time.sleep(0.5)
        return per_topic, cpu, relay.resident_kib()


def main():
    row("10,000 connections", "resident bytes each", "relay CPU in 3 idle seconds", "resident when all left")
    row("---", "---", "---", "---")
    one, cpu, left = held(lambda n: "/ws", False)
    row("in one topic", f"{one:.0f}", f"{cpu:.2f} s", f"{left:,} KiB")
    short, cpu, left = held(lambda n: f"/ws/{n:04}", False)
    row("in a topic each, names of 4 bytes", f"{short:.0f}", f"{cpu:.2f} s", f"{left:,} KiB")
    long, cpu, left = held(lambda n: f"/ws/{n:0128}", False)
    row("names of 128 bytes", f"{long:.0f}", f"{cpu:.2f} s", f"{left:,} KiB")
    spoken, cpu, left = held(lambda n: f"/ws/{n:04}", True)
    row("each topic had a message of 500 bytes", f"{spoken:.0f}", f"{cpu:.2f} s", f"{left:,} KiB")
    check(short < 450, "a topic of one takes at most 400 bytes and its name")
    check(spoken < 2 * short + 100, "an idle topic holds no segment")


main()
