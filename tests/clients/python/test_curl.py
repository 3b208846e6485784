"""What curl sees: the page, the upgrade, and errors that help to mend them."""

import asyncio

from case import RelayCase
from relay import DEADLINE_SECONDS

UPGRADE = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
]
# RFC 6455 §1.3: the answer to that key.
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


class CurlTest(RelayCase):
    """Each test is one line that somebody could type."""

    async def curl(self, path, *arguments, headers=()):
        """Status, headers (names in lower case) and body of what comes back."""
        header_flags = [flag for header in headers for flag in ("--header", header)]
        process = await asyncio.create_subprocess_exec(
            "curl",
            "--silent",
            "--show-error",
            "--include",
            "--path-as-is",
            "--max-time",
            str(DEADLINE_SECONDS),
            *header_flags,
            *arguments,
            self.relay.http(path),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        self.assertEqual(process.returncode, 0, output)
        head, _, body = output.decode().partition("\r\n\r\n")
        status_line, *lines = head.split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers.setdefault(name.lower(), []).append(value.strip())
        headers = {name: ", ".join(values) for name, values in headers.items()}
        return int(status_line.split()[1]), headers, body

    async def test_the_page(self):
        status, headers, body = await self.curl("/")
        self.assertEqual(status, 200)
        self.assertEqual(headers["content-type"], "text/html; charset=utf-8")
        self.assertIn("default-src", headers["content-security-policy"])
        self.assertIn("<!doctype html>", body.lower())
        self.assertEqual(int(headers["content-length"]), len(body.encode()))

    async def test_the_head_of_the_page_alone(self):
        status, headers, body = await self.curl("/", "--head")
        self.assertEqual((status, body), (200, ""))
        self.assertGreater(int(headers["content-length"]), 0)

    async def test_a_page_that_is_not_there(self):
        status, _, body = await self.curl("/nothing/here")
        self.assertEqual(status, 404)
        self.assertNotEqual(body, "")

    async def test_a_socket_path_without_an_upgrade(self):
        status, headers, body = await self.curl("/ws")
        self.assertEqual(status, 426)
        self.assertEqual(headers["upgrade"].lower(), "websocket")
        self.assertIn("upgrade", headers["connection"].lower())
        self.assertEqual(headers["sec-websocket-version"], "13")
        self.assertNotEqual(body, "")

    async def test_an_upgrade_of_another_version(self):
        other = ["Sec-WebSocket-Version: 8" if "Version" in line else line for line in UPGRADE]
        status, headers, _ = await self.curl("/ws", headers=other)
        self.assertEqual((status, headers["sec-websocket-version"]), (426, "13"))

    async def test_another_method_on_a_socket_path(self):
        status, headers, _ = await self.curl("/ws", "--request", "DELETE")
        self.assertEqual((status, headers["allow"]), (405, "GET, HEAD, POST, PUT, OPTIONS"))

    async def test_a_topic_that_cannot_be(self):
        for path in ("/ws/", "/ws/%00", "/ws/%FF", "/ws/" + "x" * 129):
            status, _, body = await self.curl(path, headers=UPGRADE)
            self.assertEqual(status, 400, path)
            self.assertNotEqual(body, "", path)

    async def test_a_page_of_another_site(self):
        headers = [*UPGRADE, "Origin: https://elsewhere.example"]
        status, _, body = await self.curl("/ws", headers=headers)
        self.assertEqual(status, 403)
        for part in ("https://elsewhere.example", f"127.0.0.1:{self.relay.port}", "--origin"):
            self.assertIn(part, body)

    async def test_a_key_that_is_none(self):
        headers = [line for line in UPGRADE if "Key" not in line]
        for key in ("Sec-WebSocket-Key: no", "Sec-WebSocket-Key;"):
            status, _, _ = await self.curl("/ws", headers=[*headers, key])
            self.assertEqual(status, 400, key)

    async def test_the_upgrade_itself(self):
        flags = [flag for header in UPGRADE for flag in ("--header", header)]
        process = await asyncio.create_subprocess_exec(
            "curl",
            "--silent",
            "--dump-header",
            "-",
            "--no-buffer",
            *flags,
            self.relay.http("/ws"),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            head = (await process.stdout.readuntil(b"\r\n\r\n")).decode()
        finally:
            # curl would wait for the body of an answer that has none.
            process.kill()
            await process.wait()
        self.assertTrue(head.startswith("HTTP/1.1 101 "), head)
        self.assertIn(f"sec-websocket-accept: {ACCEPT}".lower(), head.lower())
