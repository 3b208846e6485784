/**
 * A message: from the wire to an entry, and from an entry to an element.
 *
 * The relay passes on whatever anybody sends. What this page understands is
 * `{"type": 1, "from": …, "body": …}`; anything else is shown as what it is. Nothing of a message
 * ever becomes markup: it reaches the document as text content only.
 */

const CHAT_TYPE = 1;
const TINTS = 8;
const SENDER_LENGTH_MAX = 60;
const COLLAPSED_LENGTH = 1_200;
const COLLAPSED_LINES = 16;

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const count = new Intl.NumberFormat();

/** What goes over the wire for a message of ours. */
export function encodeChat(from, body) {
  return JSON.stringify({ type: CHAT_TYPE, from, body });
}

/** A WebSocket message as an entry of the log. One from `earlier` than we came has no time: nobody tells us. */
export function readMessage(data, { own, earlier }) {
  const when = { at: Date.now(), earlier };
  if (typeof data !== "string") return { kind: "binary", bytes: data.byteLength, ...when, length: 0 };
  const chat = parseChat(data);
  if (!chat) return { kind: "raw", body: data, ...when, length: data.length };
  return { kind: "chat", from: chat.from, body: chat.body, own, ...when, length: data.length };
}

/** What is said where messages are missing; null if nobody knows how many. */
export function gapText(missed) {
  if (missed === null) return "Some messages may have been missed.";
  return missed === 1 ? "1 message was missed." : `${count.format(missed)} messages were missed.`;
}

/** A line of the page's own, such as "You are back". */
export function notice(body) {
  return { kind: "notice", body, at: Date.now(), length: body.length };
}

/** The element of an entry. One that `follows` an entry of the same sender does not repeat who spoke. */
export function messageElement(entry, follows) {
  if (entry.kind === "notice") return element("p", "notice", entry.body);
  const article = element("article", `message ${entry.kind}`);
  article.classList.toggle("own", Boolean(entry.own));
  article.classList.toggle("follows", follows);
  article.append(avatar(entry), headline(entry, follows), ...bodyElements(entry));
  return article;
}

/** An element with a class and, as text, its content. */
export function element(tag, className, text = "") {
  const created = document.createElement(tag);
  created.className = className;
  created.textContent = text;
  return created;
}

/** The letters that stand for a name. */
export function initials(name) {
  const words = name.split(/[\s._-]+/u).filter(Boolean);
  return (
    words
      .slice(0, 2)
      .map((word) => Array.from(word)[0])
      .join("")
      .toUpperCase() || "?"
  );
}

/** The class of a name's colour: the same name has the same colour on every page. */
export function tint(name) {
  let hash = 7;
  for (const character of name) hash = (hash * 31 + character.codePointAt(0)) % 65_521;
  return `tint-${hash % TINTS}`;
}

/** Bytes as people read them. */
export function bytesText(bytes) {
  if (bytes < 1024) return `${count.format(bytes)} ${bytes === 1 ? "byte" : "bytes"}`;
  if (bytes < 1024 * 1024) return `${count.format(Math.round(bytes / 102.4) / 10)} KiB`;
  return `${count.format(Math.round(bytes / 104_857.6) / 10)} MiB`;
}

function parseChat(text) {
  if (!text.startsWith("{")) return null;
  try {
    const { type, from, body } = JSON.parse(text);
    if (type !== CHAT_TYPE || typeof from !== "string" || typeof body !== "string") return null;
    return { from: senderName(from), body };
  } catch {
    return null;
  }
}

/** A sender's name, bounded before it is looked at: it may be as long as a message. */
function senderName(from) {
  const beginning = from.slice(0, 4 * SENDER_LENGTH_MAX).trim();
  return Array.from(beginning).slice(0, SENDER_LENGTH_MAX).join("");
}

function avatar({ kind, from }) {
  const disc = element("span", "avatar", kind === "chat" ? initials(from) : kind === "raw" ? "{}" : "01");
  if (kind === "chat") disc.classList.add(tint(from));
  disc.setAttribute("aria-hidden", "true");
  return disc;
}

function headline({ kind, from, own, at, earlier }, follows) {
  const line = element("p", "headline");
  line.classList.toggle("unseen", follows);
  const sender = element("bdi", "sender", senderText({ kind, from, own }));
  if (kind === "chat") sender.classList.add(tint(from));
  line.append(sender, " ", earlier ? element("span", "time", "earlier") : timeElement(at));
  return line;
}

function timeElement(at) {
  const time = element("time", "time", clock.format(at));
  time.dateTime = new Date(at).toISOString();
  time.title = calendar.format(at);
  return time;
}

function senderText({ kind, from, own }) {
  if (kind !== "chat") return "Other software";
  return own ? "You" : from || "Somebody";
}

function bodyElements({ kind, body, bytes }) {
  if (kind === "binary") {
    const unit = bytes === 1 ? "byte" : "bytes";
    return [element("p", "body", `binary message, ${count.format(bytes)} ${unit}`)];
  }
  const shown = collapsed(body);
  const paragraph = element("p", "body", shown);
  paragraph.dir = "auto";
  if (shown === body) return [paragraph];
  const whole = element("button", "whole", `Show all of it (${count.format(body.length)} characters)`);
  whole.type = "button";
  whole.addEventListener("click", () => {
    paragraph.textContent = body;
    paragraph.tabIndex = -1;
    paragraph.focus();
    whole.remove();
  });
  return [paragraph, whole];
}

/** The beginning of a long text, cut neither inside a character nor far into a flood of lines. */
function collapsed(text) {
  let end = text.length > COLLAPSED_LENGTH * 1.2 ? COLLAPSED_LENGTH : text.length;
  let newline = -1;
  for (let lines = 0; lines < COLLAPSED_LINES; lines += 1) {
    newline = text.indexOf("\n", newline + 1);
    if (newline < 0 || newline >= end) break;
    if (lines === COLLAPSED_LINES - 1) end = newline;
  }
  if (end === text.length) return text;
  return `${text.slice(0, end).replace(/[\uD800-\uDBFF]$/, "")}…`;
}
