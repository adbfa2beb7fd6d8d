"""The processes that the harness starts. Each has a process group of its own, so that all of it can be ended; what it
prints comes back in pieces with the time of arrival. Never reads a process that it did not start."""
import os
import select
import signal
import subprocess
import time

PIECE = 65536
TERM_SECONDS = 5
SAMPLE_SECONDS = 1.0


class Child:
    """One process whose output is read from its standard output, or from the FIFO that it was told to write to."""

    def __init__(self, command, fifo=None, core=None, errors=None, code=None):
        self.command = command
        self.memory = {}
        self.cpu_seconds = 0.0  # once it has ended
        self.code = "/memfd:%s " % code if code else None  # of the memfd that holds translated code
        self.code_path = None
        self.sampled = 0.0
        self.fifo = os.open(fifo, os.O_RDWR | os.O_NONBLOCK) if fifo else None
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL if fifo else subprocess.PIPE,
            stderr=errors or subprocess.DEVNULL, start_new_session=True,
            preexec_fn=(lambda: os.sched_setaffinity(0, {core})) if core is not None else None)
        self.stream = self.fifo if fifo else self.process.stdout.fileno()
        self.pidfd = os.pidfd_open(self.process.pid)

    def sample_memory(self):
        """Keeps the largest RssAnon and VmPTE of the process, and of what is resident of its code cache (KiB)."""
        self.sampled = time.monotonic()
        try:
            with open("/proc/%d/status" % self.process.pid, encoding="ascii", errors="replace") as file:
                for line in file:
                    name, _, rest = line.partition(":")
                    if name in ("RssAnon", "VmPTE"):
                        self.keep_memory(name, int(rest.split()[0]))
            if self.code and not self.code_path:
                self.code_path = self.find_code()
            if self.code_path:  # the blocks of a memfd are the pages that it has
                self.keep_memory("Code", os.stat(self.code_path).st_blocks // 2)
        except OSError:
            pass

    def keep_memory(self, name, kib):
        self.memory[name] = max(self.memory.get(name, 0), kib)

    def find_code(self):
        """The path of the descriptor of the code cache, or None."""
        folder = "/proc/%d/fd" % self.process.pid
        paths = [os.path.join(folder, number) for number in os.listdir(folder)]
        return next((path for path in paths if os.readlink(path).startswith(self.code)), None)

    def read(self, until):
        """(seconds since exec, bytes) of the next piece; None at the end of the process or once `until` has passed."""
        while True:
            left = until - time.monotonic()
            if left <= 0:
                return None
            ready = select.select([self.stream, self.pidfd], [], [], min(left, SAMPLE_SECONDS))[0]
            now = time.monotonic()
            if now - self.sampled >= SAMPLE_SECONDS:
                self.sample_memory()
            if self.stream in ready:
                try:
                    piece = os.read(self.stream, PIECE)
                except BlockingIOError:
                    piece = b""
                if piece:
                    return now - self.started, piece
                if self.fifo is None:
                    return None
            elif self.pidfd in ready:
                return None

    def end(self, grace=0.0):
        """Waits `grace` seconds for the process to end by itself, then asks it, then kills its group; its exit status.
        The group is killed before its leader is waited for: until then its number belongs to nobody else."""
        self.sample_memory()
        for seconds in (grace, TERM_SECONDS):
            if select.select([self.pidfd], [], [], seconds)[0]:
                break
            self.signal(signal.SIGTERM)
        self.signal(signal.SIGKILL)
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        return self.process.returncode

    def signal(self, number):
        """To the whole group."""
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):
            pass

    def close(self):
        """Ends what still runs and gives the descriptors back."""
        if self.process.returncode is None:
            self.signal(signal.SIGKILL)
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        if self.fifo is not None:
            os.close(self.fifo)
        os.close(self.pidfd)


class Children:
    """All processes that run now."""

    def __init__(self):
        self.running = []
        self.starting, self.stopped = False, None

    def start(self, command, **how):
        self.starting = True
        try:
            child = Child(command, **how)
            self.running.append(child)
        finally:
            self.starting = False
        if self.stopped:
            raise self.stopped
        return child

    def stop(self, exception):
        """Raises the exception, in a handler of signals: but not before a process that is being started is known."""
        if self.starting:
            self.stopped = exception
        else:
            raise exception

    def done(self, child):
        child.close()
        self.running.remove(child)

    def kill_all(self):
        for child in list(self.running):
            self.done(child)

    def run(self, command, log, environment=None):
        """Runs a command to its end, its output into the file; its exit status."""
        with open(log, "ab") as file:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                       start_new_session=True, env={**os.environ, **(environment or {})})
            try:
                return process.wait()
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise
