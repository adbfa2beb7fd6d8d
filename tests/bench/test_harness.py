#!/usr/bin/python3
"""Tests of bench/run with engines that only print: what it writes, its order, what it leaves out, and Ctrl-C."""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from xml.etree import ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "bench"))
from harness import costs, figure, schema, targets  # noqa: E402
from harness.catalogue import Catalogue, CatalogueError, inherit  # noqa: E402
from harness.summary import Table  # noqa: E402

FAKE = os.path.join(HERE, "fake_engine")
SUITE = 'kind = "bare"\nunit = "ns"\nkernel = "none"\nnative = ["none"]\ntimeout = 20\n'
WORKLOADS = "group b computing\nb work 1 suite\n"


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def alive(pid):
    """Whether the process is there and not a zombie."""
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False

class FigureTest(unittest.TestCase):
    """The README's plot."""

    def results(self, engines):
        rows = [{"name": "quick & small", "group": "b", "weight": 1}, {"name": "uncounted", "group": "b", "weight": 0}]
        samples = [{"workload": row["name"], "engine": engine, "round": 1, "value": value}
                   for row in rows for engine, value in engines.items()]
        return {"groups": {"b": "computing"}, "workloads": rows, "samples": samples}

    def test_a_bar_for_each_row_that_counts(self):
        text = figure.figure(self.results({"native": 1.0, "ringshade": 2.0, "qemu-tcg": 8.0}))
        root = ElementTree.fromstring(text)
        texts = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
        self.assertIn("quick & small", texts)
        self.assertNotIn("uncounted", texts)
        self.assertIn("4", texts)
        self.assertIn("(b) computing: 4 times", texts)
        strokes = [e for e in root.iter("{http://www.w3.org/2000/svg}path") if e.get("class") == "native"]
        self.assertEqual(len(strokes), 1)
        self.assertIn("prefers-color-scheme: dark", text)

    def test_without_native_and_slower(self):
        root = ElementTree.fromstring(figure.figure(self.results({"ringshade": 4.0, "qemu-tcg": 2.0})))
        bars = [e for e in root.iter("{http://www.w3.org/2000/svg}rect")]
        self.assertEqual([bar.get("class") for bar in bars], ["less"])
        self.assertGreater(float(bars[0].get("width")), 0)

    def test_bad_input_is_one_line(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "results.json")
            for content in ("no json", "{}", json.dumps(self.results({"ringshade": 1.0}))):
                write(path, content)
                run = subprocess.run([sys.executable, "-B", "-m", "harness.figure", path], cwd=os.path.join(ROOT, "bench"),
                                     capture_output=True, text=True, check=False)
                self.assertEqual(run.returncode, 2)
                self.assertEqual(run.stderr.count("\n"), 1)
                self.assertEqual(run.stdout, "")


