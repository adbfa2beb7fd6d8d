// See lab_programs.h. The statements are the Intel SDM's (volume 2, the instruction's "Operation"), applied to the
// tables that lab_image_build makes.
#include "app/lab_programs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FLAG_ONE  0x2u
#define FLAG_ZF   0x40u
#define FLAG_IF   0x200u
#define FLAG_IOPL 0x3000u
#define WORD      0xffffu
#define ALL       0xffffffffu

#define LABELS(X) X(sgdt) X(sidt) X(sldt) X(str) X(smsw) X(pushf) X(popf) X(lar) X(lsl) X(verr) X(verw) LABELS_2(X)
#define LABELS_2(X)                                                                                                    \
    X(push_fs)                                                                                                         \
    X(push_cs) X(pop_fs) X(pop_ds) X(mov_from) X(mov_to) X(call) X(call_mem) X(jmp) X(jmp_mem) X(int) X(ret) X(iret)
#define DECLARE(label) extern const uint8_t lab_##label[], lab_##label##_at[], lab_##label##_end[];
LABELS(DECLARE)

#define PROGRAM(row, label, text, what)                                                                                \
    .name = row, .mnemonic = text, .statement = what, .begin = lab_##label, .at = lab_##label##_at,                    \
    .end = lab_##label##_end

