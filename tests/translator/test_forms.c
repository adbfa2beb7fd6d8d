// Every instruction that the translator does not hand to C, in every form of its memory operand, on random operands.
// The reference is the host processor on an encoding that Zydis's encoder made from the decoded instruction; where
// there is none (PUSH, POP and what 64-bit mode lacks), the forms are compared with each other. Compared are registers,
// flags, memory, x87 and SSE state, and faults.
#include "tests/translator/runner.h"
#include "translator/context.h"
#include "translator/table.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define REPORTS_MAX 20

static const char *const form_names[RUNNER_FORMS] = {"direct", "soft hit", "soft in place", "bounced",
                                                     "called", "checked",  "based",         "based soft",
                                                     "low",    "low soft", "low checked"};
static uint64_t random_state = 1;
static unsigned runs, failures, insns, referenced;
static uint8_t initial[RUNNER_DATA_SIZE];

static uint32_t random32(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 16);
}

static void on_signal(int signal, siginfo_t *info, void *context) {
    int trap = (int)((ucontext_t *)context)->uc_mcontext.gregs[REG_TRAPNO];
    (void)info;
    if (!runner_signal(trap, context)) {
        struct sigaction sa = {.sa_handler = SIG_DFL};
        sigaction(signal, &sa, NULL);
    }
}

static void catch_signals(void) {
    static uint8_t stack[1 << 16];
    stack_t ss = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&ss, NULL);
    struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
    sigaction(SIGFPE, &sa, NULL);
    sigaction(SIGILL, &sa, NULL);
    sigaction(SIGTRAP, &sa, NULL);
}

// ---- A random state in which the instruction's operands lie in the test's memory -----------------------------------

static uint32_t data_address(void) {
    return RUNNER_DATA + 0x4000 + random32() % 0x8000;
}

static uint32_t random_value(void) {
    switch (random32() % 4) {
    case 0: return random32() % 40;
    case 1: return 0 - random32() % 40;
    case 2: return 0x80000000u + random32() % 3 - 1;
    default: return random32();
    }
}

static void random_fx(uint8_t fx[512]) {
    memset(fx, 0, 512);
    fx[0] = 0x7f; // FCW 037Fh, all masked
    fx[1] = 0x03;
    fx[24] = 0x80; // MXCSR 1F80h
    fx[25] = 0x1f;
    fx[4] = 0xff; // all registers valid
    for (unsigned i = 32; i < 160; i++)
        if (i % 16 < 10)
            fx[i] = (uint8_t)random32();
    for (unsigned r = 0; r < 8; r++) { // normal numbers: an exponent near the bias, the integer bit
        fx[32 + 16 * r + 9] = (uint8_t)(0x40 | (random32() & 0x80));
        fx[32 + 16 * r + 8] = (uint8_t)(random32() % 16);
        fx[32 + 16 * r + 7] |= 0x80;
    }
    for (unsigned i = 160; i < 288; i++)
        fx[i] = (uint8_t)random32();
}

// Makes the effective address lie in the data by setting the base (or index, or displacement bytes). False: it cannot.
static bool aim(struct guest_insn *insn, struct guest_state *s, uint8_t *bytes) {
    struct mem_ref ref = ref_modrm(insn);
    uint32_t target = data_address();
    if (random32() % 2)
        target &= ~63u;
    if (random32() % 16 == 0)
        target = (target & ~4095u) - random32() % 16; // across a page boundary, or next to it
    if (ref.base != GUEST_NONE && ref.base == ref.index)
        return false;
    uint32_t index = ref.index == GUEST_NONE ? 0 : s->gpr[ref.index] << ref.scale;
    if (ref.base != GUEST_NONE) {
        s->gpr[ref.base] = target - index - (uint32_t)ref.disp;
        return true;
    }
    uint32_t disp = target - index; // no base: the displacement is 32 bits, the last thing before the immediate
    if (insn->disp_size != 4)
        return false;
    memcpy(bytes + insn->length - insn->imm_size - 4, &disp, 4);
    return true;
}

