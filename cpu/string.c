// String instructions in C, for operands that translated code cannot reach in place: MOVS CMPS STOS LODS SCAS, and INS
// and OUTS through string_io.c. Intel SDM vol. 2, REP and the instructions; vol. 1 7.3.9. Repeated ones run in spans
// that lie in one page, and are restartable: at a fault or interrupt the registers are those of the iterations done.
// Light code: general registers only, no library calls.
#include "cpu/semantics.h"
#include "mmu/copy.h"

// A run of elements that can be accessed in place.
struct span {
    uint8_t *host;  // of the first element
    uint32_t count; // 0: not in place
};

#define SINGLE       ((uint32_t)1)
#define SHORT_BYTES  64u // of a copy that goes in single words
#define SHORT_STORES 8u  // elements of a fill that goes in single ones

static uint32_t load(const uint8_t *at, unsigned size) {
    switch (size) {
    case 1: return *at;
    case 2: return *(const copy_u16 *)at;
    default: return *(const copy_u32 *)at;
    }
}

static void store(uint8_t *at, unsigned size, uint32_t value) {
    switch (size) {
    case 1: *at = (uint8_t)value; break;
    case 2: *(copy_u16 *)at = (uint16_t)value; break;
    default: *(copy_u32 *)at = value; break;
    }
}

// The elements from `index` on, in the direction of DF, at most `max`, that lie in one page and in the segment.
static struct span find_span(struct vcpu *v, const struct string_run *run, unsigned seg, uint32_t index,
                             enum mmu_access access, uint32_t max) {
    struct span span = {NULL, 0};
    uint32_t linear, size = run->size;
    const struct cpu_segment *segment = &v->seg[seg];
    if (cpu_segment_linear(v, seg, index, size, access, &linear) < 0)
        return span;
    uint32_t offset = linear & (RAM_PAGE_SIZE - 1);
    if (offset + size > RAM_PAGE_SIZE || ((v->mode & MODE_ALIGN) && (linear & (size - 1))))
        return span;
    unsigned shift = size >> 1; // 1, 2, 4 are 0, 1, 2
    uint64_t room = run->down ? (offset >> shift) + 1 : (RAM_PAGE_SIZE - offset) >> shift;
    uint64_t wrap = run->down ? (uint64_t)(index >> shift) + 1 : ((uint64_t)run->mask + 1 - index) >> shift;
    uint64_t count = room < wrap ? room : wrap;
    if (count > max)
        count = max;
    if (count > 1 && segment->limit != 0xffffffffu) {
        uint32_t bytes = (uint32_t)count * size, lowest = run->down ? index - (bytes - size) : index;
        if (!cpu_limit_ok(segment, lowest, bytes))
            count = SINGLE;
    }
    span.host = count ? cpu_host_span(v, linear, access) : NULL;
    span.count = span.host ? (uint32_t)count : 0;
    return span;
}

// ---- Flags of a comparison -----------------------------------------------------------------------------------------

static void set_compare_flags(struct vcpu *v, uint32_t a, uint32_t b, unsigned size) {
    unsigned top = size * 8 - 1;
    uint32_t mask = size == 4 ? 0xffffffffu : (1u << size * 8) - 1, result = (a - b) & mask, flags = 0;
    flags |= a < b ? EFLAGS_CF : 0;
    flags |= __builtin_parity(result & 0xff) ? 0 : EFLAGS_PF;
    flags |= (a ^ b ^ result) & EFLAGS_AF;
    flags |= result == 0 ? EFLAGS_ZF : 0;
    flags |= result >> top ? EFLAGS_SF : 0;
    flags |= ((a ^ b) & (a ^ result)) >> top & 1 ? EFLAGS_OF : 0;
    const uint32_t all = EFLAGS_CF | EFLAGS_PF | EFLAGS_AF | EFLAGS_ZF | EFLAGS_SF | EFLAGS_OF;
    v->abi.flags = (v->abi.flags & ~all) | flags;
}

// Does a repeated comparison end with this result?
static bool ends(const struct string_run *run, uint32_t a, uint32_t b) {
    return (a == b) == (run->rep == STRING_REPNE) && run->rep != STRING_ONCE;
}

// ---- One element, with every check and through devices -------------------------------------------------------------

static int read_element(struct vcpu *v, const struct string_run *run, unsigned seg, unsigned reg, uint32_t *value) {
    *value = 0;
    return cpu_read(v, seg, string_index(v, run, reg), value, run->size);
}

// 0 with *last set if a repeated comparison ended, or -1 with no register changed.
static int one_element(struct vcpu *v, const struct string_run *run, bool *last) {
    uint32_t a = cpu_get_reg(v, CPU_EAX, run->size), b;
    bool source = false, destination = false;
    *last = false;
    switch (run->op) {
    case STRING_MOVS:
        if (read_element(v, run, run->seg, CPU_ESI, &a) < 0)
            return -1;
        source = true; // fall through
    case STRING_STOS:
        destination = true;
        if (cpu_write(v, CPU_SEG_ES, string_index(v, run, CPU_EDI), &a, run->size) < 0)
            return -1;
        break;
    case STRING_LODS:
        source = true;
        if (read_element(v, run, run->seg, CPU_ESI, &a) < 0)
            return -1;
        cpu_set_reg(v, CPU_EAX, run->size, a);
        break;
    case STRING_CMPS:
        source = true;
        if (read_element(v, run, run->seg, CPU_ESI, &a) < 0)
            return -1; // fall through
    case STRING_SCAS:
        destination = true;
        if (read_element(v, run, CPU_SEG_ES, CPU_EDI, &b) < 0)
            return -1;
        set_compare_flags(v, a, b, run->size);
        *last = ends(run, a, b);
        break;
    case STRING_INS:
        destination = true;
        if (string_io_element(v, run) < 0)
            return -1;
        break;
    case STRING_OUTS:
        source = true;
        if (string_io_element(v, run) < 0)
            return -1;
        break;
    }
    if (source)
        string_advance(v, run, CPU_ESI, run->step);
    if (destination)
        string_advance(v, run, CPU_EDI, run->step);
    return 0;
}

// ---- Spans ---------------------------------------------------------------------------------------------------------

// Upwards the host's own string instructions serve: fast, and right where the operands overlap so that a later element
// reads what an earlier one wrote. The width is the guest's, or bytes where that cannot be told apart.
// Short ones go in single words, since the host's instructions take some 30 cycles to start.
static void move_short(uint8_t *to, const uint8_t *from, uint64_t bytes) {
    for (; bytes >= 8; bytes -= 8, to += 8, from += 8)
        *(copy_u64 *)to = *(const copy_u64 *)from;
    for (; bytes; bytes--)
        *to++ = *from++;
}

static void move_up(const struct string_run *run, uint8_t *to, const uint8_t *from, uint32_t count) {
    uint64_t bytes = (uint64_t)count * run->size, words = count;
    bool feeds = (uintptr_t)to > (uintptr_t)from && (uintptr_t)to - (uintptr_t)from < bytes;
    if (!feeds && bytes <= SHORT_BYTES)
        move_short(to, from, bytes);
    else if (!feeds || run->size == 1)
        __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes)::"memory");
    else if (run->size == 2)
        __asm__ volatile("rep movsw" : "+D"(to), "+S"(from), "+c"(words)::"memory");
    else
        __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(words)::"memory");
}

static void move_span(const struct string_run *run, uint8_t *to, const uint8_t *from, uint32_t count) {
    if (!run->down) {
        move_up(run, to, from, count);
        return;
    }
    for (; count; count--, to -= run->size, from -= run->size)
        store(to, run->size, load(from, run->size));
}

static void fill_span(const struct string_run *run, uint8_t *to, uint32_t count, uint32_t value) {
    uint64_t words = count;
    if (run->down)
        to -= (uint64_t)(count - 1) * run->size; // the order does not show
    if (count <= SHORT_STORES)
        for (; words; words--, to += run->size)
            store(to, run->size, value);
    else if (run->size == 1)
        __asm__ volatile("rep stosb" : "+D"(to), "+c"(words) : "a"(value) : "memory");
    else if (run->size == 2)
        __asm__ volatile("rep stosw" : "+D"(to), "+c"(words) : "a"(value) : "memory");
    else
        __asm__ volatile("rep stosl" : "+D"(to), "+c"(words) : "a"(value) : "memory");
}

// Compares until the end condition; returns the elements done, with the flags of the last.
static uint32_t compare_span(struct vcpu *v, const struct string_run *run, const uint8_t *left, const uint8_t *right,
                             uint32_t count, bool *last) {
    uint32_t a = cpu_get_reg(v, CPU_EAX, run->size), b = 0, done = 0;
    ptrdiff_t step = (int32_t)run->step;
    *last = false;
    while (done < count && !*last) {
        if (left) {
            a = load(left, run->size);
            left += step;
        }
        b = load(right, run->size);
        right += step;
        done++;
        *last = ends(run, a, b);
    }
    set_compare_flags(v, a, b, run->size);
    return done;
}

