// The keyboard controller: self test, command byte, the keyboard's answers to reset and echo.
#include "pc.h"

enum { STATUS = 0x64, COMMAND = 0x64, DATA = 0x60, OUTPUT_FULL = 1, INPUT_FULL = 2 };

static bool command(u8 port, u8 value) {
    for (u32 i = 0; i < 1000000; i++)
        if (!(inb(STATUS) & INPUT_FULL)) {
            outb(port, value);
            return true;
        }
    return false;
}

static int answer(void) {
    for (u32 i = 0; i < 1000000; i++)
        if (inb(STATUS) & OUTPUT_FULL)
            return inb(DATA);
    return -1;
}

static void drain(void) {
    for (u32 i = 0; i < 64 && inb(STATUS) & OUTPUT_FULL; i++)
        inb(DATA);
}

TEST(controller_self_test) {
    drain();
    CHECK(command(COMMAND, 0xaa));
    CHECK_EQ("passed", answer(), 0x55);
}

TEST(controller_command_byte) {
    drain();
    command(COMMAND, 0x20);
    int before = answer();
    CHECK(before >= 0);
    command(COMMAND, 0x60);
    command(DATA, 0x44); // translation, system flag, no interrupts
    command(COMMAND, 0x20);
    CHECK_EQ("kept", answer(), 0x44);
    command(COMMAND, 0x60);
    command(DATA, (u8)before);
}

TEST(keyboard_answers) {
    drain();
    command(COMMAND, 0xae); // enable the keyboard
    drain();
    command(DATA, 0xee);
    CHECK_EQ("echo", answer(), 0xee);
    command(DATA, 0xff);
    CHECK_EQ("acknowledge", answer(), 0xfa);
    CHECK_EQ("self test", answer(), 0xaa);
    drain();
    CHECK_EQ("nothing more", inb(STATUS) & OUTPUT_FULL, 0);
}
