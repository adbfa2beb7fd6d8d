"""What stands on stderr while the harness works: which run of how many, what it gave, how much longer."""
import sys
from statistics import median


def duration(seconds):
    if seconds < 90:
        return "%d s" % max(1, round(seconds))
    if seconds < 5400:
        return "%d min" % round(seconds / 60)
    return "%.1f h" % (seconds / 3600)


class Progress:
    """Knows how long runs took, and so how long those to come will take."""

    def __init__(self, runs, stream=sys.stderr):
        self.waiting, self.total, self.stream = list(runs), len(runs), stream
        self.took = {}

    def say(self, text):
        print("run: " + text, file=self.stream, flush=True)

    def expected(self, run):
        """By the same engine and rows; else by the same rows with others; else by all."""
        rows = run.workloads[0].name if run.suite.kind == "boot" else None
        for matches in (lambda e, s, r: (e, s, r) == (run.engine.name, run.suite.name, rows),
                        lambda e, s, r: (s, r) == (run.suite.name, rows), lambda e, s, r: True):
            known = [t for key, times in self.took.items() if matches(*key) for t in times]
            if known:
                return median(known)
        return 0.0

    def done(self, run):
        """After a run, with its outcome in it."""
        rows = run.workloads[0].name if run.suite.kind == "boot" else None
        self.waiting.remove(run)
        self.took.setdefault((run.engine.name, run.suite.name, rows), []).append(run.seconds)
        left = sum(self.expected(r) for r in self.waiting)
        outcome = run.error or "%d row%s" % (len(run.samples), "" if len(run.samples) == 1 else "s")
        self.say("%d of %d: round %d, %s, %s: %s in %.1f s%s" % (
            self.total - len(self.waiting), self.total, run.round, rows or run.suite.name, run.engine.name, outcome,
            run.seconds, "; about %s left" % duration(left) if self.waiting else ""))
