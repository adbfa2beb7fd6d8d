#!/usr/bin/python3
"""Sessions on the gdb port of the real engine, with bare-metal guests: session.py RINGSHADE GUESTS CASE [OPTION...].
Options are handed on to `ringshade run`. Exit status 0 if the case passed."""
import os
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
sys.dont_write_bytecode = True
from gdb_client import GdbClient, GdbError  # noqa: E402


class Session:
    def __init__(self, guest, *options, kernel_words=""):
        self.folder = tempfile.mkdtemp(prefix="ringshade-gdb-")
        self.address = "unix:" + os.path.join(self.folder, "port")
        self.elf = os.path.join(GUESTS, guest + ".elf")
        self.process = subprocess.Popen(
            [RINGSHADE, "run", "--kernel", self.elf, "--serial", "null", "--timeout", "40", "--gdb", self.address,
             "--append", kernel_words, *OPTIONS, *options], stdin=subprocess.DEVNULL)
        self.client = None

    def connect(self):
        self.client = GdbClient(self.address)
        return self.client

    def symbol(self, name):
        text = subprocess.run(["nm", self.elf], capture_output=True, text=True, check=True).stdout
        return int(re.search(r"^([0-9a-f]+) \w %s$" % name, text, re.M).group(1), 16)

    def status(self):
        return self.process.wait(30)

    def end(self):
        if self.client:
            self.client.close()
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)
        for name in os.listdir(self.folder):
            os.unlink(os.path.join(self.folder, name))
        os.rmdir(self.folder)


def expect(what, got, wanted):
    if got != wanted:
        raise AssertionError("%s: got %r, expected %r" % (what, got, wanted))


def case_stop(session):
    """The first instruction, steps, breakpoints of both kinds, registers and memory, the end."""
    c = session.connect()
    expect("first stop", c.start(), "T05thread:1;")
    r = c.read_registers()
    expect("eip", r["eip"], session.symbol("_start"))
    expect("eax", r["eax"], 0x2BADB002)
    c.run("s")
    expect("one step", c.read_registers()["eip"] - r["eip"], 1)  # cli
    main = session.symbol("main")
    for kind, name in (("0", "swbreak"), ("1", "hwbreak")):
        c.ask("Z%s,%x,1" % (kind, main))
        if kind == "0":
            expect("breakpoint", c.run("c"), "T05%s:;thread:1;" % name)
            expect("again", c.run("vCont;c"), "T05%s:;thread:1;" % name)
            expect("eip", c.read_registers()["eip"], main)
        c.ask("z%s,%x,1" % (kind, main))
    code = c.read_memory(main, 16)
    c.ask("M%x,4:cccccccc" % main)
    expect("written", c.read_memory(main, 4), b"\xcc" * 4)
    c.ask("M%x,4:%s" % (main, code[:4].hex()))
    c.ask("P1=78563412")
    expect("ecx", c.read_registers()["ecx"], 0x12345678)
    expect("end", c.run("c"), "W01")
    expect("status", session.status(), 1)


def case_watch(session):
    """Watchpoints of each kind on data of the guest, which sees nothing of them."""
    c = session.connect()
    c.start()
    c.ask("Z0,%x,1" % session.symbol("run_tests"))
    expect("breakpoint", c.run("c")[:3], "T05")
    c.ask("z0,%x,1" % session.symbol("run_tests"))
    stack = c.read_registers()["esp"]
    c.ask("Z2,%x,4" % (stack - 4))
    reply = c.run("c")
    expect("write", reply, "T05watch:%x;thread:1;" % (stack - 4))
    c.ask("z2,%x,4" % (stack - 4))
    c.ask("Z3,%x,4" % stack)  # the return address, read by RET
    reply = c.run("c")
    expect("read", reply, "T05rwatch:%x;thread:1;" % stack)
    r = c.read_registers()
    expect("DR7", r["dr7"], 0x400)
    expect("DR6", r["dr6"], 0xFFFF0FF0)
    c.ask("z3,%x,4" % stack)
    expect("end", c.run("c"), "W01")