class HarnessTest(unittest.TestCase):
    """A catalogue of its own for each test, in a folder that goes with it."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.catalogue = os.path.join(self.folder.name, "catalogue")
        self.out = os.path.join(self.folder.name, "out")
        self.order = os.path.join(self.folder.name, "order")
        write(os.path.join(self.catalogue, "suites", "suite", "suite.toml"), SUITE)
        write(os.path.join(self.catalogue, "workloads.txt"), WORKLOADS)

    def engine(self, name, value, number, more=""):
        write(os.path.join(self.catalogue, "engines", name, "engine.toml"),
              'order = %d\ncommand = ["%s", "%s", "%s"]\n%s' % (number, FAKE, name, value, more))

    def start(self, *words, **environment):
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RINGSHADE_")}
        return subprocess.Popen(
            [os.path.join(ROOT, "bench", "run"), "--catalogue", self.catalogue, "--out", self.out, *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**inherited, "FAKE_ORDER": self.order, **environment})

    def run_it(self, *words, expected=0, **environment):
        process = self.start(*words, **environment)
        output, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, expected, errors)
        return output, errors

    def results(self):
        with open(os.path.join(self.out, "results.json"), encoding="utf-8") as file:
            value = json.load(file)
        self.assertEqual(schema.check(value), [])
        return value

    def test_engines_take_turns(self):
        for number, name in enumerate(("c", "a", "b")):
            self.engine(name, "%d" % (10 * (number + 1)), number)
        output, errors = self.run_it("--rounds", "3", "--no-plots")
        with open(self.order, encoding="utf-8") as file:
            self.assertEqual(file.read().split(), ["c", "a", "b"] * 3)
        value = self.results()
        self.assertTrue(value["complete"])
        self.assertEqual(len(value["samples"]), 9)
        first = [(r["round"], r["engine"]) for r in value["runs"][:4]]
        self.assertEqual(first, [(1, "c"), (1, "a"), (1, "b"), (2, "c")])
        self.assertEqual({c["engine"]: (c["median"], c["spread"]) for c in value["summary"]},
                         {"c": (10, 0), "a": (20, 0), "b": (30, 0)})
        self.assertIn({"workload": "work", "over": "c", "under": "b", "n": 3, "median": 0.3333, "minimum": 0.3333,
                       "maximum": 0.3333}, value["ratios"])
        self.assertIn("| work | 1 | 10.0 ±0 % | 20.0 ±0 % | 30.0 ±0 % |", output)
        self.assertIn("9 of 9: round 3, suite, b: 1 row", errors)
        self.assertRegex(errors, r"4 of 9: .*; about \d+ s left")

    def test_a_chosen_engine_runs_alone(self):
        self.engine("one", "1", 1)
        self.engine("two", "2", 2)
        self.run_it("--rounds", "1", "--engines", "t*", "--no-plots")
        self.assertEqual([e["name"] for e in self.results()["engines"]], ["two"])

    def test_what_is_missing_is_named(self):
        self.engine("here", "1", 1)
        self.engine("gone", "1", 2, 'needs = ["/no/such/program"]\n')
        self.engine("other", "1", 3, 'suites = ["another"]\n')
        output, errors = self.run_it("--rounds", "1", "--no-plots")
        self.assertIn("left out: gone: not installed: /no/such/program", errors)
        self.assertIn("* gone: not installed: /no/such/program", output)
        value = self.results()
        self.assertIn({"engine": "gone", "reason": "not installed: /no/such/program"}, value["skipped"])
        self.assertEqual([r["engine"] for r in value["runs"]], ["here"])

    def test_an_engine_that_cannot_be_built_is_named(self):
        self.engine("here", "1", 1)
        self.engine("broken", "1", 2, 'build = ["false"]\n')
        self.engine("like", "1", 3, 'build = ["false"]\n')
        _, errors = self.run_it("--rounds", "1", "--no-plots")
        self.assertEqual(errors.count("building"), 1)
        self.assertIn("left out: like: cannot be built", errors)
        self.assertEqual([s["engine"] for s in self.results()["skipped"]], ["broken", "like"])

    def test_a_suite_that_cannot_be_built_is_named(self):
        write(os.path.join(self.catalogue, "suites", "broken", "suite.toml"), SUITE + 'build = ["false"]\n')
        write(os.path.join(self.catalogue, "workloads.txt"), WORKLOADS + "b more 1 broken\n")
        self.engine("here", "1", 1)
        self.run_it("--rounds", "1", "--no-plots")
        self.assertEqual([(s["engine"], s["suite"]) for s in self.results()["skipped"]], [("all", "broken")])

    def test_plots_need_matplotlib(self):
        write(os.path.join(self.folder.name, "none", "matplotlib.py"), "raise ImportError\n")
        self.engine("here", "1", 1)
        output, _ = self.run_it("--rounds", "1", PYTHONPATH=os.path.join(self.folder.name, "none"))
        self.assertIn("python3-matplotlib", output)
        self.assertEqual(self.results()["skipped"][0]["engine"], "plots")

    def test_plots_are_drawn(self):
        try:
            import matplotlib  # noqa: F401
        except ImportError:
            self.skipTest("matplotlib is not installed")
        self.engine("ringshade", "10", 1)
        self.engine("other", "25", 2)
        self.run_it("--rounds", "1")
        self.assertEqual(self.results()["plots"], ["group-b"])
        for kind, magic in (("svg", b"<?xml"), ("png", b"\x89PNG")):
            with open(os.path.join(self.out, "plots", "group-b." + kind), "rb") as file:
                self.assertTrue(file.read().startswith(magic))

    def test_output_through_a_fifo(self):
        self.engine("piped", "7", 1, 'options = ["{serial}"]\n')
        self.run_it("--rounds", "2", "--no-plots")
        self.assertEqual([s["value"] for s in self.results()["samples"]], [7, 7])

    def test_a_wrong_checksum_is_a_problem(self):
        self.engine("right", "10", 1)
        self.engine("wrong", "wrong", 2)
        output, _ = self.run_it("--rounds", "1", "--no-plots", expected=1)
        self.assertIn("the checksums of right and wrong differ", output)

    def test_a_run_that_ends_early_is_a_problem(self):
        self.engine("short", "short", 1)
        self.run_it("--rounds", "1", "--no-plots", expected=1)
        self.assertIn("ended before its last line", self.results()["problems"][0])

    def test_growth_is_judged(self):
        """Figures are of one operation: 1.05 times of it is 10.5 times the time for ten times the work. The weight is 0."""
        write(os.path.join(self.catalogue, "workloads.txt"), WORKLOADS + "b work-10x 0 suite\n")
        write(os.path.join(self.catalogue, "targets.txt"), "growth <= 10.5 each *-10x\ngrowth <= 10.5 each b,!work-10x\n")
        for name, value, met, figure in (("ringshade", "100 104", True, 10.4), ("ringshade", "100 106", False, 10.6),
                                         ("other", "100 900", None, None)):
            self.engine(name, value, 1)
            output, _ = self.run_it("--rounds", "2", "--engines", name, "--no-plots")
            first, second = self.results()["targets"]
            self.assertEqual((first["met"], first["figure"], second["met"]), (met, figure, None))
            self.assertEqual("work-10x" in first["failing"], met is False)
            self.assertEqual("| growth <= 10.5 each *-10x | " in output, met is not None)

    def test_the_code_cache_is_measured(self):
        """What is resident of the memfd that the engine's keys name; an engine without such a key has none."""
        self.engine("holds", "memfd", 1, 'code = "some-code"\n')
        self.engine("none", "memfd", 2)
        self.run_it("--rounds", "1", "--no-plots")
        memory = [run["memory_kib"] for run in self.results()["runs"]]
        self.assertGreaterEqual(memory[0]["Code"], 300)
        self.assertLess(memory[0]["Code"], 400)
        self.assertNotIn("Code", memory[1])

    def test_interrupt_leaves_what_was_measured(self):
        self.engine("fast", "10", 1)
        self.engine("slow", "sleep", 2)
        process = self.start("--rounds", "2", "--no-plots")
        pids = self.order + ".pids"
        until = time.monotonic() + 20
        while not (os.path.exists(pids) and os.path.getsize(pids)) and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 130, errors)
        value = self.results()
        self.assertFalse(value["complete"])
        self.assertEqual([s["engine"] for s in value["samples"]], ["fast"])
        with open(pids, encoding="utf-8") as file:
            started = [int(word) for word in file.read().split()]
        self.assertEqual(len(started), 2)
        until = time.monotonic() + 5
        while any(alive(pid) for pid in started) and time.monotonic() < until:
            time.sleep(0.02)
        self.assertFalse([pid for pid in started if alive(pid)])

    def test_unknown_names_are_refused(self):
        self.engine("here", "1", 1)
        for words in (("--engines", "nobody"), ("--workloads", "nothing"), ("--rounds", "0")):
            _, errors = self.run_it(*words, expected=2)
            self.assertTrue(errors)


