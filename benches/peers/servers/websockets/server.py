"""Broadcast with Python's `websockets` on uvloop, with the library's own broadcast()."""

import asyncio
import sys

import uvloop
from websockets.asyncio.server import broadcast, serve
from websockets.exceptions import ConnectionClosed

# As much as fanfare keeps for whoever is behind, and the same end for who is further.
BACKPRESSURE_MAX = 8 * 1024 * 1024

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
        max_size=1024 * 1024,
    ) as server:
        await server.serve_forever()


uvloop.run(main())
