"""What the architecture leaves open, by instruction: the list that tools/lockstep goes by. Intel SDM vol. 1 appendix A
(flags that an instruction leaves undefined) and vol. 2; what reads a clock, a device or the processor's model comes
from outside of the program. docs/lockstep.md has the same list in words."""

CF, PF, AF, ZF, SF, OF = 1, 4, 16, 64, 128, 2048
RF = 1 << 16
ALL = CF | PF | AF | ZF | SF | OF
PREFIXES = {0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3}

# (opcode, extension or None): undefined flags. 0F xx is 0x0fxx.
LOGIC = {op for base in (0x08, 0x20, 0x30) for op in range(base, base + 6)} | {0x84, 0x85, 0xA8, 0xA9}
GROUPS = {
    **{(op, ext): AF for op in (0x80, 0x81, 0x82, 0x83) for ext in (1, 4, 6)},
    **{(op, ext): AF for op in (0xF6, 0xF7) for ext in (0, 1)},
    **{(op, ext): SF | ZF | AF | PF for op in (0xF6, 0xF7) for ext in (4, 5)},
    **{(op, ext): ALL for op in (0xF6, 0xF7) for ext in (6, 7)},
    **{(0x0FBA, ext): OF | SF | AF | PF for ext in (4, 5, 6, 7)},
}
PLAIN = {
    0x69: SF | ZF | AF | PF, 0x6B: SF | ZF | AF | PF, 0x0FAF: SF | ZF | AF | PF,
    0x27: OF, 0x2F: OF, 0x37: OF | SF | ZF | PF, 0x3F: OF | SF | ZF | PF, 0xD4: OF | AF | CF, 0xD5: OF | AF | CF,
    0x0FBC: CF | OF | SF | AF | PF, 0x0FBD: CF | OF | SF | AF | PF,
    **{op: OF | SF | AF | PF for op in (0x0FA3, 0x0FAB, 0x0FB3, 0x0FBB)},
}
# Instructions whose results come from outside: all of the registers that they write.
OUTSIDE = {
    0x0F31: ("RDTSC", {"eax", "edx"}), 0x0F32: ("RDMSR", {"eax", "edx"}), 0x0F33: ("RDPMC", {"eax", "edx"}),
    0x0FA2: ("CPUID", {"eax", "ebx", "ecx", "edx"}),
    **{op: ("IN", {"eax"}) for op in (0xE4, 0xE5, 0xEC, 0xED)},
}
REGISTERS = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"]


class Instruction:
    """Just enough of a decoder: prefixes, opcode, ModRM and an immediate byte behind it."""

    def __init__(self, code):
        self.opcode = self.modrm = self.imm = None
        self.size = 4
        at, address = 0, 4
        while at < len(code) and code[at] in PREFIXES:
            if code[at] == 0x66:
                self.size = 2
            if code[at] == 0x67:
                address = 2
            at += 1
        if at >= len(code):
            return
        self.opcode = code[at]
        at += 1
        if self.opcode == 0x0F and at < len(code):
            self.opcode = 0x0F00 | code[at]
            at += 1
        if at < len(code):
            self.modrm = code[at]
            end = at + 1 + self._address_bytes(code, at, address)
            if end < len(code):
                self.imm = code[end]

    @staticmethod
    def _address_bytes(code, at, address):
        mod, rm = code[at] >> 6, code[at] & 7
        if mod == 3:
            return 0
        if address == 2:
            return 2 if mod == 2 or (mod == 0 and rm == 6) else mod
        sib = 1 if rm == 4 else 0
        if mod == 0 and (rm == 5 or (sib and at + 1 < len(code) and code[at + 1] & 7 == 5)):
            return sib + 4
        return sib + (0, 1, 4)[mod]

    @property
    def extension(self):
        return (self.modrm or 0) >> 3 & 7


