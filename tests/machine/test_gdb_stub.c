// The commands of the gdb protocol on a fake processor: replies, what they change, and malformed packets of every kind.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "machine/gdb_registers.h"
#include "machine/gdb_stub.h"
#include "tests/machine/fake_cpu.h"

#include <stdlib.h>
#include <string.h>

struct fixture {
    struct ringshade *machine;
    struct gdb_stub stub;
    struct gdb_reply reply, console;
};

static int setup(void **state) {
    struct ringshade_config config = ringshade_default_config();
    struct fixture *f = calloc(1, sizeof *f);
    if (!f)
        return -1;
    config.memory = 16u << 20;
    f->machine = ringshade_create(&config, NULL);
    if (!f->machine)
        return -1;
    gdb_stub_init(&f->stub, f->machine);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    ringshade_destroy(f->machine);
    free(f);
    return 0;
}

static enum gdb_action send(struct fixture *f, const char *packet) {
    enum gdb_action action = gdb_stub_command(&f->stub, packet, strlen(packet), &f->reply, &f->console);
    f->reply.text[f->reply.length] = '\0';
    f->console.text[f->console.length] = '\0';
    return action;
}

static void expect(struct fixture *f, const char *packet, const char *reply) {
    assert_int_equal(send(f, packet), GDB_ACTION_REPLY);
    assert_string_equal(f->reply.text, reply);
}

static void registers(void **state) {
    struct fixture *f = *state;
    struct vcpu *v = f->machine->pc.vcpu;
    v->state.gpr[CPU_EBX] = 0x12345678;
    v->state.seg[CPU_SEG_GS].selector = 0x33;
    v->fx[4] = 0x80; // one register, full, at TOP 7: 1.0
    v->fx[3] = 7 << 3;
    memcpy(v->fx + 32, "\0\0\0\0\0\0\0\x80\xff\x3f", 10);
    expect(f, "p3", "78563412");
    expect(f, "pf", "33000000");
    expect(f, "p10", "0000000000000080ff3f");
    expect(f, "p1a", "ff3f0000");
    expect(f, "p2d", "00080000"); // EFER
    expect(f, "P3=efbeadde", "OK");
    assert_int_equal(v->state.gpr[CPU_EBX], 0xdeadbeef);
    expect(f, "P2d=00000000", "E16");
    expect(f, "P3=efbe", "E16");
    expect(f, "Pf=2b000000", "OK");
    assert_int_equal(v->state.seg[CPU_SEG_GS].selector, 0x2b);
    expect(f, "p999", "E16");
    send(f, "g");
    assert_int_equal(f->reply.length, 2 * (16 * 4 + 8 * 10 + 8 * 4 + 8 * 16 + 4));
    f->stub.described = true;
    send(f, "g");
    char all[GDB_PACKET_MAX + 2] = "G";
    memcpy(all + 1, f->reply.text, f->reply.length + 1);
    memcpy(all + 1, "01000000", 8);
    expect(f, all, "OK");
    assert_int_equal(v->state.gpr[CPU_EAX], 1);
    assert_int_equal(v->state.gpr[CPU_EBX], 0xdeadbeef);
    all[strlen(all) - 1] = '\0';
    expect(f, all, "E16");
}

static void memory(void **state) {
    struct fixture *f = *state;
    expect(f, "M1000,4:01020304", "OK");
    expect(f, "m1000,4", "01020304");
    expect(f, "m80001002,2", "0304"); // through the tables
    expect(f, "mc0000000,4", "E14");  // not mapped
    expect(f, "mffffff,4", "00");     // as much as there is
    expect(f, "mfffffffff,4", "E14");
    expect(f, "m1000", "E16");
    expect(f, "M1000,4:0102", "E16");
    expect(f, "M1000,1:0102", "E16");
    expect(f, "Mc0000000,1:00", "E14");
    expect(f, "Qqemu.PhyMemMode:1", "OK");
    expect(f, "qqemu.PhyMemMode", "1");
    expect(f, "m80001002,2", "E14");
    expect(f, "m1002,2", "0304");
    assert_int_equal(gdb_stub_command(&f->stub, "X1000,3:a\0b", 11, &f->reply, &f->console), GDB_ACTION_REPLY);
    expect(f, "m1000,4", "61006204");
}

static void points(void **state) {
    struct fixture *f = *state;
    struct vcpu *v = f->machine->pc.vcpu;
    expect(f, "Z0,1000,1", "OK");
    expect(f, "Z1,1000,1", "OK");
    expect(f, "Z1,1000,1", "OK");
    expect(f, "Z2,2000,4", "OK");
    assert_int_equal(f->stub.points, 3);
    v->points = 2;
    expect(f, "z0,1000,1", "OK"); // its twin stays
    assert_int_equal(v->points, 2);
    expect(f, "z1,1000,1", "OK");
    assert_int_equal(v->points, 1);
    expect(f, "z4,2000,4", "OK"); // was never there
    expect(f, "Z5,1000,1", "");
    expect(f, "Z2,1000", "E16");
    expect(f, "Z2,100000000,1", "E16");
    expect(f, "Z2,1000,100000", "E16");
    gdb_stub_stopped(&f->stub);
    expect(f, "?", "T05watch:1234;thread:1;");
    for (unsigned i = 0; i < 2 * GDB_POINTS_MAX; i++) {
        char packet[32];
        snprintf(packet, sizeof packet, "Z2,%x,1", i);
        send(f, packet);
    }
    assert_int_equal(f->stub.points, GDB_POINTS_MAX);
    assert_string_equal(f->reply.text, "E28");
    gdb_stub_reset(&f->stub);
    assert_int_equal(v->points, 0);
}