// The effective address of a 16-bit ModRM operand.
static uint32_t address16(const struct mem_ref *ref, const struct guest_state *s) {
    uint32_t base = ref->base == GUEST_NONE ? 0 : s->gpr[ref->base];
    uint32_t index = ref->index == GUEST_NONE ? 0 : s->gpr[ref->index];
    return (base + index + (uint32_t)ref->disp) & 0xffff;
}

static bool aim_low(struct guest_insn *insn, struct guest_state *s) {
    struct mem_ref ref = ref_modrm(insn);
    uint32_t at = address16(&ref, s);
    return at >= 0x4000 && at < 0xc000;
}

static bool prepare(struct guest_insn *insn, const struct table_row *row, struct guest_state *s, uint8_t *bytes) {
    memset(s, 0, sizeof *s);
    for (unsigned r = 0; r < 8; r++)
        s->gpr[r] = random_value();
    s->flags = random32() & ARITHMETIC_FLAGS;
    random_fx(s->fx);
    bool string = row->kind == KIND_STRING;
    bool mask_move = insn->map == MAP_0F && insn->opcode == 0xf7;
    bool xlat = insn->map == MAP_1B && insn->opcode == 0xd7;
    if (row->kind == KIND_STACK)
        s->gpr[GUEST_ESP] = data_address();
    if (row->kind == KIND_STACK && insn->opcode == 0xc9)
        s->gpr[GUEST_EBP] = data_address();
    if (string || mask_move) {
        s->gpr[GUEST_ESI] = data_address();
        s->gpr[GUEST_EDI] = data_address();
        s->gpr[GUEST_ECX] = random32() % 40;
    }
    if (xlat)
        s->gpr[GUEST_EBX] = data_address();
    bool moffs = insn->map == MAP_1B && insn->opcode >= 0xa0 && insn->opcode <= 0xa3;
    if (!insn_is_mem(insn) && !moffs)
        return true;
    bool bit_offset = insn->map == MAP_0F && (insn->opcode & 0xe7) == 0xa3;
    if (bit_offset)
        s->gpr[insn->reg] = random32() % 0x8000 - 0x4000;
    if (row->kind == KIND_STACK && ref_modrm(insn).base == GUEST_ESP)
        return false; // the one register would have to serve two addresses
    if (insn->address_size == 2)
        return aim_low(insn, s) && !bit_offset;
    return aim(insn, s, bytes) && (!bit_offset || ref_modrm(insn).base != insn->reg);
}

// ---- Comparing -----------------------------------------------------------------------------------------------------

static bool same_fx(const uint8_t *a, const uint8_t *b) {
    if (memcmp(a, b, 6) != 0 || memcmp(a + 24, b + 24, 4) != 0) // FCW FSW FTW, MXCSR; not FOP, FIP, FDP
        return false;
    for (unsigned r = 0; r < 8; r++)
        if (memcmp(a + 32 + 16 * r, b + 32 + 16 * r, 10) != 0)
            return false;
    return memcmp(a + 160, b + 160, 128) == 0;
}

static const char *difference(const struct guest_state *want, const struct guest_state *got, const uint8_t *want_mem,
                              const uint8_t *got_mem) {
    if (want->trap != got->trap)
        return "trap";
    if (memcmp(want->gpr, got->gpr, sizeof want->gpr) != 0)
        return "registers";
    if (want->flags != got->flags)
        return "flags";
    if (memcmp(want_mem, got_mem, RUNNER_DATA_SIZE) != 0)
        return "memory";
    if (want->trap < 0 && !same_fx(want->fx, got->fx))
        return "x87 or SSE state";
    return NULL;
}

static void print_state(const char *who, const struct guest_state *s) {
    fprintf(stderr, "  %-8s", who);
    for (unsigned r = 0; r < 8; r++)
        fprintf(stderr, " %08x", s->gpr[r]);
    fprintf(stderr, " flags %03x trap %d\n", s->flags, s->trap);
}

static void report(const char *what, enum runner_form form, const struct guest_insn *insn, const uint8_t *bytes,
                   const struct guest_state *before, const struct guest_state *want, const struct guest_state *got) {
    if (++failures > REPORTS_MAX)
        return;
    fprintf(stderr, "%s, %s: %s differ:", ZydisMnemonicGetString((ZydisMnemonic)insn->mnemonic), form_names[form],
            what);
    for (unsigned i = 0; i < insn->length; i++)
        fprintf(stderr, " %02x", bytes[i]);
    fprintf(stderr, "\n");
    print_state("before", before);
    print_state("wanted", want);
    print_state("got", got);
    runner_print();
}

