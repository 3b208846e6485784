/**
 * The chat page of fanfare: this module wires the others to the document and to each other.
 *
 *   connection.js  the WebSocket that comes back by itself
 *   session.js     what the relay says beside messages: which is the last one, how many were missed
 *   status.js      its state, seen and heard
 *   rooms.js       names of rooms, and their addresses
 *   panel.js       the list of rooms, links to copy
 *   composer.js    the draft and the sender's name
 *   outbox.js      our own messages until their echo comes
 *   log.js         the list of messages: bounded, drawn once per frame
 *   message.js     a message, from the wire to an element
 *   memory.js      name, rooms and drafts across visits
 */

import { Composer } from "./composer.js";
import { Connection } from "./connection.js";
import { Log } from "./log.js";
import { bytesText, encodeChat, gapText, notice, readMessage } from "./message.js";
import { Outbox } from "./outbox.js";
import { Panel, wireCopy } from "./panel.js";
import * as rooms from "./rooms.js";
import { Session, SUBPROTOCOL } from "./session.js";
import { Status } from "./status.js";

/** The relay's default limit for a message. One with a lower limit says so itself: close code 1009. */
const MESSAGE_BYTES_MAX = 1024 * 1024;
const CHECK_EVERY_MS = 10_000;
/** Timers that stood still for so long mean that the machine slept, and its connections died. */
const SLEPT_AFTER_MS = 180_000;
const UNREAD_SHOWN_MAX = 99;
const LABEL_LENGTH_MAX = 32;

const byId = (id) => document.getElementById(id);
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

let room = null;
let session = new Session();
let lostAt = 0;
let checkedAt = Date.now();
let unread = 0;

const status = new Status({
  line: byId("status"),
  reconnect: byId("reconnect"),
  announcer: byId("announcer"),
});
const log = new Log({ scroller: byId("scroller"), list: byId("messages"), newer: byId("newer"), onDraw });
const connection = new Connection({ onState: (state) => status.show(state), onMessage, onLost });
const composer = new Composer({
  form: byId("composer"),
  draft: byId("draft"),
  problem: byId("draft-problem"),
  name: byId("name"),
  avatar: byId("avatar"),
  say,
});
const outbox = new Outbox({
  list: byId("pending"),
  send: (wire, ref) => {
    const command = session.command(ref, wire);
    return command !== null && connection.send(command);
  },
  edit: (body) => {
    composer.giveBack(body);
    composer.focus();
  },
});
const panel = new Panel({ onJoin: () => composer.focus() });

followAddress();
followBrowser();
followVisualViewport();
wireButtons();
if (matchMedia("(hover: hover) and (pointer: fine)").matches) composer.focus();

// ---- Messages and the connection ----

/** Sends a message, or says why not. */
function say(name, body) {
  const bytes = new TextEncoder().encode(encodeChat(name, body)).length;
  if (bytes > MESSAGE_BYTES_MAX) {
    const [size, limit] = [bytesText(bytes), bytesText(MESSAGE_BYTES_MAX)];
    return `This message has ${size}; the relay takes at most ${limit}. Could it go in parts?`;
  }
  if (outbox.isFull) {
    return "Many messages wait for the connection already. This one stays here until they are gone.";
  }
  log.scrollToEnd();
  outbox.submit(name, body);
  return null;
}

function onMessage(data) {
  const received = session.read(data);
  if (received.kind === "welcome") onWelcome();
  if (received.kind === "gap") onGap(received.missed);
  if (received.kind === "answer") outbox.onAnswer(received);
  if (received.kind !== "message") return;
  const own = typeof data === "string" && outbox.takeEcho(data, received.id);
  log.add(readMessage(data, { own, earlier: received.earlier && !own }));
  if (document.hidden && !own) countUnread();
}

function onWelcome() {
  if (lostAt > 0) log.add(notice(`Back after ${durationText(Date.now() - lostAt)}.`));
  lostAt = 0;
  outbox.flush();
}

/** Also read aloud: what follows may be too much to be. */
function onGap(missed) {
  const text = gapText(missed);
  log.add(notice(text));
  status.announce(text);
}

