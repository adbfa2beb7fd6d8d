// Framing of the GDB remote serial protocol: see the header. Nothing here knows what packets mean.
#include "machine/gdb_packet.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define INTERRUPT 0x03
#define ESCAPE    0x7d
#define FLIP      0x20

void gdb_reader_reset(struct gdb_reader *reader) {
    reader->state = GDB_READ_IDLE;
    reader->length = 0;
}

static int digit_of(int c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static void begin(struct gdb_reader *reader) {
    reader->state = GDB_READ_DATA;
    reader->length = 0;
    reader->sum = 0;
    reader->overflow = reader->bad = false;
}

static void store(struct gdb_reader *reader, uint8_t byte) {
    if (reader->length < GDB_PACKET_MAX)
        reader->packet[reader->length++] = (char)byte;
    else
        reader->overflow = true;
}

static enum gdb_token feed_idle(struct gdb_reader *reader, uint8_t byte) {
    switch (byte) {
    case '$': begin(reader); return GDB_TOKEN_NONE;
    case '+': return GDB_TOKEN_ACK;
    case '-': return GDB_TOKEN_NAK;
    case INTERRUPT: return GDB_TOKEN_INTERRUPT;
    default: return GDB_TOKEN_NONE; // noise
    }
}

static enum gdb_token finish(struct gdb_reader *reader) {
    reader->state = GDB_READ_IDLE;
    reader->packet[reader->length] = '\0';
    return reader->bad || reader->overflow || reader->sum != reader->expected ? GDB_TOKEN_BAD : GDB_TOKEN_PACKET;
}

enum gdb_token gdb_reader_feed(struct gdb_reader *reader, uint8_t byte) {
    int digit = digit_of(byte);
    switch (reader->state) {
    case GDB_READ_IDLE: return feed_idle(reader, byte);
    case GDB_READ_DATA:
        if (byte == '#') {
            reader->state = GDB_READ_SUM1;
        } else if (byte == '$') {
            begin(reader); // the packet before it was cut off
        } else {
            reader->sum = (uint8_t)(reader->sum + byte);
            if (byte == ESCAPE)
                reader->state = GDB_READ_ESCAPE;
            else
                store(reader, byte);
        }
        return GDB_TOKEN_NONE;
    case GDB_READ_ESCAPE:
        reader->sum = (uint8_t)(reader->sum + byte);
        store(reader, byte ^ FLIP);
        reader->state = GDB_READ_DATA;
        return GDB_TOKEN_NONE;
    case GDB_READ_SUM1:
        reader->bad |= digit < 0;
        reader->expected = (uint8_t)((digit & 0xf) << 4);
        reader->state = GDB_READ_SUM2;
        return GDB_TOKEN_NONE;
    case GDB_READ_SUM2:
        reader->bad |= digit < 0;
        reader->expected = (uint8_t)(reader->expected | (digit & 0xf));
        return finish(reader);
    }
    return GDB_TOKEN_NONE;
}

// ---- Replies -------------------------------------------------------------------------------------------------------

void gdb_reply_clear(struct gdb_reply *reply) {
    reply->length = 0;
    reply->full = false;
}

static void add(struct gdb_reply *reply, char c) {
    if (reply->length < GDB_PACKET_MAX)
        reply->text[reply->length++] = c;
    else
        reply->full = true;
}

void gdb_reply_text(struct gdb_reply *reply, const char *text) {
    while (*text)
        add(reply, *text++);
}

void gdb_reply_format(struct gdb_reply *reply, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    gdb_reply_text(reply, text);
}

void gdb_reply_hex(struct gdb_reply *reply, const void *data, size_t size) {
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++) {
        add(reply, digits[bytes[i] >> 4]);
        add(reply, digits[bytes[i] & 15]);
    }
}

void gdb_reply_binary(struct gdb_reply *reply, const void *data, size_t size) {
    const char *bytes = data;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '$' || bytes[i] == '#' || bytes[i] == '}' || bytes[i] == '*') {
            add(reply, ESCAPE);
            add(reply, (char)(bytes[i] ^ FLIP));
        } else {
            add(reply, bytes[i]);
        }
    }
}

size_t gdb_frame(const struct gdb_reply *reply, char *frame) {
    static const char digits[] = "0123456789abcdef";
    uint8_t sum = 0;
    frame[0] = '$';
    for (size_t i = 0; i < reply->length; i++) {
        frame[1 + i] = reply->text[i];
        sum = (uint8_t)(sum + (uint8_t)reply->text[i]);
    }
    char *end = frame + 1 + reply->length;
    end[0] = '#';
    end[1] = digits[sum >> 4];
    end[2] = digits[sum & 15];
    return reply->length + 4;
}

// ---- Numbers -------------------------------------------------------------------------------------------------------

size_t gdb_parse_hex(const char *text, void *data, size_t size) {
    uint8_t *bytes = data;
    size_t n = 0;
    for (; n < size; n++, text += 2) {
        int high = digit_of((unsigned char)text[0]), low = high < 0 ? -1 : digit_of((unsigned char)text[1]);
        if (low < 0)
            break;
        bytes[n] = (uint8_t)(high << 4 | low);
    }
    return n;
}

bool gdb_parse_number(const char **text, uint64_t *value) {
    uint64_t result = 0;
    unsigned count = 0;
    for (int digit; (digit = digit_of((unsigned char)**text)) >= 0; (*text)++) {
        if (result >> 60)
            return false;
        result = result << 4 | (uint64_t)digit;
        count++;
    }
    *value = result;
    return count > 0;
}
