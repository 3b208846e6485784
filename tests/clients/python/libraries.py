"""The client libraries behind one face, so that each scenario is written once.

Each is used as its own manual says, with its defaults: what a stranger's program would do.
"""

import asyncio
import base64
import contextlib
import dataclasses
import json
import pathlib

import aiohttp
import websockets

from relay import DEADLINE_SECONDS

NODE_CLIENT = pathlib.Path(__file__).resolve().parent.parent / "node" / "client.mjs"


class Refused(Exception):
    """The relay answered the upgrade with another status than 101."""

    def __init__(self, status):
        super().__init__(f"HTTP {status}")
        self.status = status


@dataclasses.dataclass(frozen=True)
class Closed:
    """How a connection ended: what the relay's close frame said."""

    code: int
    reason: str


class Websockets:
    """PyPI `websockets`."""

    # What a send may raise, once the relay has closed.
    HUNG_UP = websockets.ConnectionClosed

    def __init__(self, connection):
        self._connection = connection

    @classmethod
    @contextlib.asynccontextmanager
    async def join(cls, url, **options):
        try:
            connection = await websockets.connect(url, **options)
        except websockets.InvalidStatus as refusal:
            raise Refused(refusal.response.status_code) from refusal
        async with connection:
            yield cls(connection)

    @property
    def is_compressed(self):
        """Whether permessage-deflate was agreed on."""
        return bool(self._connection.protocol.extensions)

    async def send(self, message):
        await self._connection.send(message)

    async def send_fragments(self, fragments):
        await self._connection.send(fragments)

    async def receive(self):
        """The next message; it must have come in one frame."""
        frames = [frame async for frame in self._connection.recv_streaming()]
        assert len(frames) == 1, f"the message came in {len(frames)} frames"
        return frames[0]

    async def ping(self):
        """Returns once the pong with the ping's own payload is here."""
        await (await self._connection.ping())

    async def close(self, code, reason):
        await self._connection.close(code, reason)
        return Closed(self._connection.close_code, self._connection.close_reason)

    async def closed(self):
        await self._connection.wait_closed()
        return Closed(self._connection.close_code, self._connection.close_reason)


class Aiohttp:
    """PyPI `aiohttp`. It has no way to send a message in fragments."""

    HUNG_UP = aiohttp.ClientError

    def __init__(self, connection):
        self._connection = connection

    @classmethod
    @contextlib.asynccontextmanager
    async def join(cls, url, **options):
        async with aiohttp.ClientSession() as session:
            try:
                # Without autoping, pongs are handed to us, and pings are ours to answer.
                connection = await session.ws_connect(url, autoping=False, **options)
            except aiohttp.WSServerHandshakeError as refusal:
                raise Refused(refusal.status) from refusal
            async with connection:
                yield cls(connection)

    @property
    def is_compressed(self):
        return self._connection.compress > 0

    async def send(self, message):
        if isinstance(message, str):
            await self._connection.send_str(message)
        else:
            await self._connection.send_bytes(message)

    async def receive(self):
        event = await self._connection.receive()
        assert event.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), event
        return event.data

    async def ping(self):
        await self._connection.ping(b"are you there?")
        event = await self._connection.receive()
        assert (event.type, event.data) == (aiohttp.WSMsgType.PONG, b"are you there?"), event

    async def close(self, code, reason):
        await self._connection.close(code=code, message=reason.encode())
        return Closed(self._connection.close_code, reason)

    async def closed(self):
        event = await self._connection.receive()
        assert event.type is aiohttp.WSMsgType.CLOSE, event
        return Closed(event.data, event.extra)


class Ws:
    """npm `ws`, in a process of its own that is told what to do line by line (client.mjs)."""

    HUNG_UP = BrokenPipeError

    def __init__(self, process):
        self._process = process
        self.is_compressed = False

    @classmethod
    @contextlib.asynccontextmanager
    async def join(cls, url, **options):
        process = await asyncio.create_subprocess_exec(
            "node",
            NODE_CLIENT,
            url,
            json.dumps(options),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 24,
        )
        try:
            client = cls(process)
            event = await client._event("open", "refused")
            if event["event"] == "refused":
                raise Refused(event["status"])
            client.is_compressed = "permessage-deflate" in event["extensions"]
            yield client
        finally:
            process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), DEADLINE_SECONDS)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()

    async def _order(self, **order):
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        await self._process.stdin.drain()

    async def _event(self, *kinds):
        line = await self._process.stdout.readline()
        assert line, "the node client ended by itself"
        event = json.loads(line)
        assert event["event"] in kinds, f"awaited {kinds}, not {line[:200]}"
        return event

    async def send(self, message):
        await self.send_fragments([message])

    async def send_fragments(self, fragments):
        last = len(fragments) - 1
        for index, fragment in enumerate(fragments):
            if isinstance(fragment, str):
                await self._order(do="send", text=fragment, fin=index == last)
            else:
                base64_bytes = base64.b64encode(fragment).decode()
                await self._order(do="send", binary=base64_bytes, fin=index == last)

    async def receive(self):
        event = await self._event("message")
        return event["text"] if "text" in event else base64.b64decode(event["binary"])

    async def ping(self):
        await self._order(do="ping", text="are you there?")
        event = await self._event("pong")
        assert event["text"] == "are you there?", event

    async def close(self, code, reason):
        await self._order(do="close", code=code, reason=reason)
        return await self.closed()

    async def closed(self):
        event = await self._event("close")
        return Closed(event["code"], event["reason"])


LIBRARIES = [Websockets, Aiohttp, Ws]
