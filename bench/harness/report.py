"""results.md: the tables of a run of the harness, made from what stands in results.json and nothing else."""
from .summary import Table

PEER, OWN, NATIVE = "qemu-tcg", "ringshade", "native"


def show(number):
    """Three significant figures, no exponent."""
    if number is None:
        return ""
    if number >= 100:
        return "%.0f" % number
    if number >= 10:
        return "%.1f" % number
    return "%.2f" % number if number >= 0.1 else "%.3g" % number


def show_cell(cell):
    if cell is None:
        return ""
    return show(cell["median"]) + (" ±%.0f %%" % (50 * cell["spread"]) if cell["n"] > 1 else "")


def line(cells):
    return "| " + " | ".join(cells) + " |"


def table_of(head, rows):
    return [line(head), line(["---"] + ["---:"] * (len(head) - 1))] + [line(row) for row in rows] + [""]


def figures(table, workloads, engines, unit):
    rows = [[w["name"], "%g" % w["weight"]] + [show_cell(table.cell(w["name"], e)) for e in engines]
            for w in workloads]
    return table_of(["row (%s)" % unit, "weight"] + engines, rows)


def pairs_of(engines):
    """What a reader asks: all against native, all others against the adaptive engine."""
    pairs = []
    if NATIVE in engines:
        pairs += [(e, NATIVE) for e in engines if e != NATIVE]
    base = OWN if OWN in engines else next((e for e in engines if e != NATIVE), None)
    pairs += [(e, base) for e in engines if e not in (base, NATIVE)]
    return pairs


def ratios(table, workloads, engines):
    pairs = pairs_of(engines)
    if not pairs:
        return []
    weights = {w["name"]: w["weight"] for w in workloads}
    rows = []
    for name in weights:
        found = [table.ratio(name, over, under) for over, under in pairs]
        rows.append([name] + [show(r["median"]) if r else "" for r in found])
    rows.append(["geometric mean, weighted"] + [show(table.mean(weights, over, under)[0]) for over, under in pairs])
    text = ["Ratios, medians of those inside a round; above 1 the first of the two takes longer:", ""]
    return text + table_of(["row"] + ["%s / %s" % pair for pair in pairs], rows)


def head(results):
    machine, options = results["machine"], results["options"]
    text = ["# Overhead of virtualisation, measured", "",
            "%s, %d cores, %s%s; %d round%s, engines in turn. %s to %s." % (
                machine["processor"], machine["cores"], machine["kernel"],
                ", itself virtual" if machine["hypervisor"] else "", options["rounds"],
                "" if options["rounds"] == 1 else "s", results["started"], results["finished"]), ""]
    if not results["complete"]:
        text += ["**Interrupted: what had been measured until then.**", ""]
    if machine["load_at_start"] > 0.7:
        text += ["The machine was busy at the start (load %.2f): take the figures with care." %
                 machine["load_at_start"], ""]
    text += ["| engine | what it is | version |", "| --- | --- | --- |"]
    text += ["| %s | %s | %s |" % (e["name"], e["title"], e["version"]) for e in results["engines"]] + [""]
    text += ["%s: %s." % item for item in results["versions"].items() if item[0].startswith("native ")] + [""]
    return text


def overview(results, table, order):
    """The geometric mean of each group for each engine, against the adaptive one: what each engine, and each technique
    that one goes without, costs."""
    base = OWN if OWN in order else next(iter(order), None)
    rows = []
    for engine in order:
        means = []
        for group in results["groups"]:
            weights = {w["name"]: w["weight"] for w in results["workloads"] if w["group"] == group}
            mean, count = table.mean(weights, engine, base)
            means.append("%s (%d)" % (show(mean), count) if mean else "")
        if engine != base and any(means):
            rows.append([engine] + means)
    if not rows:
        return []
    head_cells = ["engine / %s" % base] + ["(%s) %s" % item for item in results["groups"].items()]
    plot = ["![What each technique buys](plots/ablations.svg)", ""] if "ablations" in results["plots"] else []
    text = ["## Overview", "", "Weighted geometric means of the time, as a multiple of %s's; in brackets of how many "
            "rows. Above 1 the engine is slower." % base, ""]
    return text + table_of(head_cells, rows) + plot


def notes(title, items):
    return ["%s:" % title, ""] + ["* " + item for item in items] + [""] if items else []


def skipped_text(item):
    return "%s%s: %s" % (item["engine"], " in " + item["suite"] if item.get("suite") else "", item["reason"])


def markdown(results, extra=()):
    """The whole page. `extra` is a list of further lines (the cost model's)."""
    table = Table(results["samples"])
    order = [e["name"] for e in results["engines"]]
    text = head(results)
    text += notes("Left out", [skipped_text(item) for item in results["skipped"]])
    text += notes("Went wrong", results["problems"])
    text += overview(results, table, order)
    for group, title in results["groups"].items():
        members = [w for w in results["workloads"] if w["group"] == group]
        engines = table.engines([w["name"] for w in members], order)
        if not engines:
            continue
        text += ["## (%s) %s" % (group, title), ""]
        for unit in dict.fromkeys(w["unit"] for w in members):
            same = [w for w in members if w["unit"] == unit]
            text += figures(table, same, table.engines([w["name"] for w in same], order), unit)
        text += ratios(table, members, engines)
        text += ["![%s](plots/group-%s.svg)" % (title, group), ""] if "group-" + group in results["plots"] else []
    return "\n".join(text + list(extra)) + "\n"
