#!/usr/bin/python3
"""Shows that each switch of --ablate takes its technique away, by the counters of --stats. That the results stay the
same is what the guests under `ablated` and `without-...` show.

    test_ablation.py RINGSHADE GUESTS-FOLDER"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

PROGRAM, GUESTS = sys.argv[1:3]


def counters(guest, *options):
    """The counters of one run of a guest, which must pass."""
    with tempfile.TemporaryDirectory() as folder:
        stats = os.path.join(folder, "stats.json")
        status = subprocess.run([PROGRAM, "run", "--kernel", os.path.join(GUESTS, guest + ".elf"), "--serial", "null",
                                 "--no-reboot", "--timeout", "60", "--stats", stats, *options], check=False).returncode
        assert status == 1, "%s %s ended with status %d" % (guest, options, status)
        with open(stats, encoding="utf-8") as file:
            value = json.load(file)
    return {**value["counters"], "ablate": value["machine"]["ablate"]}


class AblationTest(unittest.TestCase):
    """One run with everything, and one without each."""

    @classmethod
    def setUpClass(cls):
        cls.smc = counters("smc")

    def test_code_map(self):
        without = counters("smc", "--ablate", "code-map")
        self.assertGreater(without["codemap_misses"], 20 * self.smc["codemap_misses"])
        self.assertLess(without["codemap_fills"], self.smc["codemap_fills"] / 20)

    def test_fault_around(self):
        # In one form, and no code that changes: there nothing that counts faults looks at the time, so that the figures
        # are the same on a busy machine.
        everything = counters("string", "--mmu", "direct")
        without = counters("string", "--mmu", "direct", "--ablate", "fault-around")
        self.assertLess(without["pages_filled"], everything["pages_filled"] / 4)
        self.assertGreater(without["shadow_faults"], everything["shadow_faults"])

    def test_retain(self):
        self.assertGreater(self.smc["retained_hits"], 0)
        without = counters("smc", "--ablate", "retain")
        self.assertEqual(without["retained_hits"], 0)
        self.assertGreater(without["insns_translated"], self.smc["insns_translated"])

    def test_form_change(self):
        # How many change depends on time, for what counts is a rate; without the technique hardly any is left.
        without = counters("paging", "--ablate", "form-change")
        self.assertLess(without["forms_to_soft"], counters("paging")["forms_to_soft"] / 2)

    def test_hot_sampling(self):
        self.assertEqual(counters("multitask", "--ablate", "hot-sampling")["views_to_direct"], 0)

    def test_names(self):
        self.assertEqual(self.smc["ablate"], "")
        self.assertEqual(counters("smoke", "--ablate", "retain,code-map")["ablate"], "code-map,retain")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
