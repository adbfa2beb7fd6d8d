// See explain_host.h. Names come from translator/abi.h: stubs, callouts, and the fields of struct vcpu_abi, which host
// code reaches through r15.
#include "app/explain_host.h"

#include "app/vector_name.h"

#include "cpu/cpu.h"
#include "translator/abi.h"

#include <capstone/capstone.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define STUB_BASE 0x0ff00000u
#define STUB_SIZE 16u
#define TEXT_SIZE 256

struct explain_printer {
    csh guest, host;
    uint32_t r9, r10; // what the last mov of a constant put there
};

uint32_t explain_stub_address(unsigned stub) {
    return STUB_BASE + stub * STUB_SIZE;
}

struct explain_printer *explain_printer_create(unsigned guest_bits) {
    struct explain_printer *printer = calloc(1, sizeof *printer);
    if (!printer)
        return NULL;
    if (cs_open(CS_ARCH_X86, guest_bits == 16 ? CS_MODE_16 : CS_MODE_32, &printer->guest) != CS_ERR_OK ||
        cs_open(CS_ARCH_X86, CS_MODE_64, &printer->host) != CS_ERR_OK) {
        explain_printer_destroy(printer);
        return NULL;
    }
    return printer;
}

void explain_printer_destroy(struct explain_printer *printer) {
    if (printer->guest)
        cs_close(&printer->guest);
    if (printer->host)
        cs_close(&printer->host);
    free(printer);
}

void explain_guest_text(struct explain_printer *printer, const uint8_t *bytes, size_t size, uint32_t address,
                        char *text, size_t room) {
    cs_insn *insn;
    if (!cs_disasm(printer->guest, bytes, size, address, 1, &insn)) {
        snprintf(text, room, "(undefined)");
        return;
    }
    snprintf(text, room, "%s%s%s", insn->mnemonic, *insn->op_str ? " " : "", insn->op_str);
    cs_free(insn, 1);
}

size_t explain_guest_length(struct explain_printer *printer, const uint8_t *bytes, size_t size) {
    cs_insn *insn;
    if (!cs_disasm(printer->guest, bytes, size, 0, 1, &insn))
        return 0;
    size_t length = insn->size;
    cs_free(insn, 1);
    return length;
}

// ---- Names ---------------------------------------------------------------------------------------------------------

static const struct {
    size_t at, size;
    const char *name;
} fields[] = {
#define FIELD(name)                                                                                                    \
    { offsetof(struct vcpu_abi, name), sizeof((struct vcpu_abi *)0)->name, #name }
    FIELD(gpr),
    FIELD(flags),
    FIELD(page),
    FIELD(sys_flags),
    FIELD(request),
    FIELD(pending),
    FIELD(fpu_parked),
    FIELD(shadow),
    FIELD(gate_r9),
    FIELD(host_rsp),
    FIELD(live_root),
    FIELD(window),
    FIELD(seg_base_p),
    FIELD(seg_base),
    FIELD(tmp),
    FIELD(seg_selector),
    FIELD(tsc_offset),
    FIELD(fip),
    FIELD(fdp),
    FIELD(exit_reason),
    FIELD(fx),
    FIELD(bounce),
    FIELD(tlb[0].ntag_read),
    FIELD(tlb[0].ntag_write),
    FIELD(tlb[0].addend),
    FIELD(tlb[1].ntag_read),
    FIELD(tlb[1].ntag_write),
    FIELD(tlb[1].addend),
#undef FIELD
};

static const char *const segments[6] = {"es", "cs", "ss", "ds", "fs", "gs"};

static void field_text(long displacement, char *text, size_t room) {
    size_t at = (size_t)(displacement + ABI_BIAS);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        size_t inside = at - fields[i].at;
        if (at < fields[i].at || inside >= fields[i].size)
            continue;
        bool segment = !strncmp(fields[i].name, "seg_", 4);
        size_t each = fields[i].size / 6;
        if (segment)
            snprintf(text, room, "%s.%s", fields[i].name, segments[inside / each]);
        else if (inside)
            snprintf(text, room, "%s+%zu", fields[i].name, inside);
        else
            snprintf(text, room, "%s", fields[i].name);
        return;
    }
    snprintf(text, room, "vcpu+%zu", at);
}