// As many of `count` elements as lie in place; returns how many were done, 0 if none can be.
static uint32_t many_elements(struct vcpu *v, const struct string_run *run, uint32_t count, bool *last) {
    bool source = run->op == STRING_MOVS || run->op == STRING_CMPS || run->op == STRING_LODS;
    bool destination = run->op != STRING_LODS;
    struct span from = {NULL, count}, to = {NULL, count};
    *last = false;
    if (run->op == STRING_INS || run->op == STRING_OUTS)
        return 0;
    if (source)
        from = find_span(v, run, run->seg, string_index(v, run, CPU_ESI), MMU_READ, count);
    if (destination && from.count) {
        bool writes = run->op == STRING_MOVS || run->op == STRING_STOS;
        to = find_span(v, run, CPU_SEG_ES, string_index(v, run, CPU_EDI), writes ? MMU_WRITE : MMU_READ, from.count);
    }
    uint32_t done = from.count < to.count ? from.count : to.count;
    if (!done)
        return 0;
    switch (run->op) {
    case STRING_MOVS: move_span(run, to.host, from.host, done); break;
    case STRING_STOS: fill_span(run, to.host, done, v->abi.gpr[CPU_EAX]); break;
    case STRING_LODS: {
        ptrdiff_t end = (ptrdiff_t)(int32_t)run->step * (ptrdiff_t)(done - 1);
        cpu_set_reg(v, CPU_EAX, run->size, load(from.host + end, run->size));
        break;
    }
    default: done = compare_span(v, run, from.host, to.host, done, last); break;
    }
    if (source)
        string_advance(v, run, CPU_ESI, run->step * done);
    if (destination)
        string_advance(v, run, CPU_EDI, run->step * done);
    return done;
}

// ---- The instruction -----------------------------------------------------------------------------------------------

static bool interrupted(const struct vcpu *v) {
    // Under the virtual clock the instruction is one point in time: traps come into its middle, no interrupt does.
    bool request = !v->clock.counts && __atomic_load_n(&v->abi.request, __ATOMIC_RELAXED);
    return request || v->debug.found || (v->abi.sys_flags & EFLAGS_TF) || v->debug.step;
}

static bool is_flat(const struct vcpu *v, unsigned seg) {
    return mode_seg_kind(v->mode, seg) == MODE_SEG_FLAT;
}

// What most are: a copy or a fill upwards that the software TLB knows whole, in flat segments. Done, or false with
// nothing changed.
static bool run_in_place(struct vcpu *v, const struct string_run *run, uint32_t count) {
    bool copies = run->op == STRING_MOVS, fills = run->op == STRING_STOS;
    uint32_t bytes = count * run->size, esi = v->abi.gpr[CPU_ESI], edi = v->abi.gpr[CPU_EDI];
    if (!(copies || fills) || run->down || run->mask != 0xffffffffu || count - 1 >= RAM_PAGE_SIZE / 4 ||
        !is_flat(v, CPU_SEG_ES) || (v->mode & (MODE_ALIGN | MODE_ONE)) || v->debug.step)
        return false;
    uint8_t *to = cpu_tlb_lookup(v, edi, cpu_user(v), bytes, true);
    if (!to)
        return false;
    if (copies) {
        const uint8_t *from = is_flat(v, run->seg) ? cpu_tlb_lookup(v, esi, cpu_user(v), bytes, false) : NULL;
        if (!from)
            return false;
        move_up(run, to, from, count);
        v->abi.gpr[CPU_ESI] = esi + bytes;
    } else {
        fill_span(run, to, count, v->abi.gpr[CPU_EAX]);
    }
    v->abi.gpr[CPU_EDI] = edi + bytes;
    if (run->rep != STRING_ONCE)
        v->abi.gpr[CPU_ECX] = 0;
    return true;
}

enum callout_result callout_STRING(struct vcpu *v, uint32_t r8, uint32_t r9, uint32_t word) {
    (void)r8, (void)word;
    struct string_run run = {.op = STRING_OP(r9),
                             .rep = STRING_REP_KIND(r9),
                             .size = STRING_SIZE(r9),
                             .seg = STRING_SEG(r9),
                             .mask = STRING_ADDRESS16(r9) ? 0xffffu : 0xffffffffu,
                             .down = v->abi.flags & EFLAGS_DF};
    run.step = run.down ? 0u - run.size : run.size;
    bool repeated = run.rep != STRING_ONCE, last;
    uint32_t count = repeated ? string_index(v, &run, CPU_ECX) : 1;
    if (run_in_place(v, &run, count))
        return CALLOUT_CONTINUE;
    // Whether the port is allowed is seen before the count is.
    if ((run.op == STRING_INS || run.op == STRING_OUTS) && !count &&
        cpu_io_check(v, v->abi.gpr[CPU_EDX] & 0xffff, run.size) < 0)
        return callout_failed(v);
    while (count) {
        uint32_t most = (v->abi.sys_flags & EFLAGS_TF) || v->debug.step ? 1 : count;
        uint32_t done = many_elements(v, &run, most, &last);
        if (!done) {
            // A repeated comparison that faults leaves the flags of the last one that was completed: what the direct
            // form shows on AMD hosts. (Intel's manual, vol. 2B, REP, has the flags of the start; both can be
            // resumed.)
            if (one_element(v, &run, &last) < 0)
                return callout_failed(v);
            done = 1;
        }
        count -= done;
        if (repeated)
            string_advance(v, &run, CPU_ECX, 0u - done);
        if (last || !count)
            break;
        if (interrupted(v)) {
            v->abi.sys_flags |= EFLAGS_RF; // in the image that is pushed now (SDM vol. 3B 17.3.1.1)
            return CALLOUT_JUMP;           // back to the same instruction, behind the interrupt or trap
        }
    }
    return CALLOUT_CONTINUE;
}
