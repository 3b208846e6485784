/**
 * Rooms: which names are good, and how one is written in the page's address, in a link and in the
 * address of the WebSocket.
 *
 * The room stands in the page's address as the fragment, so that changing it loads nothing, back and
 * forward work, and a link can be shared. The rules for names are the relay's own: 1 to 128 bytes of
 * UTF-8, no control character, no slash.
 */

import { recall, remember } from "./memory.js";

/** The room of whoever names none. */
export const LOBBY = "lobby";

const ROOM_BYTES_MAX = 128;
const RECENT_ROOMS_MAX = 8;

/** What is wrong with a room's name, as a sentence for its user, or null if it is good. */
export function roomProblem(room) {
  if (room === "") return "A room needs a name.";
  if (room.includes("/")) return "A room’s name cannot contain a slash (/).";
  if (/\p{Cc}/u.test(room)) return "A room’s name cannot contain line breaks or other control characters.";
  if (/\p{Cs}/u.test(room)) return "This name contains half a character. Please type it again.";
  // Browsers take a path segment of dots for a way up, even when it is percent-encoded.
  if (room === "." || room === "..") return "A room cannot be called by dots alone. Add a letter?";
  const bytes = new TextEncoder().encode(room).length;
  if (bytes > ROOM_BYTES_MAX) {
    return `This name is too long: ${bytes} bytes, and a room’s name has at most ${ROOM_BYTES_MAX}.`;
  }
  return null;
}

/** A name as somebody typed it: the same letters typed on another keyboard lead to the same room. */
export function tidyRoom(typed) {
  return typed.trim().replace(/^#/, "").normalize("NFC");
}

/** The room that the page's address names. A fragment that is not percent-encoded stands for itself. */
export function roomFromFragment(fragment) {
  const encoded = fragment.replace(/^#/, "");
  if (encoded === "") return LOBBY;
  try {
    return decodeURIComponent(encoded);
  } catch {
    return encoded;
  }
}

/** The fragment that leads into a room. */
export function roomFragment(room) {
  return `#${encodeURIComponent(room)}`;
}

/**
 * The address of a room's WebSocket, relative to the page: it works beneath a proxy's prefix too. `since` says
 * which messages of before are wanted.
 */
export function socketAddress(room, pageAddress, since = null) {
  const path = room === LOBBY ? "ws" : `ws/${encodeURIComponent(room)}`;
  const address = new URL(path, pageAddress);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  if (since) address.searchParams.set("since", since);
  return address.href;
}

/** An address as it is shown and copied: a user and a password that stand in it are its owner's. */
export function shareable(address) {
  const url = new URL(address);
  url.username = "";
  url.password = "";
  return url.href;
}

/** The rooms visited last, the lobby first and the others in the order of their names. */
export function recentRooms() {
  return [LOBBY, ...storedRooms().sort((a, b) => a.localeCompare(b))];
}

/** Notes a visit; the room that was visited longest ago makes way. */
export function noteVisit(room) {
  if (room === LOBBY) return;
  const others = storedRooms().filter((other) => other !== room);
  remember("localStorage", "rooms", JSON.stringify([room, ...others].slice(0, RECENT_ROOMS_MAX)));
}

/** Takes a room off the list. */
export function forgetRoom(room) {
  const others = storedRooms().filter((other) => other !== room);
  remember("localStorage", "rooms", others.length > 0 ? JSON.stringify(others) : "");
}

function storedRooms() {
  try {
    const rooms = JSON.parse(recall("localStorage", "rooms") ?? "[]");
    return rooms.filter((room) => typeof room === "string" && room !== LOBBY && !roomProblem(room));
  } catch {
    return [];
  }
}
