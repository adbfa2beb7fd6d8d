// Framing of the GDB remote serial protocol ("Debugging with GDB", appendix E.1): $data#checksum, acknowledgements,
// escapes, and the interrupt byte. Pure: bytes in, packets out; any bytes are survived.
#ifndef MACHINE_GDB_PACKET_H
#define MACHINE_GDB_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GDB_PACKET_MAX 16384 // bytes between $ and #, announced as PacketSize

enum gdb_token {
    GDB_TOKEN_NONE,      // more bytes are needed
    GDB_TOKEN_PACKET,    // packet and length are valid until the next byte is fed
    GDB_TOKEN_BAD,       // a packet with a wrong checksum, or a longer one than fits
    GDB_TOKEN_INTERRUPT, // Ctrl-C
    GDB_TOKEN_ACK,       // the peer has the last packet
    GDB_TOKEN_NAK,       // the peer wants it again
};

struct gdb_reader {
    enum { GDB_READ_IDLE, GDB_READ_DATA, GDB_READ_ESCAPE, GDB_READ_SUM1, GDB_READ_SUM2 } state;
    char packet[GDB_PACKET_MAX + 1]; // unescaped, with a NUL behind it
    size_t length;
    uint8_t sum, expected;
    bool overflow, bad;
};

void gdb_reader_reset(struct gdb_reader *reader);
enum gdb_token gdb_reader_feed(struct gdb_reader *reader, uint8_t byte);

// A reply under construction. What does not fit is dropped and full is set.
struct gdb_reply {
    char text[GDB_PACKET_MAX + 1];
    size_t length;
    bool full;
};

void gdb_reply_clear(struct gdb_reply *reply);
void gdb_reply_text(struct gdb_reply *reply, const char *text);
void gdb_reply_format(struct gdb_reply *reply, const char *format, ...) __attribute__((format(printf, 2, 3)));
void gdb_reply_hex(struct gdb_reply *reply, const void *data, size_t size);    // two digits a byte
void gdb_reply_binary(struct gdb_reply *reply, const void *data, size_t size); // escaped
// The frame around a reply: $...#xx. Returns its length; `frame` has GDB_PACKET_MAX + 4 bytes.
size_t gdb_frame(const struct gdb_reply *reply, char *frame);

// Hexadecimal digits: at most `size` bytes from text, stopping at the first other character. Returns bytes read.
size_t gdb_parse_hex(const char *text, void *data, size_t size);
// A number in hexadecimal of at most 64 bits; *text moves behind it. False if there is none or it is too large.
bool gdb_parse_number(const char **text, uint64_t *value);

#endif