const struct lab_program lab_programs[] = {
    {PROGRAM("sgdt", sgdt, "sgdt", "stores GDTR: the limit and all 32 bits of the base"),
     .lesson = "the guest would see where the host keeps its descriptors, or a made-up address, never its own table",
     .reads = true, .umip = true,
     .values = {{"limit", LAB_DATA_0, WORD, LAB_GDT_SIZE - 1, false}, {"base", LAB_DATA_2, ALL, LAB_GDT, true}}},
    {PROGRAM("sidt", sidt, "sidt", "stores IDTR: the limit and all 32 bits of the base"),
     .lesson =
         "the guest would see where the host keeps its interrupt table, or a made-up address, never its own table",
     .reads = true, .umip = true,
     .values = {{"limit", LAB_DATA_0, WORD, LAB_IDT_SIZE - 1, false}, {"base", LAB_DATA_2, ALL, LAB_IDT, true}}},
    {PROGRAM("sldt", sldt, "sldt", "stores the selector in LDTR"),
     .lesson = "the guest would see the host's LDTR: it has loaded 18h and reads something else", .reads = true,
     .umip = true, .values = {{"ldtr", LAB_EAX, WORD, LAB_LDT, false}}},
    {PROGRAM("str", str, "str", "stores the selector in TR"),
     .lesson = "the guest would see the host's task register: it has loaded 58h and reads something else",
     .reads = true, .umip = true, .values = {{"tr", LAB_EAX, WORD, LAB_TASK, false}}},
    {PROGRAM("smsw", smsw, "smsw", "stores CR0, the machine status word in its lower half"),
     .lesson = "the guest would see the host's CR0, paging and all, though it has not turned paging on", .reads = true,
     .umip = true, .values = {{"cr0", LAB_EAX, ALL, LAB_CR0, false}}},
    {PROGRAM("pushf", pushf, "pushf", "pushes EFLAGS with IF and IOPL as they are; here IF is off"),
     .lesson = "the guest has interrupts off and reads that they are on", .reads = true, .eflags = FLAG_ONE,
     .values = {{"eflags", LAB_EAX, ALL, FLAG_ONE, false}}},
    {PROGRAM("popf", popf, "popf", "at CPL 0 loads IF and IOPL too; here IF goes off and IOPL becomes 3"),
     .lesson = "ring 3 drops the change of IF and IOPL without a word: the guest believes that interrupts are off",
     .eflags = FLAG_ONE | FLAG_IF, .values = {{"if+iopl", LAB_EAX, FLAG_IF | FLAG_IOPL, FLAG_IOPL, false}}},
    {PROGRAM("lar", lar, "lar", "gives the access rights in the descriptor and sets ZF"),
     .lesson = "the guest asks for its own descriptor and gets the rights in the host's", .reads = true,
     .esi = LAB_DATA_3,
     .values = {{"rights", LAB_EAX, 0xf0ff00, 0xd0f300, false}, {"zf", LAB_EFLAGS, FLAG_ZF, FLAG_ZF, false}}},
    {PROGRAM("lsl", lsl, "lsl", "gives the limit of the segment in bytes and sets ZF"),
     .lesson = "the guest asks for its own descriptor and gets the limit in the host's", .reads = true,
     .esi = LAB_DATA_3,
     .values = {{"limit", LAB_EAX, ALL, 0x3fffff, false}, {"zf", LAB_EFLAGS, FLAG_ZF, FLAG_ZF, false}}},
    {PROGRAM("verr", verr, "verr", "sets ZF where CPL may read the segment; CPL 0 may read 10h"),
     .lesson = "the answer is for ring 3 and the host's descriptor: a kernel is told that it may not read its own data",
     .reads = true, .esi = LAB_KDATA, .values = {{"zf", LAB_EFLAGS, FLAG_ZF, FLAG_ZF, false}}},
    {PROGRAM("verw", verw, "verw", "sets ZF where CPL may write the segment; CPL 0 may write 10h"),
     .lesson =
         "the answer is for ring 3 and the host's descriptor: a kernel is told that it may not write its own data",
     .reads = true, .esi = LAB_KDATA, .values = {{"zf", LAB_EFLAGS, FLAG_ZF, FLAG_ZF, false}}},
    {PROGRAM("push-fs", push_fs, "push", "pushes the selector in FS, here the kernel's data segment"),
     .lesson = "the guest has loaded 10h and reads the host's selector", .reads = true,
     .values = {{"fs", LAB_EAX, WORD, LAB_KDATA, false}}},
    {PROGRAM("push-cs", push_cs, "push", "pushes the selector in CS, whose low two bits are the CPL"),
     .lesson = "the low two bits tell the guest that it does not run in ring 0", .twin = "mov-from-cs", .reads = true,
     .only_32 = true, .values = {{"cs", LAB_EAX, WORD, LAB_CODE, false}}},
    {PROGRAM("pop-fs", pop_fs, "pop", "loads the descriptor of the selector, with its base"),
     .lesson = "the host's descriptor is loaded: the guest reads the wrong memory from then on", .ecx = LAB_DATA + 16,
     .based_data = true, .values = {{"fs:[mark]", LAB_EAX, ALL, LAB_MARK_GUEST, false}}},
    {PROGRAM("pop-ds", pop_ds, "pop", "loads the descriptor of the selector, with its base"),
     .lesson = "the host's descriptor is loaded: the guest reads the wrong memory from then on", .twin = "pop-fs",
     .only_32 = true, .ecx = LAB_DATA + 16, .based_data = true,
     .values = {{"ds:[mark]", LAB_EAX, ALL, LAB_MARK_GUEST, false}}},
    {PROGRAM("mov-from-cs", mov_from, "mov", "gives the selector in CS, whose low two bits are the CPL"),
     .lesson = "the low two bits tell the guest that it does not run in ring 0", .reads = true,
     .values = {{"cs", LAB_EAX, WORD, LAB_CODE, false}}},
    {PROGRAM("mov-to-fs", mov_to, "mov", "loads the descriptor of the selector, with its base"),
     .lesson = "the host's descriptor is loaded: the guest reads the wrong memory from then on", .esi = LAB_DATA_3,
     .ecx = LAB_DATA + 16, .based_data = true, .values = {{"fs:[mark]", LAB_EAX, ALL, LAB_MARK_GUEST, false}}},
    {PROGRAM("call-far", call, "call", "pushes CS, whose low two bits are the CPL, and loads it anew"),
     .lesson = "the selector on the stack tells the guest that it does not run in ring 0", .twin = "call-far-mem",
     .reads = true, .only_32 = true,
     .values = {{"pushed cs", LAB_EAX, WORD, LAB_CODE, false}, {"cs", LAB_CS, WORD, LAB_CODE_32 & ~3u, false}}},
    {PROGRAM("call-far-mem", call_mem, "call", "pushes CS, whose low two bits are the CPL, and loads it anew"),
     .lesson = "the selector on the stack tells the guest that it does not run in ring 0", .reads = true,
     .values = {{"pushed cs", LAB_EAX, WORD, LAB_CODE, false}, {"cs", LAB_CS, WORD, LAB_CODE_32 & ~3u, false}}},
    {PROGRAM("jmp-far", jmp, "jmp", "loads CS with the CPL, not the RPL, in its low two bits"),
     .lesson = "CS keeps the privilege of ring 3, where ring 0 would have made it 0", .twin = "jmp-far-mem",
     .only_32 = true, .reads = true, .values = {{"cs", LAB_EAX, WORD, LAB_CODE_32 & ~3u, false}}},
    {PROGRAM("jmp-far-mem", jmp_mem, "jmp", "loads CS with the CPL, not the RPL, in its low two bits"),
     .lesson = "CS keeps the privilege of ring 3, where ring 0 would have made it 0", .reads = true,
     .values = {{"cs", LAB_EAX, WORD, LAB_CODE_32 & ~3u, false}}},
    {PROGRAM("int", int, "int", "enters the handler of the guest's own vector 80h"),
     .lesson = "the host's handler would answer the guest's system call",
     .values = {{"eax", LAB_EAX, ALL, LAB_SYSCALL_ANSWER, false}}},
    {PROGRAM("ret-far", ret, "ret", "to an outer ring takes SS and ESP from the stack too"),
     .lesson = "it stays in ring 3, so that the stack is never switched", .esi = LAB_DATA_3, .edi = LAB_USER_STACK,
     .values = {{"esp", LAB_ESP, ALL, LAB_USER_STACK, false}}},
    {PROGRAM("iret", iret, "iret", "at CPL 0 loads IF and IOPL too; here IF goes off and IOPL becomes 3"),
     .lesson = "ring 3 drops the change of IF and IOPL without a word", .eflags = FLAG_ONE | FLAG_IF, .esi = LAB_DATA_3,
     .edi = LAB_USER_STACK,
     .values = {{"if+iopl", LAB_EFLAGS, FLAG_IF | FLAG_IOPL, FLAG_IOPL, false},
                {"esp", LAB_ESP, ALL, LAB_USER_STACK, false}}},
};
const size_t lab_program_count = sizeof lab_programs / sizeof *lab_programs;

