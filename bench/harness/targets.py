"""Compares results with what must hold (targets.txt): for each target whether it is met, and the row that is worst. A
target whose rows or engines were not measured says so and fails nothing."""
import fnmatch
import os
import re

from . import insides
from .summary import Table

FORM = re.compile(r"(\S+)\s+(<=|>=)\s+([0-9.]+)\s+(each|mean)\s+(\S+)$")
LONGER = "-10x"  # of a row that does ten times as much in one go
MEASURES = {"translation": insides.translation_rate, "memory": insides.memory_mib}
OWN = "ringshade"
GROWTH = "growth"


class TargetError(Exception):
    """A line that is no target."""


class Target:
    """One line of the file."""

    def __init__(self, text):
        found = FORM.match(text)
        if not found or ("/" not in found[1] and found[1] not in MEASURES and found[1] != GROWTH):
            raise TargetError("not a target: " + text)
        self.text = " ".join(text.split())
        self.what, self.sign, self.limit, self.how, self.rows = (
            found[1], found[2], float(found[3]), found[4], found[5].split(","))

    def members(self, workloads):
        """The rows that it is about, of those measured."""
        def named(word, w):
            return word == w["group"] or fnmatch.fnmatch(w["name"], word)
        def counts(w):
            return w["name"].endswith(LONGER) if self.what == GROWTH else w["weight"] > 0
        out = [word[1:] for word in self.rows if word.startswith("!")]
        return [w for w in workloads if any(named(word, w) for word in self.rows) and counts(w)
                and not any(named(word, w) for word in out)]

    def figures(self, results, table):
        """[(name, figure)] of what was measured."""
        members = self.members(results["workloads"])
        if self.what in MEASURES:
            found = [(w["name"], MEASURES[self.what](results, OWN, w["name"])) for w in members]
            return [(name, value) for name, value in found if value is not None]
        if self.what == GROWTH:
            ratios = [(w["name"], table.growth(w["name"], w["name"].removesuffix(LONGER), OWN)) for w in members]
            return [(name, 10 * ratio["median"]) for name, ratio in ratios if ratio]
        over, under = self.what.split("/")
        if self.how == "mean":
            mean, count = table.mean({w["name"]: w["weight"] for w in members}, over, under)
            return [("mean of %d" % count, mean)] if mean else []
        ratios = [(w["name"], table.ratio(w["name"], over, under)) for w in members]
        return [(name, ratio["median"]) for name, ratio in ratios if ratio]

    def judge(self, results, table):
        """{target, met (None: not measured), worst, figure, failing}"""
        found = self.figures(results, table)
        if not found:
            return {"target": self.text, "met": None, "worst": None, "figure": None, "failing": []}
        upper = self.sign == "<="
        worst = max(found, key=lambda item: item[1] if upper else -item[1])
        failing = [name for name, value in found if (value > self.limit if upper else value < self.limit)]
        return {"target": self.text, "met": not failing, "worst": worst[0], "figure": round(worst[1], 4),
                "failing": failing}


def read(folder):
    """The targets of a catalogue; none where it has no such file."""
    path = os.path.join(folder, "targets.txt")
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        lines = [line.split("#")[0].strip() for line in file]
    return [Target(line) for line in lines if line]


def judge_all(targets, results):
    table = Table(results["samples"])
    return [target.judge(results, table) for target in targets]


def markdown(verdicts):
    """The lines of results.md; nothing if no target was measured."""
    if not any(v["met"] is not None for v in verdicts):
        return []
    text = ["## Targets", "", "| target | met | worst row | figure | rows that miss it |",
            "| --- | --- | --- | ---: | --- |"]
    for v in verdicts:
        met = {True: "yes", False: "**no**", None: "not measured"}[v["met"]]
        figure = "" if v["figure"] is None else "%.2f" % v["figure"]
        text.append("| %s | %s | %s | %s | %s |" % (v["target"].replace("|", "\\|"), met, v["worst"] or "", figure,
                                                    ", ".join(v["failing"])))
    return text + [""]