// ---- One instruction -----------------------------------------------------------------------------------------------

static bool is_wanted(const struct guest_insn *insn, const struct table_row *row) {
    if (insn->mnemonic == ZYDIS_MNEMONIC_INVALID || insn->seg_override == SEG_FS || insn->seg_override == SEG_GS ||
        insn->seg_override == SEG_CS)
        return false;
    switch (row->kind) {
    case KIND_IDENTITY:
    case KIND_STACK:
    case KIND_STRING:
    case KIND_REMOVED:
    case KIND_FPU: return true;
    default: return false;
    }
}

static void fill_memory(void) {
    for (uint32_t i = 0; i < RUNNER_DATA_SIZE; i += 4) {
        uint32_t v = random32();
        memcpy(initial + i, &v, 4);
    }
}

// ---- The reference -------------------------------------------------------------------------------------------------

static ZydisRegister without_esp(ZydisRegister r) {
    return r == ZYDIS_REGISTER_ESP ? ZYDIS_REGISTER_R12D : r == ZYDIS_REGISTER_SP ? ZYDIS_REGISTER_R12W : r;
}

// The instruction in 64-bit encoding, by Zydis; its size, or 0 if there is none.
static unsigned reference_encode(const struct guest_insn *insn, const struct table_row *row, const uint8_t *bytes,
                                 uint8_t code[16]) {
    ZydisDecoder decoder;
    ZydisDecodedInstruction z;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    ZydisEncoderRequest request;
    ZyanUSize size = 16;
    if (insn->address_size == 2 &&
        (row->kind == KIND_STRING || !insn_is_mem(insn) || insn->mnemonic == ZYDIS_MNEMONIC_LEA))
        return 0;
    if (row->kind == KIND_STRING) {
        unsigned n = 0;
        code[n++] = 0x67;
        if (insn->operand_size == 2)
            code[n++] = 0x66;
        if (insn->rep)
            code[n++] = insn->rep;
        code[n++] = insn->opcode;
        return n;
    }
    if ((row->kind != KIND_IDENTITY && row->kind != KIND_FPU) || insn->mnemonic == ZYDIS_MNEMONIC_NOP)
        return 0; // of the reserved NOPs the encoder makes undefined ones
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_TZCNT, ZYAN_FALSE);
    ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_LZCNT, ZYAN_FALSE);
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, insn->length, &z, operands)) ||
        !ZYAN_SUCCESS(ZydisEncoderDecodedInstructionToEncoderRequest(&z, operands, z.operand_count_visible, &request)))
        return 0;
    request.machine_mode = ZYDIS_MACHINE_MODE_LONG_64;
    request.prefixes &= ZYDIS_ATTRIB_HAS_LOCK;
    for (unsigned i = 0; i < request.operand_count; i++) {
        ZydisEncoderOperand *o = &request.operands[i];
        if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && insn->address_size == 2) { // the address is worked out here
            o->mem.base = ZYDIS_REGISTER_R8D;
            o->mem.index = ZYDIS_REGISTER_NONE;
            o->mem.scale = 0;
            o->mem.displacement = 0;
            continue;
        }
        o->reg.value = without_esp(o->reg.value);
        o->mem.base = without_esp(o->mem.base);
        o->mem.index = without_esp(o->mem.index);
    }
    return ZYAN_SUCCESS(ZydisEncoderEncodeInstruction(&request, code, &size)) ? (unsigned)size : 0;
}

// ---- One try -------------------------------------------------------------------------------------------------------

