"""Medians, spreads and ratios of what was measured."""

import statistics

from measure import LIMIT
from peers import SERVERS


class Results:
    """The samples of a run, looked up by scenario, server and figure."""

    def __init__(self, results):
        self.about = results
        self.samples = results["samples"]
        measured = {one["server"] for one in self.samples}
        self.servers = [server for server in SERVERS if server.name in measured]
        self.has_limit = LIMIT in measured
        self.is_quick = results["quick"]
        # Connections that get a message of a small room.
        self.room = 51 if self.is_quick else 2

    def of(self, scenario, server, figure):
        """Round to value."""
        return {
            one["round"]: one["figures"][figure]
            for one in self.samples
            if one["scenario"] == scenario.name and one["server"] == server and figure in one["figures"]
        }

    def median(self, scenario, server, figure):
        values = self.of(scenario, server, figure).values()
        return statistics.median(values) if values else None

    def ratios(self, scenario, server, other, figure):
        """One server's figure over the other's, of the same rounds: what slowed both falls out."""
        return by_round(self.of(scenario, server, figure), self.of(scenario, other, figure))

    def has(self, scenario):
        return any(one["scenario"] == scenario.name and one["figures"] for one in self.samples)

    def troubles(self, scenario, server):
        """How its runs went wrong, if they did."""
        found = []
        for one in self.samples:
            if (one["scenario"], one["server"]) == (scenario.name, server):
                if one["outcome"] != "complete":
                    found.append(one["outcome"].replace("_", " "))
                elif one["faults"]:
                    found.append("messages lost")
        return sorted(set(found))


def by_round(mine, others):
    """What each round has of one, over what it has of the other."""
    return [mine[number] / others[number] for number in sorted(mine.keys() & others.keys()) if others[number]]


def number(value):
    """Three digits that count."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}"


def spread(values, show=number):
    """Median, and lowest to highest where there are several."""
    values = sorted(values)
    if not values:
        return "–"
    middle = show(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({show(values[0])}–{show(values[-1])})"
