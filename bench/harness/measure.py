"""One run: starts an engine with a suite, follows what is printed, and gives the samples. The lines of a suite's program
are explained in bench/README.md: @begin, @row, @end, @skip, @wrong, @finished."""
import os
import time

from . import machine

FINISHED = b"@finished"
LINE_MAX = 4096
GRACE_SECONDS = 2.0  # a bare-metal guest ends by itself behind its last line


class Run:
    """What is to be started, and what came of it."""

    def __init__(self, number, round_, engine, suite, workloads, whole):
        """whole: the workloads are all that the suite has, so that none needs to be named to it."""
        self.number, self.round, self.engine, self.suite, self.workloads = number, round_, engine, suite, workloads
        self.whole = whole
        self.command, self.seconds, self.status, self.error = [], 0.0, None, None
        self.samples, self.memory, self.stats_file = [], {}, None
        self.prepare, self.cpu_seconds = [], 0.0
        self.words = None  # in the place of the rows' names
        self.skipped = {}  # row: reason, where the program itself says so

    @property
    def name(self):
        return "%s-%s" % (self.suite.name, self.engine.name)


def guest_khz(engine):
    """The frequency of the time-stamp counter that a guest of this engine sees."""
    return engine.keys.get("tsc_khz", machine.tsc_khz())


def quote_run(words):
    """Words for tools/guest-init's run=: blanks as %20."""
    return " ".join(words).replace(" ", "%20")


def guest_append(run, words):
    """The kernel's command line. In every engine the TSC is the clock, and its frequency is told, since on a busy host
    the kernel cannot measure it against the timer."""
    keys = run.suite.keys
    parts = [keys.get("append", "")]
    if run.suite.kind == "linux":
        parts.append("tsc=reliable tsc_early_khz=%d" % guest_khz(run.engine))
        parts.append("run=" + quote_run(words) + ";echo%20@finished")
    elif run.suite.kind == "bare":
        parts += words
    return " ".join(part for part in parts if part)


def boot_row(run):
    """The keys of the one row of a boot."""
    return run.suite.keys["rows"][run.workloads[0].name]


def make_command(run, place, folder, effort, fifo):
    """The words of the command line, and whether its output comes through the FIFO."""
    suite, engine = run.suite, run.engine
    keys = {**suite.keys, **(boot_row(run) if suite.kind == "boot" else {})}
    words = list(suite.keys.get(effort, suite.keys.get("full", [])))
    if run.words is not None:
        words += run.words
    elif suite.kind != "boot" and not run.whole:
        words += [w.name for w in run.workloads]
    names = {"out": folder, "words": words, "stats": "", "serial": fifo, "tsc_khz": str(guest_khz(engine)),
             "work": os.path.join(place.out, "work", "engine-" + engine.name)}
    if engine.kind == "process":
        return place.fill(engine.command, **names, program=place.fill(keys["native"], **names)), False
    names["kernel"] = place.fill([keys["kernel"]], **names)[0]
    names["memory"] = str(keys.get("memory", 256))
    names["initrd"] = os.path.join(folder, "initrd.gz") if suite.kind == "linux" else ""
    if "initrd" in keys:
        names["initrd"] = place.fill([keys["initrd"]], **names)[0]
    guest = place.fill(keys.get("guest", ["{words}"]), **names)
    run_keys = {**suite.keys, **keys}
    names["append"] = guest_append(run, guest) if suite.kind != "boot" else run_keys.get("append", "")
    command = list(engine.command)
    command += engine.keys.get("bare", []) if suite.kind == "bare" else []
    command += engine.keys.get("initrd", []) if names["initrd"] else []
    command += engine.keys.get("append", []) if names["append"] else []
    if "stats" in engine.keys:
        run.stats_file = names["stats"] = os.path.join(place.out, "stats", "%s-%d.json" % (run.name, run.number))
        command += engine.keys["stats"]
    run.prepare = place.fill(engine.keys.get("prepare", []), **names)
    return place.fill(command, **names), any("{serial}" in word for word in command) or engine.keys.get("fifo", False)


