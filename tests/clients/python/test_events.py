"""A topic read as server-sent events, by readers that know nothing of the relay."""

import asyncio
import base64
import contextlib

import aiohttp

from case import RelayCase
from event_readers import Chromium, Firefox, HttpxSse, NodeEventSource, Unavailable
from relay import Relay

RETAINED = 3

TEXTS = [
    "hello",
    'Grüße, 你好, שלום, 👩‍👩‍👧: \t"quoted" </script>',
    "lf\nlf",
    "cr\rcr",
    "crlf\r\ncrlf",
    "\n\r\n\r\r two line ends, then three \n\n\n",
    " a space before, and after ",
    "x\n\nid: k3f9x2a-1\nevent: gap\nretry: 1\ndata: {\"missed\":5}\n\n",
    "x\r\rdata: another\r\rid: 7\r\r",
    "data: in the data",
    ": no comment",
    "\ufeffa byte order mark",
]
BINARIES = [b"\r\n\r\n", bytes(range(256)), b"{}"]


class Switch:
    """A way to a port that can be cut: then nobody listens, until it is mended."""

    def __init__(self, to):
        self._to, self.port = to, 0
        self._writers = set()

    async def mend(self):
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self):
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, from_client, to_client):
        with contextlib.suppress(OSError):
            from_relay, to_relay = await asyncio.open_connection("127.0.0.1", self._to)
            ways = {to_client, to_relay}
            self._writers |= ways
            there, back = self._pass_on(from_client, to_relay), self._pass_on(from_relay, to_client)
            await asyncio.gather(there, back)
            self._writers -= ways

    @staticmethod
    async def _pass_on(reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()


class Scenarios:
    """The scenarios. `reader` says who reads."""

    @contextlib.asynccontextmanager
    async def reading(self):
        """A relay, a way to it that can be cut, and what the reader makes of what comes."""
        allowed = ["--origin", self.reader.origin] if self.reader.origin else []
        self.flags = ["--retain", "1h", "--retain-messages", str(RETAINED), *allowed]
        with contextlib.ExitStack() as relays:
            self.own = relays.enter_context(Relay(*self.flags))
            self.relays = relays
            switch = Switch(self.own.port)
            await switch.mend()
            async with aiohttp.ClientSession() as self.session:
                try:
                    url = f"http://127.0.0.1:{switch.port}/ws/prices"
                    async with self.reader.read(url) as self.events:
                        # Once it is there, all that is published reaches it.
                        while (await self.ask())["readers"] == 0:
                            await asyncio.sleep(0.02)
                        yield switch
                except Unavailable as why:
                    print(f"SKIPPED: server-sent events in {self.reader.__name__}: {why}")
                    self.skipTest(str(why))
                finally:
                    switch.cut()

    async def ask(self):
        async with self.session.get(self.own.http("/ws/prices?as=info")) as answer:
            return await answer.json() if answer.status == 200 else {"readers": 0}

    async def publish(self, message):
        """Publishes, and returns the id."""
        binary = isinstance(message, bytes)
        headers = {"Content-Type": "application/octet-stream" if binary else "text/plain"}
        body = message if binary else message.encode()
        async with self.session.post(self.own.http("/ws/prices"), data=body, headers=headers) as answer:
            self.assertEqual(answer.status, 200)
            return (await answer.json())["id"]

    async def assert_read(self, name, message_id, data):
        self.assertEqual(await self.events.get(), (name, message_id, data))

    async def test_messages_arrive_as_they_are_but_for_line_ends(self):
        async with self.reading():
            for text in TEXTS:
                message_id = await self.publish(text)
                lines = text.replace("\r\n", "\n").replace("\r", "\n")
                await self.assert_read("message", message_id, lines)
            for binary in BINARIES:
                message_id = await self.publish(binary)
                await self.assert_read("binary", message_id, base64.b64encode(binary).decode())
            large = "0123456789\n" * 90_000
            await self.assert_read("message", await self.publish(large), large)

    async def test_a_reader_that_was_cut_off_misses_nothing_or_is_told(self):
        async with self.reading() as switch:
            await self.assert_read("message", await self.publish("first"), "first")
            switch.cut()
            ids = [await self.publish(f"{number}") for number in range(RETAINED)]
            await switch.mend()
            for number, message_id in enumerate(ids):
                await self.assert_read("message", message_id, f"{number}")
            switch.cut()
            ids = [await self.publish(f"{number}") for number in range(RETAINED + 2)]
            await switch.mend()
            await self.assert_read("gap", ids[1], '{"missed":2}')
            for number, message_id in list(enumerate(ids))[2:]:
                await self.assert_read("message", message_id, f"{number}")
            await self.assert_read("message", await self.publish("live"), "live")

    async def test_a_restart_is_told_and_the_same_address_serves_again(self):
        async with self.reading():
            await self.assert_read("message", await self.publish("before"), "before")
            port = self.own.port
            self.own.terminate()
            self.assertEqual(self.own.wait(), 0)
            self.own = self.relays.enter_context(Relay(*self.flags, port=port))
            name, _, data = await self.events.get()
            self.assertEqual((name, data), ("gap", '{"missed":null}'))
            await self.assert_read("message", await self.publish("after"), "after")


class HttpxSseTest(Scenarios, RelayCase):
    """PyPI `httpx-sse`."""

    reader = HttpxSse

    async def test_a_drain_says_when_to_come_back(self):
        async with self.reading():
            self.own.terminate()
            self.assertEqual(self.own.wait(), 0)
            while len(HttpxSse.retries) < 2:
                await asyncio.sleep(0.02)
            first, at_drain = HttpxSse.retries
            self.assertGreaterEqual(first, 2000)
            # It is alone, and need not make way for others.
            self.assertEqual(at_drain, 100)


class NodeEventSourceTest(Scenarios, RelayCase):
    """npm `eventsource`."""

    reader = NodeEventSource


class ChromiumTest(Scenarios, RelayCase):
    """Chromium's own."""

    reader = Chromium


class FirefoxTest(Scenarios, RelayCase):
    """Firefox's own."""

    reader = Firefox
