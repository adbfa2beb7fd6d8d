"""The further runs that the cost model needs, behind the rounds: one of the nanobenchmarks to calibrate it, and for each
of the slowest rows one with nothing but that row. Their figures are no samples."""
import json
import os

from . import costs, machine, measure

NOTHING = "nothing"  # names no row, so that a program times none


class CostRuns:
    """The engine is one that writes statistics."""

    def __init__(self, harness, engine):
        self.harness, self.builder, self.engine = harness, harness.builder, engine
        self.bases = {}

    def run(self, suite, workloads, words=None):
        """The run and its statistics, None where it failed."""
        run = measure.Run(0, 0, self.engine, suite, workloads, False)
        run.words = words
        measure.measure(run, self.harness.place, self.harness.children, self.builder.folder(suite), "costs")
        if run.error or not run.stats_file or not os.path.exists(run.stats_file):
            return run, None
        with open(run.stats_file, encoding="utf-8") as file:
            return run, json.load(file)

    def calibrate(self):
        """{event: ns}, or None."""
        catalogue = self.harness.catalogue
        rows = [catalogue.workloads[row] for row in costs.rows_needed() if row in catalogue.workloads]
        if not rows:
            return None
        suite = rows[0].suite
        self.builder.suite(suite, True)
        run, _ = self.run(suite, rows)
        return costs.calibrate(run.samples, machine.tsc_khz())

    def base(self, suite, cost):
        """What the suite costs before its first row."""
        if suite.kind == "boot":
            return {}
        if suite.name not in self.bases:
            run, stats = self.run(suite, [], [NOTHING])
            self.bases[suite.name] = costs.parts_of(stats, cost, run.cpu_seconds) if stats else {}
        return self.bases[suite.name]

    def item(self, workload, cost):
        run, stats = self.run(workload.suite, [workload])
        if stats is None:
            return None
        whole = costs.parts_of(stats, cost, run.cpu_seconds)
        return costs.item_of(workload, self.engine, whole, self.base(workload.suite, cost))
