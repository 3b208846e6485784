// A live chart of a topic whose messages are numbers, over server-sent events: `?topic=NAME`, otherwise `demo`.
//
// The browser comes back by itself after an outage, and says which message it had last; the relay sends what was
// missed, or an event `gap` that says how much is not retained any more.

const VALUES_MAX = 300;
const [WIDTH, HEIGHT, MARGIN] = [600, 240, 12];

const topic = new URLSearchParams(location.search).get("topic") ?? "demo";
const address = new URL(`/ws/${encodeURIComponent(topic)}`, location.href);
const element = (id) => document.getElementById(id);

/** The last values; one of null stands for messages that are missing. */
const values = [];
let [count, missed, isDrawn] = [0, 0, true];

element("topic").textContent = topic;
document.title = `${topic} – fanfare dashboard`;
element("command").textContent =
  `while sleep 0.2; do echo $((RANDOM % 100)); done | curl -T - '${address}?each=line'`;

const source = new EventSource(`${address}?since=last-${VALUES_MAX}`);

source.addEventListener("open", () => {
  element("state").textContent = "live";
});

source.addEventListener("error", () => {
  const isOver = source.readyState === EventSource.CLOSED;
  element("state").textContent = isOver ? "refused: see the network console" : "coming back …";
});

source.addEventListener("message", (event) => {
  const value = Number(event.data);
  if (event.data.trim() === "" || !Number.isFinite(value)) {
    element("last").textContent = `${event.lastEventId} is no number`;
    return;
  }
  count += 1;
  push(value);
  element("last").textContent = event.lastEventId;
});

source.addEventListener("gap", (event) => {
  const { missed: messages } = JSON.parse(event.data);
  missed = messages === null ? null : missed === null ? null : missed + messages;
  push(null);
});

function push(value) {
  values.push({ value, at: new Date() });
  if (values.length > VALUES_MAX) {
    values.shift();
  }
  // However fast they come, they are drawn once a frame.
  if (isDrawn) {
    isDrawn = false;
    requestAnimationFrame(draw);
  }
}

function draw() {
  isDrawn = true;
  const known = values.map(({ value }) => value).filter((value) => value !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const text = (value) => (Number.isFinite(value) ? value.toLocaleString() : "–");
  element("now").textContent = text(known.at(-1) ?? NaN);
  element("low").textContent = text(low);
  element("high").textContent = text(high);
  element("count").textContent = count.toLocaleString();
  element("missed").textContent = missed === null ? "unknown" : missed.toLocaleString();
  element("from").textContent = values[0].at.toLocaleTimeString();

  const x = (index) => (index / Math.max(values.length - 1, 1)) * WIDTH;
  const scale = (HEIGHT - 2 * MARGIN) / (high - low || 1);
  const y = (value) => HEIGHT - MARGIN - (value - low) * scale;
  let [line, gaps, isBegun] = ["", "", false];
  values.forEach(({ value }, index) => {
    if (value === null) {
      gaps += `M${x(index)} 0V${HEIGHT}`;
      isBegun = false;
      return;
    }
    line += `${isBegun ? "L" : "M"}${x(index)} ${y(value)}`;
    isBegun = true;
  });
  element("line").setAttribute("d", line);
  element("gaps").setAttribute("d", gaps);
  element("grid").setAttribute("d", [1, 2, 3].map((n) => `M0 ${(n * HEIGHT) / 4}H${WIDTH}`).join(""));
}

element("publish").addEventListener("submit", async (event) => {
  event.preventDefault();
  const value = new FormData(event.target).get("value");
  try {
    const response = await fetch(address, { method: "POST", body: value });
    const answer = await response.text();
    element("answer").textContent = response.ok
      ? `${JSON.parse(answer).id} to ${JSON.parse(answer).readers} readers`
      : answer;
  } catch (error) {
    element("answer").textContent = `not published: ${error.message}`;
  }
});
