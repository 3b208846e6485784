/**
 * The chat page of fanfare: this module wires the others to the document.
 *
 *   rooms.js       names of rooms, and their addresses
 *   connection.js  the WebSocket that comes back by itself
 *   outbox.js      our own messages until their echo comes
 *   message.js     a message, from the wire to an element
 *   log.js         the list of messages: bounded, once per frame
 *   status.js      the connection's state, seen and heard
 *   memory.js      name, rooms and drafts across visits
 */

import { Connection } from "./connection.js";
import { Log } from "./log.js";
import { recall, recallName, remember, rememberName, generatedName, tidyName } from "./memory.js";
import { bytesText, element, encodeChat, initials, notice, readMessage, tint } from "./message.js";
import { Outbox } from "./outbox.js";
import * as rooms from "./rooms.js";
import { Status } from "./status.js";

/** The relay's default limit for a message. One with a lower limit says so itself (close code 1009). */
const MESSAGE_BYTES_MAX = 1024 * 1024;
const ECHO_CHECK_EVERY_MS = 10_000;
const UNREAD_SHOWN_MAX = 99;
const COPIED_SHOWN_FOR_MS = 2_000;

const byId = (id) => document.getElementById(id);
const draft = byId("draft");
const nameField = byId("name");

let room = null;
let name = recallName();
let lostAt = 0;
let unread = 0;

const status = new Status({ line: byId("status"), reconnect: byId("reconnect"), announcer: byId("announcer") });
const log = new Log({ scroller: byId("scroller"), list: byId("messages"), newer: byId("newer"), onDraw });
const connection = new Connection({ onState, onMessage, onLost });
const outbox = new Outbox({ list: byId("pending"), send: (wire) => connection.send(wire), edit: takeBack });

followAddress();
followBrowser();
wireComposer();
wireName();
wireRooms();
wirePanel();
wireCopying();

// ---- The connection ----

function onState(state) {
  status.show(state);
  if (state.name !== "connected") return;
  if (lostAt > 0) {
    log.add(notice(`Back after ${durationText(Date.now() - lostAt)}. The relay keeps no messages: what was said meanwhile is not shown.`));
  }
  lostAt = 0;
  outbox.flush();
}

function onMessage(data) {
  const own = typeof data === "string" && outbox.takeEcho(data);
  log.add(readMessage(data, own));
  if (document.hidden && !own) countUnread();
}

function onLost(event) {
  lostAt ||= Date.now();
  outbox.onLost(event);
}

function onDraw(entries) {
  outbox.draw();
  byId("welcome").hidden ||= entries.some(({ kind }) => kind !== "notice");
  if (entries.length > 0) pulse();
}

/** A socket over which our messages go out and nothing comes back is dead, whatever it says itself. */
function checkEchoes() {
  if (!connection.connected || !outbox.awaitsEcho) return;
  if (connection.isSilent()) connection.replace();
  else outbox.expire();
}

function followBrowser() {
  setInterval(checkEchoes, ECHO_CHECK_EVERY_MS);
  addEventListener("online", () => connection.noteNetwork(true));
  addEventListener("offline", () => connection.noteNetwork(false));
  addEventListener("pageshow", ({ persisted }) => persisted && connection.wake());
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    unread = 0;
    showTitle();
    connection.wake();
  });
  byId("reconnect").addEventListener("click", () => {
    connection.reconnectNow();
    draft.focus();
  });
  followVisualViewport();
}

/** Where the on-screen keyboard covers the page instead of shrinking it (iOS), the page makes room. */
function followVisualViewport() {
  const viewport = window.visualViewport;
  if (!viewport) return;
  viewport.addEventListener("resize", () => {
    if (viewport.scale !== 1) return;
    document.documentElement.style.setProperty("--viewport-height", `${viewport.height}px`);
    scrollTo(0, 0);
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
  byId("composer").inert = problem !== null;
  draft.value = recall("sessionStorage", `draft.${room}`) ?? "";
  draft.placeholder = `Message ${shortened(room)}`;
  showTitle();
  showPanel(false);
  if (problem) {
    connection.close();
    status.announce(problem);
  } else {
    rooms.noteVisit(room);
    connection.open(rooms.socketAddress(room, document.baseURI));
    status.announce(`Room ${room}.`);
  }
  showRooms();
  showLinks();
}

/** Messages that never left wait in the room's draft for our return. */
function leave() {
  const unsent = outbox.leave();
  keepDraft([...unsent, draft.value].filter(Boolean).join("\n"));
  log.clear();
  lostAt = 0;
}

function wireRooms() {
  const field = byId("join-name");
  const problem = byId("join-problem");
  const complain = (text) => {
    problem.textContent = text;
    field.toggleAttribute("aria-invalid", text !== "");
  };
  field.addEventListener("input", () => complain(""));
  byId("join").addEventListener("submit", (event) => {
    event.preventDefault();
    const typed = rooms.tidyRoom(field.value);
    complain(rooms.roomProblem(typed) ?? "");
    if (problem.textContent) return field.focus();
    field.value = "";
    showPanel(false);
    location.hash = rooms.roomFragment(typed);
    draft.focus();
  });
}

function showRooms() {
  byId("rooms").replaceChildren(...rooms.recentRooms().map(roomItem));
}

function roomItem(listed) {
  const item = element("li", "");
  const link = element("a", "room");
  link.href = rooms.roomFragment(listed);
  link.append(element("bdi", "", listed));
  if (listed === room) link.setAttribute("aria-current", "page");
  link.addEventListener("click", () => showPanel(false));
  item.append(link);
  if (listed !== rooms.LOBBY && listed !== room) item.append(forgetButton(listed));
  return item;
}

function forgetButton(listed) {
  const button = element("button", "forget", "×");
  button.type = "button";
  button.setAttribute("aria-label", `Take ${listed} off the list`);
  button.addEventListener("click", () => {
    rooms.forgetRoom(listed);
    showRooms();
    byId("join-name").focus();
  });
  return button;
}

function showTitle() {
  const shown = unread > UNREAD_SHOWN_MAX ? `${UNREAD_SHOWN_MAX}+` : unread;
  document.title = `${unread > 0 ? `(${shown}) ` : ""}${shortened(room)} · fanfare`;
}

function countUnread() {
  unread += 1;
  if (unread <= UNREAD_SHOWN_MAX + 1) showTitle();
}

// ---- Writing ----

function wireComposer() {
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    say();
  });
  draft.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || isComposing(event)) return;
    event.preventDefault();
    say();
  });
  draft.addEventListener("input", () => {
    complain("");
    keepDraft(draft.value);
  });
  byId("skip").addEventListener("click", () => draft.focus());
  if (matchMedia("(hover: hover) and (pointer: fine)").matches) draft.focus();
}

