/**
 * The connection's state as people see and hear it.
 *
 * The line below the room's name always tells the state, the seconds until the next attempt
 * included. What is read aloud is much less: that the connection is there, that it was lost, that it
 * is back.
 */

export class Status {
  #line;
  #reconnect;
  #announcer;
  #state = { name: "closed" };
  #ticking = 0;
  #announced = "";

  constructor({ line, reconnect, announcer }) {
    this.#line = line;
    this.#reconnect = reconnect;
    this.#announcer = announcer;
  }

  show(state) {
    this.#state = state;
    document.documentElement.dataset.connection = state.name;
    this.#reconnect.hidden = !("dueAt" in state);
    clearInterval(this.#ticking);
    if ("dueAt" in state) this.#ticking = setInterval(() => this.#write(), 250);
    this.#write();
    if (state.name === "connected") this.#announceOnce("Connected.");
    if (state.name === "waiting") this.#announceOnce("Not connected. Trying again by itself.");
    if (state.name === "offline") this.#announceOnce("Offline.");
  }

  /** Has a screen reader say it when it has nothing else to say. */
  announce(text) {
    this.#announcer.textContent = text;
  }

  /** Each attempt that fails in a row is no news. */
  #announceOnce(text) {
    if (text === this.#announced) return;
    this.#announced = text;
    this.announce(text);
  }

  #write() {
    const text = stateText(this.#state);
    if (text !== this.#line.textContent) this.#line.textContent = text;
  }
}

function stateText({ name, dueAt }) {
  const seconds = Math.max(0, Math.ceil((dueAt - Date.now()) / 1000));
  if (name === "connecting") return "Connecting…";
  if (name === "connected") return "Connected";
  if (name === "waiting") return seconds > 0 ? `Reconnecting in ${seconds} s` : "Reconnecting…";
  if (name === "offline") return seconds > 0 ? `Offline, trying again in ${seconds} s` : "Offline";
  return "Not in a room";
}
