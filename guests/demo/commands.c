// What the shell can do.
#include "demo.h"

static void help(const char *arguments) {
    (void)arguments;
    for (const struct command *c = commands; c->name; c++)
        print("  %8s %s\r\n", c->name, c->help);
}

static void mem(const char *arguments) {
    (void)arguments;
    print("%u KiB above 1 MiB\r\n", memory_kib());
}

static void cpu(const char *arguments) {
    (void)arguments;
    u32 r[4];
    char vendor[13] = {0};
    cpuid(0, r);
    memcpy(vendor, &r[1], 4);
    memcpy(vendor + 4, &r[3], 4);
    memcpy(vendor + 8, &r[2], 4);
    u32 leaves = r[0];
    cpuid(1, r);
    print("%s, %u leaves, family %u model %u stepping %u, features %08x %08x\r\n", vendor, leaves, r[0] >> 8 & 15,
          (r[0] >> 4 & 15) | (r[0] >> 12 & 0xf0), r[0] & 15, r[3], r[2]);
}

static void ticks(const char *arguments) {
    (void)arguments;
    u32 t = console_ticks();
    print("%u ticks, %u.%02u seconds\r\n", t, t / TICK_HZ, t % TICK_HZ);
}

static void primes(const char *arguments) {
    enum { MOST = 2000000 };
    static u8 composite[MOST + 1];
    u32 n = 0;
    for (; *arguments >= '0' && *arguments <= '9'; arguments++)
        n = n > MOST ? n : n * 10 + (u32)(*arguments - '0');
    if (n < 2 || n > MOST) {
        print("primes N: N from 2 to %u\r\n", (u32)MOST);
        return;
    }
    u32 start = console_ticks(), count = 0, last = 0;
    memset(composite, 0, n + 1);
    for (u32 i = 2; i <= n; i++) {
        if (composite[i])
            continue;
        count++;
        last = i;
        if (i <= n / i)
            for (u32 k = i * i; k <= n; k += i)
                composite[k] = 1;
    }
    u32 t = console_ticks() - start;
    print("%u primes up to %u, the last is %u; %u.%02u seconds\r\n", count, n, last, t / TICK_HZ, t % TICK_HZ);
}

static void leave(const char *arguments) {
    (void)arguments;
    print("good-bye\r\n");
    cli();
    guest_exit(0);
}

const struct command commands[] = {
    {"help", "this list", help},
    {"mem", "memory of this machine", mem},
    {"cpuid", "the processor as it presents itself", cpu},
    {"ticks", "timer interrupts since the start", ticks},
    {"primes", "N: counts the primes up to N", primes},
    {"exit", "ends the machine", leave},
    {NULL, NULL, NULL},
};