/** Enter that picks a suggestion of an input method; Safari tells it by the key code alone. */
function isComposing(event) {
  return event.isComposing || event.keyCode === 229;
}

function say() {
  takeName();
  const body = draft.value;
  if (body.trim() === "") return;
  const bytes = new TextEncoder().encode(encodeChat(name, body)).length;
  if (bytes > MESSAGE_BYTES_MAX) {
    complain(`This message has ${bytesText(bytes)}; the relay takes at most ${bytesText(MESSAGE_BYTES_MAX)}. Could it go in parts?`);
  } else if (outbox.isFull) {
    complain("Many messages wait for the connection already. This one stays here until they are gone.");
  } else {
    draft.value = "";
    keepDraft("");
    complain("");
    log.scrollToEnd();
    outbox.submit(name, body);
  }
  draft.focus();
}

function complain(text) {
  byId("draft-problem").textContent = text;
}

function keepDraft(text) {
  remember("sessionStorage", `draft.${room}`, text);
}

/** A message that its sender takes back is a draft again. */
function takeBack(body) {
  draft.value = [body, draft.value].filter(Boolean).join("\n");
  keepDraft(draft.value);
  draft.focus();
}

function wireName() {
  nameField.value = name;
  showName();
  nameField.addEventListener("change", takeName);
  nameField.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || isComposing(event)) return;
    event.preventDefault();
    takeName();
    draft.focus();
  });
}

/** Takes the name from its field; an emptied field gets a new generated one. */
function takeName() {
  const typed = tidyName(nameField.value) || generatedName();
  if (typed !== name) name = rememberName(typed);
  nameField.value = name;
  showName();
}

function showName() {
  const avatar = byId("avatar");
  avatar.textContent = initials(name);
  avatar.className = `avatar ${tint(name)}`;
}

// ---- Panel, links, and the mark ----

/** On a narrow page the panel with the rooms lies over the messages. */
function wirePanel() {
  byId("menu").addEventListener("click", () => showPanel(true));
  byId("close-panel").addEventListener("click", () => showPanel(false));
  byId("curtain").addEventListener("click", () => showPanel(false));
  addEventListener("keydown", ({ key }) => key === "Escape" && showPanel(false));
  matchMedia("(min-width: 860px)").addEventListener("change", () => showPanel(false));
}

function showPanel(open) {
  const root = document.documentElement;
  if (open === root.hasAttribute("data-panel")) return;
  root.toggleAttribute("data-panel", open);
  byId("menu").setAttribute("aria-expanded", String(open));
  byId("main").inert = open;
  byId(open ? "close-panel" : "menu").focus();
}

function showLinks() {
  byId("address").textContent = rooms.socketAddress(room, document.baseURI);
}

function wireCopying() {
  wireCopy(byId("copy-link"), () => new URL(rooms.roomFragment(room), location.href).href, "Link copied");
  wireCopy(byId("copy-address"), () => byId("address").textContent, "Address copied");
}

function wireCopy(button, content, done) {
  const label = button.querySelector("span");
  const usual = label.textContent;
  button.addEventListener("click", async () => {
    const copied = await copy(content());
    label.textContent = copied ? done : "Could not copy";
    button.toggleAttribute("data-done", copied);
    status.announce(`${label.textContent}.`);
    setTimeout(() => {
      label.textContent = usual;
      button.removeAttribute("data-done");
    }, COPIED_SHOWN_FOR_MS);
  });
}

/** The clipboard of the browser exists on secure pages only; the old way works on the others. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = element("textarea", "unseen");
    field.value = text;
    document.body.append(field);
    const focused = document.activeElement;
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    focused?.focus();
    return copied;
  }
}

/** A message came: the mark sounds, at most one wave at a time. */
function pulse() {
  const waves = byId("waves");
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  if (waves.getAnimations().length > 0) return;
  waves.animate({ opacity: [1, 0.35, 1], transform: ["none", "translateX(6%)", "none"] }, 420);
}

function shortened(text) {
  const characters = Array.from(text);
  return characters.length > 32 ? `${characters.slice(0, 31).join("")}…` : text;
}

function durationText(ms) {
  const seconds = Math.max(1, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}
