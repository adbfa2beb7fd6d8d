"""The README's plot: how many times sooner than the peer Ringshade is done, a bar for each row that counts, and native's own
place where there is one. A small SVG without further parts, its text as text, for light and dark pages.

    python3 -m harness.figure RESULTS.json >FIGURE.svg        (in bench/)"""
import html
import json
import math
import sys

from .report import NATIVE, OWN
from .summary import Table

PEER = "qemu-tcg"
ROW, HEAD, LABEL, BAR, GAP = 14, 24, 112, 290, 26
TOP, BOTTOM = 44, 24
COLUMNS = ("a", "c"), ("b", "d")  # the groups of the two columns
STYLE = """text { font: 10px sans-serif; fill: #24292f }
.head { font-weight: bold; font-size: 11px } .bar { fill: #4878a8 } .less { fill: #c0562f }
.native { fill: none; stroke: #24292f; stroke-width: 1.5 } .grid { stroke: #8c959f; stroke-width: .4 } .one { stroke: #24292f }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .bar { fill: #6ea8dc } .less { fill: #e68a5c }
.native { stroke: #e6edf3 } .one { stroke: #e6edf3 } }"""


def rows_of(results, table, group):
    """[(row, times sooner than the peer, native's or None)] of the rows that count, and their mean."""
    weights = {w["name"]: w["weight"] for w in results["workloads"] if w["group"] == group and w["weight"] > 0}
    rows = []
    for name in weights:
        own, native = table.ratio(name, PEER, OWN), table.ratio(name, PEER, NATIVE)
        if own:
            rows.append((name, own["median"], native["median"] if native else None))
    return rows, table.mean(weights, PEER, OWN)[0]


class Scale:
    """Ratios to places of a bar, logarithmic."""

    def __init__(self, values):
        self.low = math.log10(min(0.5, min(values) * 0.9))
        self.high = math.log10(max(values) * 1.1)

    def __call__(self, value):
        return BAR * (math.log10(value) - self.low) / (self.high - self.low)

    def marks(self):
        marks = [base * 10 ** power for power in range(-1, 5) for base in (1, 3)]
        return [m for m in marks if self.low <= math.log10(m) <= self.high]


def number(value):
    return "%.0f" % value if value >= 100 else "%.2g" % value if value < 10 else "%.3g" % value


def draw_row(out, scale, x, y, row):
    name, own, native = row
    one, end = scale(1), scale(own)
    out.append('<text x="%d" y="%d" text-anchor="end">%s</text>' % (x + LABEL - 6, y + 10, html.escape(name)))
    out.append('<rect class="%s" x="%.1f" y="%d" width="%.1f" height="%d"><title>%s: %s times</title></rect>'
               % ("bar" if own >= 1 else "less", x + LABEL + min(one, end), y + 2, abs(end - one), ROW - 4, html.escape(name),
                  number(own)))
    out.append('<text x="%.1f" y="%d">%s</text>' % (x + LABEL + max(one, end, scale(native or 1)) + 4, y + 10, number(own)))
    if native:
        out.append('<path class="native" d="M%.1f %dv%d"/>' % (x + LABEL + scale(native), y + 1, ROW - 2))


def draw_column(out, results, scale, x, groups, found):
    y = TOP
    for group in groups:
        rows, mean = found[group]
        if not rows:
            continue
        out.append('<text class="head" x="%d" y="%d">(%s) %s: %s times</text>'
                   % (x, y + 16, group, html.escape(results["groups"][group]), number(mean)))
        y += HEAD
        for row in rows:
            draw_row(out, scale, x, y, row)
            y += ROW
    for mark in scale.marks():
        at = x + LABEL + scale(mark)
        out.append('<path class="grid%s" d="M%.1f %dV%d"/>' % (" one" if mark == 1 else "", at, TOP + HEAD, y))
        out.append('<text x="%.1f" y="%d" text-anchor="middle">%g</text>' % (at, y + 12, mark))
    return y


def figure(results):
    """The SVG's text."""
    table = Table(results["samples"])
    found = {group: rows_of(results, table, group) for column in COLUMNS for group in column if group in results["groups"]}
    values = [v for rows, _ in found.values() for _, own, native in rows for v in (own, native) if v]
    if not values:
        raise ValueError("no row that both %s and %s have" % (OWN, PEER))
    scale, out, bottom = Scale(values), [], 0
    for number_, groups in enumerate(COLUMNS):
        x = 8 + number_ * (LABEL + BAR + 34 + GAP)
        bottom = max(bottom, draw_column(out, results, scale, x, [g for g in groups if g in found], found))
    width, height = 2 * (LABEL + BAR + 34) + GAP + 16, bottom + BOTTOM
    title = "How many times sooner than QEMU's translator (right of 1: Ringshade is faster; the stroke is native's own place)"
    return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">\n<title>%s</title>\n'
            '<style>%s</style>\n<text class="head" x="8" y="18">%s</text>\n%s\n</svg>\n'
            % (width, height, width, height, title, STYLE, title, "\n".join(out)))


def main(arguments):
    if len(arguments) != 1:
        print("usage: python3 -m harness.figure RESULTS.json >FIGURE.svg", file=sys.stderr)
        return 2
    try:
        with open(arguments[0], encoding="utf-8") as file:
            sys.stdout.write(figure(json.load(file)))
    except (OSError, ValueError, KeyError) as error:
        print("figure: %s: %s" % (arguments[0], error), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
