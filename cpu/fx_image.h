// The image that FXSAVE writes and the x87 words in it: where each lies, the tag word in its two forms, and what the
// status word says of pending exceptions. Intel SDM vol. 1, 8.1.3, 8.1.7 and 10.5.1. Knows no vCPU.
#ifndef CPU_FX_IMAGE_H
#define CPU_FX_IMAGE_H

#include <stdint.h>

// Offsets in the image.
enum {
    FX_FCW = 0,
    FX_FSW = 2,
    FX_FTW = 4,
    FX_FOP = 6,
    FX_FIP = 8,
    FX_FCS = 12,
    FX_FDP = 16,
    FX_FDS = 20,
    FX_MXCSR = 24,
    FX_MXCSR_MASK = 28,
    FX_ST = 32,   // ST0 to ST7, 16 bytes apart
    FX_XMM = 160, // XMM0 to XMM7
    FX_SIZE = 512,
    FX_USED = 288 // what has a meaning outside 64-bit mode
};

enum { FCW_MASKS = 0x3f, FSW_ES = 0x80, FSW_B = 0x8000 };

// Little-endian fields; usable in light code.
static inline uint16_t fx_get16(const uint8_t *at) {
    return (uint16_t)(at[0] | at[1] << 8);
}
static inline uint32_t fx_get32(const uint8_t *at) {
    return fx_get16(at) | (uint32_t)fx_get16(at + 2) << 16;
}
static inline void fx_put16(uint8_t *at, uint32_t value) {
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}
static inline void fx_put32(uint8_t *at, uint32_t value) {
    fx_put16(at, value);
    fx_put16(at + 2, value >> 16);
}

// Which of R0-R7 is ST0.
static inline unsigned fx_top(const uint8_t *fx) {
    return fx_get16(fx + FX_FSW) >> 11 & 7;
}

// FSW with the summary and busy bits that follow from its exceptions and the masks in FCW.
static inline uint32_t fx_with_summary(uint32_t fsw, uint32_t fcw) {
    fsw &= ~(uint32_t)(FSW_ES | FSW_B);
    return fsw & ~fcw & FCW_MASKS ? fsw | FSW_ES | FSW_B : fsw;
}

// The tag word of FNSTENV, two bits a register, for the image's abridged one; and the abridged one of a tag word.
uint32_t fx_full_tags(const uint8_t fx[FX_SIZE]);
uint8_t fx_abridged_tags(uint32_t tags);

#endif
