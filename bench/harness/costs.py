"""The cost model: where the time of a workload went, by the counters and times of --stats. Translation, devices and the
handlers of host signals are measured by the engine; callouts, misses and exceptions are counted, and weighted with what
one of them costs on this machine, which the nanobenchmarks say. What is left is guest code.

A row's counters come from two runs, one with nothing but the row and one with nothing at all. Time halted is no cost.
"""
from .summary import Table

CALIBRATION = {  # what one event costs: the nanobenchmark that holds it, and the share of it
    "light": ("cr2-read", 1), "heavy": ("cpuid", 1), "signal": ("divide-error", 1), "exception": ("syscall-int", 0.5),
    "INT": ("syscall-int", 0.5), "IRET": ("syscall-int", 0.5), "SYSENTER": ("syscall-sysenter", 0.5),
    "SYSEXIT": ("syscall-sysenter", 0.5), "LOAD_SEG": ("segment-load", 1), "POP_SEG": ("push-pop-ds", 1),
    "MOV_TO_CR": ("cr3-reload", 1), "INVLPG": ("invlpg", 1), "STRING": ("rep-movs-32", 1),
}
HEAVY = {"HLT", "IN", "OUT", "FAR_JMP", "FAR_CALL", "FAR_MEM", "FAR_RET", "LOAD_FAR", "CLTS", "RDMSR", "WRMSR", "CPUID",
         "FPU_ENV", "FPU_MF", "MOV_TO_DR", "MOV_FROM_DR", "PUSHA", "POPA", "ENTER", "HYPERCALL"}
SOFT_MISS, CODE_MISS, DISPATCH = 2, 1.5, 8  # in light callouts: a walk, a lookup, a way through the dispatcher
GUEST = "guest code"
LEAST_SHARE, TOO_LITTLE = 0.1, "too little beside what comes before it to tell"


def calibrate(samples, tsc_khz):
    """{event: ns} from samples of the nanobenchmarks; None where they are not complete."""
    ticks = {s["workload"]: s["value"] for s in samples}
    if not tsc_khz or any(row not in ticks for row, _ in CALIBRATION.values()):
        return None
    return {event: ticks[row] * share * 1e6 / tsc_khz for event, (row, share) in CALIBRATION.items()}


def rows_needed():
    return sorted({row for row, _ in CALIBRATION.values()})


def parts_of(stats, cost, cpu_seconds=None):
    """{part: ns} of one file of statistics; guest code is what is left of the processor time, or where that is not
    known of the time. On a busy machine the two are far apart."""
    counters = stats["counters"]
    parts = {
        "translation": counters["ns_translate"],
        "devices": counters["ns_devices"],
        "halted": counters["ns_halted"],
        "shadow faults and other host signals": counters["ns_faults"] + counters["host_signals"] * cost["signal"],
        "software-TLB misses": counters["softtlb_misses"] * SOFT_MISS * cost["light"],
        "code-map misses": counters["codemap_misses"] * CODE_MISS * cost["light"],
        "dispatcher": counters["dispatches"] * DISPATCH * cost["light"],
        "exceptions": counters["exceptions"] * cost["exception"],
    }
    for name, count in stats["callouts"].items():
        parts["callout " + name] = count * cost.get(name, cost["heavy" if name in HEAVY else "light"])
    total = counters["ns_total"]
    if cpu_seconds:
        total = min(total, cpu_seconds * 1e9 + parts["halted"])
    parts[GUEST] = total - sum(parts.values())
    return parts


def difference(whole, base):
    """What `whole` has more than `base`, part by part; noise below zero counts as nothing."""
    return {name: max(0.0, whole.get(name, 0) - base.get(name, 0)) for name in {**whole, **base}}


def shares(parts):
    """{part: share of the total}, largest first."""
    kept = {name: max(0.0, value) for name, value in parts.items()}
    total = sum(kept.values()) or 1.0
    return {name: value / total for name, value in sorted(kept.items(), key=lambda item: -item[1])}


def cause_of(share):
    """The part that a row is slow by: the largest, with the largest part of the monitor's where guest code leads."""
    first, *rest = list(share.items())
    if first[0] != GUEST:
        return "%s (%.0f %%)" % (first[0], 100 * first[1])
    second = "; then %s (%.0f %%)" % (rest[0][0], 100 * rest[0][1]) if rest and rest[0][1] >= 0.01 else ""
    return "%s (%.0f %%)%s" % (GUEST, 100 * first[1], second)


def slowest(results, workloads, engine, count):
    """The `count` workloads of each group in which the engine does worst, against native or else against the peer."""
    table = Table(results["samples"])
    chosen = []
    for group in results["groups"]:
        ranked = []
        for w in workloads:
            own = table.ratio(w.name, engine, "native") or table.ratio(w.name, engine, "qemu-tcg")
            if w.group == group and (own or table.cell(w.name, engine)):
                ranked.append((-own["median"] if own else 0, w))
        ranked.sort(key=lambda item: item[0])
        chosen += [w for _, w in ranked[:count]]
    return chosen


def item_of(workload, engine, whole, base):
    """An item of the list `costs` of results.json, from the parts of both runs."""
    parts = difference(whole, base)
    parts = {name: value for name, value in parts.items() if name != "halted"}
    share = shares(parts)
    return {"workload": workload.name, "engine": engine.name, "ns": round(sum(max(0.0, v) for v in parts.values())),
            "shares": {name: round(value, 4) for name, value in share.items() if value >= 0.0005},
            "cause": cause_of(share) if sum(parts.values()) >= LEAST_SHARE * sum(base.values()) else TOO_LITTLE}


def markdown(results):
    """The lines of results.md."""
    if not results["costs"]:
        return []
    text = ["## Where the time went", "",
            "The slowest rows of each group, by the cost model (bench/README.md). The last column is the cause.", "",
            "| row | guest code | translation | callouts | shadow faults, signals | misses, dispatcher | devices | "
            "largest parts |",
            "| --- |" + " ---: |" * 6 + " --- |"]
    for item in results["costs"]:
        share = item["shares"]

        def total(*names, prefix="-"):
            return "%.1f %%" % (100 * sum(v for n, v in share.items() if n in names or n.startswith(prefix)))
        text.append("| %s | %s | %s | %s | %s | %s | %s | %s |" % (
            item["workload"], total(GUEST), total("translation"), total("exceptions", prefix="callout "),
            total("shadow faults and other host signals"),
            total("software-TLB misses", "code-map misses", "dispatcher"), total("devices"), item["cause"]))
    return text + [""]
