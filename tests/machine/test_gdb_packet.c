// The framing of the gdb protocol: what is a packet, and that no bytes whatever do harm.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "machine/gdb_packet.h"

#include <stdlib.h>
#include <string.h>

static struct gdb_reader reader;

// Feeds a text; returns the last token that was not NONE.
static enum gdb_token feed(const char *bytes, size_t size) {
    enum gdb_token last = GDB_TOKEN_NONE;
    for (size_t i = 0; i < size; i++) {
        enum gdb_token token = gdb_reader_feed(&reader, (uint8_t)bytes[i]);
        if (token != GDB_TOKEN_NONE)
            last = token;
    }
    return last;
}
#define FEED(text) feed(text, sizeof(text) - 1)

static void packets(void **state) {
    (void)state;
    gdb_reader_reset(&reader);
    assert_int_equal(FEED("$g#67"), GDB_TOKEN_PACKET);
    assert_string_equal(reader.packet, "g");
    assert_int_equal(FEED("$#00"), GDB_TOKEN_PACKET);
    assert_int_equal(reader.length, 0);
    assert_int_equal(FEED("noise$m0,4#fd"), GDB_TOKEN_PACKET);
    assert_string_equal(reader.packet, "m0,4");
    assert_int_equal(FEED("+"), GDB_TOKEN_ACK);
    assert_int_equal(FEED("-"), GDB_TOKEN_NAK);
    assert_int_equal(FEED("\x03"), GDB_TOKEN_INTERRUPT);
    assert_int_equal(FEED("$a}\x03z#5b"), GDB_TOKEN_PACKET); // an escaped number sign
    assert_int_equal(reader.length, 3);
    assert_memory_equal(reader.packet, "a#z", 3);
}

static void broken_packets(void **state) {
    (void)state;
    gdb_reader_reset(&reader);
    assert_int_equal(FEED("$g#68"), GDB_TOKEN_BAD);
    assert_int_equal(FEED("$g#x7"), GDB_TOKEN_BAD);
    assert_int_equal(FEED("$g#6"), GDB_TOKEN_NONE);
    assert_int_equal(FEED("$"), GDB_TOKEN_BAD); // in the place of a digit
    assert_int_equal(FEED("$abc$g#67"), GDB_TOKEN_PACKET);
    assert_string_equal(reader.packet, "g");
    assert_int_equal(FEED("$"), GDB_TOKEN_NONE);
    for (unsigned i = 0; i < GDB_PACKET_MAX + 100; i++)
        assert_int_equal(gdb_reader_feed(&reader, 'a'), GDB_TOKEN_NONE);
    assert_int_equal(FEED("#00"), GDB_TOKEN_BAD);
    assert_int_equal(FEED("$g#67"), GDB_TOKEN_PACKET);
}

static void any_bytes(void **state) {
    (void)state;
    static const char liked[] = "$#}+-\x03"
                                "0aF";
    srand(1);
    gdb_reader_reset(&reader);
    for (unsigned i = 0; i < 1000000; i++) {
        int byte = rand() % 3 ? rand() & 0xff : liked[rand() % (int)(sizeof liked - 1)];
        enum gdb_token token = gdb_reader_feed(&reader, (uint8_t)byte);
        if (token == GDB_TOKEN_PACKET) {
            assert_true(reader.length <= GDB_PACKET_MAX);
            assert_int_equal(reader.packet[reader.length], 0);
        }
    }
}

static void replies(void **state) {
    (void)state;
    static struct gdb_reply reply;
    static char frame[GDB_PACKET_MAX + 4];
    gdb_reply_clear(&reply);
    gdb_reply_format(&reply, "%s%02x", "T", 5u);
    assert_int_equal(gdb_frame(&reply, frame), 7);
    assert_memory_equal(frame, "$T05#b9", 7);
    gdb_reply_clear(&reply);
    gdb_reply_hex(&reply, "\x01\xab", 2);
    gdb_reply_binary(&reply, "#}", 2);
    assert_int_equal(reply.length, 8);
    assert_memory_equal(reply.text, "01ab}\x03}]", 8);
    while (!reply.full)
        gdb_reply_text(&reply, "xxxxxxxx");
    assert_int_equal(reply.length, GDB_PACKET_MAX);
    // What was framed comes back.
    size_t size = gdb_frame(&reply, frame);
    gdb_reader_reset(&reader);
    assert_int_equal(feed(frame, size), GDB_TOKEN_PACKET);
    assert_int_equal(reader.length, GDB_PACKET_MAX - 2); // two escapes
}

static void numbers(void **state) {
    (void)state;
    uint64_t value;
    uint8_t bytes[4];
    const char *at = "1fF,";
    assert_true(gdb_parse_number(&at, &value));
    assert_int_equal(value, 0x1ff);
    assert_int_equal(*at, ',');
    at = "";
    assert_false(gdb_parse_number(&at, &value));
    at = "11112222333344445";
    assert_false(gdb_parse_number(&at, &value));
    assert_int_equal(gdb_parse_hex("0102f", bytes, 4), 2);
    assert_int_equal(gdb_parse_hex("zz", bytes, 4), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets), cmocka_unit_test(broken_packets), cmocka_unit_test(any_bytes),
        cmocka_unit_test(replies), cmocka_unit_test(numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
