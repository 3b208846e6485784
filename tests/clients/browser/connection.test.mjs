/**
 * What the page does when connections end in the ways a healthy relay seldom shows: the relay's side
 * of the WebSocket is played by the test, and the clock is the test's own where delays matter.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connected, heard, launch, Person, say } from "./browser.mjs";
import { Relay } from "./relay.mjs";

let browser;
let relay;

before(async () => {
  browser = await launch();
  relay = await Relay.start();
});

after(async () => {
  await browser?.close();
  await relay?.stop();
});

/** A page whose sockets are welcomed, and then answered by `onSocket(socket, index)`. */
async function openPlayed(person, onSocket, { url = relay.url, prepare } = {}) {
  const page = await person.tab();
  let index = 0;
  await page.routeWebSocket(/\/ws/, (socket) => {
    const id = `playedx-${number}`;
    socket.send(JSON.stringify({ fanfare: 1, mark: MARK, topic: "played", id, tail: id }));
    onSocket(socket, index++);
  });
  await prepare?.(page);
  await page.goto(url);
  return page;
}

const MARK = "\u001eplayed";
/** How many messages the played relay has taken. */
let number = 0;

/** What the page publishes with a command. */
function published(command) {
  const [line, text] = command.split(/\n(.*)/s);
  assert.ok(line.startsWith(MARK), line);
  const { publish, ref } = JSON.parse(line.slice(MARK.length));
  assert.equal(publish, true);
  return { ref, text };
}

/** Takes what the page publishes, as a relay does: it says which message it is, and sends it. */
function take(socket, command) {
  const { ref, text } = published(command);
  number += 1;
  socket.send(`${MARK}${JSON.stringify({ ref, id: `playedx-${number}` })}`);
  socket.send(text);
}

const echo = (socket) => socket.onMessage((command) => take(socket, command));
const status = (page, text) => page.locator("#status").getByText(text, { exact: true }).waitFor();

test("a delay that the relay asks for is kept, and the user may go before it", async () => {
  const ada = await Person.create(browser);
  const sockets = [];
  const page = await openPlayed(ada, (socket, index) => {
    sockets.push(socket);
    if (index > 0) echo(socket);
  });
  await connected(page);
  await sockets[0].close({ code: 1013, reason: "too slow; retry-ms=60000" });
  await page.getByText(/^Reconnecting in (60|59) s$/).waitFor();
  // A page that is looked at again connects early, but not before the time that the relay named.
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await page.evaluate(() => window.dispatchEvent(new Event("online")));
  assert.equal(sockets.length, 1);
  await page.getByRole("button", { name: "Reconnect now" }).click();
  await connected(page);
  assert.equal(sockets.length, 2);
  await say(page, "here again");
  await heard(page, "here again");
  await ada.leave();
});

test("delays grow to a bound, and start anew after a stable connection", async () => {
  const ada = await Person.create(browser);
  const sockets = [];
  const page = await openPlayed(ada, (socket) => sockets.push(socket), {
    prepare: async (page) => {
      await page.clock.install();
      await page.addInitScript(() => (Math.random = () => 0.999));
    },
  });
  const loseAndWait = async (seconds) => {
    await sockets.at(-1).close({ code: 1012, reason: "" });
    await status(page, `Reconnecting in ${seconds} s`);
    await page.clock.runFor(seconds * 1000);
    await connected(page);
  };
  await connected(page);
  for (const seconds of [1, 2, 4, 8, 16, 30, 30]) await loseAndWait(seconds);
  await page.clock.runFor(10_000);
  await loseAndWait(1);
  await ada.leave();
});

test("the jitter is full, and the close reason is read strictly", async () => {
  const ada = await Person.create(browser);
  const page = await ada.open(relay.url);
  const results = await page.evaluate(async () => {
    const { retryDelay, requestedDelay } = await import(new URL("connection.js", document.baseURI));
    return {
      delays: [0, 0.5, 1].map((drawn) => retryDelay(3, () => drawn)),
      bound: retryDelay(1000, () => 1),
      reasons: [
        "retry-ms=0",
        "retry-ms=1234",
        "busy; retry-ms=1234, sorry",
        "",
        "retry-ms=",
        "retry-ms=12x",
        "no-retry-ms=5",
        "retry-ms=9999999999",
      ].map(requestedDelay),
    };
  });
  assert.deepEqual(results, {
    delays: [0, 2000, 4000],
    bound: 30_000,
    reasons: [0, 1234, 1234, null, null, null, null, 3_600_000],
  });
  await ada.leave();
});

test("a message whose fate is unknown is not sent twice by itself", async () => {
  const ada = await Person.create(browser);
  const received = [];
  const page = await openPlayed(ada, (socket, index) => {
    socket.onMessage((command) => {
      received.push(JSON.parse(published(command).text).body);
      if (index === 0) socket.close({ code: 1011, reason: "retry-ms=1" });
      else take(socket, command);
    });
  });
  await connected(page);
  await say(page, "did this arrive?");
  await page.getByText("May not have arrived").waitFor();
  await connected(page);
  assert.deepEqual(received, ["did this arrive?"]);
  await page.getByRole("button", { name: "Send again" }).click();
  await heard(page, "did this arrive?");
  assert.deepEqual(received, ["did this arrive?", "did this arrive?"]);
  await ada.leave();
});

test("what an orderly restart did not take in goes again by itself", async () => {
  const ada = await Person.create(browser);
  const page = await openPlayed(ada, (socket, index) => {
    if (index === 0) socket.onMessage(() => socket.close({ code: 1012, reason: "retry-ms=1" }));
    else echo(socket);
  });
  await connected(page);
  await say(page, "patience");
  await heard(page, "patience");
  await ada.leave();
});

test("a message too long for the relay is kept for its sender, the ones behind it go on", async () => {
  const ada = await Person.create(browser);
  const page = await openPlayed(ada, (socket) => {
    let refused = false;
    socket.onMessage((command) => {
      if (refused) return;
      if (command.length < 200) take(socket, command);
      else {
        refused = true;
        socket.close({ code: 1009, reason: "retry-ms=1" });
      }
    });
  });
  await connected(page);
  await page.evaluate(() => {
    // All in one task, so that they are under way together.
    for (const text of ["short", "l".repeat(300), "behind"]) {
      document.getElementById("draft").value = text;
      document.getElementById("composer").requestSubmit();
    }
  });
  await heard(page, "behind");
  await page.getByText("Too long for this relay").waitFor();
  await page.getByRole("button", { name: "Take back" }).click();
  assert.equal(await page.getByLabel("Message", { exact: true }).inputValue(), "l".repeat(300));
  assert.equal(await page.locator("#pending > *").count(), 0);
  await ada.leave();
});

test("a message over 1 MiB is refused before it is sent", async () => {
  const ada = await Person.create(browser);
  const page = await ada.open(relay.url);
  const text = "é".repeat(524_288);
  await say(page, text);
  await page.getByRole("alert").filter({ hasText: "the relay takes at most 1 MiB" }).waitFor();
  assert.equal((await page.getByLabel("Message", { exact: true }).inputValue()).length, text.length);
  await say(page, text.slice(0, -100));
  await page.getByText(/^Show all of it/).click();
  await heard(page, text.slice(0, -100));
  await ada.leave();
});

test("a socket that swallows everything is given up", async () => {
  const ada = await Person.create(browser);
  const page = await openPlayed(ada, (socket, index) => index > 0 && echo(socket), {
    prepare: (page) => page.clock.install(),
  });
  await connected(page);
  await page.clock.runFor(9_000);
  await say(page, "hello?");
  await page.clock.runFor(30_000);
  await page.getByText("May not have arrived").waitFor();
  await connected(page);
  await ada.leave();
});

test("unsent messages wait in their room's draft while their sender is elsewhere", async () => {
  const ada = await Person.create(browser);
  const sockets = [];
  const page = await openPlayed(ada, (socket) => sockets.push(socket), { url: `${relay.url}#first` });
  await connected(page);
  await sockets[0].close({ code: 1013, reason: "retry-ms=60000" });
  await say(page, "never left");
  await page.getByText("Waits for the connection").waitFor();
  await page.goto(`${relay.url}#second`);
  await connected(page);
  assert.equal(await page.locator("#pending > *").count(), 0);
  await page.goBack();
  await connected(page);
  assert.equal(await page.getByLabel("Message", { exact: true }).inputValue(), "never left");
  await ada.leave();
});
