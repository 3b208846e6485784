/**
 * The list of messages: bounded, drawn once per frame, and scrolled with only if its reader is at
 * the end.
 *
 * Messages may come by the thousand a second. They wait in a bounded queue for the next frame; what
 * the queue has no room for would have been pushed off the page in the next moment anyway, and is
 * counted. A hidden page gets no frames: its queue stays within the same bounds.
 */

import { messageElement, notice } from "./message.js";

const ENTRIES_MAX = 500;
const LENGTH_MAX = 8 * 1024 * 1024;
const PER_FRAME_MAX = 30;
const CALM_PER_FRAME = 5;
const AT_END_WITHIN_PX = 48;

const count = new Intl.NumberFormat();

export class Log {
  #scroller;
  #list;
  #newer;
  #onDraw;
  /** Entries that wait for the next frame. */
  #queue = new Bounded();
  /** Entries that stand in the list, one per child element. */
  #shown = new Bounded();
  #skipped = 0;
  #frame = 0;
  #atEnd = true;
  #top = 0;
  #unseen = 0;

  /** `onDraw(entries)` is called in each frame, before its entries are drawn. */
  constructor({ scroller, list, newer, onDraw }) {
    this.#scroller = scroller;
    this.#list = list;
    this.#newer = newer;
    this.#onDraw = onDraw;
    scroller.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    newer.addEventListener("click", () => this.scrollToEnd());
    // The keyboard of a phone, a longer draft, a message that unfolds: the end stays in sight.
    const sizes = new ResizeObserver(() => this.#atEnd && this.scrollToEnd());
    for (const observed of [scroller, ...scroller.children]) sizes.observe(observed);
  }

  add(entry) {
    this.#queue.push(entry);
    this.#skipped += this.#queue.trim().length;
    this.refresh();
  }

  /** Asks for a frame. */
  refresh() {
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  clear() {
    this.#queue = new Bounded();
    this.#shown = new Bounded();
    this.#skipped = 0;
    this.#list.replaceChildren();
    this.scrollToEnd();
  }

  scrollToEnd() {
    this.#atEnd = true;
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#top = this.#scroller.scrollTop;
    this.#showUnseen(0);
  }

  #draw() {
    this.#frame = 0;
    const entries = this.#queue.take(PER_FRAME_MAX);
    if (this.#queue.size === 0 && this.#skipped > 0) entries.push(this.#skippedNotice());
    this.#onDraw(entries);
    // A flood read aloud helps nobody.
    this.#list.setAttribute("aria-live", entries.length > CALM_PER_FRAME ? "off" : "polite");
    this.#append(entries);
    if (this.#atEnd) this.scrollToEnd();
    else this.#showUnseen(this.#unseen + entries.length);
    if (this.#queue.size > 0) this.refresh();
  }

  #append(entries) {
    const fragment = document.createDocumentFragment();
    for (const entry of entries) {
      fragment.append(messageElement(entry, follows(entry, this.#shown.last)));
      this.#shown.push(entry);
    }
    this.#list.append(fragment);
    for (const _ of this.#shown.trim()) this.#list.firstElementChild.remove();
  }

  /** The flood is over: what was not shown of it is told once. */
  #skippedNotice() {
    const many = this.#skipped === 1 ? "1 message" : `${count.format(this.#skipped)} messages`;
    this.#skipped = 0;
    return notice(`${many} went by too fast to be shown`);
  }

  #onScroll() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    // What grew since our own scrolling does not count: only its reader leaves the end, upwards.
    if (scrollHeight - scrollTop - clientHeight < AT_END_WITHIN_PX) this.#atEnd = true;
    else if (scrollTop < this.#top) this.#atEnd = false;
    this.#top = scrollTop;
    if (this.#atEnd) this.#showUnseen(0);
  }

  #showUnseen(unseen) {
    if (unseen === this.#unseen) return;
    this.#unseen = unseen;
    this.#newer.hidden = unseen === 0;
    this.#newer.textContent = unseen === 1 ? "1 new message" : `${count.format(unseen)} new messages`;
  }
}

/** A line of entries that holds at most so many of them, and at most so many characters. */
class Bounded {
  #entries = [];
  #length = 0;

  get size() {
    return this.#entries.length;
  }

  get last() {
    return this.#entries.at(-1);
  }

  push(entry) {
    this.#entries.push(entry);
    this.#length += entry.length;
  }

  /** Takes out the oldest, at most `max`. */
  take(max) {
    const taken = this.#entries.splice(0, max);
    for (const { length } of taken) this.#length -= length;
    return taken;
  }

  /** Takes out the oldest until the rest is within the bounds. The latest always stays. */
  trim() {
    const trimmed = [];
    while (this.size > ENTRIES_MAX || (this.size > 1 && this.#length > LENGTH_MAX)) {
      trimmed.push(...this.take(1));
    }
    return trimmed;
  }
}

/** Messages of one sender within one minute share their headline: it holds for all of them. */
function follows(entry, last) {
  return (
    last !== undefined &&
    entry.kind === "chat" &&
    last.kind === "chat" &&
    entry.from === last.from &&
    Boolean(entry.own) === Boolean(last.own) &&
    entry.earlier === last.earlier &&
    minute(entry.at) === minute(last.at)
  );
}

function minute(at) {
  return Math.floor(at / 60_000);
}
