"""Plots of a run of the harness as SVG and PNG, one a group: a dot for each row and engine, at its ratio to the group's
base. Needs Debian's python3-matplotlib; without it there are no plots."""
import os

from .report import NATIVE, OWN
from .summary import Table

MARKS = "os^Dv<>PX*hpd"
SKIPPED = "plots: matplotlib is not installed (Debian's package python3-matplotlib)"


def load_pyplot():
    """matplotlib without a display, or None."""
    try:
        import matplotlib
        matplotlib.use("Agg")
        matplotlib.rcParams["svg.hashsalt"] = "bench"
        from matplotlib import pyplot
        return pyplot
    except ImportError:
        return None


def base_of(engines):
    return next((e for e in (NATIVE, OWN) if e in engines), engines[0])


def dots(table, members, engines, base):
    """{engine: ([y], [ratio])}; row 0 is at the top."""
    found = {}
    for engine in engines:
        for place, workload in enumerate(members):
            ratio = table.ratio(workload["name"], engine, base)
            if ratio:
                places, values = found.setdefault(engine, ([], []))
                places.append(-place)
                values.append(ratio["median"])
    return found


def draw_group(pyplot, table, group, title, members, engines):
    base = base_of(engines)
    found = dots(table, members, [e for e in engines if e != base], base)
    if not found:
        return None
    figure, axes = pyplot.subplots(figsize=(9, 1.4 + 0.28 * len(members)), layout="constrained")
    for number, (engine, (places, values)) in enumerate(found.items()):
        axes.plot(values, places, MARKS[number % len(MARKS)], label=engine, markersize=5, linestyle="none")
    axes.axvline(1, color="black", linewidth=0.8)
    scale_x(axes)
    axes.set_yticks([-n for n in range(len(members))], [w["name"] for w in members], fontsize=8)
    axes.set_xlabel("time, as a multiple of %s's" % base)
    axes.set_title("(%s) %s" % (group, title))
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def draw_ablations(pyplot, table, results, order):
    """What each technique buys: the groups' means of the engines that go without one."""
    engines = [e for e in order if e.startswith(OWN + "-no")]
    if OWN not in order or not engines:
        return None
    figure, axes = pyplot.subplots(figsize=(9, 1.6 + 0.34 * len(engines)), layout="constrained")
    for number, (group, title) in enumerate(results["groups"].items()):
        weights = {w["name"]: w["weight"] for w in results["workloads"] if w["group"] == group}
        means = [(place, table.mean(weights, engine, OWN)[0]) for place, engine in enumerate(engines)]
        means = [(-place, mean) for place, mean in means if mean]
        axes.plot([m for _, m in means], [p for p, _ in means], MARKS[number % len(MARKS)],
                  label="(%s) %s" % (group, title), linestyle="none")
    axes.axvline(1, color="black", linewidth=0.8)
    scale_x(axes)
    axes.set_yticks([-n for n in range(len(engines))], engines, fontsize=8)
    axes.set_xlabel("time without the technique, as a multiple of %s's" % OWN)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def scale_x(axes):
    """Ratios, on a logarithmic scale with plain numbers."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}" if high / low < 8 else "")
    axes.tick_params(axis="x", which="both", labelsize=8)
    axes.grid(True, which="both", axis="both", linewidth=0.3)


def save(pyplot, figure, folder, name):
    for kind in ("svg", "png"):
        figure.savefig(os.path.join(folder, "%s.%s" % (name, kind)), dpi=120,
                       metadata={"Date": None} if kind == "svg" else None)
    pyplot.close(figure)


def draw(results, folder):
    """Writes folder/NAME.svg and .png; returns the names of the plots, or None without matplotlib."""
    pyplot = load_pyplot()
    if pyplot is None:
        return None
    table = Table(results["samples"])
    order = [e["name"] for e in results["engines"]]
    drawn = []
    os.makedirs(folder, exist_ok=True)
    for group, title in results["groups"].items():
        members = [w for w in results["workloads"] if w["group"] == group]
        members = [w for w in members if any((w["name"], e) in table.cells for e in order)]
        engines = table.engines([w["name"] for w in members], order)
        figure = draw_group(pyplot, table, group, title, members, engines) if engines else None
        if figure is None:
            continue
        save(pyplot, figure, folder, "group-" + group)
        drawn.append("group-" + group)
    figure = draw_ablations(pyplot, table, results, order)
    if figure is not None:
        save(pyplot, figure, folder, "ablations")
        drawn.append("ablations")
    return drawn
