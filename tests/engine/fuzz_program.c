// See fuzz_program.h.
#include "fuzz_program.h"

#include <string.h>

#define P  1u
#define RW 2u
#define US 4u
#define G  0x100u

struct random {
    uint64_t state;
};

static uint32_t any(struct random *r, uint32_t below) {
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    r->state ^= r->state << 17;
    return (uint32_t)((r->state * 0x2545f4914f6cdd1dull) >> 33) % below;
}

// ---- Code
// ----------------------------------------------------------------------------------------------------------------

// Encodings whose result is not the same at every run: time and its rate (CPUID), random numbers, model-specific
// registers. And those that store the x87 pointers, which the forms are known to disagree on after a fault, and
// MASKMOVQ, which leaves the tags of MMX behind when it faults, or not.
static bool varies(const uint8_t *code) {
    bool memory6 = (code[1] & 0x38) == 0x30 && code[1] < 0xc0, memory0 = (code[2] & 0x38) == 0 && code[2] < 0xc0;
    if (((code[0] == 0xd9 || code[0] == 0xdd) && memory6) || (code[0] == 0x0f && code[1] == 0xae && memory0))
        return true;
    return code[0] == 0x0f && (code[1] == 0x31 || code[1] == 0x32 || code[1] == 0x33 || code[1] == 0xa2 ||
                               code[1] == 0xc7 || code[1] == 0xf7);
}

static unsigned instruction(struct random *r, uint8_t *at) {
    static const uint8_t prefixes[] = {0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x64, 0x65, 0x36, 0x2e, 0x26, 0x3e};
    static const uint8_t common[] = {0x00, 0x01, 0x03, 0x11, 0x29, 0x31, 0x39, 0x50, 0x58, 0x68, 0x6a, 0x72,
                                     0x74, 0x75, 0x81, 0x83, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x8d, 0x8f,
                                     0x9c, 0xa4, 0xa5, 0xa6, 0xaa, 0xab, 0xac, 0xae, 0xc1, 0xc6, 0xc7, 0xd1,
                                     0xd3, 0xd8, 0xd9, 0xdb, 0xdd, 0xdf, 0xe2, 0xe8, 0xf6, 0xf7, 0xfe, 0xff};
    unsigned n = 0;
    while (any(r, 5) == 0 && n < 3)
        at[n++] = prefixes[any(r, sizeof prefixes)];
    uint32_t kind = any(r, 10);
    if (kind < 4) {
        at[n++] = common[any(r, sizeof common)];
    } else if (kind < 7) {
        at[n++] = 0x0f;
        at[n++] = (uint8_t)any(r, 256);
        if (at[n - 1] == 0x38 || at[n - 1] == 0x3a)
            at[n++] = (uint8_t)any(r, 0x64);
    } else {
        at[n++] = (uint8_t)any(r, 256);
    }
    static const uint8_t mods[] = {0x00, 0x00, 0x40, 0x40, 0x80, 0xc0};
    uint8_t modrm = (uint8_t)(mods[any(r, sizeof mods)] | any(r, 64));
    at[n++] = modrm;
    if ((modrm & 7) == 4 && modrm < 0xc0)
        at[n++] = (uint8_t)(any(r, 4) ? 0x20 | any(r, 8) : any(r, 256));
    if ((modrm & 0xc0) == 0x40)
        at[n++] = (uint8_t)(any(r, 4) ? any(r, 32) : any(r, 256));
    if ((modrm & 0xc0) == 0x80 || (modrm & 0xc7) == 5) {
        uint32_t displacement = (modrm & 0xc0) ? any(r, 4096) : DATA + any(r, 0x3000);
        memcpy(at + n, &displacement, 4);
        n += 4;
    }
    if (any(r, 2))
        at[n++] = (uint8_t)any(r, 256);
    return n;
}

