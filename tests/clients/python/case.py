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
