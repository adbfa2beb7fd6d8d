"""A client of the GDB remote serial protocol, for tests and for tools/lockstep: connects to the gdb port of ringshade
or of QEMU, reads the target's description, and gives registers by name. Never starts or ends anything itself."""
import re
import socket
import time


class GdbError(Exception):
    pass


class GdbClient:
    """One connection. address is "unix:PATH" or a TCP port of 127.0.0.1."""

    def __init__(self, address, timeout=20.0, patience=10.0):
        self.pending = b""
        end = time.monotonic() + patience
        while True:
            try:
                if str(address).startswith("unix:"):
                    self.socket = socket.socket(socket.AF_UNIX)
                    self.socket.connect(address[5:])
                else:
                    self.socket = socket.create_connection(("127.0.0.1", int(address)))
                    self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                break
            except OSError:
                self.socket.close() if hasattr(self, "socket") else None
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
        self.socket.settimeout(timeout)
        self.acks = True
        self.registers = None

    def close(self):
        self.socket.close()

    def send_raw(self, data):
        self.socket.sendall(data)

    def send(self, packet):
        data = packet.encode("latin-1") if isinstance(packet, str) else packet
        self.send_raw(b"$" + data + b"#%02x" % (sum(data) & 0xFF))

    def _byte(self):
        if not self.pending:
            self.pending = self.socket.recv(65536)
            if not self.pending:
                raise GdbError("the connection was closed")
        byte, self.pending = self.pending[0], self.pending[1:]
        return byte

    def receive(self):
        """The next packet, as text."""
        while self._byte() != 0x24:
            pass
        while b"#" not in self.pending or len(self.pending) < self.pending.index(b"#") + 3:
            more = self.socket.recv(65536)
            if not more:
                raise GdbError("the connection was closed")
            self.pending += more
        end = self.pending.index(b"#")
        data, self.pending = self.pending[:end], self.pending[end + 3:]
        if self.acks:
            self.send_raw(b"+")
        data = re.sub(rb"\}(.)", lambda m: bytes([m.group(1)[0] ^ 0x20]), data, flags=re.S)
        # Run-length encoding: a character, '*', a count plus 29.
        data = re.sub(rb"(.)\*(.)", lambda m: m.group(1) * (m.group(2)[0] - 28), data, flags=re.S)
        return data.decode("latin-1")

    def ask(self, packet):
        self.send(packet)
        return self.receive()

    def start(self):
        """What every session begins with."""
        self.ask("qSupported:swbreak+;hwbreak+;vContSupported+;multiprocess-")
        if self.ask("QStartNoAckMode") == "OK":
            self.acks = False
        return self.ask("?")

    def run(self, packet):
        """Resumes with a packet and returns the stop reply; console output is dropped."""
        self.send(packet)
        return self.wait()

    def wait(self):
        while True:
            reply = self.receive()
            if reply[:1] != "O":
                return reply

    def interrupt(self):
        self.send_raw(b"\x03")

    def _annex(self, name):
        text = ""
        while True:
            part = self.ask("qXfer:features:read:%s:%x,%x" % (name, len(text), 0x800))
            if part[:1] not in "lm":
                raise GdbError("no description: " + part)
            text += part[1:]
            if part[0] == "l":
                return text

    def describe(self):
        """Reads the description; registers becomes {name: (offset in g, bytes)}."""
        text = self._annex("target.xml")
        text = re.sub(r'<xi:include href="([^"]+)"\s*/>', lambda m: self._annex(m.group(1)), text)
        text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
        offset, self.registers = 0, {}
        for entry in re.findall(r"<reg\s([^>]*)/>", text):
            fields = dict(re.findall(r'(\w+)="([^"]*)"', entry))
            size = int(fields["bitsize"]) // 8
            self.registers[fields["name"]] = (offset, size)
            offset += size

    def read_registers(self):
        """All registers of the g packet by name, as integers."""
        if self.registers is None:
            self.describe()
        data = bytes.fromhex(self.ask("g").replace("x", "0"))
        return {name: int.from_bytes(data[at:at + size], "little")
                for name, (at, size) in self.registers.items() if at + size <= len(data)}

    def read_memory(self, address, size):
        reply = self.ask("m%x,%x" % (address, size))
        if reply[:1] == "E":
            raise GdbError("memory at %x: %s" % (address, reply))
        return bytes.fromhex(reply)

    def monitor(self, command):
        self.send("qRcmd," + command.encode().hex())
        text = ""
        while True:
            reply = self.receive()
            if reply == "OK":
                return text
            if reply[:1] == "O":
                text += bytes.fromhex(reply[1:]).decode()
            else:
                return text + bytes.fromhex(reply).decode()
