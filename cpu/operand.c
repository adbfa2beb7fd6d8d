// Register-or-memory operands of emulated instructions (RM_WORD of translator/abi.h).
#include "cpu/semantics.h"

int cpu_read_rm(struct vcpu *v, uint32_t rm, uint32_t offset, unsigned size, uint32_t *value) {
    *value = 0;
    if (RM_IS_REGISTER(rm)) {
        *value = cpu_get_reg(v, RM_INDEX(rm), size);
        return 0;
    }
    return cpu_read(v, RM_INDEX(rm), offset, value, size);
}

int cpu_write_rm(struct vcpu *v, uint32_t rm, uint32_t offset, unsigned size, uint32_t value) {
    if (RM_IS_REGISTER(rm)) {
        cpu_set_reg(v, RM_INDEX(rm), size, value);
        return 0;
    }
    return cpu_write(v, RM_INDEX(rm), offset, &value, size);
}
