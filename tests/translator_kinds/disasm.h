// Golden texts: one or more guest instructions translated as a block, and its host code as one line of text. Names
// stand for the fields of struct vcpu_abi and for stubs, so that a golden text outlives a change of layout.
#ifndef TESTS_TRANSLATOR_KINDS_DISASM_H
#define TESTS_TRANSLATOR_KINDS_DISASM_H

#include <stddef.h>
#include <stdint.h>

#define GOLDEN_OFFSET 0x100u // of the block in its page

// Flat 32-bit direct code at CPL 0, every instruction a block of its own.
#define GOLDEN_MODE (MODE_CODE32 | MODE_STACK32 | MODE_IOPL_OK | MODE_ONE)

// Translates and prints: instructions joined by "; ", from the link entry to the exit behind the last instruction,
// which is left out where it is the ordinary one of MODE_ONE. The text is valid until the next call.
const char *golden(const uint8_t *bytes, size_t size, uint32_t mode);

// Fails the test with both texts if they differ.
#define assert_golden(mode, expected, ...)                                                                             \
    do {                                                                                                               \
        const uint8_t golden_bytes[] = {__VA_ARGS__};                                                                  \
        assert_string_equal(golden(golden_bytes, sizeof golden_bytes, mode), expected);                                \
    } while (0)

#endif
