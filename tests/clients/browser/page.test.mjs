/**
 * The page itself: floods, scrolling, narrow screens, the keyboard, names for screen readers,
 * contrast. The screenshots at the end are for people to look at (screenshots/, not in git).
 */

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { after, before, test } from "node:test";
import { connected, heard, launch, Person, say, sendRaw } from "./browser.mjs";
import { Relay, startProxy } from "./relay.mjs";

const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const DESKTOP = { viewport: { width: 1280, height: 800 } };
const SCREENSHOTS = new URL("screenshots/", import.meta.url).pathname;

const chat = (from, body) => JSON.stringify({ type: 1, from, body });
const numbered = (count) => Array.from({ length: count }, (_, index) => chat("Flood", `message ${index}`));

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

test("a flood neither freezes the page nor grows it without bound", async () => {
  const ada = await Person.create(browser);
  const [page, other] = [await ada.open(`${relay.url}#flood`), await ada.open(`${relay.url}#flood`)];
  await page.bringToFront();
  for (let round = 0; round < 5; round += 1) await sendRaw(other, "ws/flood", numbered(4_000));
  await say(page, "still here");
  await heard(page, "still here");
  assert.ok((await page.locator("#messages > *").count()) <= 500);
  await other.bringToFront();
  await heard(other, "still here");
  assert.ok((await other.locator("#messages > *").count()) <= 500);
  await ada.leave();
});

test("what comes faster than it can be drawn is counted", async () => {
  const ada = await Person.create(browser);
  const page = await ada.open(relay.url);
  await page.evaluate(async () => {
    const { Log } = await import(new URL("log.js", document.baseURI));
    const { notice } = await import(new URL("message.js", document.baseURI));
    const [scroller, list, newer] = ["scroller", "messages", "newer"].map((id) =>
      document.getElementById(id),
    );
    const log = new Log({ scroller, list, newer, onDraw: () => {} });
    // One task, so that no frame comes between.
    for (let index = 0; index < 1_500; index += 1) log.add(notice(`line ${index}`));
  });
  await page.getByText("1,000 messages went by too fast to be shown").waitFor();
  await page.getByText("line 1499", { exact: true }).waitFor();
  assert.equal(await page.getByText("line 1000", { exact: true }).count(), 0);
  assert.equal(await page.locator("#messages > *").count(), 500);
  await ada.leave();
});

test("the end is followed only by those who are there", async () => {
  const ada = await Person.create(browser);
  const page = await ada.open(`${relay.url}#scroll`);
  const atEnd = () =>
    page.evaluate(() => {
      const { scrollHeight, scrollTop, clientHeight } = document.getElementById("scroller");
      return scrollHeight - scrollTop - clientHeight < 2;
    });
  await sendRaw(page, "ws/scroll", numbered(60));
  await heard(page, "message 59");
  assert.ok(await atEnd());
  await page.getByLabel("Messages").first().focus();
  await page.keyboard.press("Home");
  await page.waitForFunction(() => document.getElementById("scroller").scrollTop === 0);
  await sendRaw(page, "ws/scroll", [chat("Flood", "one more")]);
  await page.getByRole("button", { name: "1 new message" }).waitFor();
  assert.equal(await page.evaluate(() => document.getElementById("scroller").scrollTop), 0);
  await page.getByRole("button", { name: "1 new message" }).click();
  await page.getByRole("button", { name: "1 new message" }).waitFor({ state: "hidden" });
  assert.ok(await atEnd());
  await ada.leave();
});

test("a long message is folded, and unfolds", async () => {
  const ada = await Person.create(browser);
  const page = await ada.open(`${relay.url}#long`);
  const [long, lines] = ["wide".repeat(5_000), "line\n".repeat(500)];
  await sendRaw(page, "ws/long", [chat("Ada", long), chat("Bob", lines)]);
  const unfold = page.getByRole("button", { name: /^Show all of it/ });
  await unfold.first().waitFor();
  assert.ok((await page.locator("#messages .body").last().textContent()).length < 200);
  await unfold.first().click();
  await unfold.click();
  await heard(page, long, lines);
  assert.ok(await page.evaluate(() => document.getElementById("scroller").scrollWidth <= innerWidth));
  await ada.leave();
});

