// Looking into a machine that does not run, through the public interface: registers and guest-physical memory.
#include "ringshade.h"

#include "machine/machine.h"

static struct ringshade_segment segment_out(struct cpu_segment in) {
    return (struct ringshade_segment){in.selector, in.attr, in.base, in.limit};
}

static struct cpu_segment segment_in(struct ringshade_segment in) {
    return (struct cpu_segment){in.selector, in.attr, in.base, in.limit};
}

void ringshade_get_registers(const struct ringshade *machine, struct ringshade_registers *registers) {
    struct cpu_state state;
    vcpu_get_state(machine->pc.vcpu, &state);
    *registers = (struct ringshade_registers){
        .eax = state.gpr[CPU_EAX],
        .ecx = state.gpr[CPU_ECX],
        .edx = state.gpr[CPU_EDX],
        .ebx = state.gpr[CPU_EBX],
        .esp = state.gpr[CPU_ESP],
        .ebp = state.gpr[CPU_EBP],
        .esi = state.gpr[CPU_ESI],
        .edi = state.gpr[CPU_EDI],
        .eip = state.eip,
        .eflags = state.eflags,
        .cr0 = state.cr0,
        .cr2 = state.cr2,
        .cr3 = state.cr3,
        .cr4 = state.cr4,
        .es = segment_out(state.seg[CPU_SEG_ES]),
        .cs = segment_out(state.seg[CPU_SEG_CS]),
        .ss = segment_out(state.seg[CPU_SEG_SS]),
        .ds = segment_out(state.seg[CPU_SEG_DS]),
        .fs = segment_out(state.seg[CPU_SEG_FS]),
        .gs = segment_out(state.seg[CPU_SEG_GS]),
        .ldtr = segment_out(state.ldtr),
        .tr = segment_out(state.tr),
        .gdt_base = state.gdt_base,
        .gdt_limit = state.gdt_limit,
        .idt_base = state.idt_base,
        .idt_limit = state.idt_limit,
    };
    for (int i = 0; i < 8; i++)
        registers->dr[i] = state.dr[i];
}

void ringshade_set_registers(struct ringshade *machine, const struct ringshade_registers *registers) {
    struct cpu_state state = {
        .gpr = {[CPU_EAX] = registers->eax,
                [CPU_ECX] = registers->ecx,
                [CPU_EDX] = registers->edx,
                [CPU_EBX] = registers->ebx,
                [CPU_ESP] = registers->esp,
                [CPU_EBP] = registers->ebp,
                [CPU_ESI] = registers->esi,
                [CPU_EDI] = registers->edi},
        .eip = registers->eip,
        .eflags = registers->eflags,
        .cr0 = registers->cr0,
        .cr2 = registers->cr2,
        .cr3 = registers->cr3,
        .cr4 = registers->cr4,
        .seg = {[CPU_SEG_ES] = segment_in(registers->es),
                [CPU_SEG_CS] = segment_in(registers->cs),
                [CPU_SEG_SS] = segment_in(registers->ss),
                [CPU_SEG_DS] = segment_in(registers->ds),
                [CPU_SEG_FS] = segment_in(registers->fs),
                [CPU_SEG_GS] = segment_in(registers->gs)},
        .ldtr = segment_in(registers->ldtr),
        .tr = segment_in(registers->tr),
        .gdt_base = registers->gdt_base,
        .gdt_limit = registers->gdt_limit,
        .idt_base = registers->idt_base,
        .idt_limit = registers->idt_limit,
    };
    for (int i = 0; i < 8; i++)
        state.dr[i] = registers->dr[i];
    vcpu_set_state(machine->pc.vcpu, &state);
}

static void print_segment(const char *name, struct ringshade_segment segment, FILE *out) {
    fprintf(out, "%-4s %04x base %08x limit %08x attr %03x%s\n", name, segment.selector, segment.base, segment.limit,
            segment.attr, segment.attr & 0x80 ? "" : " (null)");
}

void ringshade_print_registers(const struct ringshade_registers *registers, FILE *out) {
    const struct ringshade_registers *r = registers;
    fprintf(out, "EAX %08x EBX %08x ECX %08x EDX %08x\n", r->eax, r->ebx, r->ecx, r->edx);
    fprintf(out, "ESI %08x EDI %08x EBP %08x ESP %08x\n", r->esi, r->edi, r->ebp, r->esp);
    fprintf(out, "EIP %08x EFLAGS %08x CPL %u %s, paging %s\n", r->eip, r->eflags, r->cs.selector & 3u,
            r->cr0 & 1u ? "protected mode" : "real mode", r->cr0 >> 31 ? "on" : "off");
    print_segment("ES", r->es, out);
    print_segment("CS", r->cs, out);
    print_segment("SS", r->ss, out);
    print_segment("DS", r->ds, out);
    print_segment("FS", r->fs, out);
    print_segment("GS", r->gs, out);
    print_segment("LDTR", r->ldtr, out);
    print_segment("TR", r->tr, out);
    fprintf(out, "GDTR base %08x limit %04x  IDTR base %08x limit %04x\n", r->gdt_base, r->gdt_limit, r->idt_base,
            r->idt_limit);
    fprintf(out, "CR0 %08x CR2 %08x CR3 %08x CR4 %08x\n", r->cr0, r->cr2, r->cr3, r->cr4);
}

uint64_t ringshade_memory_size(const struct ringshade *machine) {
    return machine->pc.ram.size;
}

int ringshade_read_memory(const struct ringshade *machine, uint64_t address, void *data, size_t size) {
    return ram_contains(&machine->pc.ram, address, size) ? ram_fetch(&machine->pc.ram, address, data, size) : -1;
}

int ringshade_write_memory(struct ringshade *machine, uint64_t address, const void *data, size_t size) {
    if (!ram_contains(&machine->pc.ram, address, size) || ram_load(&machine->pc.ram, address, data, size))
        return -1;
    vcpu_memory_changed(machine->pc.vcpu, address, size);
    return 0;
}
