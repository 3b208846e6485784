/**
 * Our own messages from "send" until the relay has sent them back.
 *
 * The relay echoes what we send, in the one order that everybody sees. So a message of ours stands
 * below the log until its echo comes, and then takes its place in the log. Each is published with a `ref`,
 * and the relay answers with its id before the echo comes. If the connection ends before the answer, the
 * echo may still be among what we missed; then it is known by its text, which the relay passes on verbatim.
 *
 *   queued ──▶ sent ──▶ (echo: off the list)
 *     ▲         ├─▶ unsure    the connection ended first: it may or may not have arrived
 *     └─────────┤             (its sender decides whether it goes again)
 *   surely not  └─▶ refused   the relay found it too long, or takes none in this room
 */

import { element, encodeChat } from "./message.js";

const ENTRIES_MAX = 50;
const UNSURE_AFTER_MS = 20_000;

/** RFC 6455 §7.4.1: the message was too big. */
const TOO_BIG = 1009;
/** The relay went away in order: all that it had taken in came back before its close frame. */
const ORDERLY_ENDS = [1001, 1012];

const STATE_TEXT = {
  queued: "Waits for the connection",
  sent: "Sending…",
  unsure: "May not have arrived",
  refused: "Too long for this relay",
  forbidden: "This room takes no messages",
};

export class Outbox {
  #list;
  #send;
  #edit;
  #entries = [];
  #refs = 0;
  #changed = false;

  /** `send(wire, ref)` says whether it could; `edit(body)` gives a message back to its sender. */
  constructor({ list, send, edit }) {
    this.#list = list;
    this.#send = send;
    this.#edit = edit;
  }

  get isFull() {
    return this.#entries.length >= ENTRIES_MAX;
  }

  /** True while an echo is owed. */
  get awaitsEcho() {
    return this.#entries.some(({ state }) => state === "sent");
  }

  submit(from, body) {
    this.#entries.push({ wire: encodeChat(from, body), body, state: "queued", ref: 0, id: null, sentAt: 0 });
    this.#changed = true;
    this.flush();
  }

  /** Sends what waits, in its order. */
  flush() {
    for (const entry of this.#entries) {
      if (entry.state !== "queued") continue;
      if (!this.#send(entry.wire, this.#refs + 1)) break;
      this.#move(entry, "sent");
      entry.ref = this.#refs += 1;
      entry.id = null;
      entry.sentAt = Date.now();
    }
    this.draw();
  }

  /** The relay says which message one of ours is, or that it did not take it. */
  onAnswer({ ref, id, error }) {
    const entry = this.#entries.find((entry) => entry.ref === ref);
    if (!entry) return;
    if (error) this.#move(entry, "forbidden");
    else entry.id = id;
    this.draw();
  }

  /** True if this message is the echo of one of ours, which is then off the list. */
  takeEcho(wire, id) {
    const echoed =
      this.#entries.find((entry) => entry.id === id) ??
      this.#entries.find((entry) => entry.state === "unsure" && entry.id === null && entry.wire === wire);
    if (!echoed) return false;
    this.#entries = this.#entries.filter((entry) => entry !== echoed);
    this.#changed = true;
    return true;
  }

  /** The connection ended: what becomes of those that were under way. */
  onLost({ code, wasClean }) {
    const owed = this.#entries.filter(({ state }) => state === "sent");
    const rest = wasClean && (ORDERLY_ENDS.includes(code) || code === TOO_BIG) ? "queued" : "unsure";
    for (const entry of owed) this.#move(entry, rest);
    // Echoes come in order and before the close frame: the first that is owed was the one too long.
    if (wasClean && code === TOO_BIG && owed.length > 0) this.#move(owed[0], "refused");
    this.draw();
  }

  /** Echoes that are long overdue on a connection that is alive will not come. */
  expire() {
    const before = Date.now() - UNSURE_AFTER_MS;
    for (const entry of this.#entries) {
      if (entry.state === "sent" && entry.sentAt < before) this.#move(entry, "unsure");
    }
    this.draw();
  }

  /** Empties the list and returns the texts of those that never left. */
  leave() {
    const unsent = this.#entries.filter(({ state }) => state === "queued").map(({ body }) => body);
    this.#entries = [];
    this.#changed = true;
    this.draw();
    return unsent;
  }

  /** Draws the list anew, if it changed. It is short: nothing is gained by patching it. */
  draw() {
    if (!this.#changed) return;
    this.#changed = false;
    this.#list.replaceChildren(...this.#entries.map((entry) => this.#entryElement(entry)));
  }

  #move(entry, state) {
    entry.state = state;
    this.#changed = true;
  }

  #entryElement(entry) {
    const item = element("li", `message chat own pending ${entry.state}`);
    const body = element("p", "body", entry.body.slice(0, 1_200));
    body.dir = "auto";
    const state = element("p", "state", STATE_TEXT[entry.state]);
    if (entry.state === "unsure") state.append(this.#button("Send again", () => this.#sendAgain(entry)));
    if (["unsure", "refused", "forbidden"].includes(entry.state)) {
      state.append(this.#button("Take back", () => this.#takeBack(entry)));
    }
    item.append(body, state);
    return item;
  }

  #button(text, onClick) {
    const button = element("button", "link", text);
    button.type = "button";
    button.addEventListener("click", onClick);
    return button;
  }

  #sendAgain(entry) {
    this.#move(entry, "queued");
    this.flush();
  }

  #takeBack(entry) {
    this.#entries = this.#entries.filter((other) => other !== entry);
    this.#changed = true;
    this.draw();
    this.#edit(entry.body);
  }
}
