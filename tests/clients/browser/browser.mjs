/**
 * Chromium, and pages that are watched: whatever a page logs as an error, throws, or asks of another
 * origin fails the test that opened it.
 */

import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const DEADLINE_MS = 15_000;

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM_BIN ?? "/usr/bin/chromium",
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** One person's browser: storage of its own, and tabs that share it. */
export class Person {
  #faults = [];
  context;

  static async create(browser, options = {}) {
    const person = new Person();
    person.context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    person.context.setDefaultTimeout(DEADLINE_MS);
    return person;
  }

  /** A blank tab that is watched. */
  async tab() {
    const page = await this.context.newPage();
    page.on("pageerror", (error) => this.#faults.push(`threw: ${error}`));
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning")
        this.#faults.push(`logged: ${message.text()}`);
    });
    const checkOrigin = (address) => {
      const url = new URL(address);
      const own = new URL(page.url() === "about:blank" ? address : page.url());
      if (url.protocol !== "data:" && url.host !== own.host) this.#faults.push(`asked for: ${address}`);
    };
    page.on("request", (request) => checkOrigin(request.url()));
    page.on("websocket", (socket) => checkOrigin(socket.url()));
    return page;
  }

  /** A tab with the page at `url`, connected. */
  async open(url) {
    const page = await this.tab();
    await page.goto(url);
    await connected(page);
    return page;
  }

  /** Closes the browser of this person, and fails if one of its pages was at fault. */
  async leave({ mayMiss = null } = {}) {
    await this.context.close();
    const faults = this.#faults.filter((fault) => !mayMiss?.test(fault));
    assert.deepEqual(faults, []);
  }
}

/** What Chromium itself logs while a relay is away. */
export const RELAY_AWAY = /WebSocket connection to .* failed/;

/**
 * Waits for the connection. A test that leaves a page or a room has it first: Chromium logs an error
 * for a socket that is closed before it opened.
 */
export function connected(page) {
  return page.getByText("Connected", { exact: true }).waitFor();
}

export async function say(page, text) {
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.keyboard.press("Enter");
}

/** Waits until the newest messages of the log read as given. */
export function heard(page, ...bodies) {
  return page.waitForFunction((expected) => {
    const shown = Array.from(document.querySelectorAll("#messages .body"), (body) => body.textContent);
    return expected.every((body, index) => shown[shown.length - expected.length + index] === body);
  }, bodies);
}

/** Has the page send raw messages from a WebSocket of its own, as other software would. */
export function sendRaw(page, path, messages) {
  return page.evaluate(
    ([path, messages]) =>
      new Promise((resolve, reject) => {
        const address = new URL(path, document.baseURI);
        address.protocol = "ws:";
        const socket = new WebSocket(address);
        let echoes = 0;
        socket.onerror = reject;
        socket.onopen = () => {
          for (const message of messages)
            socket.send(typeof message === "number" ? new Uint8Array(message) : message);
        };
        socket.onmessage = () => {
          echoes += 1;
          if (echoes < messages.length) return;
          socket.close();
          resolve();
        };
      }),
    [path, messages],
  );
}
