// See fx_image.h. Registers in the image are in stack order, tags in physical order.
#include "cpu/fx_image.h"

enum { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };

static unsigned classify(const uint8_t *st) {
    unsigned exponent = fx_get16(st + 8) & 0x7fff;
    uint64_t mantissa = fx_get32(st) | (uint64_t)fx_get32(st + 4) << 32;
    if (exponent == 0)
        return mantissa == 0 ? TAG_ZERO : TAG_SPECIAL;
    if (exponent == 0x7fff || !(mantissa >> 63))
        return TAG_SPECIAL;
    return TAG_VALID;
}

uint32_t fx_full_tags(const uint8_t fx[FX_SIZE]) {
    uint32_t tags = 0;
    for (unsigned physical = 0; physical < 8; physical++) {
        unsigned tag = TAG_EMPTY;
        if (fx[FX_FTW] >> physical & 1)
            tag = classify(fx + FX_ST + 16 * ((physical - fx_top(fx)) & 7));
        tags |= tag << 2 * physical;
    }
    return tags;
}

uint8_t fx_abridged_tags(uint32_t tags) {
    unsigned bits = 0;
    for (unsigned physical = 0; physical < 8; physical++)
        bits |= (unsigned)((tags >> 2 * physical & 3) != TAG_EMPTY) << physical;
    return (uint8_t)bits;
}
