"""Subprotocol fanfare.v1, by the readers that stand in docs/protocol.md: connections are cut off under them,
and they must miss nothing, or be told how much. And what clients say to publish, and are told."""

import asyncio
import contextlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import websockets

from case import RelayCase
from cutting_proxy import CuttingProxy
from relay import TREE, Relay

PAGE = TREE / "docs/protocol.md"
READER_LINES_MAX = 40
CUTS = 12


def reader_source(language):
    """The last piece of the page that is written in that language."""
    pieces = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert pieces, f"{PAGE} has no {language}"
    assert pieces[-1].count("\n") <= READER_LINES_MAX
    return pieces[-1]


def node_flags():
    """Before 22, Node has a WebSocket, but not by default."""
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    major = int(version.stdout.removeprefix("v").split(".")[0])
    return ["--experimental-websocket", "--no-warnings"] if major < 22 else []


class Reader:
    """A program of the page, and what it has printed. It must be reaped with `end`."""

    def __init__(self, process, folder, on_event):
        self.lines = []
        self._process = process
        self._folder = folder
        self._on_event = on_event
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def start(cls, language, url, on_event):
        name, command = {
            "python": ("reader.py", [sys.executable, "-u"]),
            "js": ("reader.mjs", ["node", *node_flags()]),
        }[language]
        # Python looks for modules beside the program.
        folder = tempfile.TemporaryDirectory()
        program = pathlib.Path(folder.name) / name
        program.write_text(reader_source(language))
        process = await asyncio.create_subprocess_exec(
            *command, program, url, stdout=asyncio.subprocess.PIPE
        )
        return cls(process, folder, on_event)

    async def _listen(self):
        try:
            async for line in self._process.stdout:
                self.lines.append(line.decode().split())
                self._on_event()
            raise AssertionError("the reader ended by itself")
        finally:
            self._on_event()

    def check(self):
        """Raises what went wrong with it."""
        if self._listening.done():
            self._listening.result()

    async def end(self):
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        self._folder.cleanup()


class Place:
    """Where a reader is, by what it has printed: each message is the next one, or a gap says what is missing."""

    def __init__(self):
        self.sequence = None
        self.missed = 0
        self._ahead = None

    def advance(self, line):
        match line:
            case ["missed", count]:
                self.missed += int(count)
                if self.sequence is not None:
                    self.sequence += int(count)
            case [message_id, message]:
                sequence = int(message.strip("#."))
                if self.sequence not in (None, sequence - 1):
                    raise AssertionError(f"{message_id} is message {sequence}, after {self.sequence}")
                ahead = int(message_id.split("-")[1]) - sequence
                if self._ahead not in (None, ahead):
                    raise AssertionError(f"message {sequence} is not {message_id}")
                self.sequence, self._ahead = sequence, ahead
            case _:
                raise AssertionError(f"the reader printed {line}")


class ProtocolTest(RelayCase):
    """What the page says, between programs that know nothing but the page."""

    async def read_through_cuts(self, language, *flags):
        """How many messages the reader says that it missed, while it was cut off a dozen times."""
        news = asyncio.Event()
        place, sent, printed = Place(), 0, 0
        with Relay(*flags) as relay:
            async with (
                # It is a member all the time, so that the topic goes on.
                websockets.connect(relay.ws("/ws/prices?echo=0")) as publisher,
                CuttingProxy(relay.port, language, news.set) as proxy,
            ):
                url = f"ws://127.0.0.1:{proxy.port}/ws/prices"
                reader = await Reader.start(language, url, news.set)
                try:
                    while proxy.cutting or place.sequence != sent:
                        await news.wait()
                        news.clear()
                        reader.check()
                        for line in reader.lines[printed:]:
                            place.advance(line)
                            printed += 1
                        if not proxy.cutting:
                            continue
                        proxy.cutting = proxy.cuts < CUTS or place.sequence is None
                        # Whatever has happened: some of them come while the reader is away.
                        for _ in range(5):
                            sent += 1
                            await publisher.send(f"#{sent}{'.' * (sent * 37 % 150)}")
                finally:
                    await reader.end()
        return place.missed

    async def test_the_python_reader_misses_nothing_that_is_retained(self):
        self.assertEqual(await self.read_through_cuts("python", "--retain", "10m"), 0)

    async def test_the_javascript_reader_misses_nothing_that_is_retained(self):
        self.assertEqual(await self.read_through_cuts("js", "--retain", "10m"), 0)

    async def test_the_python_reader_is_told_what_was_not_retained(self):
        self.assertGreater(await self.read_through_cuts("python"), 0)

    async def test_the_javascript_reader_is_told_what_was_not_retained(self):
        self.assertGreater(await self.read_through_cuts("js"), 0)

    async def test_an_acknowledgement_comes_before_the_message(self):
        url = self.relay.ws("/ws/orders")
        count = 100
        async with (
            websockets.connect(url, subprotocols=["fanfare.v1"]) as client,
            websockets.connect(url) as other,
        ):
            self.assertEqual(client.subprotocol, "fanfare.v1")
            welcome = json.loads(await client.recv())
            self.assertEqual((welcome["fanfare"], welcome["topic"]), (1, "orders"))
            mark = welcome["mark"]
            number = int(welcome["id"].split("-")[1])

            async def publish():
                for ref in range(count):
                    command = f'{mark}{{"publish":true,"ref":{ref}}}\nof {ref}'
                    # In a binary message, it publishes binary.
                    await client.send(command.encode() if ref % 2 else command)
                    await client.send(f"\u001e verbatim {ref}")

            async def disturb():
                for _ in range(count):
                    await other.send("disturbance")

            publishing = asyncio.gather(publish(), disturb())
            acknowledged, verbatim = {}, 0
            for _ in range(4 * count):
                message = await client.recv()
                if isinstance(message, str) and message.startswith(mark):
                    said = json.loads(message[len(mark):])
                    own = int(said["id"].split("-")[1])
                    self.assertGreater(own, number, "the message itself came first")
                    acknowledged[own] = said["ref"]
                    continue
                number += 1
                if number in acknowledged:
                    ref = acknowledged.pop(number)
                    expected = f"of {ref}"
                    self.assertEqual(message, expected.encode() if ref % 2 else expected)
                elif message != "disturbance":
                    self.assertEqual(message, f"\u001e verbatim {verbatim}")
                    verbatim += 1
            self.assertEqual((acknowledged, verbatim), ({}, count))
            await publishing

    async def test_a_command_that_is_wrong_is_explained(self):
        url = self.relay.ws("/ws/orders")
        async with websockets.connect(url, subprotocols=["fanfare.v1"]) as client:
            mark = json.loads(await client.recv())["mark"]
            for line, error in [
                ('{"publish":false,"ref":7}', "bad_publish"),
                ('{"publish":true,"ref":7}', "no_payload"),
                ('{"ref":7}\n', "unknown_command"),
            ]:
                await client.send(mark + line)
                answer = await client.recv()
                self.assertTrue(answer.startswith(mark))
                said = json.loads(answer[len(mark):])
                self.assertEqual((said["error"], said["ref"]), (error, 7))
            await client.send("hello")
            self.assertEqual(await client.recv(), "hello")

    async def test_what_is_malformed_or_contradicts_itself_is_refused(self):
        for query, options in [
            ("since=yesterday", {}),
            ("echo=0", {"subprotocols": ["fanfare.v1"]}),
        ]:
            with self.assertRaises(websockets.InvalidStatus) as refused:
                await websockets.connect(self.relay.ws(f"/ws/orders?{query}"), **options)
            self.assertEqual(refused.exception.response.status_code, 400)
