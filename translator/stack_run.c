// Runs of PUSH and POP: in direct code the stack pointer moves once, behind the last of them, and the others reach the
// stack by a displacement. Each change of r12 waits for the one before, which is what recursion spends its time with.
// Instructions on registers alone may stand in between, and a near CALL or RET may end the run. Nothing but a fault can
// look at ESP inside it: the marks say how far r12 is behind. Intel SDM, vol. 2, PUSH, POP.
#include "translator/context.h"
#include "translator/peek.h"

static bool moves_late(const struct tctx *t) {
    return (t->mode & MODE_CODE32) && (t->mode & MODE_STACK32) && !(t->mode & (MODE_SOFT | MODE_ALIGN)) &&
           mode_seg_kind(t->mode, SEG_SS) == MODE_SEG_FLAT;
}

// PUSH or POP of a register that is not ESP, or PUSH of an immediate, without prefixes.
static bool is_member(const uint8_t *bytes) {
    return ((bytes[0] & 0xf0) == 0x50 && (bytes[0] & 7) != GUEST_ESP) || bytes[0] == 0x68 || bytes[0] == 0x6a;
}

static bool is_end(const uint8_t *bytes) { // CALL rel32, RET
    return bytes[0] == 0xe8 || bytes[0] == 0xc2 || bytes[0] == 0xc3;
}

// MOV, XOR, TEST between registers that are not ESP, or MOV of an immediate to one: no fault, no ESP.
static bool is_neutral(const uint8_t *bytes) {
    uint8_t op = bytes[0], modrm = bytes[1];
    if (op >= 0xb8 && op <= 0xbf)
        return (op & 7) != GUEST_ESP;
    bool known = op == 0x89 || op == 0x8b || op == 0x31 || op == 0x33 || op == 0x85;
    return known && modrm >= 0xc0 && (modrm & 7) != GUEST_ESP && (modrm >> 3 & 7) != GUEST_ESP;
}

// Does the run go on behind the current instruction?
static bool goes_on(const struct tctx *t) {
    const uint8_t *next = peek_bytes(t);
    if (!next || !moves_late(t) || tctx_is_softened_at(t, insn_next(t->insn)))
        return false;
    return is_member(next) || is_end(next) || (t->esp_late != 0 && is_neutral(next));
}

bool stack_run_keeps(const struct tctx *t) {
    return is_member(t->insn->bytes) && !tctx_is_softened(t) && goes_on(t);
}

void stack_run_settle(struct tctx *t) {
    if (t->esp_late != 0 && !goes_on(t))
        stack_commit(t);
}
