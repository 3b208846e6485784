"""A proxy that cuts connections off, wherever in the relay's bytes that may be."""

import asyncio
import contextlib
import random
import struct
from socket import SO_LINGER, SOL_SOCKET

# The response to the upgrade takes 200 to 300 bytes, and a message some 100.
BYTES_UNTIL_CUT_MAX = 3000
READ_BYTES = 1024
LINGER_NOT = struct.pack("ii", 1, 0)


class CuttingProxy:
    """Passes connections on to a port, each until a random number of bytes has come back. An asynchronous
    context manager."""

    def __init__(self, port, seed, on_event):
        """`on_event` is called when the relay has begun to answer, and after each cut."""
        self.cuts = 0
        self.cutting = True
        self._relay_port = port
        self._random = random.Random(seed)
        self._on_event = on_event
        self._connections = set()
        self._to_relay = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exception):
        self._server.close()
        for writer in self._to_relay:
            writer.transport.abort()
        await asyncio.gather(*self._connections)

    async def _accept(self, from_client, to_client):
        connection = asyncio.current_task()
        self._connections.add(connection)
        from_relay, to_relay = await asyncio.open_connection("127.0.0.1", self._relay_port)
        self._to_relay.add(to_relay)
        requests = asyncio.create_task(self._pass_on(from_client, to_relay))
        await self._pass_back(from_relay, to_client)
        requests.cancel()
        self._cut(to_client, to_relay)
        self._to_relay.discard(to_relay)
        self._connections.discard(connection)

    async def _pass_on(self, reader, writer):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(READ_BYTES):
                writer.write(data)
                await writer.drain()

    async def _pass_back(self, reader, writer):
        until_cut = self._random.randint(1, BYTES_UNTIL_CUT_MAX)
        passed = 0
        with contextlib.suppress(ConnectionError):
            while not self.cutting or passed < until_cut:
                limit = min(READ_BYTES, until_cut - passed) if self.cutting else READ_BYTES
                data = await reader.read(limit)
                if not data:
                    return
                writer.write(data)
                await writer.drain()
                if passed == 0:
                    self._on_event()
                passed += len(data)

    def _cut(self, *writers):
        # A reset may destroy what was passed on before it.
        resets = self._random.random() < 0.5
        for writer in writers:
            if resets and not writer.is_closing():
                writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, LINGER_NOT)
            writer.transport.abort()
        self.cuts += 1
        self._on_event()
