"""Makes what the suites need: their programs, initial RAM disks and Debian's kernels, by the scripts of the tree."""
import os
import subprocess

UNAVAILABLE = 77


class BuildError(Exception):
    """A suite cannot be run here; the text says why."""


class Place:
    """The folders and files that commands name in braces."""

    def __init__(self, root, out):
        build = os.environ.get("RINGSHADE_BUILD", os.path.join(root, "build"))
        self.root, self.out = root, out
        self.lib = os.path.join(root, "tools", "lib.sh")
        self.names = {
            "root": root,
            "build": build,
            "guests": os.environ.get("RINGSHADE_GUESTS", os.path.join(root, "build", "guests-debian")),
            "ringshade": os.environ.get("RINGSHADE_ENGINE", os.path.join(build, "ringshade")),
            "peer_cpu": self.ask_lib("ringshade_peer_cpu"),
        }

    def ask_lib(self, variable):
        """A variable of tools/lib.sh."""
        script = '. "$1" && printf %s "${!2}"'
        return subprocess.run(["bash", "-c", script, "bash", self.lib, variable], capture_output=True, text=True,
                              check=False).stdout

    def fill(self, parts, /, **more):
        """The parts with {NAME} replaced; a part that is nothing but the name of a list becomes the list's words."""
        names = {**self.names, **more}
        filled = []
        for word in parts:
            value = names.get(word[1:-1]) if word[:1] == "{" and word[-1:] == "}" else None
            if isinstance(value, list):
                filled += value
            else:
                filled.append(word.format(**{k: " ".join(v) if isinstance(v, list) else v for k, v in names.items()}))
        return filled


class Builder:
    """Builds each suite once."""

    def __init__(self, place, children, say):
        self.place, self.children, self.say = place, children, say
        self.guests_status = None
        self.built = {}

    def folder(self, suite):
        return os.path.join(self.place.out, "work", suite.name)

    def run(self, suite, command, what):
        log = os.path.join(self.folder(suite), "build.log")
        if self.children.run(command, log):
            raise BuildError("%s failed (see %s)" % (what, log))

    def engine(self, engine):
        """Builds an engine that says how, once for all that are built alike; why that failed, or None. One that was named
        by RINGSHADE_ENGINE is taken as it is."""
        command = tuple(self.place.fill(engine.keys.get("build", [])))
        if not command or "RINGSHADE_ENGINE" in os.environ:
            return None
        if command not in self.built:
            self.say("building %s" % engine.name)
            log = os.path.join(self.place.out, "work", "build-%s.log" % engine.name)
            self.built[command] = "cannot be built (see %s)" % log if self.children.run(list(command), log) else None
        return self.built[command]

    def need_guests(self):
        if self.guests_status is None:
            self.say("looking for Debian's kernels")
            log = os.path.join(self.place.out, "work", "guests.log")
            script = os.path.join(self.place.root, "tools", "fetch-guests")
            self.guests_status = self.children.run([script, "--quiet"], log)
        if self.guests_status == UNAVAILABLE:
            raise BuildError("Debian's i386 packages cannot be had here")
        if self.guests_status:
            raise BuildError("tools/fetch-guests failed")

    def fetch_more(self, suite):
        """What the suite can do without: where it cannot be had, `optional_files` are not there."""
        if "fetch" in suite.keys:
            log = os.path.join(self.folder(suite), "build.log")
            self.children.run(self.place.fill(suite.keys["fetch"]), log)

    def initrd_files(self, suite):
        def pairs(key):
            return [(name, self.place.fill([path], out=self.folder(suite))[0])
                    for name, path in suite.keys.get(key, {}).items()]
        return pairs("files") + [(name, path) for name, path in pairs("optional_files") if os.path.exists(path)]

    def make_initrd(self, suite):
        """A busybox with the suite's files; where the engine's own words end up is tools/guest-init's matter."""
        place, out = self.place, self.folder(suite)
        self.fetch_more(suite)
        pairs = ["%s=%s" % pair for pair in self.initrd_files(suite)]
        script = '. "$1"; shift; initramfs_make "$@"'
        self.run(suite, ["bash", "-euc", script, "bash", place.lib, os.path.join(out, "initrd.gz"),
                         os.path.join(place.names["guests"], "busybox"),
                         os.path.join(place.root, "tools", "guest-init")] + pairs, "making the initial RAM disk")

    def suite(self, suite, for_machines):
        """Everything that the suite needs, as build.py's callers start it."""
        os.makedirs(self.folder(suite), exist_ok=True)
        if suite.kind in ("linux", "boot") and for_machines:
            self.need_guests()
        if "build" in suite.keys:
            self.say("building %s" % suite.name)
            self.run(suite, self.place.fill(suite.keys["build"], out=self.folder(suite)), "building")
        if suite.kind == "linux" and for_machines:
            self.make_initrd(suite)
