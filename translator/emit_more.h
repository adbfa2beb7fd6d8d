// Host instructions that only the kinds of sensitive and string instructions need, beside those of emit.h and by the
// same rules.
#ifndef TRANSLATOR_EMIT_MORE_H
#define TRANSLATOR_EMIT_MORE_H

#include "translator/emit.h"

// On the host stack; what is pushed must be popped within the same guest instruction.
void emit_push_r64(struct emitter *e, enum host_reg r);
void emit_pop_r64(struct emitter *e, enum host_reg r);
void emit_rdtsc(struct emitter *e);                     // rdx:rax, upper halves zero
void emit_fence(struct emitter *e, unsigned extension); // 5 LFENCE, 6 MFENCE, 7 SFENCE
void emit_shlx_r64(struct emitter *e, enum host_reg dst, enum host_reg src, enum host_reg count);
// MOVS CMPS STOS LODS SCAS by the guest's opcode byte; rep is 0, F2h or F3h. Works on rsi, rdi and rcx, 64 bits wide.
// CMPS and SCAS change the flags: as the guest's do.
void emit_string_op(struct emitter *e, unsigned opcode, bool opsize, unsigned rep);

#endif