def _shift(instruction, before):
    """(undefined flags, is the result undefined) of shifts and rotates, or None."""
    op = instruction.opcode
    if op in (0xC0, 0xC1, 0xD0, 0xD1, 0xD2, 0xD3):
        count = {0xC0: instruction.imm, 0xC1: instruction.imm, 0xD0: 1, 0xD1: 1}.get(op, before["ecx"] & 0xFF)
        bits = 8 if op in (0xC0, 0xD0, 0xD2) else 8 * instruction.size
        count = (count or 0) & 31
        if not count:
            return 0, False
        flags = OF if count != 1 else 0
        if instruction.extension >= 4:
            flags |= AF | (CF if count >= bits else 0)
        return flags, False
    if op in (0x0FA4, 0x0FAC, 0x0FA5, 0x0FAD):
        count = (instruction.imm if op in (0x0FA4, 0x0FAC) else before["ecx"] & 0xFF) or 0
        count &= 31
        if not count:
            return 0, False
        if count > 8 * instruction.size:
            return ALL, True
        return AF | (OF if count != 1 else 0), False
    return None


DE = 2
C0, C1, C2, C3 = 0x100, 0x200, 0x400, 0x4000


def _sets_condition_codes(instruction):
    """Does this x87 instruction define C0, C2 and C3?"""
    op, modrm = instruction.opcode, instruction.modrm or 0
    if modrm < 0xC0:
        return instruction.extension in (2, 3) and op in (0xD8, 0xDA, 0xDC, 0xDE) or op in (0xD9, 0xDD)
    return (op == 0xD8 and instruction.extension in (2, 3)) or (op == 0xDD and modrm >= 0xE0) or \
        (op, modrm) in {(0xDA, 0xE9), (0xDE, 0xD9), (0xD9, 0xE4), (0xD9, 0xE5), (0xD9, 0xF5), (0xD9, 0xF8),
                        (0xD9, 0xF2), (0xD9, 0xFB), (0xD9, 0xFE), (0xD9, 0xFF), (0xDB, 0xE3)}


def _x87(instruction, ours, peer, name):
    if name == "fstat" and 0xD8 <= instruction.opcode <= 0xDF:
        differ = ours[name] ^ peer[name]
        if differ & ~(C1 | DE) == 0:
            return "C1 and the denormal flag, which QEMU does not keep"
        if differ & ~(C0 | C1 | C2 | C3) == 0 and not _sets_condition_codes(instruction):
            return "undefined x87 condition codes"
    if name[:2] == "st" and (ours[name] ^ peer[name]) >> 64 << 64 == ours[name] ^ peer[name] and \
            ours[name] >> 64 == 0xFFFF:
        return "the exponent of an MMX register, which QEMU leaves"
    return None


def undefined_flags(instruction, before):
    shift = _shift(instruction, before)
    if shift:
        return shift[0]
    op = instruction.opcode
    if op in LOGIC:
        return AF
    return GROUPS.get((op, instruction.extension), PLAIN.get(op, 0))


def excuse(code, before, ours, peer, name):
    """Why the register `name` may differ after the instruction, or None."""
    instruction = Instruction(code)
    op = instruction.opcode
    if op is None:
        return None
    if op in OUTSIDE and name in OUTSIDE[op][1]:
        return OUTSIDE[op][0]
    if name == "eflags":
        differ = (ours[name] ^ peer[name]) & ~RF
        return "undefined flags" if differ & ~undefined_flags(instruction, before) == 0 else None
    if name in REGISTERS and ours[name] ^ peer[name] == RF and not peer[name] & RF:
        return "RF of a fault in a pushed image, which QEMU leaves out"
    if name == "mxcsr" and ours[name] ^ peer[name] == DE and ours[name] & DE:
        return "the denormal flag, which QEMU does not keep"
    if name == "fstat" or name[:2] == "st":
        return _x87(instruction, ours, peer, name)
    register = (instruction.modrm or 0) >> 3 & 7
    if op in (0x0FBC, 0x0FBD) and name == REGISTERS[register] and ours["eflags"] & peer["eflags"] & ZF:
        return "BSF or BSR of zero"
    shift = _shift(instruction, before)
    if shift and shift[1] and (instruction.modrm or 0) >> 6 == 3 and name == REGISTERS[instruction.modrm & 7]:
        return "SHLD or SHRD beyond the operand"
    return None