static void running(void **state) {
    struct fixture *f = *state;
    assert_int_equal(send(f, "c"), GDB_ACTION_RUN);
    assert_int_equal(send(f, "s"), GDB_ACTION_STEP);
    assert_int_equal(send(f, "S05"), GDB_ACTION_STEP);
    assert_int_equal(send(f, "C05;1234"), GDB_ACTION_RUN);
    assert_int_equal(f->machine->pc.vcpu->state.eip, 0x1234);
    assert_int_equal(send(f, "c77"), GDB_ACTION_RUN);
    assert_int_equal(f->machine->pc.vcpu->state.eip, 0x77);
    assert_int_equal(send(f, "vCont;s:1;c"), GDB_ACTION_STEP);
    assert_int_equal(send(f, "vCont;c"), GDB_ACTION_RUN);
    assert_int_equal(send(f, "D"), GDB_ACTION_DETACH);
    assert_int_equal(send(f, "k"), GDB_ACTION_KILL);
    assert_int_equal(send(f, "vKill;1"), GDB_ACTION_KILL);
    expect(f, "cx", "E16");
    expect(f, "C", "E16");
    expect(f, "vCont;t", "E16");
}

static void queries(void **state) {
    struct fixture *f = *state;
    send(f, "qSupported:multiprocess+");
    assert_non_null(strstr(f->reply.text, "qXfer:features:read+"));
    expect(f, "qXfer:features:read:other.xml:0,10", "E00");
    expect(f, "qXfer:features:read:target.xml:0,5", "m<?xml");
    expect(f, "qXfer:features:read:target.xml:fffff,5", "l");
    expect(f, "qXfer:features:read:target.xml:", "E16");
    assert_true(f->stub.description_length + 1 < sizeof f->stub.description);
    assert_non_null(strstr(f->stub.description, "</feature></target>"));
    expect(f, "vMustReplyEmpty", "");
    expect(f, "qUnknown", "");
    expect(f, "", "");
    expect(f, "qRcmd,zz", "E16");
    expect(f, "qRcmd,68656c70", "OK"); // help
    assert_non_null(strstr(f->console.text, "gva2gpa"));
    expect(f, "qRcmd,696e666f20726567697374657273", "OK");
    assert_non_null(strstr(f->console.text, "EFER"));
    expect(f, "qRcmd,7870202f327862203078313030", "OK"); // xp /2xb 0x100
    assert_string_equal(f->console.text, "00000100: 0x00 0x00\n");
    assert_int_equal(send(f, "qRcmd,71756974"), GDB_ACTION_KILL);
}

// Every letter with arguments that are nearly right.
static void malformed(void **state) {
    struct fixture *f = *state;
    static const char alphabet[] = "0123456789abcdefF,:;=-#$+ xgGpPmMZzvqQ?\x7f\xff";
    static const char *const heads[] = {"m",
                                        "M",
                                        "X",
                                        "p",
                                        "P",
                                        "G",
                                        "Z0,",
                                        "Z2,",
                                        "z3,",
                                        "c",
                                        "C",
                                        "s",
                                        "vCont;",
                                        "qRcmd,",
                                        "qXfer:features:read:target.xml:",
                                        "H",
                                        "T",
                                        "D",
                                        "qSupp",
                                        "Q",
                                        "v",
                                        "k",
                                        "",
                                        "qRcmd,7870202f",
                                        "qRcmd,78202f",
                                        "qRcmd,677661"};
    char packet[128];
    srand(2);
    for (unsigned i = 0; i < 200000; i++) {
        size_t length =
            (size_t)snprintf(packet, sizeof packet, "%s", heads[(unsigned)rand() % (sizeof heads / sizeof *heads)]);
        for (unsigned n = (unsigned)rand() % 24; n; n--)
            packet[length++] = alphabet[(unsigned)rand() % (sizeof alphabet - 1)];
        packet[length] = '\0';
        gdb_stub_command(&f->stub, packet, length, &f->reply, &f->console);
        assert_true(f->reply.length <= GDB_PACKET_MAX);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(registers, setup, teardown),
        cmocka_unit_test_setup_teardown(memory, setup, teardown),
        cmocka_unit_test_setup_teardown(points, setup, teardown),
        cmocka_unit_test_setup_teardown(running, setup, teardown),
        cmocka_unit_test_setup_teardown(queries, setup, teardown),
        cmocka_unit_test_setup_teardown(malformed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