void fuzz_generate(uint64_t seed, struct fuzz_program *program) {
    struct random r = {(seed + 1) * 0x9e3779b97f4a7c15ull};
    bool raw = any(&r, 3) == 0;
    memset(program, 0, sizeof *program);
    any(&r, 2);
    for (unsigned piece = 0; piece < FUZZ_PIECES; piece++) {
        uint8_t bytes[FUZZ_PIECE + 64];
        for (unsigned n = 0; n < FUZZ_PIECE;) {
            if (raw)
                bytes[n++] = (uint8_t)any(&r, 256);
            else
                n += instruction(&r, bytes + n);
        }
        memcpy(program->code + piece * FUZZ_PIECE, bytes, FUZZ_PIECE);
    }
    for (unsigned i = 0; i + 2 < FUZZ_CODE_BYTES; i++)
        if (varies(program->code + i))
            program->code[i] = 0x90;
    program->cpl = any(&r, 3) ? 3 : 0;
    for (unsigned i = 0; i < 8; i++) {
        switch (any(&r, 8)) {
        case 0: program->gpr[i] = any(&r, 64); break;
        case 1: program->gpr[i] = (uint32_t)any(&r, 65536) << 16 | any(&r, 65536); break;
        case 2: program->gpr[i] = FUZZ_CODE + any(&r, FUZZ_CODE_BYTES); break;
        case 3:
        case 4: program->gpr[i] = SPECIAL + any(&r, 0x10000); break;
        default: program->gpr[i] = DATA + any(&r, 0x4000); break;
        }
    }
    if (any(&r, 4))
        program->gpr[CPU_ECX] = any(&r, 40);
    program->gpr[CPU_ESP] = (program->cpl ? USER_STACK_TOP : STACK0_TOP) - any(&r, 64);
}

// ---- Memory
// ----------------------------------------------------------------------------------------------------------------

void fuzz_prepare(struct rig *rig, uint8_t *pristine) {
    rig_reset_memory(rig);
    rig_reset_programs(rig);
    static const uint32_t special[16] = {
        DATA | P | RW | US,
        (DATA + 0x1000) | P | US,
        (DATA + 0x2000) | RW | US,
        (DATA + 0x3000) | P | RW,
        DEVICE_GPA | P | RW | US,
        0xa0000 | P | RW | US,
        0x800000 | P | RW | US,
        0x50000 | P | RW | US,
        0x51000 | P | RW | US | G,
        DEVICE_GPA | P | US,
        (DATA + 0x4000) | P | RW | US,
        0x50000 | P | US,
        0xfffff000 | P | RW | US,
        (DATA + 0x5000) | P | RW | US | G,
        PAGE_TABLE | RW, // not present
        DATA | P | RW | US,
    };
    for (unsigned i = 0; i < 16; i++)
        rig_put(rig, SPECIAL_TABLE + 4 * i, special[i]);
    // Handlers, their variables and the tables are out of the reach of CPL 3; handlers cannot be overwritten at all.
    // Page tables are nowhere: when a change of theirs takes effect, and when an A bit is seen, is open.
    for (uint32_t page = 0; page < 1024; page++) {
        uint32_t entry = rig_get(rig, PAGE_TABLE + 4 * page);
        if (page == HANDLER_VARS >> 12)
            entry &= ~US;
        if (page >= PROGRAMS >> 12 && page < (PROGRAMS >> 12) + 8)
            entry &= ~(US | RW);
        if (page >= PAGE_DIRECTORY >> 12 && page <= SPECIAL_TABLE >> 12)
            entry &= ~P;
        rig_put(rig, PAGE_TABLE + 4 * page, entry);
    }
    for (uint32_t i = 0; i < 0x10000; i++)
        rig->ram.host[DATA + i] = (uint8_t)(i * 7 + (i >> 8));
    memset(rig->ram.host + FUZZ_CODE + FUZZ_CODE_BYTES, 0xf1, 0x200); // INT1
    memcpy(pristine, rig->ram.host, GUEST_MEMORY);
}

void fuzz_place(struct rig *rig, const uint8_t *pristine, const struct fuzz_program *program) {
    for (uint32_t gpa = 0; gpa < GUEST_MEMORY; gpa += 4096)
        if (memcmp(rig->ram.host + gpa, pristine + gpa, 4096) != 0)
            rig_code(rig, gpa, pristine + gpa, 4096);
    rig_code(rig, FUZZ_CODE, program->code, FUZZ_CODE_BYTES);
    rig_put(rig, VAR_RESUME, FUZZ_CODE);
    rig_put(rig, VAR_TRACE, FUZZ_CODE + FUZZ_CODE_BYTES);
    memset(rig->device, 0x5a, sizeof rig->device);
    rig_start(rig, FUZZ_CODE, program->cpl, false);
    struct cpu_state state;
    vcpu_get_state(rig->vcpu, &state);
    memcpy(state.gpr, program->gpr, sizeof state.gpr);
    vcpu_set_state(rig->vcpu, &state);
}
