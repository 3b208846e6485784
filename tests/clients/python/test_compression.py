"""Clients of every library in one topic, some of which agree on compression and some of which don't."""

import contextlib
import json

from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from case import RelayCase
from libraries import Aiohttp, Websockets, Ws

MESSAGES_PER_MEMBER = 100

SMALL_WINDOW = ClientPerMessageDeflateFactory(server_max_window_bits=10)
SERVER_WINDOW_OF_15 = {"perMessageDeflate": {"serverMaxWindowBits": 15, "threshold": 0}}

# The library, its options, and whether compression is to be agreed on.
MEMBERS = [
    (Websockets, {}, True),
    (Websockets, {"compression": None}, False),
    (Websockets, {"compression": None, "extensions": [SMALL_WINDOW]}, True),
    (Aiohttp, {"compress": 15}, True),
    (Aiohttp, {}, False),
    (Ws, {}, True),
    (Ws, SERVER_WINDOW_OF_15, True),
    (Ws, {"perMessageDeflate": {"serverMaxWindowBits": 9}}, True),
    (Ws, {"perMessageDeflate": False}, False),
]


class CompressionTest(RelayCase):
    """What they see must be one and the same."""

    async def test_all_see_the_same_whatever_they_agreed_on(self):
        async with contextlib.AsyncExitStack() as stack:
            members = []
            for library, options, is_compressed in MEMBERS:
                join = library.join(self.relay.ws("/ws/mixed"), **options)
                member = await stack.enter_async_context(join)
                self.assertEqual(member.is_compressed, is_compressed, (library, options))
                members.append(member)
            await self.exchange(members, MESSAGES_PER_MEMBER, self._message, self._label)

    @staticmethod
    def _message(name, number):
        # Small and large ones, text and binary; JSON, which shrinks.
        body = [{"item": n, "is": "ready"} for n in range(number * 7 % 90)]
        text = json.dumps({"from": name, "number": number, "body": body})
        return text if number % 3 else text.encode()

    @staticmethod
    def _label(message):
        said = json.loads(message)
        return said["from"], said["number"]

    async def test_a_message_in_fragments_is_compressed_as_a_whole(self):
        url = self.relay.ws("/ws/fragments")
        async with Websockets.join(url) as sender, Aiohttp.join(url) as reader:
            self.assertTrue(sender.is_compressed)
            fragments = ["fan" * 400, "", "fare" * 400]
            await sender.send_fragments(fragments)
            self.assertEqual(await reader.receive(), "".join(fragments))
            self.assertEqual(await sender.receive(), "".join(fragments))
            await sender.ping()
