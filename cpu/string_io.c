// One element of INS or OUTS. Intel SDM vol. 2, INS and OUTS. The memory operand of INS is probed before the port is
// read: a read cannot be taken back. Light code until cpu_port_read and cpu_port_write park the FPU state.
#include "cpu/semantics.h"

int string_io_element(struct vcpu *v, const struct string_run *run) {
    uint32_t port = v->abi.gpr[CPU_EDX] & 0xffff, value = 0;
    if (cpu_io_check(v, port, run->size) < 0)
        return -1;
    if (run->op == STRING_OUTS) {
        if (cpu_read(v, run->seg, string_index(v, run, CPU_ESI), &value, run->size) < 0)
            return -1;
        cpu_port_write(v, port, run->size, value);
        return 0;
    }
    uint32_t to = string_index(v, run, CPU_EDI);
    if (cpu_probe_write(v, CPU_SEG_ES, to, run->size) < 0)
        return -1;
    value = cpu_port_read(v, port, run->size);
    return cpu_write(v, CPU_SEG_ES, to, &value, run->size);
}