static void try_insn(const uint8_t *given, unsigned given_size) {
    static uint8_t want_memory[RUNNER_DATA_SIZE];
    struct guest_insn insn;
    uint8_t bytes[16] = {0}, code[16];
    memcpy(bytes, given, given_size);
    if (decode_insn(bytes, 15, 0x100, true, &insn) != DECODE_OK)
        return;
    const struct table_row *row = table_find_insn(&insn);
    struct guest_state before, want;
    if (!is_wanted(&insn, row) || !prepare(&insn, row, &before, bytes))
        return;
    uint8_t *host_memory = (uint8_t *)(uintptr_t)RUNNER_DATA;
    unsigned size = reference_encode(&insn, row, bytes, code);
    bool have_want = size != 0;
    if (have_want) {
        want = before;
        memcpy(host_memory, initial, RUNNER_DATA_SIZE);
        struct mem_ref ref = ref_modrm(&insn);
        runner_run_host(&want, code, size, RUNNER_DATA + address16(&ref, &before));
        memcpy(want_memory, host_memory, RUNNER_DATA_SIZE);
    }
    bool low = insn.address_size == 2;
    uint32_t flip = 0;
    if (row->kind == KIND_STACK && (low || (!insn_is_mem(&insn) && random32() % 4 == 0))) {
        low = true;
        flip = MODE_STACK32;
    }
    unsigned first = low ? RUNNER_LOW_FIRST : 0, last = low ? RUNNER_FORMS : RUNNER_LOW_FIRST;
    for (unsigned form = first; form < last; form++) {
        struct guest_state got = before;
        uint8_t *memory = runner_data((enum runner_form)form);
        memcpy(memory, initial, RUNNER_DATA_SIZE);
        struct runner_result r = runner_run((enum runner_form)form, flip, &got, bytes, insn.length, 0x8000000u, 0x100);
        if (!r.translated) {
            failures++;
            fprintf(stderr, "not translated: %s (%s)\n", row->name, r.text);
            return;
        }
        if (r.callout)
            continue;
        runs++;
        if (!have_want) {
            want = got;
            memcpy(want_memory, memory, RUNNER_DATA_SIZE);
            have_want = true;
            continue;
        }
        const char *what = difference(&want, &got, want_memory, memory);
        if (what) {
            report(what, (enum runner_form)form, &insn, bytes, &before, &want, &got);
            break;
        }
    }
    insns++;
    referenced += size != 0;
}

static unsigned put_prefixes(uint8_t *bytes) {
    unsigned n = 0;
    switch (random32() % 12) {
    case 0:
    case 1:
    case 2: bytes[n++] = 0x66; break;
    case 3: bytes[n++] = 0xf2; break;
    case 4: bytes[n++] = 0xf3; break;
    case 5: bytes[n++] = 0xf0; break;
    case 6:
        bytes[n++] = 0x66;
        bytes[n++] = 0xf2;
        break;
    case 7: bytes[n++] = 0x67; break;
    case 8: bytes[n++] = 0x36; break;
    default: break;
    }
    return n;
}

static void try_opcode(const uint8_t *opcode, unsigned size) {
    uint8_t bytes[15];
    unsigned n = put_prefixes(bytes);
    memcpy(bytes + n, opcode, size);
    for (n += size; n < sizeof bytes; n++)
        bytes[n] = (uint8_t)random32();
    try_insn(bytes, sizeof bytes);
}

int main(int argc, char **argv) {
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : 40;
    if (argc > 2)
        random_state = strtoull(argv[2], NULL, 0) * 2 + 1;
    catch_signals();
    void *data = mmap((void *)(uintptr_t)RUNNER_DATA, RUNNER_DATA_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (data == MAP_FAILED || runner_open() != 0) {
        fprintf(stderr, "no room in the low 4 GiB\n");
        return 1;
    }
    for (unsigned round = 0; round < rounds; round++) {
        fill_memory();
        for (unsigned op = 0; op < 256; op++) {
            for (unsigned i = 0; i < 4; i++) {
                try_opcode((const uint8_t[]){(uint8_t)op}, 1);
                try_opcode((const uint8_t[]){0x0f, (uint8_t)op}, 2);
            }
            try_opcode((const uint8_t[]){0x0f, 0x38, (uint8_t)op}, 3);
            try_opcode((const uint8_t[]){0x0f, 0x3a, (uint8_t)op}, 3);
        }
    }
    printf("%u instructions, %u with a reference, %u runs, %u differences\n", insns, referenced, runs, failures);
    return failures != 0;
}
