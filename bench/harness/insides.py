"""What the runs say about the monitor itself: how fast it translates, what of the guest's code it copies, how often it
needs the host, and how much memory it takes. From the statistics and memory samples in results.json."""
from statistics import median


def runs_of(results, engine, workload):
    """The runs without error in which the engine measured the workload."""
    return [r for r in results["runs"] if r["engine"] == engine and workload in r["workloads"] and not r["error"]]


def translation_rate(results, engine, workload):
    """Million guest instructions a second, decoding included; None where nothing says so."""
    rates = [r["stats"]["counters"]["insns_translated"] * 1e3 / r["stats"]["counters"]["ns_translate"]
             for r in runs_of(results, engine, workload) if r["stats"] and r["stats"]["counters"]["ns_translate"]]
    return median(rates) if rates else None


def memory_mib(results, engine, workload):
    """The largest RssAnon + VmPTE + resident code cache, in MiB, of all runs; each of the three is the largest of its
    run, so that the sum is never below what there was at once. Guest RAM is in it where it is anonymous memory."""
    sums = [sum(r["memory_kib"].values()) / 1024 for r in runs_of(results, engine, workload) if r["memory_kib"]]
    return max(sums) if sums else None


def markdown(results):
    """A line for each engine and suite (row of a boot) that has statistics or memory."""
    rows = []
    for engine in [e["name"] for e in results["engines"] if e["kind"] == "machine"]:
        pieces = dict.fromkeys((r["suite"], tuple(r["workloads"])) for r in results["runs"] if r["engine"] == engine)
        for suite, workloads in pieces:
            runs = runs_of(results, engine, workloads[0])
            if not runs:
                continue
            rate, memory = translation_rate(results, engine, workloads[0]), memory_mib(results, engine, workloads[0])
            stats = next((r["stats"] for r in runs if r["stats"]), None)
            cells = [engine, workloads[0] if len(workloads) == 1 else suite, "%.1f" % memory if memory else "",
                     "%.2f" % rate if rate else ""]
            cells += ["%.0f %%" % (100 * (stats["derived"]["identity_share"] or 0)),
                      "%d" % stats["derived"]["host_signals_and_mapping_calls"]] if stats else ["", ""]
            rows.append("| " + " | ".join(cells) + " |")
    if not rows:
        return []
    return ["## The monitors themselves", "",
            "Memory is the largest RssAnon + VmPTE + resident code cache, each sampled every second. "
            "Ringshade's guest RAM is a file and not in it; an engine whose guest RAM is anonymous memory has it in.", "",
            "| engine | run | memory (MiB) | translation (million instructions/s) | identity instructions | "
            "host signals and mapping calls |", "| --- | --- | ---: | ---: | ---: | ---: |"] + rows + [""]
