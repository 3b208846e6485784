/**
 * One WebSocket that comes back by itself.
 *
 * It owns the socket, the delay before the next attempt and the watch over a socket that went silent.
 * It refuses to know what messages mean and what the page looks like.
 *
 * The delay has full jitter: it is drawn evenly from zero to a bound that doubles with each failure,
 * so that the clients of a relay that restarts come back spread out instead of all at once. A delay
 * that the relay asks for in its close reason (`retry-ms=1234`) is kept as asked: the relay knows
 * what it can take. Only the user's own "reconnect now" goes before it.
 */

const FIRST_DELAY_BOUND_MS = 1_000;
const DELAY_BOUND_MAX_MS = 30_000;
const REQUESTED_DELAY_MAX_MS = 3_600_000;
const STABLE_AFTER_MS = 10_000;
const CONNECT_TIMEOUT_MS = 15_000;

/** The delay before the attempt that follows `failures` failures in a row. */
export function retryDelay(failures, random = Math.random) {
  const bound = Math.min(DELAY_BOUND_MAX_MS, FIRST_DELAY_BOUND_MS * 2 ** (failures - 1));
  return Math.round(random() * bound);
}

/** The delay that a close reason asks for, or null. */
export function requestedDelay(reason) {
  const match = /(?:^|[\s;,])retry-ms=(\d{1,10})(?![^\s;,])/.exec(reason);
  return match && Math.min(Number(match[1]), REQUESTED_DELAY_MAX_MS);
}

export class Connection {
  #handlers;
  #address = null;
  #protocol = "";
  #socket = null;
  #state = { name: "closed" };
  #failures = 0;
  #timer = 0;
  #stableTimer = 0;
  /** Before this time only the user's own wish connects: the relay asked for it. */
  #notBefore = 0;
  /** The network went away while the socket was open: it may be dead and not know it. */
  #suspect = false;
  #heardSinceCheck = false;
  #bufferedAtCheck = 0;

  /**
   * `onState(state)`: `{ name: "closed" | "connecting" | "connected" }`, or
   * `{ name: "waiting" | "offline", dueAt }` with the time of the next attempt.
   * `onMessage(data)`: a string or an ArrayBuffer.
   * `onLost({ code, reason, wasClean })`: the socket had been open and ended, not by our wish.
   */
  constructor(handlers) {
    this.#handlers = handlers;
  }

  get connected() {
    return this.#state.name === "connected";
  }

  /** Leaves where it is and connects to what `address()` says, which is asked before each attempt. */
  open(address, protocol) {
    this.close();
    this.#address = address;
    this.#protocol = protocol;
    this.#connect();
  }

  /** Leaves for good. */
  close() {
    this.#drop(1000);
    this.#address = null;
    this.#failures = 0;
    this.#notBefore = 0;
    this.#enter({ name: "closed" });
  }

  /** Hands a text to the socket; false if it is not open. */
  send(text) {
    if (!this.connected) return false;
    this.#socket.send(text);
    this.#bufferedAtCheck = this.#socket.bufferedAmount;
    return true;
  }

  /** The user does not want to wait. */
  reconnectNow() {
    if (this.#waits()) this.#connect();
  }

  /** A good moment to try: the page is looked at again, or the network is back. */
  wake() {
    if (this.#waits() && Date.now() >= this.#notBefore) this.#connect();
  }

  /** The browser says that the network went away or came back. */
  noteNetwork(online) {
    if (!online) {
      this.#suspect = this.connected;
      if (this.#state.name === "waiting") this.#enter({ ...this.#state, name: "offline" });
    } else if (this.#suspect && this.connected) {
      this.replace();
    } else {
      if (this.#state.name === "offline") this.#enter({ ...this.#state, name: "waiting" });
      this.wake();
    }
  }

  /** Gives up a socket that shows no life and connects anew at once. */
  replace() {
    this.#drop(4000);
    this.#handlers.onLost({ code: 1006, reason: "", wasClean: false });
    this.#connect();
  }

  /** True if nothing came in since this was asked last, and nothing of what waits went out. */
  isSilent() {
    const buffered = this.#socket?.bufferedAmount ?? 0;
    const silent = !this.#heardSinceCheck && buffered >= this.#bufferedAtCheck;
    this.#heardSinceCheck = false;
    this.#bufferedAtCheck = buffered;
    return silent;
  }

  #waits() {
    return this.#state.name === "waiting" || this.#state.name === "offline";
  }

  #connect() {
    clearTimeout(this.#timer);
    this.#suspect = false;
    this.#enter({ name: "connecting" });
    let socket;
    try {
      socket = new WebSocket(this.#address(), this.#protocol);
    } catch {
      this.#fail({ code: 1006, reason: "", wasClean: false });
      return;
    }
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#onOpen();
    socket.onmessage = ({ data }) => {
      this.#heardSinceCheck = true;
      this.#handlers.onMessage(data);
    };
    socket.onclose = (event) => this.#fail(event);
    this.#socket = socket;
    this.#timer = setTimeout(() => {
      this.#fail({ code: 1006, reason: "", wasClean: false });
    }, CONNECT_TIMEOUT_MS);
  }

  #onOpen() {
    clearTimeout(this.#timer);
    // Not at once: a relay that accepts and throws out again must not be asked without a pause.
    this.#stableTimer = setTimeout(() => (this.#failures = 0), STABLE_AFTER_MS);
    this.#notBefore = 0;
    this.#heardSinceCheck = true;
    this.#bufferedAtCheck = 0;
    this.#enter({ name: "connected" });
  }

  #fail({ code, reason, wasClean }) {
    const wasOpen = this.connected;
    this.#drop(1000);
    this.#failures += 1;
    const requested = requestedDelay(reason);
    const dueAt = Date.now() + (requested ?? retryDelay(this.#failures));
    if (requested !== null) this.#notBefore = dueAt;
    if (wasOpen) this.#handlers.onLost({ code, reason, wasClean });
    this.#timer = setTimeout(() => this.#connect(), dueAt - Date.now());
    this.#enter({ name: navigator.onLine ? "waiting" : "offline", dueAt });
  }

  /** Forgets the socket: whatever it still has to say is not for us. */
  #drop(code) {
    clearTimeout(this.#timer);
    clearTimeout(this.#stableTimer);
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    if (socket.readyState <= WebSocket.OPEN) socket.close(code);
  }

  #enter(state) {
    this.#state = state;
    this.#handlers.onState(state);
  }
}
