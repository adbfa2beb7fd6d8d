// The verifier: reads one emitted block back and proves that guest code in it stays confined (docs/verifier.md). It
// knows the contract in abi.h and nothing of how the translator works. This file puts the passes together and words
// what is wrong.
#include "translator/verify.h"

#include <stdio.h>

#define SHOWN_BYTES 15

int verify_reject(struct verifier *v, unsigned i, const char *rule) {
    char bytes[3 * SHOWN_BYTES + 1] = "";
    unsigned at = v->insns[i].at, length = v->insns[i].length ? v->insns[i].length : 1;
    for (unsigned k = 0; k < length && k < SHOWN_BYTES && at + k < v->in->size; k++)
        snprintf(bytes + 3 * k, 4, " %02x", v->in->code[at + k]);
    return error_set(v->err, "verifier: block at %#x +%#x:%s: %s", v->in->code_rx, at, bytes, rule);
}

static int check_frame(struct verifier *v) {
    const struct translate_output *out = v->in->out;
    const struct vinsn *lea = &v->insns[0];
    if (lea->map != VMAP_1B || lea->opcode != 0x8d || lea->wide || lea->opsize || lea->addr32 || lea->gs || lea->lock ||
        lea->rep || lea->reg != V_R11 || lea->base != V_R8 || lea->index != V_NONE || lea->disp > 0 ||
        lea->disp < -4095)
        return verify_reject(v, 0, "a block begins with lea r11d,[r8 - offset in page]");
    if (out->link_entry != lea->length)
        return verify_reject(v, 0, "links enter behind the leading lea");
    if (v->in->size - lea->length < 5)
        return verify_reject(v, 0, "no room for the kill call behind the link entry");
    return 0;
}

int verify_block(const struct verify_input *in, struct error *err) {
    struct verifier v = {.in = in, .err = err};
    if (in->size == 0 || in->size > TRANSLATE_MAX_HOST || in->size != in->out->host_size)
        return error_set(err, "verifier: a block of %u bytes", in->size);
    if (verify_begin(&v) < 0 || verify_decode(&v) < 0 || check_frame(&v) < 0)
        return -1;
    verify_find_sequences(&v);
    return verify_flow(&v);
}