function onDraw(entries) {
  outbox.draw();
  byId("welcome").hidden ||= entries.some(({ kind }) => kind !== "notice");
  if (entries.length > 0) pulse();
}

function onLost(event) {
  lostAt ||= Date.now();
  outbox.onLost(event);
}

/** Finds a socket that is dead and does not know it: no browser tells. */
function checkConnection() {
  const previous = checkedAt;
  checkedAt = Date.now();
  if (!connection.connected) return;
  if (checkedAt - previous > SLEPT_AFTER_MS) {
    lostAt = previous;
    connection.replace();
  } else if (outbox.awaitsEcho && connection.isSilent()) {
    connection.replace();
  } else {
    outbox.expire();
  }
}

function followBrowser() {
  setInterval(checkConnection, CHECK_EVERY_MS);
  addEventListener("online", () => connection.noteNetwork(true));
  addEventListener("offline", () => connection.noteNetwork(false));
  addEventListener("pageshow", ({ persisted }) => persisted && connection.wake());
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    unread = 0;
    showTitle();
    checkConnection();
    connection.wake();
  });
}

// ---- Rooms ----

function followAddress() {
  addEventListener("hashchange", () => enter(rooms.roomFromFragment(location.hash)));
  enter(rooms.roomFromFragment(location.hash));
}

function enter(next) {
  if (next === room) return;
  if (room !== null) leave();
  room = next;
  const problem = rooms.roomProblem(room);
  byId("room").textContent = room;
  byId("welcome").hidden = problem !== null;
  byId("problem").hidden = problem === null;
  byId("problem-text").textContent = problem ?? "";
  showTitle();
  composer.enter(room, shortened(room));
  if (problem === null) {
    rooms.noteVisit(room);
    status.announce(`Room ${room}.`);
    connection.open(() => rooms.socketAddress(next, document.baseURI, session.begin()), SUBPROTOCOL);
  } else {
    status.announce(problem);
    connection.close();
  }
  panel.enter(room);
}

/** Messages that never left wait in the room's draft for our return. */
function leave() {
  composer.giveBack(outbox.leave().join("\n"));
  log.clear();
  session = new Session();
  lostAt = 0;
}

// ---- The rest of the page ----

function wireButtons() {
  byId("skip").addEventListener("click", () => composer.focus());
  byId("reconnect").addEventListener("click", () => {
    connection.reconnectNow();
    composer.focus();
  });
  const announce = (text) => status.announce(text);
  const link = () => rooms.shareable(new URL(rooms.roomFragment(room), location.href));
  wireCopy(byId("copy-link"), link, announce);
  wireCopy(byId("copy-address"), () => byId("address").textContent, announce);
}

/** Where the on-screen keyboard covers the page instead of shrinking it (iOS), the page makes room. */
function followVisualViewport() {
  const viewport = window.visualViewport;
  viewport?.addEventListener("resize", () => {
    // Zoomed in, the visible height says nothing about the keyboard.
    const height = viewport.scale === 1 ? `${viewport.height}px` : "";
    document.documentElement.style.setProperty("--viewport-height", height);
    if (height) scrollTo(0, 0);
  });
}

function countUnread() {
  unread += 1;
  if (unread <= UNREAD_SHOWN_MAX + 1) showTitle();
}

function showTitle() {
  const shown = unread > UNREAD_SHOWN_MAX ? `${UNREAD_SHOWN_MAX}+` : unread;
  document.title = `${unread > 0 ? `(${shown}) ` : ""}${shortened(room)} · fanfare`;
}

/** A message came: the mark sounds, one wave at a time. */
function pulse() {
  const waves = byId("waves");
  if (reducedMotion.matches || waves.getAnimations().length > 0) return;
  waves.animate({ opacity: [1, 0.35, 1], transform: ["none", "translateX(6%)", "none"] }, 420);
}

function shortened(text) {
  const characters = Array.from(text);
  return characters.length > LABEL_LENGTH_MAX
    ? `${characters.slice(0, LABEL_LENGTH_MAX - 1).join("")}…`
    : text;
}

function durationText(ms) {
  const seconds = Math.max(1, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}
