"""Readers of server-sent events behind one face: each comes back by itself, with the id that it had last.

Each is used as its own manual says. `read` is an asynchronous context manager of a queue, into which each event comes
as (name, id, data); one of the name `closed` says that the reader has given up.
"""

import asyncio
import contextlib
import json
import os
import pathlib
import random
import shutil
import tempfile
import urllib.parse

import httpx
import httpx_sse
from aiohttp import web

from relay import DEADLINE_SECONDS

CLIENTS = pathlib.Path(__file__).resolve().parent.parent


class Unavailable(Exception):
    """Why a reader can't be tried here."""


@contextlib.asynccontextmanager
async def _child(*command, **options):
    """A process that ends with the block."""
    process = await asyncio.create_subprocess_exec(*command, **options)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def _task(coroutine):
    """A task that ends with the block."""
    task = asyncio.create_task(coroutine)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class HttpxSse:
    """PyPI `httpx-sse`, which leaves it to its user to come back."""

    origin = None
    # When it comes back, in milliseconds, each time that it was told so.
    retries = []

    @classmethod
    @contextlib.asynccontextmanager
    async def read(cls, url):
        events, cls.retries = asyncio.Queue(), []
        async with _task(cls._read(url, events)):
            yield events

    @classmethod
    async def _read(cls, url, events):
        last, retry_ms = "", 1000
        async with httpx.AsyncClient(timeout=DEADLINE_SECONDS) as client:
            while True:
                headers = {"Last-Event-ID": last} if last else {}
                try:
                    async with httpx_sse.aconnect_sse(client, "GET", url, headers=headers) as stream:
                        if stream.response.status_code != 200:
                            return events.put_nowait(("closed", last, ""))
                        async for event in stream.aiter_sse():
                            last = event.id or last
                            if event.retry is not None:
                                retry_ms = event.retry
                                cls.retries.append(retry_ms)
                            if event.data or event.event != "message":
                                events.put_nowait((event.event, last, event.data))
                except httpx.TransportError:
                    pass
                await asyncio.sleep(random.uniform(1, 1.1) * retry_ms / 1000)


class NodeEventSource:
    """npm `eventsource`, in a process of its own (events.mjs)."""

    origin = None

    @classmethod
    @contextlib.asynccontextmanager
    async def read(cls, url):
        events = asyncio.Queue()
        pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE, "limit": 1 << 24}
        async with (
            _child("node", CLIENTS / "node/events.mjs", url, **pipes) as process,
            _task(cls._hear(process.stdout, events)),
        ):
            yield events

    @staticmethod
    async def _hear(lines, events):
        async for line in lines:
            event = json.loads(line)
            events.put_nowait((event["name"], event.get("id"), event.get("data")))


class Browser:
    """The EventSource of a browser, on a page of another origin than the relay's (events.html)."""

    # The page's own, which the relay is to let in.
    origin = "http://localhost:*"
    variable = None
    command = None

    @classmethod
    @contextlib.asynccontextmanager
    async def read(cls, url):
        binary = os.environ.get(cls.variable) or shutil.which(cls.command)
        if binary is None:
            raise Unavailable(f"no `{cls.command}` on the PATH, nor in {cls.variable}")
        events = asyncio.Queue()

        async def page(_request):
            return web.FileResponse(CLIENTS / "browser/events.html")

        async def heard(request):
            event = await request.json()
            events.put_nowait((event["name"], event.get("id"), event.get("data")))
            return web.Response()

        app = web.Application(client_max_size=1 << 24)
        app.add_routes([web.get("/", page), web.post("/heard", heard)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            port = runner.addresses[0][1]
            address = f"http://localhost:{port}/?{urllib.parse.urlencode({'source': url})}"
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
                command = [binary, *cls.arguments(profile), address]
                quiet = dict.fromkeys(["stdin", "stdout", "stderr"], asyncio.subprocess.DEVNULL)
                environment = {**os.environ, "HOME": profile}
                async with _child(*command, **quiet, env=environment):
                    yield events
        finally:
            await runner.cleanup()


class Chromium(Browser):
    """Chromium, headless."""

    variable, command = "CHROMIUM_BIN", "chromium"

    @staticmethod
    def arguments(profile):
        return [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--remote-debugging-port=0",
            f"--user-data-dir={profile}",
        ]


class Firefox(Browser):
    """Firefox, headless."""

    variable, command = "FIREFOX_BIN", "firefox-esr"

    @staticmethod
    def arguments(profile):
        return ["--headless", "--no-remote", "--profile", profile]


READERS = [HttpxSse, NodeEventSource, Chromium, Firefox]