class Follower:
    """Collects the console's text and turns complete lines into samples."""

    def __init__(self, run, log):
        self.run, self.log = run, log
        self.rest, self.tail, self.finished = b"", b"", False
        self.begun, self.open = {}, {}

    def feed(self, seconds, piece):
        self.log.write(piece)
        self.tail = (self.tail + piece)[-LINE_MAX:]
        *lines, self.rest = (self.rest + piece).split(b"\n")
        self.rest = self.rest[-LINE_MAX:]
        for line in lines:
            at = line.find(b"@")
            if at >= 0:
                self.take(seconds, line[at:].decode("ascii", "replace").split())

    def take(self, seconds, words):
        kind, rest = words[0], words[1:]
        if kind == "@finished":
            self.finished = True
        elif kind == "@begin" and rest:
            self.begun[rest[0]] = seconds
        elif kind == "@skip" and rest:
            self.run.skipped[rest[0]] = " ".join(rest[1:])
        elif kind == "@wrong":
            self.run.error = "the guest found a wrong result: " + " ".join(rest)
        elif kind == "@row" and len(rest) >= 2:
            self.take_row(rest)
        elif kind == "@end" and len(rest) >= 2 and rest[0] in self.open:
            self.compare_clocks(seconds, rest)

    def take_row(self, rest):
        if rest[0] not in {w.name for w in self.run.workloads}:
            return
        scale = self.run.suite.keys.get("scale", 1)
        try:
            sample = {"workload": rest[0], "value": round(float(rest[1]) * scale, 6)}
            if len(rest) > 2:
                sample["checksum"] = int(rest[2])
            if len(rest) > 3:
                sample["mean"] = round(float(rest[3]) * scale, 6)
        except ValueError:
            self.run.error = "not a row: " + " ".join(rest)
            return
        self.open[rest[0]] = sample
        self.run.samples.append(sample)

    def compare_clocks(self, seconds, rest):
        """What the host's clock says beside what the program's own said about all that it timed."""
        khz = guest_khz(self.run.engine)
        unit = {"ns": 1e-9, "ticks": 1e-3 / max(khz, 1)}.get(self.run.suite.unit)
        if not unit or float(rest[1]) <= 0:
            return
        sample = self.open[rest[0]]
        ratio = (seconds - self.begun.get(rest[0], seconds)) / (float(rest[1]) * unit)
        sample["host_over_guest"] = round(ratio, 4)
        if self.run.engine.keys.get("clock") == "host":
            factor = ratio * (machine.tsc_khz() / khz if self.run.suite.unit == "ticks" else 1)
            for key in ("value", "mean"):
                if key in sample:
                    sample[key] = round(sample[key] * factor, 6)


def follow(run, child, log, until):
    """Reads until the last line, the marker, or the end; sets run.error where it did not come to its end."""
    follower = Follower(run, log)
    row = boot_row(run) if run.suite.kind == "boot" else {}
    marker = row.get("marker", "").encode()
    refused = [text.encode() for text in run.suite.keys.get("refuse", [])]
    while True:
        got = child.read(until)
        if got is None and run.engine.kind == "process" and time.monotonic() < until:
            return
        if got is None:
            over = time.monotonic() >= until
            run.error = run.error or ("not finished in time" if over else "ended before its last line")
            return
        follower.feed(*got)
        if marker and marker in follower.tail:
            run.samples.append({"workload": run.workloads[0].name, "value": round(got[0], 6)})
            return
        if any(text in follower.tail for text in refused):
            run.error = "the guest printed '%s'" % next(t.decode() for t in refused if t in follower.tail)
            return
        if follower.finished and not marker:
            return


def make_ready(run, place, children):
    """Does what the engine needs before it can start, which is not timed."""
    folder = os.path.join(place.out, "work", "engine-" + run.engine.name)
    os.makedirs(folder, exist_ok=True)
    if run.prepare and children.run(run.prepare, os.path.join(folder, "prepare.log")):
        run.error = "cannot be prepared (see %s)" % os.path.join(folder, "prepare.log")
    return not run.error


def measure(run, place, children, folder, effort):
    """Starts the run and follows it; everything that came of it is in `run`. effort: full, quick or costs."""
    for name in ("stats", "logs"):
        os.makedirs(os.path.join(place.out, name), exist_ok=True)
    fifo = os.path.join(place.out, "work", "console")
    if os.path.exists(fifo):
        os.unlink(fifo)
    os.mkfifo(fifo)
    run.command, through_fifo = make_command(run, place, folder, effort, fifo)
    if not make_ready(run, place, children):
        return
    log_name = os.path.join(place.out, "logs", "%s-%d" % (run.name, run.number))
    core = min(os.sched_getaffinity(0)) if run.engine.keys.get("pin") else None
    with open(log_name + ".log", "wb") as log, open(log_name + ".errors", "wb") as errors:
        try:
            child = children.start(run.command, fifo=fifo if through_fifo else None, core=core, errors=errors,
                                   code=run.engine.keys.get("code"))
        except OSError as error:
            run.error = "cannot be started: %s" % error.strerror
            return
        limit = run.suite.keys.get("timeout", 300) * run.engine.patience
        follow(run, child, log, child.started + limit)
        run.status = child.end(GRACE_SECONDS if run.suite.kind != "boot" and not run.error else 0.0)
        run.seconds, run.memory = time.monotonic() - child.started, child.memory
        run.cpu_seconds = child.cpu_seconds
        children.done(child)
    if run.engine.kind == "process" and run.status:
        run.error = run.error or "ended with status %d" % run.status
    accounted = {s["workload"] for s in run.samples} | set(run.skipped)
    missing = [w.name for w in run.workloads if w.name not in accounted]
    if missing and not run.error:
        run.error = "no figure for " + ", ".join(missing)
