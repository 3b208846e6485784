"""What a stranger's program does with the relay, once per client library."""

import contextlib

from case import RelayCase
from libraries import Aiohttp, Refused, Websockets, Ws
from relay import Relay

MESSAGE_BYTES_MAX = 1 << 20

TEXT = 'Grüße, 你好, שלום, 👩‍👩‍👧: \x00\t"quoted" </script>'
BINARY = bytes(range(256)) * 2


class Scenarios:
    """The scenarios. `library` says who plays the client."""

    def join(self, path="/ws"):
        return self.library.join(self.relay.ws(path))

    async def assert_receives(self, client, *messages):
        for message in messages:
            received = await client.receive()
            self.assertIs(type(received), type(message))
            # Not assertEqual: what it prints of a megabyte helps nobody.
            self.assertTrue(received == message, f"{received[:80]!r} is not {message[:80]!r}")

    async def test_everybody_in_the_lobby_gets_a_message_its_sender_too(self):
        async with self.join("/ws") as sender, self.join("/ws/lobby") as other:
            await sender.send(TEXT)
            await self.assert_receives(sender, TEXT)
            await self.assert_receives(other, TEXT)

    async def test_text_and_binary_arrive_verbatim_and_as_what_they_were(self):
        messages = [TEXT, BINARY, TEXT.encode(), "", b"", "after the empty ones"]
        async with self.join() as sender, self.join() as other:
            for message in messages:
                await sender.send(message)
            await self.assert_receives(sender, *messages)
            await self.assert_receives(other, *messages)

    async def test_the_largest_message_passes(self):
        text = "€" * (MESSAGE_BYTES_MAX // 3) + "x" * (MESSAGE_BYTES_MAX % 3)
        binary = BINARY * (MESSAGE_BYTES_MAX // len(BINARY))
        async with self.join() as sender, self.join() as other:
            for message in (text, binary):
                await sender.send(message)
                await self.assert_receives(sender, message)
                await self.assert_receives(other, message)

    async def test_a_burst_keeps_its_order(self):
        messages = [f"message {index}" for index in range(1000)]
        async with self.join() as sender, self.join() as other:
            for message in messages:
                await sender.send(message)
            await self.assert_receives(other, *messages)
            await self.assert_receives(sender, *messages)

    async def test_topics_are_apart_and_have_names_in_any_script(self):
        # One name, written by hand and as the library writes it.
        encoded, plain = "/ws/caf%C3%A9-%E2%98%95", "/ws/café-☕"
        async with (
            self.join(encoded) as sender,
            self.join(plain) as member,
            self.join("/ws/caf%C3%A9") as stranger,
        ):
            await sender.send("for the café")
            await self.assert_receives(member, "for the café")
            await self.assert_receives(sender, "for the café")
            await stranger.send("for the other one")
            await self.assert_receives(stranger, "for the other one")

    async def test_without_echo_only_the_others_get_it(self):
        async with self.join("/ws?echo=0") as quiet, self.join() as other:
            await quiet.send("from the quiet one")
            await self.assert_receives(other, "from the quiet one")
            await other.send("from the other one")
            await self.assert_receives(quiet, "from the other one")
            await self.assert_receives(other, "from the other one")

    async def test_a_ping_is_answered(self):
        async with self.join() as client:
            await client.ping()
            await client.send("still here")
            await self.assert_receives(client, "still here")

    async def test_a_close_is_answered_with_its_own_code(self):
        async with self.join() as other:
            for code in (1000, 1001, 3000, 4999):
                async with self.join() as client:
                    closed = await client.close(code, "thanks for everything")
                    self.assertEqual(closed.code, code)
            await other.send("still here")
            await self.assert_receives(other, "still here")

    async def test_a_message_over_the_limit_ends_its_sender_alone(self):
        async with self.join() as other:
            async with self.join() as sender:
                # The relay may hang up before all of it has left.
                with contextlib.suppress(OSError, self.library.HUNG_UP):
                    await sender.send(bytes(MESSAGE_BYTES_MAX + 1))
                self.assertEqual((await sender.closed()).code, 1009)
            await other.send("still here")
            await self.assert_receives(other, "still here")

    async def test_a_bad_topic_and_an_unknown_path_are_refused(self):
        for path, status in (("/ws/", 400), ("/ws/a%2Fb", 400), ("/ws/%FF", 400), ("/what", 404)):
            with self.assertRaises(Refused) as refusal:
                async with self.join(path):
                    pass
            self.assertEqual(refusal.exception.status, status, path)

    async def test_a_restart_says_so_and_the_same_port_serves_again(self):
        async with self.join() as client, self.join("/ws/elsewhere") as elsewhere:
            self.relay.terminate()
            self.assertEqual((await client.closed()).code, 1012)
            self.assertEqual((await elsewhere.closed()).code, 1012)
        self.assertEqual(self.relay.wait(), 0)
        self.relay.kill()
        self.relay = Relay(port=self.relay.port)
        async with self.join() as client, self.join() as other:
            await client.send("back again")
            await self.assert_receives(client, "back again")
            await self.assert_receives(other, "back again")


class FragmentScenarios(Scenarios):
    """More of them, for libraries that can send a message in fragments."""

    async def test_fragments_arrive_as_one_message_in_one_frame(self):
        text = ["in ", "", "three ", "fragments: ", TEXT]
        binary = [BINARY, b"", BINARY]
        async with self.join() as sender, self.join() as other:
            await sender.send_fragments(text)
            await sender.send_fragments(binary)
            await self.assert_receives(sender, "".join(text), b"".join(binary))
            await self.assert_receives(other, "".join(text), b"".join(binary))


class WebsocketsTest(FragmentScenarios, RelayCase):
    """PyPI `websockets`."""

    library = Websockets


class AiohttpTest(Scenarios, RelayCase):
    """PyPI `aiohttp`."""

    library = Aiohttp


class WsTest(FragmentScenarios, RelayCase):
    """npm `ws`."""

    library = Ws