uint64_t lab_value_get(const struct lab_value *value, const struct lab_state *state) {
    uint64_t got = 0;
    if (value->wide && state->wide) {
        memcpy(&got, state->data + 2, 8);
        return got;
    }
    switch (value->place) {
    case LAB_EAX: got = state->eax; break;
    case LAB_ESP: got = state->esp; break;
    case LAB_CS: got = state->cs; break;
    case LAB_EFLAGS: got = state->eflags; break;
    case LAB_DATA_0: memcpy(&got, state->data, 4); break;
    case LAB_DATA_2: memcpy(&got, state->data + 2, 4); break;
    }
    return got & value->mask;
}

void lab_value_text(const struct lab_value *value, const struct lab_state *state, char *text, size_t room) {
    uint64_t got = lab_value_get(value, state);
    if (value->mask == FLAG_ZF)
        snprintf(text, room, "%s=%d", value->name, got != 0);
    else if (value->mask == (FLAG_IF | FLAG_IOPL))
        snprintf(text, room, "if=%d iopl=%u", (got & FLAG_IF) != 0, (unsigned)(got & FLAG_IOPL) >> 12);
    else
        snprintf(text, room, "%s=%" PRIx64, value->name, got);
}

unsigned lab_program_values(const struct lab_program *program) {
    unsigned count = 0;
    while (count < LAB_VALUES_MAX && program->values[count].name)
        count++;
    return count;
}

bool lab_program_same(const struct lab_program *program, const struct lab_state *one, const struct lab_state *other) {
    for (unsigned i = 0; i < lab_program_values(program); i++)
        if (lab_value_get(&program->values[i], one) != lab_value_get(&program->values[i], other))
            return false;
    return true;
}

bool lab_program_by_manual(const struct lab_program *program, const struct lab_state *state) {
    for (unsigned i = 0; i < lab_program_values(program); i++)
        if (lab_value_get(&program->values[i], state) != program->values[i].manual)
            return false;
    return true;
}
