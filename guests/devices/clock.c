// RTC and 8254: the time is sane and moves on, CMOS memory keeps bytes, counters count down at their rate.
#include "pc.h"

static u32 bcd(u8 v) {
    return (v >> 4) * 10u + (v & 15);
}

static bool settled(void) { // outside an update
    for (u32 i = 0; i < 3000000; i++)
        if (!(rtc_read(RTC_A) & 0x80))
            return true;
    return false;
}

TEST(rtc_time) {
    CHECK(settled());
    CHECK(rtc_read(RTC_D) & 0x80); // valid RAM and time
    u8 b = rtc_read(RTC_B);
    CHECK(b & 2); // 24 hours
    bool binary = b & 4;
    u32 v[6];
    static const u8 regs[6] = {RTC_SECONDS, RTC_MINUTES, RTC_HOURS, RTC_DAY, RTC_MONTH, RTC_YEAR};
    for (unsigned i = 0; i < 6; i++)
        v[i] = binary ? rtc_read(regs[i]) : bcd(rtc_read(regs[i]));
    CHECK(v[0] < 60 && v[1] < 60 && v[2] < 24);
    CHECK(v[3] >= 1 && v[3] <= 31 && v[4] >= 1 && v[4] <= 12);
    CHECK(v[5] >= 24 && v[5] < 100);
    print("     20%02u-%02u-%02u %02u:%02u:%02u\n", v[5], v[4], v[3], v[2], v[1], v[0]);
}

TEST(rtc_moves) {
    u8 first = rtc_read(RTC_SECONDS);
    u64 start = rdtsc();
    u32 tries = 0;
    while (rtc_read(RTC_SECONDS) == first && tries < 20000000)
        tries++;
    CHECK(rtc_read(RTC_SECONDS) != first);
    CHECK(rdtsc() > start);
}

TEST(cmos_memory) {
    u8 saved[16];
    for (u8 i = 0; i < 16; i++)
        saved[i] = rtc_read((u8)(0x60 + i));
    for (u8 i = 0; i < 16; i++)
        rtc_write((u8)(0x60 + i), (u8)(i * 13 + 5));
    for (u8 i = 0; i < 16; i++)
        CHECK_EQ("byte", rtc_read((u8)(0x60 + i)), (u8)(i * 13 + 5));
    for (u8 i = 0; i < 16; i++)
        rtc_write((u8)(0x60 + i), saved[i]);
}

static void speaker_gate(bool open) {
    outb(0x61, (u8)((inb(0x61) & ~3u) | open));
}

TEST(pit_counts_down) {
    speaker_gate(true);
    pit_start(2, PIT_RATE, 0xffff);
    u16 last = pit_count(2);
    u32 changes = 0, wrong = 0;
    for (u32 i = 0; i < 100000 && changes < 100; i++) {
        u16 now = pit_count(2);
        if (now != last) {
            changes++;
            if ((u16)(last - now) > 0x8000 && now < last)
                wrong++;
        }
        last = now;
    }
    CHECK_EQ("changes", changes, 100);
    CHECK_EQ("upwards", wrong, 0);
    speaker_gate(false);
}

TEST(pit_one_shot_output) { // mode 0: the output (port 61h, bit 5) rises at the end
    speaker_gate(true);
    pit_start(2, PIT_ONE_SHOT, 60000); // 50 ms
    CHECK_EQ("low at first", inb(0x61) & 0x20, 0);
    u32 i = 0;
    while (!(inb(0x61) & 0x20) && i < 30000000)
        i++;
    CHECK_EQ("high at the end", inb(0x61) & 0x20, 0x20);
    speaker_gate(false);
}

TEST(pit_read_back) { // status: mode, access, and the count of the same moment
    speaker_gate(true);
    pit_start(2, PIT_RATE, 0x1000);
    outb(0x43, 0xe8); // read-back, status of channel 2 (count not)
    u8 status = inb(0x42);
    CHECK_EQ("mode and access", status & 0x3f, 0x34);
    outb(0x43, 0xd8); // count only
    u16 count = inb(0x42);
    count |= (u16)(inb(0x42) << 8);
    CHECK(count <= 0x1000);
    outb(0x43, 0x80); // latch, then let it run: the latched value stays
    for (volatile u32 i = 0; i < 1000; i++)
        ;
    u8 low = inb(0x42);
    for (volatile u32 i = 0; i < 1000; i++)
        ;
    u8 high = inb(0x42);
    CHECK((u32)(low | high << 8) <= 0x1000);
    speaker_gate(false);
}

static u64 least_cycles(u16 count) { // for a countdown; the least of several, since a host may stop us in one
    u64 least = ~0ull;
    for (unsigned i = 0; i < 8; i++) {
        speaker_gate(true);
        pit_start(2, PIT_ONE_SHOT, count);
        u64 start = rdtsc();
        while (!(inb(0x61) & 0x20))
            ;
        u64 cycles = rdtsc() - start;
        speaker_gate(false);
        if (cycles < least)
            least = cycles;
    }
    return least;
}

TEST(tsc_against_pit) { // 5 ms of the PIT are some hundred thousand or more cycles, and four times that is more
    u64 five = least_cycles(PIT_HZ / 200), twenty = least_cycles(PIT_HZ / 50);
    print("     5 ms are %u thousand cycles, 20 ms %u\n", (u32)(five >> 10), (u32)(twenty >> 10));
    CHECK(five > 500000);
    CHECK(twenty > five);
}

TEST(pic_registers) {
    pic_init();
    for (u32 i = 0; i < 256; i += 51) {
        outb(PIC1 + 1, (u8)i);
        outb(PIC2 + 1, (u8)~i);
        CHECK_EQ("mask", inb(PIC1 + 1), i);
        CHECK_EQ("mask of the second", inb(PIC2 + 1), (u8)~i);
    }
    outb(PIC1 + 1, 0xff);
    outb(PIC2 + 1, 0xff);
}
