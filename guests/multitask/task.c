// The tasks' program. Its code lies in the user section and uses no absolute address but through its arguments, so it
// runs wherever it is mapped.
#include "multitask.h"

#define USER __attribute__((section(".usertext"), noinline))

__asm__(".pushsection .usertext, \"ax\"\n.balign 4096\n.globl task_start\ntask_start:\n.popsection");

USER static u32 next(u32 *seed) {
    *seed = *seed * 1664525 + 1013904223;
    return *seed;
}

USER static u32 fold(const u32 *words, u32 count, u32 sum) {
    for (u32 i = 0; i < count; i++) {
        sum ^= words[i] + i;
        sum = sum << 7 | sum >> 25;
    }
    return sum;
}

USER static u32 fib(u32 n) {
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

USER static u32 strings(u32 *words, u32 sum) { // copies forwards and backwards, then searches
    u32 *from = words, *to = words + 64, count = 48, found = 0;
    __asm__ volatile("rep movsl" : "+S"(from), "+D"(to), "+c"(count)::"memory");
    from = words + 63;
    to = words + 127;
    count = 10;
    __asm__ volatile("std; rep movsl; cld" : "+S"(from), "+D"(to), "+c"(count)::"memory");
    const u8 *at = (const u8 *)words;
    count = 256;
    __asm__ volatile("repne scasb; setz %b2" : "+D"(at), "+c"(count), "+q"(found) : "a"(sum & 0xff) : "cc", "memory");
    return sum + count + found;
}

USER static u32 system_call(u32 number, u32 argument) {
    u32 result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(argument) : "memory", "cc");
    return result;
}

USER u32 task_program(struct work *work, u32 *heap, u32 heap_words, bool syscalls) {
    u32 sum = work->seed;
    for (u32 round = 0; round < work->rounds; round++) {
        u32 r = next(&work->seed);
        u32 *page = heap + (r >> 8) % (heap_words / 1024 - 1) * 1024 + 64;
        page[r & 255] += r;
        switch (r >> 28 & 7) {
        case 0: sum = fold(page, 300, sum); break;
        case 1: sum += fib(10 + (r >> 16 & 3)); break;
        case 2: sum = strings(page, sum); break;
        case 3:
            for (u32 i = 0; i < 500; i++)
                sum = sum * 31 + (page[i & 255] ^ i);
            break;
        case 4:
            page[(r >> 4) & 511] ^= sum;
            sum = (sum >> 3 | sum << 29) - r;
            break;
        default:
            work->calls++;
            if (syscalls)
                sum += system_call(SYS_PID, 0) * 0 + (r & 15);
            else
                sum += r & 15;
            if (syscalls && (r & 0x300) == 0)
                system_call(SYS_YIELD, 0);
            break;
        }
    }
    work->sum = sum;
    return sum;
}

// A task's first instructions: EBX = heap, ESI = its number of words; the result goes to SYS_EXIT.
__asm__(".pushsection .usertext, \"ax\"\n.globl task_entry, task_end\ntask_entry:\n"
        "push $1\n push %esi\n push %ebx\n push %ebx\n call task_program\n mov %eax, %ebx\n mov $3, %eax\n int $0x80\n "
        "ud2\n"
        ".balign 4096\ntask_end:\n.popsection");