def case_interrupt(session):
    """Ctrl-C into a loop and again; detach and come back; kill."""
    c = session.connect()
    c.start()
    for _ in range(3):
        c.send("c")
        time.sleep(0.1)
        c.interrupt()
        expect("interrupt", c.wait(), "T02thread:1;")
        expect("step", c.run("s"), "T05thread:1;")
    expect("detach", c.ask("D"), "OK")
    c.close()
    time.sleep(0.1)
    c = session.connect()
    expect("second debugger", c.start(), "T02thread:1;")
    c.read_registers()
    c.close()  # gone without a word: the machine stays stopped
    c = session.connect()
    c.start()
    c.send("k")
    expect("status", session.status(), 0)


def case_nowait(session):
    """--gdb-no-wait: the guest runs, a debugger that comes stops it."""
    time.sleep(0.3)
    c = session.connect()
    expect("stop", c.start(), "T02thread:1;")
    expect("monitor", c.monitor("quit"), "")
    expect("status", session.status(), 0)


def case_triple(session):
    c = session.connect()
    c.start()
    expect("triple fault", c.run("c"), "T06thread:1;")
    expect("eip", c.read_registers()["eip"], session.symbol("bad_idt_at"))
    expect("end", c.run("c"), "W04")
    expect("status", session.status(), 4)


def case_reset(session):
    """The guest resets the machine, which goes on; breakpoints stay."""
    c = session.connect()
    c.start()
    start = session.symbol("_start")
    c.ask("Z0,%x,1" % start)
    expect("first", c.run("c"), "T05swbreak:;thread:1;")
    c.run("s")
    expect("after the reset", c.run("c"), "T05swbreak:;thread:1;")
    expect("eip", c.read_registers()["eip"], start)
    c.ask("k") if False else c.send("k")
    expect("status", session.status(), 0)


def case_garbage(session):
    """Bytes that are no protocol, wrong checksums, long packets, and the port still works."""
    c = session.connect()
    c.send_raw(b"\x00\xff" * 1000 + b"#$}}##$$$")
    c.send_raw(b"$g#00$" + b"m" * 40000 + b"#00")
    c.send_raw(os.urandom(5000).replace(b"k", b"x").replace(b"\x03", b"x") + b"$#00")
    c.close()
    c = session.connect()
    expect("stop", c.start()[:3], "T05")
    expect("unknown", c.ask("jUnknown"), "")
    c.run("s")
    expect("end", c.run("c"), "W01")


def case_paging(session):
    """Memory by linear and by physical address while they differ."""
    c = session.connect()
    c.start()
    while c.read_registers()["cr0"] >> 31 == 0:
        c.ask("Z0,%x,1" % session.symbol("space_enter"))
        expect("breakpoint", c.run("c")[:3], "T05")
        c.ask("z0,%x,1" % session.symbol("space_enter"))
        while c.read_memory(c.read_registers()["eip"], 1) != b"\xc3":  # to its RET
            c.run("s")
    expect("physical", c.ask("Qqemu.PhyMemMode:1"), "OK")
    physical = c.read_memory(0x100000, 16)
    c.ask("Qqemu.PhyMemMode:0")
    expect("identity", c.read_memory(0x100000, 16), physical)
    expect("unmapped", c.ask("m7ffff000,4"), "E14")
    expect("gva2gpa", c.monitor("gva2gpa 0x100000"), "gpa: 0x100000\n")
    expect("unmapped", c.monitor("gva2gpa 0x7ffff000"), "unmapped\n")
    c.send("k")
    expect("status", session.status(), 0)


CASES = {
    "stop": ("smoke", case_stop, []),
    "watch": ("smoke", case_watch, []),
    "interrupt": ("stops", case_interrupt, []),
    "nowait": ("stops", case_nowait, ["--gdb-no-wait"]),
    "triple": ("stops", case_triple, []),
    "reset": ("stops", case_reset, []),
    "garbage": ("smoke", case_garbage, []),
    "paging": ("paging", case_paging, []),
}
WORDS = {"interrupt": "loop", "nowait": "loop", "triple": "triple", "reset": "reset"}

if __name__ == "__main__":
    RINGSHADE, GUESTS, name, OPTIONS = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
    guest, case, options = CASES[name]
    session = Session(guest, *options, kernel_words=WORDS.get(name, ""))
    try:
        case(session)
    except (AssertionError, GdbError, OSError, subprocess.TimeoutExpired) as error:
        print("%s: %s" % (name, error))
        sys.exit(1)
    finally:
        session.end()
