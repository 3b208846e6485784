/**
 * Coming, and coming back: what was said before, and what was missed meanwhile.
 */

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { after, before, test } from "node:test";
import { connected, heard, launch, Person, RELAY_AWAY, say, sendRaw } from "./browser.mjs";
import { Relay, startProxy } from "./relay.mjs";

const SCREENSHOTS = new URL("screenshots/", import.meta.url).pathname;

const chat = (from, body) => JSON.stringify({ type: 1, from, body });
const numbered = (first, last) =>
  Array.from({ length: last - first + 1 }, (_, index) => chat("Ada", `message ${first + index}`));

let browser;
let relay;

before(async () => {
  browser = await launch();
  relay = await Relay.start(0, "--retain", "10m", "--retain-messages", "50");
});

after(async () => {
  await browser?.close();
  assert.equal(await relay?.stop(), 0);
});

/** What the log shows, the lines of the page's own among it. */
const shown = (page) => page.locator("#messages :is(.body, .notice)").allTextContents();
const bodies = (first, last) => numbered(first, last).map((wire) => JSON.parse(wire).body);

/** A page behind a proxy, and one that is not. */
async function twoPages(person, room, target = relay) {
  const proxy = await startProxy(target.url, "/");
  const [page, other] = [await person.open(`${proxy.url}#${room}`), await person.open(`${target.url}#${room}`)];
  return { proxy, page, other };
}

/** The page's connection is lost, `meanwhile` happens, and it comes back. */
async function blink(proxy, page, meanwhile) {
  proxy.cut();
  const button = page.getByRole("button", { name: "Reconnect now" });
  await button.waitFor();
  await meanwhile();
  proxy.mend();
  // An attempt may be under way, or be due at this very moment.
  await button.click({ timeout: 1_000 }).catch(() => {});
  await connected(page);
}

test("whoever comes sees what was said before, in its order, and without a time", async () => {
  const ada = await Person.create(browser);
  const first = await ada.open(`${relay.url}#history`);
  await sendRaw(first, "ws/history", [...numbered(1, 60), "raw", 3]);
  await heard(first, "binary message, 3 bytes");
  const second = await ada.open(`${relay.url}#history`);
  await heard(second, "message 60", "raw", "binary message, 3 bytes");
  assert.deepEqual(await shown(second), [...bodies(13, 60), "raw", "binary message, 3 bytes"]);
  assert.equal(await second.locator("#messages time").count(), 0);
  await second.locator("#messages").getByText("earlier", { exact: true }).first().waitFor();
  await say(second, "and now");
  await heard(second, "and now");
  assert.equal(await second.locator("#messages time").count(), 1);
  assert.equal(await second.locator("#messages .own").count(), 1);
  await ada.leave();
});

test("another room's history is its own", async () => {
  const ada = await Person.create(browser);
  const page = await ada.open(`${relay.url}#one`);
  await say(page, "in one");
  await heard(page, "in one");
  await page.goto(`${relay.url}#two`);
  await page.getByRole("heading", { name: "two" }).waitFor();
  await connected(page);
  await say(page, "in two");
  await heard(page, "in two");
  await page.goBack();
  await page.getByRole("heading", { name: "one" }).waitFor();
  await heard(page, "in one");
  assert.deepEqual(await shown(page), ["in one"]);
  await ada.leave();
});

test("a lost network leaves no gap", async () => {
  const ada = await Person.create(browser);
  const { proxy, page, other } = await twoPages(ada, "cut");
  await say(page, "before");
  await heard(page, "before");
  await heard(other, "before");
  for (const round of [0, 1]) {
    await blink(proxy, page, async () => {
      await sendRaw(other, "ws/cut", numbered(10 * round + 1, 10 * round + 10));
      await say(page, `typed while away ${round}`);
      await page.getByText("Waits for the connection").waitFor();
    });
    await heard(page, `typed while away ${round}`);
  }
  const lines = await shown(page);
  assert.deepEqual(
    lines.filter((line) => !/^Back after \d+ s\.$/.test(line)),
    ["before", ...bodies(1, 10), "typed while away 0", ...bodies(11, 20), "typed while away 1"],
  );
  assert.equal(lines.length, 25);
  assert.equal(await page.locator("#pending > *").count(), 0);
  await ada.leave({ mayMiss: RELAY_AWAY });
  await proxy.close();
});

test("a quiet room that blinks has missed nothing", async () => {
  const ada = await Person.create(browser);
  const { proxy, page } = await twoPages(ada, "quiet");
  await blink(proxy, page, async () => {});
  await say(page, "still here");
  await heard(page, "still here");
  assert.equal(await page.getByText(/missed/).count(), 0);
  await ada.leave({ mayMiss: RELAY_AWAY });
  await proxy.close();
});

test("what is no longer retained is counted, at its place", async () => {
  const ada = await Person.create(browser);
  const { proxy, page, other } = await twoPages(ada, "gap");
  await say(other, "before");
  await heard(page, "before");
  await blink(proxy, page, () => sendRaw(other, "ws/gap", numbered(1, 62)));
  await heard(page, "message 62");
  const lines = await shown(page);
  assert.match(lines[1], /^Back after \d+ s\.$/);
  assert.deepEqual([lines[0], ...lines.slice(2)], ["before", "12 messages were missed.", ...bodies(13, 62)]);
  // The count goes on from there.
  await blink(proxy, page, () => sendRaw(other, "ws/gap", numbered(63, 113)));
  await heard(page, "message 113");
  assert.equal(await page.getByText("1 message was missed.").count(), 2, "in the log, and for screen readers");
  await ada.leave({ mayMiss: RELAY_AWAY });
  await proxy.close();
});

