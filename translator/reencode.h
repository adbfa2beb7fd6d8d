// Inside identity.c only: the form of an instruction without a ModRM byte.
#ifndef TRANSLATOR_REENCODE_H
#define TRANSLATOR_REENCODE_H

struct tctx;
void insn_emit_plain(struct tctx *t);

#endif