// "[r15 + rcx*4 + 0x10]" becomes "[rcx*4 + name]".
static void operands_text(const char *operands, char *text, size_t room) {
    const char *r15 = strstr(operands, "[r15");
    const char *end = r15 ? strchr(r15, ']') : NULL;
    if (!end) {
        snprintf(text, room, "%s", operands);
        return;
    }
    char name[64], index[32] = "";
    const char *rest = r15 + 4;
    const char *star = memchr(rest, '*', (size_t)(end - rest));
    if (star) {
        size_t length = (size_t)(star + 2 - (rest + 3));
        snprintf(index, sizeof index, "%.*s + ", (int)length, rest + 3);
        rest = star + 2;
    }
    long displacement = rest < end ? strtol(rest + 3, NULL, 0) : 0;
    if (rest < end && rest[1] == '-')
        displacement = -displacement;
    field_text(displacement, name, sizeof name);
    snprintf(text, room, "%.*s[%s%s]%.32s", (int)(r15 - operands), operands, index, name, end + 1);
}

static const char *const stub_names[STUB_COUNT] = {
    [STUB_MISS] = "code-map miss",   [STUB_EXIT] = "dispatcher", [STUB_LINK] = "link",
    [STUB_FAULT] = "fault",          [STUB_CALLOUT] = "callout", [STUB_SOFT_MISS] = "software-TLB miss",
    [STUB_WRITEBACK] = "write back",
};

// The callout's name; of RAISE also which exception, since there is nothing else to know of it.
static void callout_text(const struct explain_printer *printer, char *text, size_t room) {
    unsigned id = CALLOUT_ID(printer->r10);
    const char *vector = id == CALLOUT_RAISE ? vector_name(printer->r9 & 0xffu) : NULL;
    if (vector && (printer->r9 & 0x100u))
        snprintf(text, room, "<callout RAISE %s(%x)>", vector, printer->r9 >> 16);
    else
        snprintf(text, room, "<callout %s%s%s>", cpu_callout_name(id), vector ? " " : "", vector ? vector : "");
}

static bool target_text(const struct explain_printer *printer, const cs_insn *insn, char *text, size_t room) {
    bool branch = insn->mnemonic[0] == 'j' || !strcmp(insn->mnemonic, "call");
    if (!branch || strncmp(insn->op_str, "0x", 2))
        return false;
    uint64_t target = strtoull(insn->op_str, NULL, 0), stub = (target - STUB_BASE) / STUB_SIZE;
    if (target < STUB_BASE || stub >= STUB_COUNT)
        snprintf(text, room, "block+%#" PRIx64, target - EXPLAIN_CODE_RX);
    else if (stub == STUB_CALLOUT)
        callout_text(printer, text, room);
    else
        snprintf(text, room, "<%s>", stub_names[stub]);
    return true;
}

static void note_constant(struct explain_printer *printer, const cs_insn *insn) {
    if (strcmp(insn->mnemonic, "mov"))
        return;
    if (!strncmp(insn->op_str, "r9d, ", 5))
        printer->r9 = (uint32_t)strtoull(insn->op_str + 5, NULL, 0);
    if (!strncmp(insn->op_str, "r10d, ", 6))
        printer->r10 = (uint32_t)strtoull(insn->op_str + 6, NULL, 0);
}

// Capstone shows the 32-bit displacement of an operand with the 67h prefix as if it were extended to 64 bits.
static void shorten_addresses(char *text) {
    static const char extended[] = "0xffffffff";
    const size_t zero_x = 2, digits = 8;
    for (char *at = text; (at = strstr(at, extended)); at += zero_x)
        if (strspn(at + zero_x, "0123456789abcdef") == 2 * digits)
            memmove(at + zero_x, at + zero_x + digits, strlen(at + zero_x + digits) + 1);
}

void explain_host_print(struct explain_printer *printer, FILE *out, const char *indent, const uint8_t *code,
                        size_t size, uint32_t address) {
    cs_insn *insns;
    size_t count = cs_disasm(printer->host, code, size, address, 0, &insns);
    for (size_t i = 0; i < count; i++) {
        char text[TEXT_SIZE];
        note_constant(printer, &insns[i]);
        if (!target_text(printer, &insns[i], text, sizeof text))
            operands_text(insns[i].op_str, text, sizeof text);
        if (strstr(text, "gs:["))
            shorten_addresses(text);
        fprintf(out, "%s%s%s%s\n", indent, insns[i].mnemonic, *text ? " " : "", text);
    }
    if (count)
        cs_free(insns, count);
}
