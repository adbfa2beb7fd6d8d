"""The command line of bench/run: chooses, builds, runs the engines in turn, and writes the results. Ctrl-C ends all
that was started and leaves what was measured so far written."""
import argparse
import os
import shutil
import signal
import sys
from collections import Counter

from . import build, costs, machine, measure
from .catalogue import Catalogue, CatalogueError
from .children import Children
from .costruns import CostRuns
from .progress import Progress
from .results import Results
from .targets import TargetError

ROUNDS, COSTS, USAGE = 5, 3, 2


class Stopped(BaseException):
    """A signal asks the harness to end; not an Exception, so that nothing catches it on its way."""

    def __init__(self, number):
        super().__init__(number)
        self.number = number


def parse_arguments(root, arguments):
    parser = argparse.ArgumentParser(
        prog="bench/run",
        description="Measures what engines cost, in turn, and writes results.json, results.md and plots.")
    parser.add_argument("--workloads", metavar="LIST", help="groups, suites, rows or patterns, with commas")
    parser.add_argument("--engines", metavar="LIST", help="engines or patterns, with commas; default all there are")
    parser.add_argument("--rounds", metavar="N", type=int, help="how often each engine runs (default %d)" % ROUNDS)
    parser.add_argument("--out", metavar="DIR", help="folder of the results (default build/bench/results)")
    parser.add_argument("--list", action="store_true", help="show engines and workloads, run nothing")
    parser.add_argument("--quick", action="store_true", help="one round, short, the most important engines")
    parser.add_argument("--costs", metavar="N", type=int, default=None,
                        help="say where the time went in the N slowest rows of each group (default %d)" % COSTS)
    parser.add_argument("--no-plots", action="store_true", help="draw nothing")
    parser.add_argument("--catalogue", metavar="DIR", default=os.path.join(root, "bench"),
                        help="folder with engines/, suites/ and workloads.txt (default bench/)")
    options = parser.parse_args(arguments)
    if options.rounds is None:
        options.rounds = 1 if options.quick else ROUNDS
    if options.costs is None:
        options.costs = 1 if options.quick else COSTS
    if options.rounds < 1:
        parser.error("--rounds wants a number from 1 up")
    return options


def why_missing(engine, place):
    """Why this engine cannot be run here, or None."""
    program = place.fill(engine.command[:1], program=[], words=[])
    for name in program + place.fill(engine.keys.get("needs", [])):
        if not (shutil.which(name) or (os.path.sep in name and os.path.exists(name))):
            return "not installed: %s" % name
    probe = engine.keys.get("probe")
    if probe and probe["expect"] not in machine.output_of(place.fill(probe["command"])):
        return probe["reason"]
    return None


def show_list(catalogue, engines, workloads, place):
    print("engines:")
    for engine in engines:
        reason = why_missing(engine, place)
        print("  %-28s %s%s" % (engine.name, engine.title, " (%s)" % reason if reason else ""))
    for group, title in catalogue.groups.items():
        members = [w for w in workloads if w.group == group]
        if members:
            print("(%s) %s:" % (group, title))
        for w in members:
            print("  %-28s weight %-4g suite %s, in %s" % (w.name, w.weight, w.suite.name, w.suite.unit))


def plan(engines, workloads, rounds, suite_sizes):
    """The runs, interleaved: in each round each suite (each row of a boot) with one engine after the other."""
    pieces = []
    for suite in dict.fromkeys(w.suite for w in workloads):
        rows = [w for w in workloads if w.suite is suite]
        pieces += [[row] for row in rows] if suite.kind == "boot" else [rows]
    runs = []
    for round_ in range(1, rounds + 1):
        for rows in pieces:
            for engine in engines:
                if engine.takes(rows[0].suite) and round_ <= engine.keys.get("rounds", rounds):
                    suite = rows[0].suite
                    whole = len(rows) == suite_sizes[suite]
                    runs.append(measure.Run(len(runs) + 1, round_, engine, suite, rows, whole))
    return runs


