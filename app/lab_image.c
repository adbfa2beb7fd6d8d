// See lab_image.h.
#include "app/lab_image.h"

#include "app/lab_programs.h"

#include <string.h>

#define VECTORS        (LAB_IDT_SIZE / 8)
#define HANDLER_STRIDE 16u
#define HANDLERS       32u
#define SYSCALL_VECTOR 0x80u

extern const uint8_t lab_image[], lab_image_end[], lab_handlers[], lab_handler_syscall[];

uint32_t lab_image_address(const uint8_t *label) {
    return LAB_BASE + (uint32_t)(label - lab_image);
}

static uint8_t *in_image(uint8_t *image, uint32_t address) {
    return image + (address - LAB_BASE);
}

// A descriptor of 64 bits (SDM vol. 3A, figure 3-8); `rights` is bits 8 to 23 of its second word without the limit.
static void put_descriptor(uint8_t *image, uint16_t selector, uint32_t base, uint32_t limit, uint32_t rights) {
    uint32_t words[2] = {base << 16 | (limit & 0xffff),
                         (base & 0xff000000) | (limit & 0xf0000) | rights << 8 | (base >> 16 & 0xff)};
    memcpy(in_image(image, LAB_GDT + (selector & ~7u)), words, sizeof words);
}

static void put_gate(uint8_t *image, unsigned vector, uint32_t handler, uint32_t rights) {
    uint32_t words[2] = {(uint32_t)LAB_CODE << 16 | (handler & 0xffff), (handler & 0xffff0000) | rights << 8};
    memcpy(in_image(image, LAB_IDT + 8 * vector), words, sizeof words);
}

static void put_tables(const struct lab_program *program, uint8_t *image) {
    const uint32_t flat = 0xfffff, gate_3 = 0xee, tss_words[3] = {0, LAB_TRAP_STACK, LAB_KDATA};
    put_descriptor(image, LAB_CODE, 0, flat, 0xc09b);
    put_descriptor(image, LAB_KDATA, 0, flat, 0xc093);
    put_descriptor(image, LAB_LDT, LAB_GDT, LAB_GDT_SIZE - 1, 0x0082);
    put_descriptor(image, LAB_CODE_32, 0, flat, 0xc09f); // conforming
    put_descriptor(image, LAB_CODE_64, 0, flat, 0xc09f);
    put_descriptor(image, LAB_DATA_3, program->based_data ? LAB_DATA_BASE : 0, 0x3ff, 0xd0f3); // AVL: no host has it
    put_descriptor(image, LAB_TASK, LAB_TSS, 103, 0x0089);
    for (unsigned vector = 0; vector < VECTORS; vector++) {
        const uint8_t *handler =
            vector == SYSCALL_VECTOR ? lab_handler_syscall : lab_handlers + HANDLER_STRIDE * (vector % HANDLERS);
        if (vector < HANDLERS || vector == SYSCALL_VECTOR)
            put_gate(image, vector, lab_image_address(handler), gate_3);
    }
    memcpy(in_image(image, LAB_TSS), tss_words, sizeof tss_words);
}

void lab_image_start(const struct lab_program *program, uint16_t code_selector, struct lab_start *start) {
    *start = (struct lab_start){
        .edi = program->edi,
        .esi = program->esi,
        .ebx = LAB_DATA,
        .edx = code_selector,
        .ecx = program->ecx,
        .eflags = program->eflags | 2,
        .eip = lab_image_address(program->begin),
    };
}

void lab_image_build(const struct lab_program *program, uint16_t code_selector, uint8_t image[LAB_SIZE]) {
    const uint32_t host_mark = LAB_MARK_HOST, guest_mark = LAB_MARK_GUEST;
    struct lab_start start;
    memset(image, 0, LAB_SIZE);
    memcpy(image, lab_image, (size_t)(lab_image_end - lab_image));
    put_tables(program, image);
    lab_image_start(program, code_selector, &start);
    memcpy(in_image(image, LAB_START), &start, sizeof start);
    memcpy(in_image(image, LAB_DATA + 16), &host_mark, 4);
    memcpy(in_image(image, LAB_DATA + 16 + LAB_DATA_BASE), &guest_mark, 4);
}

void lab_image_decode(const uint8_t output[LAB_OUTPUT_SIZE], struct lab_state *state) {
    struct {
        uint32_t gs, fs, es, ds, edi, esi, ebp, frame, ebx, edx, ecx, eax, vector, error, eip, cs, eflags, esp, ss;
    } f;
    _Static_assert(sizeof f == 4 * LAB_FRAME_WORDS, "what the handler pushes");
    memcpy(&f, output, sizeof f);
    bool inner = f.cs & 3; // came from ring 3: the processor pushed its stack; else ESP is above the frame
    *state = (struct lab_state){
        .eax = f.eax,
        .ecx = f.ecx,
        .edx = f.edx,
        .ebx = f.ebx,
        .esp = inner ? f.esp : f.frame + 5 * 4,
        .ebp = f.ebp,
        .esi = f.esi,
        .edi = f.edi,
        .eip = f.eip,
        .eflags = f.eflags,
        .cs = (uint16_t)f.cs,
        .ss = inner ? (uint16_t)f.ss : LAB_KDATA,
        .ds = (uint16_t)f.ds,
        .es = (uint16_t)f.es,
        .fs = (uint16_t)f.fs,
        .gs = (uint16_t)f.gs,
        .vector = f.vector,
    };
    memcpy(state->data, output + sizeof f, LAB_DATA_SIZE);
}
