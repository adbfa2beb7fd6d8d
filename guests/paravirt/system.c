// Each operation as any PC does it, and as a call into the monitor, side by side. See system.h.
#include "system.h"

#ifdef PARAVIRT
#include "ringshade_hypercalls.h"

static s32 call(u32 number, u32 ebx, u32 ecx, u32 edx) {
    s32 status;
    __asm__ volatile("vmcall" : "=a"(status) : "0"(number), "b"(ebx), "c"(ecx), "d"(edx) : "memory");
    return status;
}

const char *system_refuses(void) {
    u32 r[4];
    cpuid(1, r);
    if (!(r[2] >> 31))
        return "no monitor says that it is there (ringshade run --hypercalls)";
    cpuid(RINGSHADE_CPUID_SIGNATURE, r);
    if (memcmp(&r[1], RINGSHADE_SIGNATURE, 12) != 0)
        return "a monitor without these calls";
    return NULL;
}

void system_init(void) {}
#else
static volatile bool ticked;

static bool tick(struct trap_frame *frame) {
    (void)frame;
    ticked = true;
    pic_eoi(IRQ_TIMER);
    return true;
}

const char *system_refuses(void) {
    return NULL;
}

void system_init(void) {
    irq_open(IRQ_TIMER, tick);
    pit_start(0, PIT_RATE, 0);
}
#endif

// ---- The console ---------------------------------------------------------------------------------------------------

#ifdef PARAVIRT
void console_line(const char *text, u32 size) {
    while (size) { // no more than once, but where the console is congested
        s32 taken = call(RINGSHADE_CALL_CONSOLE, (u32)text, size, 0);
        text += taken;
        size -= (u32)taken;
    }
}
#else
void console_line(const char *text, u32 size) {
    for (u32 i = 0; i < size; i++)
        serial_put(text[i]); // waits for the transmitter, then one byte
}
#endif

// ---- The time ------------------------------------------------------------------------------------------------------

#ifdef PARAVIRT
u64 clock_read(void) {
    u32 low, high, status;
    __asm__ volatile("vmcall" : "=a"(status), "=b"(low), "=c"(high) : "0"(RINGSHADE_CALL_CLOCK));
    return (u64)high << 32 | low;
}
#else
u64 clock_read(void) { // latched, then read in two halves
    return (u16)-pit_count(0);
}
#endif

// ---- Mappings ------------------------------------------------------------------------------------------------------

#define MAPPED (PTE_WS | PTE_A | PTE_D)

#ifdef PARAVIRT
static struct ringshade_pte batch[MAPPINGS_MAX];

void map_pages(struct space *s, u32 linear, const u32 *physical, u32 count) {
    for (u32 i = 0; i < count; i++, linear += 4096)
        batch[i] = (struct ringshade_pte){(u32)space_pte(s, linear), linear | RINGSHADE_PTE_DROP, physical[i] | MAPPED};
    call(RINGSHADE_CALL_PTES, (u32)batch, count, 4);
}
#else
enum { FLUSH_ALL_ABOVE = 33 }; // pages: then one load of CR3, as Linux does

void map_pages(struct space *s, u32 linear, const u32 *physical, u32 count) {
    for (u32 i = 0; i < count; i++, linear += 4096) {
        *(volatile u32 *)space_pte(s, linear) = physical[i] | MAPPED;
        if (count <= FLUSH_ALL_ABOVE)
            invlpg(linear);
    }
    if (count > FLUSH_ALL_ABOVE)
        write_cr3(read_cr3());
}
#endif

// ---- Waiting -------------------------------------------------------------------------------------------------------

#ifdef PARAVIRT
void idle_200us(void) {
    call(RINGSHADE_CALL_YIELD, 200000, 0, 0);
}
#else
void idle_200us(void) {
    ticked = false;
    pit_start(0, PIT_ONE_SHOT, PIT_HZ / 5000);
    while (!ticked)
        __asm__ volatile("sti; hlt; cli" ::: "memory");
}
#endif
