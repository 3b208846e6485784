"""Clients of every library in one topic."""

import contextlib

from case import RelayCase
from libraries import LIBRARIES

MESSAGES_PER_MEMBER = 200


class MixedTest(RelayCase):
    """What they see must be one and the same."""

    async def test_all_see_all_messages_in_one_order(self):
        async with contextlib.AsyncExitStack() as stack:
            members = []
            for library in LIBRARIES * 2:
                join = library.join(self.relay.ws("/ws/all"))
                members.append(await stack.enter_async_context(join))
            await self.exchange(members, MESSAGES_PER_MEMBER, self._message, self._label)

    @staticmethod
    def _message(name, number):
        # Text and binary in turn, of many sizes, short and long lengths among them.
        text = f"{name}:{number}:" + "x" * (number * 37 % 4000)
        return text if number % 2 else text.encode()

    @staticmethod
    def _label(message):
        text = message if isinstance(message, str) else message.decode()
        name, number, _ = text.split(":")
        return int(name), int(number)
