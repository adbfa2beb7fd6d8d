// Packets and their meaning: see the header. An unknown packet gets an empty reply, a malformed one an error; nothing
// that a client sends can do more than the packets say.
#include "machine/gdb_stub.h"

#include "machine/gdb_registers.h"

#include <string.h>

#define MEMORY_MAX (GDB_PACKET_MAX / 2)
#define ERROR_ARGS "E16" // EINVAL
#define ERROR_MEM  "E14" // EFAULT

enum { SIGNAL_INT = 2, SIGNAL_TRAP = 5 };

void gdb_stub_init(struct gdb_stub *stub, struct ringshade *machine) {
    memset(stub, 0, sizeof *stub);
    stub->machine = machine;
    stub->description_length = gdb_registers_describe(stub->description, sizeof stub->description);
    gdb_stub_signal(stub, SIGNAL_TRAP);
}

void gdb_stub_reset(struct gdb_stub *stub) {
    stub->no_ack = stub->physical = stub->described = false;
    stub->points = 0;
    vcpu_debug_remove_all(stub->machine->pc.vcpu);
    vcpu_debug_step(stub->machine->pc.vcpu, false);
}

static void set_stop(struct gdb_stub *stub, unsigned signal, const char *what, const uint32_t *address) {
    struct gdb_reply reply = {.length = 0};
    gdb_reply_format(&reply, "T%02x%s", signal, what);
    if (address)
        gdb_reply_format(&reply, "%x;", *address);
    gdb_reply_text(&reply, "thread:1;");
    memcpy(stub->stop, reply.text, reply.length);
    stub->stop[reply.length] = '\0';
}

void gdb_stub_signal(struct gdb_stub *stub, unsigned signal) {
    set_stop(stub, signal, "", NULL);
}

void gdb_stub_stopped(struct gdb_stub *stub) {
    struct cpu_debug_hit hit = vcpu_debug_hit(stub->machine->pc.vcpu);
    const char *what = "";
    if (hit.cause == CPU_DEBUG_POINT) {
        switch (hit.kind) {
        case CPU_POINT_WRITE: what = "watch:"; break;
        case CPU_POINT_READ: what = "rwatch:"; break;
        case CPU_POINT_ACCESS: what = "awatch:"; break;
        case CPU_POINT_EXEC: break;
        }
    }
    set_stop(stub, SIGNAL_TRAP, what, *what ? &hit.linear : NULL);
    if (hit.cause != CPU_DEBUG_POINT || hit.kind != CPU_POINT_EXEC)
        return;
    for (unsigned i = 0; i < stub->points; i++)
        if (stub->point[i].linear == hit.linear && stub->point[i].type <= '1')
            what = stub->point[i].type == '0' ? "swbreak:;" : "hwbreak:;";
    set_stop(stub, SIGNAL_TRAP, what, NULL);
}

// ---- Memory --------------------------------------------------------------------------------------------------------

// "ADDR,LENGTH" up to `end`, which is passed.
static bool parse_range(const char **text, char end, uint64_t *address, uint64_t *length) {
    if (!gdb_parse_number(text, address) || *(*text)++ != ',' || !gdb_parse_number(text, length) || **text != end)
        return false;
    if (end)
        (*text)++;
    return true;
}

static void read_memory(struct gdb_stub *stub, const char *at, struct gdb_reply *reply) {
    static _Thread_local uint8_t data[MEMORY_MAX];
    uint64_t address, length;
    if (!parse_range(&at, '\0', &address, &length)) {
        gdb_reply_text(reply, ERROR_ARGS);
        return;
    }
    size_t size = length < MEMORY_MAX ? (size_t)length : MEMORY_MAX;
    size_t got = gdb_memory_read(stub->machine, address, stub->physical, data, size);
    if (!got && size)
        gdb_reply_text(reply, ERROR_MEM);
    else
        gdb_reply_hex(reply, data, got);
}

static void write_memory(struct gdb_stub *stub, const char *at, const char *end, bool binary, struct gdb_reply *reply) {
    static _Thread_local uint8_t data[GDB_PACKET_MAX];
    uint64_t address, length;
    if (!parse_range(&at, ':', &address, &length) || length > sizeof data) {
        gdb_reply_text(reply, ERROR_ARGS);
        return;
    }
    size_t size = (size_t)length;
    bool whole = binary ? (size_t)(end - at) == size : gdb_parse_hex(at, data, size) == size && at + 2 * size == end;
    if (!whole)
        gdb_reply_text(reply, ERROR_ARGS);
    else if (gdb_memory_write(stub->machine, address, stub->physical, binary ? (const void *)at : data, size) != size)
        gdb_reply_text(reply, ERROR_MEM);
    else
        gdb_reply_text(reply, "OK");
}

// ---- Registers -----------------------------------------------------------------------------------------------------