test("it connects where 'self' does not cover WebSockets, as in Safari before 15.4", async () => {
  const policies = [];
  const proxy = await startProxy(relay.url, "/", (headers) => {
    const policy = headers["content-security-policy"].replace("connect-src 'self' ", "connect-src ");
    policies.push(policy);
    return { ...headers, "content-security-policy": policy };
  });
  const ada = await Person.create(browser);
  await ada.open(proxy.url);
  const { host } = new URL(proxy.url);
  assert.match(policies[0], new RegExp(`connect-src ws://${host} wss://${host};`));
  await ada.leave();
  await proxy.close();
});

test("the rest of the page", async (t) => {
  for (const colorScheme of ["light", "dark"]) {
    await t.test(`has contrast in ${colorScheme}`, async () => {
      const ada = await Person.create(browser, { ...DESKTOP, colorScheme });
      const page = await ada.open(`${relay.url}#${colorScheme}`);
      const senders = ["Ada", "Bob", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hal", "Ida", "Jo", "Kim", "Lea"];
      await sendRaw(page, `ws/${colorScheme}`, [...senders.map((from) => chat(from, "hello")), "raw", 5]);
      await say(page, "mine");
      await heard(page, "mine");
      assert.deepEqual(await page.evaluate(lowContrast), []);
      await ada.leave();
    });
  }

  await t.test("fits a screen of 320 pixels, and no field makes iOS zoom", async () => {
    const ada = await Person.create(browser, { ...PHONE, viewport: { width: 320, height: 568 } });
    const page = await ada.open(`${relay.url}#${"w".repeat(128)}`);
    await sendRaw(page, `ws/${"w".repeat(128)}`, [chat("n".repeat(500), "b".repeat(500)), "r".repeat(500)]);
    await heard(page, "r".repeat(500));
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320);
    assert.ok(await page.evaluate(() => document.getElementById("scroller").scrollWidth <= 320));
    const sizes = await page.$$eval("input, textarea", (fields) =>
      fields.map((field) => parseFloat(getComputedStyle(field).fontSize)),
    );
    assert.ok(
      sizes.every((size) => size >= 16),
      `${sizes}`,
    );
    const small = await page.$$eval("main button", (buttons) =>
      buttons
        .map((button) => button.getBoundingClientRect())
        .filter(({ width, height }) => width > 0 && (width < 36 || height < 36)),
    );
    assert.deepEqual(small, []);
    await ada.leave();
  });

  await t.test("has its rooms in a drawer on a phone", async () => {
    const ada = await Person.create(browser, PHONE);
    const page = await ada.open(relay.url);
    const menu = page.getByRole("button", { name: "Rooms", exact: true });
    assert.equal(await page.getByRole("link", { name: "lobby" }).count(), 0);
    await menu.click();
    assert.ok(await page.locator("main").evaluate((main) => main.inert));
    assert.equal(await focused(page), "close-panel");
    await page.keyboard.press("Escape");
    assert.equal(await focused(page), "menu");
    await menu.click();
    await page.getByLabel("Go to another room").fill("garden");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "garden" }).waitFor();
    assert.equal(await focused(page), "draft");
    await connected(page);
    await ada.leave();
  });

  await t.test("can be used with the keyboard, in a logical order", async () => {
    const ada = await Person.create(browser, DESKTOP);
    const page = await ada.open(`${relay.url}#keys`);
    assert.equal(await focused(page), "draft");
    await page.locator("#skip").focus();
    const order = [await focused(page)];
    while (order.length < 11) {
      await page.keyboard.press("Tab");
      order.push(await focused(page));
      assert.ok(await page.evaluate(() => document.activeElement.matches(":focus-visible")), `${order}`);
    }
    assert.deepEqual(order, [
      "skip",
      "link lobby",
      "link keys",
      "join-name",
      "button Go to this room",
      "copy-address",
      "copy-link",
      "scroller",
      "draft",
      "name",
      "button Send",
    ]);
    await page.locator("#skip").focus();
    await page.keyboard.press("Enter");
    assert.equal(await focused(page), "draft");
    await ada.leave();
  });

  await t.test("names everything for a screen reader", async () => {
    const ada = await Person.create(browser, DESKTOP);
    const page = await ada.open(`${relay.url}#names`);
    await say(page, "hello");
    await heard(page, "hello");
    assert.equal(await page.locator("html").getAttribute("lang"), "en");
    for (const landmark of ["banner", "navigation", "main"])
      assert.equal(await page.getByRole(landmark).count(), 1, landmark);
    assert.equal(await page.getByRole("heading", { level: 1 }).count(), 1);
    assert.equal(await page.getByRole("log", { name: "Messages" }).getAttribute("aria-live"), "polite");
    assert.equal(await page.getByRole("status").textContent(), "Connected.");
    assert.deepEqual(await page.evaluate(nameless), []);
    const ids = await page.$$eval("[id]", (elements) => elements.map(({ id }) => id));
    assert.equal(new Set(ids).size, ids.length);
    await ada.leave();
  });

  await t.test("stands still for whoever wants no motion", async () => {
    const ada = await Person.create(browser, { ...DESKTOP, reducedMotion: "reduce" });
    const page = await ada.open(`${relay.url}#still`);
    await say(page, "hello");
    await heard(page, "hello");
    assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
    await ada.leave();
  });
});

