// What FXSAVE and XSAVE share: the x87 part of their images and the bits of MXCSR. FPU state parked. Private to cpu/.
#ifndef CPU_FPUENV_H
#define CPU_FPUENV_H

#include "cpu/fx_image.h"
#include "cpu/vcpu.h"

// Bits that the guest's MXCSR may have (Intel SDM vol. 1 11.6.6).
uint32_t fpu_mxcsr_mask(const struct vcpu *v);
// The bytes of a 32-bit FXSAVE image that have a meaning, with the guest's pointers in place of the host's.
void fpu_guest_image(struct vcpu *v, uint8_t image[FX_USED]);
// The x87 state and its pointers become those of an image; MXCSR and what follows ST7 are not looked at.
void fpu_load_x87(struct vcpu *v, const uint8_t image[FX_XMM]);

#endif