class Harness:
    """One use of the command."""

    def __init__(self, root, options):
        self.options = options
        self.out = os.path.abspath(options.out or os.path.join(
            os.environ.get("RINGSHADE_BUILD", os.path.join(root, "build")), "bench", "results"))
        self.catalogue = Catalogue(options.catalogue)
        self.engines = self.catalogue.choose_engines(options.engines, options.quick)
        self.workloads = self.catalogue.choose_workloads(options.workloads)
        self.place, self.children = build.Place(root, self.out), Children()

    def begin(self):
        os.makedirs(os.path.join(self.out, "work"), exist_ok=True)
        versions = {"source": machine.source_version(self.place.root),
                    "compiler": machine.version_of([os.environ.get("CC", "gcc"), "--version"])}
        options = {"rounds": self.options.rounds, "quick": self.options.quick, "workloads": self.options.workloads,
                   "engines": self.options.engines}
        self.results = Results(self.catalogue, self.workloads, options, machine.describe(), versions)
        self.progress = Progress([])
        self.builder = build.Builder(self.place, self.children, self.progress.say)
        if self.results.value["machine"]["load_at_start"] > 0.7:
            self.progress.say("this machine is busy: take the figures with care")

    def find_engines(self):
        there = []
        for engine in self.engines:
            reason = self.builder.engine(engine) or why_missing(engine, self.place)
            if reason:
                self.results.skip(engine.name, reason)
                self.progress.say("left out: %s: %s" % (engine.name, reason))
                continue
            asked = self.place.fill(engine.keys.get("version", []))
            host = self.results.value["machine"]["kernel"]
            self.results.add_engine(engine, machine.version_of(asked) if asked else host)
            there.append(engine)
        return there

    def build(self, engines):
        """Builds what the runs need; gives the workloads whose suite is there."""
        builder, there = self.builder, []
        for suite in dict.fromkeys(w.suite for w in self.workloads):
            try:
                builder.suite(suite, any(e.kind == "machine" and e.takes(suite) for e in engines))
                there.append(suite)
                if "native_note" in suite.keys:
                    note = self.place.fill([suite.keys["native_note"]], out=builder.folder(suite))[0]
                    versions = self.results.value["versions"]
                    versions["native " + suite.name] = machine.first_line(note, "(.*)") or "unknown"
            except build.BuildError as error:
                self.results.skip("all", str(error), suite.name)
                self.progress.say("left out: %s: %s" % (suite.name, error))
        guests = os.path.join(self.place.names["guests"], "VERSIONS")
        if self.builder.guests_status == 0 and os.path.exists(guests):
            with open(guests, encoding="utf-8") as file:
                self.results.value["versions"]["guests"] = ", ".join(file.read().splitlines())
        return [w for w in self.workloads if w.suite in there]

    def run_all(self):
        engines = self.find_engines()
        workloads = self.build(engines)
        sizes = Counter(w.suite for w in self.catalogue.workloads.values())
        runs = plan(engines, workloads, self.options.rounds, sizes)
        self.progress = Progress(runs)
        effort = "quick" if self.options.quick else "full"
        for run in runs:
            measure.measure(run, self.place, self.children, self.builder.folder(run.suite), effort)
            self.results.add_run(run)
            self.progress.done(run)
            self.results.write(self.out, False)
        self.find_costs(engines, workloads)

    def find_costs(self, engines, workloads):
        """The cost model, for the first engine that writes statistics."""
        engine = next((e for e in engines if "stats" in e.keys), None)
        if engine is None or not self.options.costs:
            return
        runs = CostRuns(self, engine)
        cost = runs.calibrate()
        if cost is None:
            self.results.skip("costs", "the nanobenchmarks that calibrate the cost model are not there")
            return
        chosen = costs.slowest(self.results.value, workloads, engine.name, self.options.costs)
        for number, workload in enumerate(chosen, 1):
            item = runs.item(workload, cost)
            if item:
                self.results.value["costs"].append(item)
            self.progress.say("costs %d of %d: %s: %s" % (number, len(chosen), workload.name,
                                                         item["cause"] if item else "failed"))

    def go(self):
        """Measures; the exit status."""
        self.begin()
        stopped = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _frame: self.children.stop(Stopped(number)))
        try:
            self.run_all()
        except Stopped as stop:
            stopped = stop.number
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            self.children.kill_all()
        text = self.results.write(self.out, stopped is None, not self.options.no_plots)
        sys.stdout.write(text)
        self.progress.say("results in %s%s" % (self.out, ", not complete" if stopped else ""))
        if stopped:
            return 128 + stopped
        return 1 if self.results.value["problems"] else 0


def main(root, arguments):
    try:
        options = parse_arguments(root, arguments)
        harness = Harness(root, options)
        if options.list:
            show_list(harness.catalogue, harness.engines, harness.workloads, harness.place)
            return 0
        return harness.go()
    except (CatalogueError, TargetError) as error:
        print("bench/run: %s" % error, file=sys.stderr)
        return USAGE
