/**
 * The chat page against a real relay: people who talk, rooms, names, restarts.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connected, heard, launch, Person, RELAY_AWAY, say, sendRaw } from "./browser.mjs";
import { Relay, startProxy } from "./relay.mjs";

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

test("two tabs talk to each other", async () => {
  const ada = await Person.create(browser);
  const [left, right] = [await ada.open(relay.url), await ada.open(relay.url)];
  await left.getByLabel("Your name").fill("Ada");
  await say(left, "Can you hear me?");
  await heard(left, "Can you hear me?");
  await heard(right, "Can you hear me?");
  assert.equal(await left.locator("#messages .own").count(), 1);
  assert.equal(await right.locator("#messages .own").count(), 0);
  assert.equal(await right.locator("#messages .sender").textContent(), "Ada");
  assert.match(await right.locator("#messages time").getAttribute("datetime"), /^\d{4}-\d\d-\d\dT/);
  await right.getByLabel("Your name").fill("Bob");
  await say(right, "Loud and clear");
  await heard(left, "Can you hear me?", "Loud and clear");
  assert.equal(await left.locator("#pending > *").count(), 0);
  await ada.leave();
});

test("what goes over the wire is the agreed form, and line breaks survive", async () => {
  const ada = await Person.create(browser);
  const page = await ada.tab();
  const sent = [];
  page.on("websocket", (socket) => socket.on("framesent", ({ payload }) => sent.push(payload)));
  await page.goto(relay.url);
  await connected(page);
  await page.getByLabel("Your name").fill("Ada");
  const draft = page.getByLabel("Message", { exact: true });
  await draft.fill("one");
  await draft.press("Shift+Enter");
  await page.keyboard.type("“two”");
  await page.getByRole("button", { name: "Send" }).click();
  await heard(page, "one\n“two”");
  const wire = '{"type":1,"from":"Ada","body":"one\\n“two”"}';
  assert.equal(sent.length, 1);
  assert.match(sent[0], new RegExp(`^\u001e[\\w-]{16}\\{"publish":true,"ref":1\\}\n`));
  assert.equal(sent[0].slice(sent[0].indexOf("\n") + 1), wire);
  assert.equal(await draft.inputValue(), "");
  await ada.leave();
});

test("what a message holds never becomes markup", async () => {
  const ada = await Person.create(browser);
  const page = await ada.open(`${relay.url}#markup`);
  const markup = '<img src=x onerror="document.title=1"><script>document.title=2</script><b>bold</b>';
  await sendRaw(page, "ws/markup", [JSON.stringify({ type: 1, from: markup, body: markup }), markup]);
  await heard(page, markup, markup);
  assert.equal(await page.locator("#messages :is(img, script, b)").count(), 0);
  assert.equal(await page.locator("#messages .sender").first().textContent(), markup.slice(0, 60));
  assert.equal(await page.title(), "markup · fanfare");
  await ada.leave();
});

test("messages of other software are shown as what they are", async () => {
  const ada = await Person.create(browser);
  const page = await ada.open(`${relay.url}#other`);
  const texts = [
    "",
    "plain",
    "{",
    "null",
    "[1]",
    '{"type":2}',
    '{"type":1,"from":1,"body":"x"}',
    '{"type":1,"from":"x"}',
  ];
  await sendRaw(page, "ws/other", [...texts, 1, 2048]);
  await heard(page, ...texts, "binary message, 1 byte", "binary message, 2,048 bytes");
  await sendRaw(page, "ws/other", ['{"type":1,"from":" ","body":"hm","more":true}']);
  await heard(page, "hm");
  assert.equal(await page.locator("#messages .sender").last().textContent(), "Somebody");
  await ada.leave();
});

test("rooms are separate, and stand in the page's address", async () => {
  const ada = await Person.create(browser);
  const [page, other] = [await ada.open(relay.url), await ada.open(`${relay.url}#lobby`)];
  const room = "Küche & 50% #1?";
  await page.getByLabel("Go to another room").fill(`  ${room} `);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: room }).waitFor();
  await connected(page);
  assert.equal(page.url(), `${relay.url}#${encodeURIComponent(room)}`);
  assert.equal(await page.title(), `${room} · fanfare`);
  const guest = await ada.open(page.url());
  await say(page, "only here");
  await heard(guest, "only here");
  await say(other, "in the lobby");
  await heard(other, "in the lobby");
  assert.equal(await other.getByText("only here").count(), 0);

  await page.goBack();
  await page.getByRole("heading", { name: "lobby" }).waitFor();
  await connected(page);
  await say(other, "welcome back");
  await heard(page, "welcome back");
  assert.equal(await page.getByText("only here").count(), 0);
  await page.goForward();
  await page.getByRole("heading", { name: room }).waitFor();
  await connected(page);
  await page.getByRole("link", { name: "lobby" }).click();
  await page.getByRole("heading", { name: "lobby" }).waitFor();
  await connected(page);
  assert.equal(await page.getByRole("link", { name: "lobby" }).getAttribute("aria-current"), "page");
  await ada.leave();
});

test("a link to the room can be copied", async () => {
  const ada = await Person.create(browser, { permissions: ["clipboard-read", "clipboard-write"] });
  const page = await ada.open(`${relay.url}#caf%C3%A9`);
  await page.getByRole("button", { name: "Copy link" }).click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `${relay.url}#caf%C3%A9`);
  await ada.leave();
});

test("a password in the page's address is neither shown nor copied", async () => {
  const ada = await Person.create(browser, { permissions: ["clipboard-read", "clipboard-write"] });
  const { protocol, host, pathname } = new URL(relay.url);
  const page = await ada.open(`${protocol}//ada:secret@${host}${pathname}#home`);
  assert.equal(await page.locator("#address").textContent(), `ws://${host}/ws/home`);
  for (const [button, expected] of [
    ["Copy the address", `ws://${host}/ws/home`],
    ["Copy link", `http://${host}/#home`],
  ]) {
    await page.getByRole("button", { name: button }).click();
    await page.getByRole("button", { name: "Copied" }).waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), expected);
    await page.getByRole("button", { name: button }).waitFor();
  }
  assert.ok(!(await page.locator("body").innerText()).includes("secret"));
  // Chromium hides it from `location` by itself; others don't.
  const shared = await page.evaluate(async () => {
    const { shareable } = await import(new URL("rooms.js", document.baseURI));
    return ["https://ada:secret@host:1/a/?b#c", "wss://:secret@host/ws", "ws://ada@host/"].map(shareable);
  });
  assert.deepEqual(shared, ["https://host:1/a/?b#c", "wss://host/ws", "ws://host/"]);
  await ada.leave();
});

test("a bad room is refused kindly, in the field and in the address", async () => {
  const ada = await Person.create(browser);
  const page = await ada.open(relay.url);
  const field = page.getByLabel("Go to another room");
  for (const [name, complaint] of [
    ["a/b", /slash/],
    ["", /needs a name/],
    ["..", /dots/],
    ["é".repeat(65), /130 bytes/],
  ]) {
    await field.fill(name);
    await field.press("Enter");
    await page.getByRole("alert").filter({ hasText: complaint }).waitFor();
    assert.equal(page.url(), relay.url);
  }
  await field.fill("é".repeat(64));
  await field.press("Enter");
  await page.getByRole("heading", { name: "é".repeat(64) }).waitFor();
  await connected(page);

  for (const fragment of ["a%2Fb", "tab%09", "x".repeat(129)]) {
    await page.goto(`${relay.url}#${fragment}`);
    await page.getByText("No room can have this name.").waitFor();
    await page.getByText("Not in a room").waitFor();
  }
  await page.getByRole("link", { name: "Go to the lobby" }).click();
  await connected(page);
  await page.goto(`${relay.url}#100%`);
  await page.getByRole("heading", { name: "100%" }).waitFor();
  await connected(page);
  await ada.leave();
});

test("a restart of the relay: the page comes back by itself, and nothing typed is lost", async () => {
  const ada = await Person.create(browser);
  const [left, right] = [await ada.open(relay.url), await ada.open(relay.url)];
  const port = relay.port;
  assert.equal(await relay.stop(), 0);
  await left.getByRole("button", { name: "Reconnect now" }).waitFor();
  await right.getByRole("button", { name: "Reconnect now" }).waitFor();
  await say(left, "typed while away");
  await left.locator("#pending").getByText("Waits for the connection").waitFor();
  await left.getByLabel("Message", { exact: true }).fill("half a sent");

  relay = await Relay.start(port);
  await connected(right);
  await connected(left);
  await left.getByText(/^Back after/).waitFor();
  await heard(left, "typed while away");
  assert.equal(await left.locator("#pending > *").count(), 0);
  assert.equal(await left.getByLabel("Message", { exact: true }).inputValue(), "half a sent");
  await say(right, "messages flow again");
  await heard(left, "messages flow again");
  await ada.leave({ mayMiss: RELAY_AWAY });
});

test("offline is told, and the network's return reconnects at once", async () => {
  const ada = await Person.create(browser);
  const page = await ada.open(relay.url);
  const port = relay.port;
  await relay.stop();
  await page.getByRole("button", { name: "Reconnect now" }).waitFor();
  await ada.context.setOffline(true);
  await page
    .getByText(/^Offline/)
    .first()
    .waitFor();
  relay = await Relay.start(port);
  await ada.context.setOffline(false);
  await connected(page);
  await ada.leave({ mayMiss: RELAY_AWAY });
});

test("Enter that belongs to an input method does not send", async () => {
  const ada = await Person.create(browser);
  const [page, other] = [await ada.open(`${relay.url}#ime`), await ada.open(`${relay.url}#ime`)];
  await page.getByLabel("Message", { exact: true }).focus();
  const devtools = await ada.context.newCDPSession(page);
  await devtools.send("Input.imeSetComposition", { text: "にほ", selectionStart: 2, selectionEnd: 2 });
  await devtools.send("Input.dispatchKeyEvent", {
    type: "rawKeyDown",
    key: "Enter",
    code: "Enter",
    windowsVirtualKeyCode: 13,
  });
  await page.evaluate(() => {
    const enter = { key: "Enter", bubbles: true, cancelable: true };
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { ...enter, isComposing: true }));
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { ...enter, keyCode: 229 }));
  });
  await devtools.send("Input.insertText", { text: "日本" });
  await page.keyboard.press("Enter");
  await heard(other, "日本");
  assert.equal(await other.locator("#messages .message").count(), 1);
  await ada.leave();
});

test("a new page has a name, and keeps the one it was given", async () => {
  const ada = await Person.create(browser);
  const page = await ada.open(relay.url);
  const name = page.getByLabel("Your name");
  const generated = await name.inputValue();
  assert.match(generated, /^[A-Z][a-z]+ [A-Z][a-z]+$/);
  await page.reload();
  await connected(page);
  assert.equal(await name.inputValue(), generated);
  await name.fill("  Grace \t Hopper ");
  await name.press("Enter");
  await page.reload();
  await connected(page);
  assert.equal(await name.inputValue(), "Grace Hopper");
  await name.fill("");
  await name.press("Enter");
  assert.match(await name.inputValue(), /^[A-Z][a-z]+ [A-Z][a-z]+$/);
  await ada.leave();
});

test("a draft outlives a reload and a visit to another room", async () => {
  const ada = await Person.create(browser);
  const page = await ada.open(`${relay.url}#drafts`);
  const draft = page.getByLabel("Message", { exact: true });
  await draft.fill("not yet");
  await page.reload();
  await connected(page);
  assert.equal(await draft.inputValue(), "not yet");
  await page.goto(`${relay.url}#elsewhere`);
  await page.getByRole("heading", { name: "elsewhere" }).waitFor();
  await connected(page);
  assert.equal(await draft.inputValue(), "");
  await page.goBack();
  await page.getByRole("heading", { name: "drafts" }).waitFor();
  await connected(page);
  assert.equal(await draft.inputValue(), "not yet");
  await ada.leave();
});

test("beneath a proxy's prefix", async () => {
  const proxy = await startProxy(relay.url, "/some/relay/");
  const ada = await Person.create(browser);
  const [inside, outside] = [await ada.open(`${proxy.url}#prefix`), await ada.open(`${relay.url}#prefix`)];
  assert.equal(await inside.locator("#address").textContent(), `${proxy.url.replace("http", "ws")}ws/prefix`);
  await say(inside, "from beneath");
  await heard(outside, "from beneath");
  await ada.leave();
  await proxy.close();
});

test("a browser that stores nothing can talk all the same", async () => {
  const ada = await Person.create(browser);
  await ada.context.addInitScript(() => {
    for (const area of ["localStorage", "sessionStorage"]) {
      Object.defineProperty(window, area, {
        get: () => {
          throw new DOMException("denied", "SecurityError");
        },
      });
    }
  });
  const page = await ada.open(`${relay.url}#forgetful`);
  await say(page, "who am I?");
  await heard(page, "who am I?");
  await ada.leave();
});