static void access_registers(struct gdb_stub *stub, const char *packet, struct gdb_reply *reply) {
    struct vcpu *v = stub->machine->pc.vcpu;
    const char *at = packet + 1;
    uint64_t number;
    switch (packet[0]) {
    case 'g': gdb_registers_read(v, stub->described ? gdb_register_count : GDB_REGISTERS_PLAIN, reply); return;
    case 'G': gdb_reply_text(reply, gdb_registers_write(v, at) ? ERROR_ARGS : "OK"); return;
    case 'p':
        if (!gdb_parse_number(&at, &number) || *at || number >= gdb_register_count)
            gdb_reply_text(reply, ERROR_ARGS);
        else
            gdb_register_read(v, (unsigned)number, reply);
        return;
    default:
        if (!gdb_parse_number(&at, &number) || *at != '=' || number >= gdb_register_count ||
            gdb_register_write(v, (unsigned)number, at + 1))
            gdb_reply_text(reply, ERROR_ARGS);
        else
            gdb_reply_text(reply, "OK");
    }
}

// ---- Breakpoints ---------------------------------------------------------------------------------------------------

static enum cpu_point_kind kind_of(char type) {
    switch (type) {
    case '2': return CPU_POINT_WRITE;
    case '3': return CPU_POINT_READ;
    case '4': return CPU_POINT_ACCESS;
    default: return CPU_POINT_EXEC;
    }
}

static unsigned find_point(const struct gdb_stub *stub, const struct gdb_point *point) {
    unsigned i = 0;
    while (i < stub->points && (stub->point[i].type != point->type || stub->point[i].linear != point->linear ||
                                stub->point[i].length != point->length))
        i++;
    return i;
}

static int insert(struct gdb_stub *stub, const struct gdb_point *point) {
    if (find_point(stub, point) < stub->points)
        return 0;
    if (stub->points == GDB_POINTS_MAX ||
        vcpu_debug_insert(stub->machine->pc.vcpu, kind_of(point->type), point->linear, point->length))
        return -1;
    stub->point[stub->points++] = *point;
    return 0;
}

static int withdraw(struct gdb_stub *stub, const struct gdb_point *point) {
    unsigned i = find_point(stub, point);
    if (i == stub->points)
        return 0;
    stub->point[i] = stub->point[--stub->points];
    struct gdb_point twin = *point; // Z0 and Z1 at one address are one point of the processor
    twin.type = point->type == '0' ? '1' : '0';
    if (point->type <= '1' && find_point(stub, &twin) < stub->points)
        return 0;
    return vcpu_debug_remove(stub->machine->pc.vcpu, kind_of(point->type), point->linear, point->length);
}

static void change_point(struct gdb_stub *stub, const char *packet, struct gdb_reply *reply) {
    uint64_t address, length;
    if (packet[1] < '0' || packet[1] > '4')
        return; // unknown types are unsupported, not wrong
    const char *at = packet + 2;
    // Conditions, which we do not announce, would stand behind a semicolon.
    if (*at++ != ',' || !gdb_parse_number(&at, &address) || *at++ != ',' || !gdb_parse_number(&at, &length) || *at ||
        address > UINT32_MAX || length > CPU_POINT_LENGTH_MAX) {
        gdb_reply_text(reply, ERROR_ARGS);
        return;
    }
    struct gdb_point point = {packet[1], (uint32_t)address, packet[1] <= '1' ? 1 : (uint32_t)length};
    int result = packet[0] == 'Z' ? insert(stub, &point) : withdraw(stub, &point);
    gdb_reply_text(reply, result ? "E28" : "OK"); // ENOSPC
}

// ---- Running -------------------------------------------------------------------------------------------------------

// c, s [ADDR]; C, S SIGNAL[;ADDR]: signals mean nothing to a machine.
static enum gdb_action resume(struct gdb_stub *stub, const char *packet, struct gdb_reply *reply) {
    const char *at = packet + 1;
    uint64_t value;
    bool signal = packet[0] == 'C' || packet[0] == 'S';
    bool bad = signal && !gdb_parse_number(&at, &value);
    bool address = signal ? *at == ';' : *at != '\0';
    at += signal && address;
    if (!bad && address) {
        struct cpu_state state;
        bad = !gdb_parse_number(&at, &value) || value > UINT32_MAX;
        if (!bad && !*at) {
            vcpu_get_state(stub->machine->pc.vcpu, &state);
            state.eip = (uint32_t)value;
            vcpu_set_state(stub->machine->pc.vcpu, &state);
        }
    }
    if (bad || *at) {
        gdb_reply_text(reply, ERROR_ARGS);
        return GDB_ACTION_REPLY;
    }
    return packet[0] == 's' || packet[0] == 'S' ? GDB_ACTION_STEP : GDB_ACTION_RUN;
}

// vCont;ACTION[:THREAD]...: there is one thread, so the first action counts.
static enum gdb_action resume_threads(const char *packet, struct gdb_reply *reply) {
    switch (packet[6]) {
    case 'c':
    case 'C': return GDB_ACTION_RUN;
    case 's':
    case 'S': return GDB_ACTION_STEP;
    default: gdb_reply_text(reply, ERROR_ARGS); return GDB_ACTION_REPLY;
    }
}

// ---- Queries -------------------------------------------------------------------------------------------------------

