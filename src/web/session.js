/**
 * What the relay says to us beside messages: the subprotocol `fanfare.v1` (docs/protocol.md).
 *
 * It counts. Every message has the number after that of the one before, so a connection that comes back
 * asks for what came since the last of them, and is told how many of those are gone. Only a text that
 * begins with the connection's mark is the relay's: nobody else knows it.
 */

export const SUBPROTOCOL = "fanfare.v1";

/** What a page that has just come asks for: as much as anybody scrolls back, and less than the log holds. */
const FIRST_SINCE = "last-200";

export class Session {
  #mark = null;
  /** The id of the last message. */
  #last = null;
  /** The number of the last message that was published before this connection joined. */
  #tail = 0;

  /** A connection is about to be made: what it is to ask for. */
  begin() {
    this.#mark = null;
    return this.#last ?? FIRST_SINCE;
  }

  /** What publishes a text, and has the relay say which message it became. Null before the welcome. */
  command(ref, text) {
    return this.#mark && `${this.#mark}${JSON.stringify({ publish: true, ref })}\n${text}`;
  }

  /**
   * What has come, as one of:
   *
   * `{ kind: "message", id, earlier }`: a message, published before this connection joined if `earlier`;
   * `{ kind: "welcome" }`: the relay has begun to speak;
   * `{ kind: "gap", missed }`: so many messages are missing here, or null if nobody knows how many;
   * `{ kind: "answer", ref, id, error }`: what became of what was published.
   */
  read(data) {
    if (this.#mark === null) return this.#welcome(JSON.parse(data));
    if (typeof data === "string" && data.startsWith(this.#mark)) {
      return this.#control(JSON.parse(data.slice(this.#mark.length)));
    }
    const [epoch, before] = this.#last.split("-");
    const number = Number(before) + 1;
    this.#last = `${epoch}-${number}`;
    return { kind: "message", id: this.#last, earlier: number <= this.#tail };
  }

  #welcome({ mark, id, tail }) {
    this.#mark = mark;
    this.#tail = Number(tail.split("-")[1]);
    // If we asked for what came since a message, that one is still the last, until one or a gap follows.
    this.#last ??= id;
    return { kind: "welcome" };
  }

  #control({ gap, id, ref, error }) {
    if (gap === undefined) return { kind: "answer", ref, id, error };
    this.#last = id;
    return { kind: "gap", missed: gap };
  }
}
