"""What bounds by client address cost when all addresses differ: resident memory of idle connections
without and with them, the addresses given by PROXY protocol headers."""

import struct

from swarm import Relay, Swarm, row, upgrade

# Just before and just after the table of addresses doubles, and what 20,000 descriptors allow.
STEPS = (14_300, 14_400, 19_000)

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
PROXIED = ("--client-address", "proxy-protocol", "--trusted-proxy", "127.0.0.0/8")
PER_ADDRESS = ("--address-connections-max", "1")
PER_SECOND = ("--address-connections-per-second-max", "10")
RATES = ("--messages-per-second-max", "10", "--bytes-per-second-max", "10KiB")


def ipv4(n):
    client = struct.pack("!I", 0x0A000000 + n)
    return SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 12) + client + bytes(4) + struct.pack("!HH", 4711, 80)


def ipv6(n):
    """Each in a network of its own: the first 64 bits differ."""
    client = struct.pack("!IIQ", 0x20010DB8, n, 1)
    return SIGNATURE + struct.pack("!BBH", 0x21, 0x21, 36) + client + bytes(16) + struct.pack("!HH", 4711, 80)


class Proxied(Swarm):
    """A swarm behind a proxy, each member of which has an address of its own."""

    def __init__(self, relay, header):
        super().__init__(relay)
        self.header = header

    def connect(self, path):
        number = self.opened
        member = super().connect(path)
        member.buffer = self.header(number) + upgrade(path)
        return member


def measure(what, flags, header):
    with Relay(*flags) as relay:
        swarm = Proxied(relay, header)
        # What the first ones cost is the relay's own.
        swarm.join(["/ws"] * 100)
        swarm.run_for(0.5)
        empty_kib, members = relay.resident_kib(), 100
        slopes = []
        for step in STEPS:
            swarm.join(["/ws"] * (step - members))
            members = step
            swarm.run_for(0.5)
            slopes.append((relay.resident_kib() - empty_kib) * 1024 / (members - 100))
        row(what, *(f"{slope:.1f}" for slope in slopes))
        swarm.leave()
        relay.stop()
        return slopes


def main():
    row("resident bytes for each connection", *(f"of {step:,}" for step in STEPS))
    row("---", *("---" for _ in STEPS))
    nothing = lambda n: b""
    off = measure("all off", (), nothing)
    measure("the same", (), nothing)
    measure("client address by PROXY protocol", PROXIED, ipv4)
    for family, header in (("IPv4", ipv4), ("IPv6", ipv6)):
        for what, flags in (
            ("connections by address", PER_ADDRESS),
            ("and new ones in a second", PER_ADDRESS + PER_SECOND),
        ):
            on = measure(f"{what}, all differ, {family}", PROXIED + flags, header)
            row(f"that costs, {family}", *(f"{a - b:.1f}" for a, b in zip(on, off)))
    measure("rates of messages and bytes alone", RATES, nothing)


main()
