"""Clients of every library in one topic."""

import asyncio
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

            async def publish(member, name):
                for number in range(MESSAGES_PER_MEMBER):
                    # Text and binary in turn, of many sizes, short and long lengths among them.
                    text = f"{name}:{number}:" + "x" * (number * 37 % 4000)
                    await member.send(text if number % 2 else text.encode())

            async def hear(member):
                count = MESSAGES_PER_MEMBER * len(members)
                return [await member.receive() for _ in range(count)]

            async with asyncio.TaskGroup() as group:
                heard = [group.create_task(hear(member)) for member in members]
                for name, member in enumerate(members):
                    group.create_task(publish(member, name))

        everything = heard[0].result()
        for task in heard[1:]:
            self.assertTrue(task.result() == everything, "two members saw another order")
        for name in range(len(members)):
            numbers = [number for who, number in map(self._label, everything) if who == name]
            self.assertEqual(numbers, list(range(MESSAGES_PER_MEMBER)))

    @staticmethod
    def _label(message):
        text = message if isinstance(message, str) else message.decode()
        name, number, _ = text.split(":")
        return int(name), int(number)
