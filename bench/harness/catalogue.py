"""What can be measured, and with what: reads engines/NAME/engine.toml, suites/NAME/suite.toml and workloads.txt of a
catalogue folder (bench/ by default). Only reads; nothing is started here. The keys are explained in bench/README.md."""
import fnmatch
import os
import tomllib

ENGINE_KEYS = {"title", "order", "like", "kind", "program", "command", "options", "initrd", "append", "stats", "bare",
               "version", "probe", "quick", "pin", "suites", "patience", "needs", "rounds",
               "build", "prepare", "fifo", "clock", "tsc_khz", "code"}
SUITE_KEYS = {"title", "kind", "unit", "scale", "build", "kernel", "append", "memory", "files",
              "optional_files", "fetch", "guest", "native", "full", "quick", "costs", "timeout", "refuse", "rows",
              "native_note"}
ENGINE_KINDS = ("process", "machine")
SUITE_KINDS = ("bare", "linux", "boot")


class CatalogueError(Exception):
    """Something in the catalogue, or a name on the command line, is wrong."""


class Engine:
    """One way to run a workload: a process of the host, or a machine that boots a kernel."""

    def __init__(self, name, folder, keys):
        unknown = set(keys) - ENGINE_KEYS
        if unknown:
            raise CatalogueError("engine %s: unknown keys: %s" % (name, ", ".join(sorted(unknown))))
        if keys.get("kind", "machine") not in ENGINE_KINDS:
            raise CatalogueError("engine %s: kind is one of %s" % (name, ", ".join(ENGINE_KINDS)))
        self.name, self.folder, self.keys = name, folder, keys
        self.title = keys.get("title", name)
        self.kind = keys.get("kind", "machine")
        self.command = keys.get("command", []) + keys.get("options", [])
        self.patience = keys.get("patience", 1)

    def takes(self, suite):
        """Whether this engine can run the suite at all."""
        if "suites" in self.keys and suite.name not in self.keys["suites"]:
            return False
        return self.kind == "machine" or "native" in suite.keys


class Suite:
    """A program or kernel that measures several workloads, and how it is built and started."""

    def __init__(self, name, folder, keys):
        unknown = set(keys) - SUITE_KEYS
        if unknown:
            raise CatalogueError("suite %s: unknown keys: %s" % (name, ", ".join(sorted(unknown))))
        if keys.get("kind") not in SUITE_KINDS:
            raise CatalogueError("suite %s: kind is one of %s" % (name, ", ".join(SUITE_KINDS)))
        self.name, self.folder, self.keys = name, folder, keys
        self.title = keys.get("title", name)
        self.kind = keys["kind"]
        self.unit = keys.get("unit", "ns")


class Workload:
    """One row: its group (a, b, c, d), its weight in the group's mean, and the suite that measures it."""

    def __init__(self, group, name, weight, suite):
        self.group, self.name, self.weight, self.suite = group, name, weight, suite


def read_folders(folder, file_name):
    """{name: keys} of every folder/NAME/file_name."""
    found = {}
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        path = os.path.join(folder, name, file_name)
        if os.path.exists(path):
            with open(path, "rb") as file:
                try:
                    found[name] = tomllib.load(file)
                except tomllib.TOMLDecodeError as error:
                    raise CatalogueError("%s: %s" % (path, error)) from error
    return found


def inherit(name, all_keys, seen=()):
    """An engine's keys with those of the engine that it is like; `options` and `needs` add up, the rest replaces."""
    keys = dict(all_keys[name])
    like = keys.pop("like", None)
    if like is None:
        return keys
    if like not in all_keys or like in seen:
        raise CatalogueError("engine %s: there is no engine %s to be like" % (name, like))
    base = inherit(like, all_keys, seen + (name,))
    base.pop("quick", None)
    base.pop("order", None)
    for key in ("options", "needs"):
        if key in base or key in keys:
            keys[key] = base.get(key, []) + keys.get(key, [])
    return {**base, **keys}


class Catalogue:
    """Everything that a catalogue folder offers, in its order."""

    def __init__(self, folder):
        self.folder = folder
        engine_keys = read_folders(os.path.join(folder, "engines"), "engine.toml")
        engines = [(keys.get("order", 100), name) for name, keys in engine_keys.items()]
        self.engines = {name: Engine(name, os.path.join(folder, "engines", name), inherit(name, engine_keys))
                        for _, name in sorted(engines)}
        self.suites = {name: Suite(name, os.path.join(folder, "suites", name), keys)
                       for name, keys in read_folders(os.path.join(folder, "suites"), "suite.toml").items()}
        self.workloads = {}
        self.groups = {}
        self.read_workloads(os.path.join(folder, "workloads.txt"))

    def read_workloads(self, path):
        """Lines "GROUP ROW WEIGHT SUITE" and "group GROUP TITLE"; # begins a comment."""
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                words = line.split("#")[0].split()
                if not words:
                    continue
                if words[0] == "group" and len(words) > 2:
                    self.groups[words[1]] = " ".join(words[2:])
                    continue
                try:
                    group, name, weight, suite = words
                    workload = Workload(group, name, float(weight), self.suites[suite])
                except (ValueError, KeyError) as error:
                    text = "%s:%d: not GROUP ROW WEIGHT SUITE: %s" % (path, number, line.strip())
                    raise CatalogueError(text) from error
                if name in self.workloads:
                    raise CatalogueError("%s:%d: a second row %s" % (path, number, name))
                self.groups.setdefault(group, group)
                self.workloads[name] = workload

    def choose_engines(self, text, quick):
        """The engines that a comma-separated list of names and patterns means; without one all, or the quick ones."""
        if not text:
            return [e for e in self.engines.values() if e.keys.get("quick") or not quick]
        chosen = []
        for word in text.split(","):
            matching = fnmatch.filter(self.engines, word)
            if not matching:
                raise CatalogueError("no such engine: %s (there are: %s)" % (word, ", ".join(self.engines)))
            chosen += [name for name in matching if name not in chosen]
        return [self.engines[name] for name in chosen]

    def choose_workloads(self, text):
        """The rows that a comma-separated list of groups, suites, rows and patterns means; without one all."""
        if not text:
            return list(self.workloads.values())
        wanted = set()
        for word in text.split(","):
            matching = [w.name for w in self.workloads.values()
                        if word in (w.group, w.suite.name) or fnmatch.fnmatch(w.name, word)]
            if not matching:
                raise CatalogueError("no such workload, suite or group: %s (bench/run --list shows them)" % word)
            wanted.update(matching)
        return [w for w in self.workloads.values() if w.name in wanted]
