"""What the tests here have in common: a relay of their own, and a deadline."""

import asyncio
import functools
import logging
import unittest

from relay import DEADLINE_SECONDS, Relay

# The test loop is in debug mode, and would complain of each relay that is started on it.
logging.getLogger("asyncio").setLevel(logging.ERROR)


def _within_deadline(test):
    @functools.wraps(test)
    async def bounded(self):
        async with asyncio.timeout(DEADLINE_SECONDS):
            await test(self)

    return bounded


class RelayCase(unittest.IsolatedAsyncioTestCase):
    """Each test gets a relay to itself, which must still be there at the end and end cleanly."""

    def __init_subclass__(cls):
        super().__init_subclass__()
        # Over dir(), not vars(): scenarios come from classes that several cases share.
        for name in dir(cls):
            if name.startswith("test_"):
                setattr(cls, name, _within_deadline(getattr(cls, name)))

    async def exchange(self, members, count, message, label):
        """All publish `count` messages at once, as `message(name, number)` makes them, and all must hear
        the same in one order, in which each publisher's `label`s, of name and number, ascend."""

        async def publish(name, member):
            for number in range(count):
                await member.send(message(name, number))

        async def hear(member):
            return [await member.receive() for _ in range(count * len(members))]

        async with asyncio.TaskGroup() as group:
            heard = [group.create_task(hear(member)) for member in members]
            for name, member in enumerate(members):
                group.create_task(publish(name, member))

        everything = heard[0].result()
        for task in heard[1:]:
            self.assertTrue(task.result() == everything, "two members saw another order")
        labels = [label(message) for message in everything]
        for name in range(len(members)):
            numbers = [number for who, number in labels if who == name]
            self.assertEqual(numbers, list(range(count)))

    def setUp(self):
        self.relay = Relay()
        self.addCleanup(self._end_relay)

    def _end_relay(self):
        try:
            status = self.relay.process.poll()
            if status is None:
                status = self.relay.stop()
            if status != 0:
                self.fail(f"the relay ended with {status}:\n{self.relay.log()}")
        finally:
            self.relay.kill()
