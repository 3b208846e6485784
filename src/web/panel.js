/**
 * The panel with the rooms: the list, the field for another room, the address for other software.
 *
 * On a narrow page it lies over the messages, opened and closed by its user; then the page behind it
 * is inert, so that neither the keyboard nor a screen reader strays there.
 */

import { element } from "./message.js";
import * as rooms from "./rooms.js";

const COPIED_SHOWN_FOR_MS = 2_000;

const byId = (id) => document.getElementById(id);

export class Panel {
  #room = rooms.LOBBY;
  #onJoin;

  /** `onJoin()` is called after the user named another room, which stands in the address by then. */
  constructor({ onJoin }) {
    this.#onJoin = onJoin;
    this.#wireDrawer();
    this.#wireJoin();
  }

  /** Shows where the page is now. */
  enter(room) {
    this.#room = room;
    byId("address").textContent = rooms.shareable(rooms.socketAddress(room, document.baseURI));
    this.#listRooms();
    this.#open(false);
  }

  #wireDrawer() {
    byId("menu").addEventListener("click", () => this.#open(true));
    byId("close-panel").addEventListener("click", () => this.#open(false));
    byId("curtain").addEventListener("click", () => this.#open(false));
    addEventListener("keydown", ({ key }) => key === "Escape" && this.#open(false));
    matchMedia("(min-width: 860px)").addEventListener("change", () => this.#open(false));
  }

  #open(open) {
    const root = document.documentElement;
    if (open === root.hasAttribute("data-panel")) return;
    root.toggleAttribute("data-panel", open);
    byId("menu").setAttribute("aria-expanded", String(open));
    byId("main").inert = open;
    byId(open ? "close-panel" : "menu").focus();
  }

  #wireJoin() {
    const field = byId("join-name");
    const complain = (problem) => {
      byId("join-problem").textContent = problem ?? "";
      field.setAttribute("aria-invalid", String(problem !== null));
    };
    field.addEventListener("input", () => complain(null));
    byId("join").addEventListener("submit", (event) => {
      event.preventDefault();
      const room = rooms.tidyRoom(field.value);
      const problem = rooms.roomProblem(room);
      complain(problem);
      if (problem) {
        field.focus();
        return;
      }
      field.value = "";
      location.hash = rooms.roomFragment(room);
      this.#open(false);
      this.#onJoin();
    });
  }

  #listRooms() {
    byId("rooms").replaceChildren(...rooms.recentRooms().map((room) => this.#roomItem(room)));
  }

  #roomItem(room) {
    const item = element("li", "");
    const link = element("a", "room");
    link.href = rooms.roomFragment(room);
    link.append(element("bdi", "", room));
    if (room === this.#room) link.setAttribute("aria-current", "page");
    link.addEventListener("click", () => this.#open(false));
    item.append(link);
    if (room !== rooms.LOBBY && room !== this.#room) item.append(this.#forgetButton(room));
    return item;
  }

  #forgetButton(room) {
    const button = element("button", "forget", "×");
    button.type = "button";
    button.setAttribute("aria-label", `Take ${room} off the list`);
    button.addEventListener("click", () => {
      rooms.forgetRoom(room);
      this.#listRooms();
      byId("join-name").focus();
    });
    return button;
  }
}

/** Makes a button copy what `content()` returns, and say so. */
export function wireCopy(button, content, announce) {
  const label = button.querySelector("span");
  const usual = label.textContent;
  let timer = 0;
  button.addEventListener("click", async () => {
    const copied = await copy(content());
    label.textContent = copied ? "Copied" : "Could not copy";
    button.toggleAttribute("data-done", copied);
    announce(`${label.textContent}.`);
    clearTimeout(timer);
    timer = setTimeout(() => {
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
    const focused = document.activeElement;
    const field = element("textarea", "unseen");
    field.value = text;
    document.body.append(field);
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    focused?.focus();
    return copied;
  }
}