test("after a restart nobody knows how many were missed", async () => {
  const ada = await Person.create(browser);
  const plain = await Relay.start();
  const page = await ada.open(`${plain.url}#restart`);
  await say(page, "before");
  await heard(page, "before");
  await plain.stop();
  await page.getByRole("button", { name: "Reconnect now" }).waitFor();
  const again = await Relay.start(plain.port);
  await connected(page);
  await page.locator("#messages").getByText("Some messages may have been missed.").waitFor();
  await say(page, "after");
  await heard(page, "after");
  await ada.leave({ mayMiss: RELAY_AWAY });
  await again.stop();
});

test("without retention the room begins empty, and a cut is told in numbers", async () => {
  const ada = await Person.create(browser);
  const plain = await Relay.start();
  const { proxy, page, other } = await twoPages(ada, "plain", plain);
  await say(other, "before");
  await heard(page, "before");
  const late = await ada.open(`${plain.url}#plain`);
  await blink(proxy, page, () => sendRaw(other, "ws/plain", numbered(1, 3)));
  await page.locator("#messages").getByText("3 messages were missed.").waitFor();
  await say(page, "after");
  await heard(page, "after");
  await heard(late, ...bodies(1, 3), "after");
  assert.deepEqual(await shown(late), [...bodies(1, 3), "after"]);
  await ada.leave({ mayMiss: RELAY_AWAY });
  await proxy.close();
  await plain.stop();
});

test("nobody speaks for the relay", async () => {
  const ada = await Person.create(browser);
  const page = await ada.tab();
  const welcomes = [];
  page.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => welcomes.push(payload)));
  await page.goto(`${relay.url}#forged`);
  await connected(page);
  const other = await ada.open(`${relay.url}#forged`);
  const { mark } = JSON.parse(welcomes[0]);
  const forged = [
    welcomes[0],
    '{"gap":5,"id":"k3f9x2a-9"}',
    '\u001e{"gap":5,"id":"k3f9x2a-9"}',
    `${mark.slice(0, -1)}{"gap":5,"id":"k3f9x2a-9"}`,
    ` ${mark}{"gap":5,"id":"k3f9x2a-9"}`,
    '\u001e0123456789abcdef{"ref":1,"id":"k3f9x2a-1"}',
  ];
  await sendRaw(other, "ws/forged", forged);
  await heard(page, ...forged);
  assert.equal(await page.getByText(/missed/).count(), 0);
  await say(page, "mine");
  await heard(page, "mine");
  assert.equal(await page.locator("#messages .own").count(), 1);
  await ada.leave();
});

test("a message of somebody else with the same words is not taken for one's own", async () => {
  const ada = await Person.create(browser);
  const page = await ada.open(`${relay.url}#same`);
  await page.getByLabel("Your name").fill("Ada");
  await page.getByLabel("Your name").press("Enter");
  await say(page, "hello");
  await heard(page, "hello");
  await page.reload();
  await heard(page, "hello");
  await say(page, "hello");
  await heard(page, "hello", "hello");
  const isOwn = (list) => list.map(({ classList }) => classList.contains("own"));
  assert.deepEqual(await page.$$eval("#messages .message", isOwn), [false, true]);
  await ada.leave();
});

test("a room that takes no messages says so, and keeps what was written", async () => {
  const ada = await Person.create(browser);
  const closed = await Relay.start(0, "--publish", "nobody");
  const page = await ada.open(`${closed.url}#closed`);
  await say(page, "may I?");
  await page.getByText("This room takes no messages").waitFor();
  assert.equal(await page.locator("#status").textContent(), "Connected");
  await page.getByRole("button", { name: "Take back" }).click();
  assert.equal(await page.getByLabel("Message", { exact: true }).inputValue(), "may I?");
  await ada.leave();
  await closed.stop();
});

test("screenshots", async () => {
  await mkdir(SCREENSHOTS, { recursive: true });
  const scene = await Relay.start(0, "--retain", "10m", "--retain-messages", "3");
  const devices = {
    phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
    desktop: {},
  };
  for (const [device, options] of Object.entries(devices)) {
    const ada = await Person.create(browser, { ...options, locale: "en-GB" });
    const { proxy, page, other } = await twoPages(ada, device, scene);
    await sendRaw(other, `ws/${device}`, [
      chat("Merry Cornet", "Is anybody on the train already?"),
      chat("Quiet Oboe", "I am. The tunnel is next."),
    ]);
    await page.reload();
    await heard(page, "Is anybody on the train already?", "I am. The tunnel is next.");
    await say(page, "So am I, two coaches behind.");
    await heard(page, "So am I, two coaches behind.");
    const lines = numbered(1, 14).concat(chat("Quiet Oboe", "Out again!"), chat("Quiet Oboe", "And you?"));
    await blink(proxy, page, () => sendRaw(other, `ws/${device}`, lines));
    await heard(page, "message 14", "Out again!", "And you?");
    await say(page, "Here, too.");
    await heard(page, "Here, too.");
    await page.screenshot({ path: `${SCREENSHOTS}${device}-back.png` });
    await ada.leave({ mayMiss: RELAY_AWAY });
    await proxy.close();
  }
  await scene.stop();
});