test("screenshots", async () => {
  await mkdir(SCREENSHOTS, { recursive: true });
  for (const [device, options] of Object.entries({ phone: PHONE, desktop: DESKTOP })) {
    for (const colorScheme of ["light", "dark"]) {
      const ada = await Person.create(browser, { ...options, colorScheme, locale: "en-GB" });
      await ada.context.addInitScript(() => {
        localStorage["fanfare.name"] ??= "Golden Horn";
        localStorage["fanfare.rooms"] ??= JSON.stringify(["kitchen", "build status", "café"]);
      });
      const shoot = async (page, what) => {
        await page.evaluate(() => Promise.all(document.getAnimations().map(({ finished }) => finished)));
        await page.screenshot({ path: `${SCREENSHOTS}${device}-${colorScheme}${what}.png` });
      };
      const page = await ada.open(relay.url);
      await shoot(page, "-quiet");
      await page.goto(`${relay.url}#kitchen`);
      await page.getByRole("heading", { name: "kitchen" }).waitFor();
      await connected(page);
      await sendRaw(page, "ws/kitchen", [
        chat("Merry Cornet", "Morning! Is the relay up already?"),
        chat("Quiet Oboe", "It is. 19,000 listeners since breakfast, and the fan has not even spun up."),
        chat("Quiet Oboe", "One log, many cursors."),
        chat("Velvet Tuba", "Nice. I sent the build’s status in from a script, look:"),
        '{"job":"nightly","branch":"main","status":"green","took_s":212}',
        chat(
          "Merry Cornet",
          "So that is what other software looks like in here. And who sends the temperature?",
        ),
      ]);
      await say(page, "That would be me: 21.4 °C, and it smells of coffee.");
      await say(page, "<b>Markup</b> stays text, by the way.");
      await heard(page, "<b>Markup</b> stays text, by the way.");
      await shoot(page, "");
      if (device === "phone") {
        await page.getByRole("button", { name: "Rooms", exact: true }).click();
        await shoot(page, "-rooms");
      }
      await ada.leave();
    }
  }
});

function focused(page) {
  return page.evaluate(() => {
    const { id, ariaLabel, textContent, localName } = document.activeElement;
    return id || `${localName === "a" ? "link" : localName} ${ariaLabel ?? textContent}`;
  });
}

/** In the page: the fields, buttons and links without a name. */
function nameless() {
  return Array.from(document.querySelectorAll("input, textarea, button, a"))
    .filter((control) => {
      const named = control.ariaLabel || control.labels?.[0]?.textContent.trim();
      const bare = ["INPUT", "TEXTAREA"].includes(control.tagName) || !control.textContent.trim();
      return !control.hidden && bare && !named;
    })
    .map((control) => control.outerHTML);
}

/** In the page: the texts whose contrast with what is behind them is below 4.5 (WCAG 2.2, 1.4.3). */
function lowContrast() {
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (...colors) => {
    context.clearRect(0, 0, 1, 1);
    for (const color of colors) {
      context.fillStyle = color;
      context.fillRect(0, 0, 1, 1);
    }
    return context.getImageData(0, 0, 1, 1).data;
  };
  const luminance = ([red, green, blue]) => {
    const [r, g, b] = [red, green, blue].map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const low = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const { parentElement: element, textContent } = walker.currentNode;
    if (!textContent.trim() || !element.checkVisibility() || element.closest(".unseen, .skip, noscript"))
      continue;
    const backgrounds = [];
    for (let behind = element; behind; behind = behind.parentElement)
      backgrounds.unshift(getComputedStyle(behind).backgroundColor);
    const back = luminance(rgba("white", ...backgrounds));
    const text = luminance(rgba("white", ...backgrounds, getComputedStyle(element).color));
    const contrast = (Math.max(back, text) + 0.05) / (Math.min(back, text) + 0.05);
    if (contrast < 4.5) low.push(`${textContent.trim()}: ${contrast.toFixed(2)}`);
  }
  return low;
}
