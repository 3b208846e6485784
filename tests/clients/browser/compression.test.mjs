/**
 * Chromium's own WebSocket: it agrees on compression, and shares a topic with who does not.
 */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import { after, before, test } from "node:test";
import { launch, Person } from "./browser.mjs";
import { Relay } from "./relay.mjs";

const MESSAGES = 50;

let browser;
let relay;

before(async () => {
  browser = await launch();
  relay = await Relay.start();
});

after(async () => {
  await browser?.close();
  assert.equal(await relay?.stop(), 0);
});

/** A member without compression; `messages(count)` are the next ones that it hears. */
async function joinPlain(path) {
  const request = http.get(new URL(path, relay.url), {
    headers: {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": randomBytes(16).toString("base64"),
    },
  });
  const [response, socket, head] = await once(request, "upgrade");
  assert.equal(response.headers["sec-websocket-extensions"], undefined);
  let bytes = head;
  const take = async (count) => {
    while (bytes.length < count) bytes = Buffer.concat([bytes, (await once(socket, "data"))[0]]);
    const taken = bytes.subarray(0, count);
    bytes = bytes.subarray(count);
    return taken;
  };
  const next = async () => {
    const [first, length] = await take(2);
    assert.equal(first, 0x81, "a whole text, not compressed");
    assert.ok(length < 127);
    return (await take(length < 126 ? length : (await take(2)).readUInt16BE())).toString();
  };
  return {
    async messages(count) {
      const heard = [];
      while (heard.length < count) heard.push(await next());
      return heard;
    },
    leave: () => socket.destroy(),
  };
}

test("a page's socket agrees on compression, and shares a topic with one that does not", async () => {
  const plain = await joinPlain("/ws/mixed");
  const ada = await Person.create(browser);
  const page = await ada.open(relay.url);
  const heardByPage = page.evaluate(
    (count) =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(new URL("ws/mixed", document.baseURI).href.replace("http", "ws"));
        const heard = [];
        socket.onerror = reject;
        socket.onopen = () => {
          for (let number = 0; number < count; number++)
            socket.send(JSON.stringify({ number, body: "fan fan fanfare! ".repeat(number * 5) }));
        };
        socket.onmessage = ({ data }) => {
          heard.push(data);
          if (heard.length < count) return;
          const { extensions } = socket;
          socket.close();
          resolve({ extensions, heard });
        };
      }),
    MESSAGES,
  );
  const heardByPlain = await plain.messages(MESSAGES);
  const { extensions, heard } = await heardByPage;
  assert.match(extensions, /^permessage-deflate(;|$)/);
  assert.deepEqual(heard, heardByPlain);
  assert.deepEqual(
    heard.map((message) => JSON.parse(message).number),
    Array.from({ length: MESSAGES }, (_, number) => number),
  );
  plain.leave();
  await ada.leave();
});