static bool starts(const char *text, const char *with) {
    return !strncmp(text, with, strlen(with));
}

static void transfer(struct gdb_stub *stub, const char *at, struct gdb_reply *reply) {
    uint64_t offset, length;
    if (!starts(at, "target.xml:")) {
        gdb_reply_text(reply, "E00"); // no such annex
        return;
    }
    at += strlen("target.xml:");
    if (!parse_range(&at, '\0', &offset, &length)) {
        gdb_reply_text(reply, ERROR_ARGS);
        return;
    }
    stub->described = true;
    size_t size = stub->description_length;
    if (offset > size)
        offset = size;
    if (length > size - offset)
        length = size - offset;
    if (length > GDB_PACKET_MAX / 2)
        length = GDB_PACKET_MAX / 2;
    gdb_reply_text(reply, offset + length == size ? "l" : "m");
    gdb_reply_binary(reply, stub->description + offset, (size_t)length);
}

static enum gdb_action monitor(struct gdb_stub *stub, const char *hex, struct gdb_reply *reply,
                               struct gdb_reply *console) {
    char line[256];
    size_t n = gdb_parse_hex(hex, line, sizeof line - 1);
    line[n] = '\0';
    if (hex[2 * n]) {
        gdb_reply_text(reply, ERROR_ARGS);
        return GDB_ACTION_REPLY;
    }
    enum gdb_action action = gdb_monitor_command(stub->machine, line, console);
    gdb_reply_text(reply, "OK");
    return action;
}

static enum gdb_action query(struct gdb_stub *stub, const char *packet, struct gdb_reply *reply,
                             struct gdb_reply *console) {
    if (starts(packet, "qSupported"))
        gdb_reply_format(reply, "PacketSize=%x;qXfer:features:read+;vContSupported+;swbreak+;hwbreak+;QStartNoAckMode+",
                         GDB_PACKET_MAX);
    else if (starts(packet, "qXfer:features:read:"))
        transfer(stub, packet + strlen("qXfer:features:read:"), reply);
    else if (starts(packet, "qRcmd,"))
        return monitor(stub, packet + strlen("qRcmd,"), reply, console);
    else if (!strcmp(packet, "qC"))
        gdb_reply_text(reply, "QC1");
    else if (!strcmp(packet, "qfThreadInfo"))
        gdb_reply_text(reply, "m1");
    else if (!strcmp(packet, "qsThreadInfo"))
        gdb_reply_text(reply, "l");
    else if (starts(packet, "qAttached"))
        gdb_reply_text(reply, "1");
    else if (starts(packet, "qSymbol"))
        gdb_reply_text(reply, "OK");
    else if (!strcmp(packet, "qqemu.PhyMemMode"))
        gdb_reply_text(reply, stub->physical ? "1" : "0");
    return GDB_ACTION_REPLY;
}

static void set(struct gdb_stub *stub, const char *packet, struct gdb_reply *reply) {
    if (!strcmp(packet, "QStartNoAckMode")) {
        stub->no_ack = true;
        gdb_reply_text(reply, "OK");
    } else if (starts(packet, "Qqemu.PhyMemMode:")) {
        stub->physical = packet[strlen("Qqemu.PhyMemMode:")] == '1';
        gdb_reply_text(reply, "OK");
    }
}

static enum gdb_action verbose(const char *packet, struct gdb_reply *reply) {
    if (!strcmp(packet, "vCont?"))
        gdb_reply_text(reply, "vCont;c;C;s;S");
    else if (starts(packet, "vCont;"))
        return resume_threads(packet, reply);
    else if (starts(packet, "vKill")) {
        gdb_reply_text(reply, "OK");
        return GDB_ACTION_KILL;
    }
    return GDB_ACTION_REPLY;
}

enum gdb_action gdb_stub_command(struct gdb_stub *stub, const char *packet, size_t length, struct gdb_reply *reply,
                                 struct gdb_reply *console) {
    gdb_reply_clear(reply);
    gdb_reply_clear(console);
    switch (packet[0]) {
    case '?': gdb_reply_text(reply, stub->stop); break;
    case 'g':
    case 'G':
    case 'p':
    case 'P': access_registers(stub, packet, reply); break;
    case 'm': read_memory(stub, packet + 1, reply); break;
    case 'M': write_memory(stub, packet + 1, packet + length, false, reply); break;
    case 'X': write_memory(stub, packet + 1, packet + length, true, reply); break;
    case 'Z':
    case 'z': change_point(stub, packet, reply); break;
    case 'c':
    case 'C':
    case 's':
    case 'S': return resume(stub, packet, reply);
    case 'H':
    case 'T': gdb_reply_text(reply, "OK"); break; // there is one thread
    case 'D': gdb_reply_text(reply, "OK"); return GDB_ACTION_DETACH;
    case 'k': return GDB_ACTION_KILL;
    case 'q': return query(stub, packet, reply, console);
    case 'Q': set(stub, packet, reply); break;
    case 'v': return verbose(packet, reply);
    default: break;
    }
    return GDB_ACTION_REPLY;
}