class PartsTest(unittest.TestCase):
    """Pieces that need no process."""

    def test_ratios_are_taken_inside_rounds(self):
        samples = [{"workload": "w", "engine": e, "round": r, "value": v}
                   for e, values in (("a", (1, 10, 100)), ("b", (2, 20, 200))) for r, v in enumerate(values)]
        table = Table(samples)
        self.assertEqual(table.ratio("w", "b", "a"), {"n": 3, "median": 2, "minimum": 2, "maximum": 2})
        self.assertEqual(table.mean({"w": 1, "none": 5}, "b", "a")[1], 1)

    def test_inheritance_adds_options(self):
        keys = {"base": {"command": ["x"], "options": ["a"], "quick": True}, "more": {"like": "base", "options": ["b"]}}
        self.assertEqual(inherit("more", keys), {"command": ["x"], "options": ["a", "b"]})
        with self.assertRaises(CatalogueError):
            inherit("p", {"p": {"like": "q"}, "q": {"like": "p"}})

    def test_the_schema_refuses(self):
        self.assertTrue(schema.check({"schema": "another"}))
        with open(schema.SCHEMA, encoding="utf-8") as file:
            root = json.load(file)
        self.assertEqual(list(schema.errors({"engine": "e"}, root["$defs"]["skipped"], root)), ["$ lacks reason"])

    def test_the_tree_s_own_catalogue(self):
        """Each row of a suite's source is a workload and the other way round."""
        catalogue = Catalogue(os.path.join(ROOT, "bench"))
        rows = {}
        for w in catalogue.workloads.values():
            rows.setdefault(w.suite.name, []).append(w.name)
        sources = {"nano": ("nano/rows.c", r'ROW(?:_EXPECTED)?\("([a-z0-9-]+)"'),
                   "compute": ("programs/compute.c", r'^    \{"([a-z0-9-]+)", row_'),
                   "os": ("programs/os.c", r'\{\.name = "([a-z0-9-]+)"'),
                   "whole": ("programs/whole.c", r'\{\.name = "([a-z0-9-]+)"'),
                   "growth": ("programs/growth.c", r'^    PAIR\("([a-z0-9-]+)"')}
        for suite, (path, pattern) in sources.items():
            with open(os.path.join(ROOT, "bench", path), encoding="utf-8") as file:
                found = re.findall(pattern, file.read(), re.MULTILINE)
            if suite == "growth":
                found += [name + "-10x" for name in found]
            self.assertEqual(sorted(rows[suite]), sorted(found), suite)
        with open(os.path.join(ROOT, "guests/paravirt/rows.c"), encoding="utf-8") as file:
            found = re.findall(r'ROW\("([a-z0-9-]+)"', file.read())
        self.assertEqual(rows["unmodified"], found)
        self.assertEqual(rows["paravirt"], [name + "-hypercall" for name in found if name != "clock-tsc"])
        self.assertEqual(rows["boot"], list(catalogue.suites["boot"].keys["rows"]))
        self.assertTrue({"native", "ringshade", "qemu-tcg"} <= set(catalogue.engines))

    def test_targets_are_judged(self):
        figures = {("fast", "native"): 10, ("fast", "ringshade"): 12, ("slow", "native"): 10, ("slow", "ringshade"): 30}
        results = {"workloads": [{"name": n, "group": "b", "weight": 1} for n in ("fast", "slow")], "runs": [],
                   "samples": [{"workload": w, "engine": e, "round": 1, "value": v} for (w, e), v in figures.items()]}
        cases = (("ringshade/native <= 2 each b", False, "slow", ["slow"]),
                 ("ringshade/native <= 2 mean b", True, None, []),
                 ("ringshade/native <= 2 each b,!slow", True, "fast", []),
                 ("native/ringshade >= 0.1 each *", True, "slow", []),
                 ("qemu-tcg/native >= 1 each b", None, None, []), ("memory <= 150 each b", None, None, []))
        for text, met, worst, failing in cases:
            verdict = targets.judge_all([targets.Target(text)], results)[0]
            self.assertEqual((verdict["met"], verdict["failing"]), (met, failing), text)
            if worst:
                self.assertEqual(verdict["worst"], worst)
        with self.assertRaises(targets.TargetError):
            targets.Target("ringshade <= 2 each b")

    def test_memory_is_the_sum_of_three(self):
        """Of the run that takes most, of Ringshade alone."""
        runs = [{"engine": engine, "workloads": ["boot"], "error": None, "stats": None,
                 "memory_kib": {"RssAnon": 90 << 10, "VmPTE": 10 << 10, "Code": code << 10}}
                for engine, code in (("ringshade", 30), ("ringshade", 51), ("qemu-tcg", 400))]
        results = {"workloads": [{"name": "boot", "group": "d", "weight": 1}], "runs": runs, "samples": []}
        verdict = targets.judge_all([targets.Target("memory <= 150 each boot")], results)[0]
        self.assertEqual((verdict["met"], verdict["figure"]), (False, 151))

    def test_the_tree_s_own_targets(self):
        """Each names engines that are there, and rows."""
        catalogue = Catalogue(os.path.join(ROOT, "bench"))
        rows = [{"name": w.name, "group": w.group, "weight": w.weight} for w in catalogue.workloads.values()]
        own = targets.read(os.path.join(ROOT, "bench"))
        self.assertGreater(len(own), 10)
        for target in own:
            self.assertTrue(target.members(rows), target.text)
            if "/" in target.what:
                self.assertTrue(set(target.what.split("/")) <= set(catalogue.engines), target.text)

    def test_the_cost_model_names_the_cause(self):
        cost = {event: 10.0 for event in costs.CALIBRATION}
        names = ("ns_translate ns_devices ns_halted ns_faults host_signals softtlb_misses codemap_misses dispatches "
                 "exceptions ns_total").split()
        stats = {"counters": {**dict.fromkeys(names, 0), "ns_total": 10000, "ns_translate": 500},
                 "callouts": {"IN": 600, "IRET": 100}}
        parts = costs.parts_of(stats, cost)
        self.assertEqual((parts["callout IN"], parts["callout IRET"], parts[costs.GUEST]), (6000, 1000, 2500))
        self.assertEqual(costs.cause_of(costs.shares(parts)), "callout IN (60 %)")
        less = costs.difference(parts, {"callout IN": 6000})
        self.assertEqual(costs.cause_of(costs.shares(less)), "guest code (62 %); then callout IRET (25 %)")
        self.assertIsNone(costs.calibrate([], 2000000))

    def test_every_ablation_is_an_engine(self):
        catalogue = Catalogue(os.path.join(ROOT, "bench"))
        with open(os.path.join(ROOT, "include", "ringshade.h"), encoding="utf-8") as file:
            names = re.findall(r'X\([A-Z_]+, \d, "([a-z-]+)"\)', file.read())
        self.assertEqual(len(names), 7)
        for name in names:
            self.assertEqual(catalogue.engines["ringshade-no-" + name].command[-2:], ["--ablate", name])


if __name__ == "__main__":
    unittest.main()
