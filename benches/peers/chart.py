"""chart.svg: a dot for each server, on logarithmic axes, in the colours of the reader's choice."""

import html
import math

from figures import Results, number
from measure import LIMIT
from scenarios import FANOUT, IDLE, PIPELINED, PUBLISH, STREAMS

PANEL_WIDTH, LABELS, NUMBERS, ROW, GAP, TOP, FOOT = 430, 150, 46, 22, 26, 62, 40

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; } .note { font-size: 12px; fill: #59636e; }
.ours text, text.ours { font-weight: 600; fill: #0a58ca; }
.axis { stroke: #d1d9e0; } .limit { stroke: #59636e; stroke-dasharray: 4 3; }
.stem { stroke: #b0b8c0; stroke-width: 2; } .dot { fill: #6e7781; }
.ours .stem, .ours .dot { stroke: #0a58ca; fill: #0a58ca; }
.paper { fill: #ffffff; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .note { fill: #9198a1; }
  .ours text, text.ours { fill: #6cb0ff; }
  .axis { stroke: #3d444d; } .limit { stroke: #9198a1; }
  .stem { stroke: #656c76; } .dot { fill: #9198a1; }
  .ours .stem, .ours .dot { stroke: #6cb0ff; fill: #6cb0ff; }
  .paper { fill: #0d1117; }
}
"""


def svg(results):
    found = Results(results)
    panels = [
        panel
        for panel in [
            Panel(found, FANOUT[0], "cost", "1 message outstanding", "µs of CPU per delivery"),
            Panel(found, FANOUT[2], "cost", "32 messages outstanding", "µs of CPU per delivery"),
            Panel(found, FANOUT[4], "cost", "256 messages outstanding", "µs of CPU per delivery"),
            Panel(found, STREAMS[1][0], "cost", "Server-sent events, 32 outstanding", "µs of CPU per delivery"),
            Panel(found, PUBLISH[3], "cost", f"POST, {PIPELINED} in flight, no readers", "µs of CPU per request"),
            Panel(found, IDLE, "memory", "Idle connections", "resident bytes for each"),
        ]
        if panel.values
    ]
    columns = 2
    lines = math.ceil(len(panels) / columns)
    panel_height = max((panel.height for panel in panels), default=0) + GAP
    width, height = columns * PANEL_WIDTH + GAP, TOP + lines * panel_height + FOOT
    title = "What a delivery costs the server: one message to 1,000 readers"
    if found.is_quick:
        title = "A smoke run with next to no load: nothing can be concluded from these figures"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-labelledby="name">',
        '<title id="name">CPU time per delivery and memory per connection of WebSocket servers</title>',
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
        text(GAP / 2, 24, title, "title"),
        text(GAP / 2, 44, "Further left is better; axes are logarithmic. Dashed: send() alone, no server.", "note"),
    ]
    for index, panel in enumerate(panels):
        x = GAP / 2 + index % columns * PANEL_WIDTH
        y = TOP + index // columns * panel_height
        parts.append(f'<g transform="translate({x} {y})">{panel.draw()}</g>')
    machine = results["machine"]
    foot = f"{results['date'].split()[0]}, {machine['cores']} × {machine['cpu']}, medians, one thread each; see RESULTS.md"
    parts += [text(GAP / 2, height - 14, foot, "note"), "</svg>"]
    return "\n".join(parts) + "\n"


class Panel:
    """The servers of one thread, the best at the top. Who took nothing at all stands at the left end."""

    def __init__(self, found, scenario, figure, title, unit):
        self.title, self.unit = title, unit
        self.limit = found.median(scenario, LIMIT, figure)
        pairs = [
            (found.median(scenario, server.name, figure), server) for server in found.servers if server.threads == 1
        ]
        self.values = sorted(((value, server) for value, server in pairs if value is not None), key=lambda pair: pair[0])
        self.height = 54 + ROW * len(self.values)

    def draw(self):
        numbers = [value for value in [*(value for value, _ in self.values), self.limit] if value and value > 0] or [1]
        low, high = min(numbers) * 0.8, max(numbers) * 1.15
        room = PANEL_WIDTH - LABELS - NUMBERS - GAP

        def at(value):
            return round(LABELS + room * math.log(max(value, low) / low) / math.log(high / low), 1)

        bottom = 30 + ROW * len(self.values)
        parts = [text(0, 12, self.title, "title"), text(PANEL_WIDTH - GAP, 12, self.unit, "note", "end")]
        for tick in ticks(low, high):
            parts.append(f'<line class="axis" x1="{at(tick)}" x2="{at(tick)}" y1="24" y2="{bottom}"/>')
            parts.append(text(at(tick), bottom + 15, f"{tick:,g}", "note", "middle"))
        if self.limit:
            x = at(self.limit)
            parts.append(f'<line class="limit" x1="{x}" x2="{x}" y1="24" y2="{bottom}"/>')
        for index, (value, server) in enumerate(self.values):
            y = 41 + ROW * index
            kind = "ours" if server.name == "fanfare" else "theirs"
            title = server.title.replace("gorilla, as in its tutorial", "gorilla, tutorial")
            parts += [
                f'<g class="{kind}">',
                text(LABELS - 10, y + 4, title, "", "end"),
                f'<line class="stem" x1="{LABELS}" x2="{at(value)}" y1="{y}" y2="{y}"/>',
                f'<circle class="dot" cx="{at(value)}" cy="{y}" r="5"/>',
                text(at(value) + 10, y + 4, number(value), ""),
                "</g>",
            ]
        return "\n".join(parts)


def ticks(low, high):
    """Powers of ten, and fives or thirds between them where there is room."""
    steps = [1] if high / low > 300 else [1, 3] if high / low > 10 else [1, 2, 5]
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]


def text(x, y, said, kind, anchor="start"):
    return f'<text x="{x}" y="{y}" class="{kind}" text-anchor="{anchor}">{html.escape(said)}</text>'
