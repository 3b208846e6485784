"""Broadcast with Python's `websockets` on uvloop, with the library's own broadcast():
`server.py PORT [deflate]`."""

import asyncio
import sys

import uvloop
from websockets.asyncio.server import broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

# As much as fanfare keeps for a reader that lags, and the same end for one that lags more.
BACKPRESSURE_MAX = 8 * 1024 * 1024

# The library's defaults, but for the contexts.
DEFLATE = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True,
    client_no_context_takeover=True,
    server_max_window_bits=12,
    client_max_window_bits=12,
    compress_settings={"memLevel": 5},
)

topics = {}


async def on_connection(client):
    name = client.request.path.removeprefix("/ws").removeprefix("/") or "lobby"
    members = topics.setdefault(name, set())
    members.add(client)
    try:
        async for message in client:
            for member in [m for m in members if m.transport.get_write_buffer_size() > BACKPRESSURE_MAX]:
                member.transport.abort()
                members.discard(member)
            broadcast(members, message)
    except ConnectionClosed:
        pass
    finally:
        members.discard(client)
        if not members:
            topics.pop(name, None)


async def main():
    async with serve(
        on_connection,
        "127.0.0.1",
        int(sys.argv[1]),
        backlog=4096,
        compression=None,
        extensions=[DEFLATE] if sys.argv[2:] == ["deflate"] else None,
        max_size=1024 * 1024,
    ) as server:
        await server.serve_forever()


uvloop.run(main())
