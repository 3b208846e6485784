/**
 * What the browser remembers for us: the name, the rooms, the drafts.
 *
 * Storage may be denied (private windows, blocked cookies) or full. Then we forget, and nothing else
 * breaks: every access goes through here and none of them throws.
 */

const NAME_LENGTH_MAX = 40;

const MOODS = [
  "Amber",
  "Bold",
  "Breezy",
  "Bright",
  "Brisk",
  "Calm",
  "Cheerful",
  "Clever",
  "Curious",
  "Dapper",
  "Eager",
  "Gentle",
  "Golden",
  "Jolly",
  "Kind",
  "Lively",
  "Lucky",
  "Mellow",
  "Merry",
  "Nimble",
  "Quiet",
  "Silver",
  "Sunny",
  "Velvet",
];
const INSTRUMENTS = [
  "Alphorn",
  "Banjo",
  "Bassoon",
  "Bugle",
  "Celesta",
  "Cello",
  "Clarinet",
  "Cornet",
  "Dulcimer",
  "Flute",
  "Harp",
  "Horn",
  "Kazoo",
  "Lute",
  "Marimba",
  "Oboe",
  "Ocarina",
  "Piccolo",
  "Saxhorn",
  "Trombone",
  "Trumpet",
  "Tuba",
  "Ukulele",
  "Viola",
];

/** The stored value, or null. `area` is "localStorage" or "sessionStorage". */
export function recall(area, key) {
  try {
    return globalThis[area].getItem(`fanfare.${key}`);
  } catch {
    return null;
  }
}

/** Stores the value; an empty one is removed. */
export function remember(area, key, value) {
  try {
    if (value) globalThis[area].setItem(`fanfare.${key}`, value);
    else globalThis[area].removeItem(`fanfare.${key}`);
  } catch {
    // Denied or full: the page works on without a memory.
  }
}

/** A name as we show it: one line, no control characters, of bounded length. */
export function tidyName(name) {
  const oneLine = name.replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, " ").trim();
  return Array.from(oneLine).slice(0, NAME_LENGTH_MAX).join("").trim();
}

/** The name chosen on an earlier visit, or a friendly new one that later visits keep. */
export function recallName() {
  return tidyName(recall("localStorage", "name") ?? "") || rememberName(generatedName());
}

/** Keeps a name for later visits and returns it. */
export function rememberName(name) {
  remember("localStorage", "name", name);
  return name;
}

/** A name such as "Mellow Trombone". */
export function generatedName() {
  return `${pick(MOODS)} ${pick(INSTRUMENTS)}`;
}

function pick(words) {
  return words[Math.floor(Math.random() * words.length)];
}
