"""results.json, results.md and the plots: puts what was measured together and writes it, as often as asked, so that an
interrupted measurement leaves what it had."""
import datetime
import json
import os

from . import costs, insides, plots, report, targets
from .summary import checksum_problems, summarise

SCHEMA_NAME = "ringshade-bench-1"


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


class Results:
    """The value of results.json, growing."""

    def __init__(self, catalogue, workloads, options, machine, versions):
        self.targets = targets.read(catalogue.folder)
        self.order = [w.name for w in workloads]
        self.value = {
            "schema": SCHEMA_NAME, "complete": False, "started": now(), "finished": now(), "options": options,
            "machine": machine, "versions": versions,
            "groups": {g: t for g, t in catalogue.groups.items() if any(w.group == g for w in workloads)},
            "engines": [], "skipped": [], "problems": [],
            "workloads": [{"name": w.name, "group": w.group, "weight": w.weight, "suite": w.suite.name,
                           "unit": w.suite.unit} for w in workloads],
            "runs": [], "samples": [], "summary": [], "ratios": [], "costs": [], "targets": [],
            "plots": [],
        }

    def add_engine(self, engine, version):
        self.value["engines"].append({"name": engine.name, "title": engine.title, "kind": engine.kind,
                                      "version": version})

    def skip(self, engine, reason, suite=None):
        item = {"engine": engine, "reason": reason, **({"suite": suite} if suite else {})}
        if item not in self.value["skipped"]:
            self.value["skipped"].append(item)

    def problem(self, text):
        if text not in self.value["problems"]:
            self.value["problems"].append(text)

    def add_run(self, run):
        stats = None
        if run.stats_file and os.path.exists(run.stats_file):
            with open(run.stats_file, encoding="utf-8") as file:
                try:
                    stats = json.load(file)
                except ValueError:
                    stats = None
        self.value["runs"].append({
            "number": run.number, "round": run.round, "engine": run.engine.name, "suite": run.suite.name,
            "workloads": [w.name for w in run.workloads], "command": run.command, "seconds": round(run.seconds, 3),
            "cpu_seconds": round(run.cpu_seconds, 3),
            "status": run.status, "error": run.error, "memory_kib": run.memory, "stats": stats})
        for sample in run.samples:
            self.value["samples"].append({"workload": sample["workload"], "engine": run.engine.name, "round": run.round,
                                          "run": run.number, **{k: v for k, v in sample.items() if k != "workload"}})
        for row, reason in run.skipped.items():
            self.skip(run.engine.name, reason, row)
        if run.error:
            self.problem("%s, %s, round %d: %s" % (run.engine.name, run.suite.name, run.round, run.error))

    def write(self, folder, complete, with_plots=False):
        """Writes the files; with plots only at the end, since they take seconds."""
        value = self.value
        value["complete"], value["finished"] = complete, now()
        names = [e["name"] for e in value["engines"]]
        value["summary"], value["ratios"] = summarise(value["samples"], self.order, names)
        value["targets"] = targets.judge_all(self.targets, value)
        for text in checksum_problems(value["samples"]):
            self.problem(text)
        if with_plots:
            drawn = plots.draw(value, os.path.join(folder, "plots"))
            if drawn is None:
                self.skip("plots", plots.SKIPPED.partition(": ")[2])
            value["plots"] = drawn or []
        replace(os.path.join(folder, "results.json"), to_json(value))
        more = targets.markdown(value["targets"]) + costs.markdown(value) + insides.markdown(value)
        text = report.markdown(value, more)
        replace(os.path.join(folder, "results.md"), text)
        return text


def to_json(value):
    """JSON with one item of each list on a line."""
    parts = []
    for key, item in value.items():
        if isinstance(item, list) and item:
            text = "[\n" + ",\n".join("  " + json.dumps(i, ensure_ascii=False) for i in item) + "\n ]"
        else:
            text = json.dumps(item, ensure_ascii=False)
        parts.append(' %s: %s' % (json.dumps(key), text))
    return "{\n" + ",\n".join(parts) + "\n}\n"


def replace(path, text):
    """The file holds the old or the new text, never a part."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)
