// See explain_guest.h. A client of the remote serial protocol ("Debugging with GDB", appendix E) that asks for the
// target's description, registers by their place in it, and memory, and detaches. It must never change anything.
#include "app/explain_guest.h"

#include "app/parse.h"
#include "machine/gdb_packet.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define SECONDS         5 // for each answer
#define CHUNK           1024u
#define DESCRIPTION_MAX 65536u
#define EFLAGS_VM       (1u << 17)
#define CR0_PE          1u
#define ATTR_D          (1u << 10) // struct ringshade_segment

struct session {
    int socket;
    struct gdb_reader reader;
    struct gdb_reply request;
    char frame[GDB_PACKET_MAX + 4];
    char description[DESCRIPTION_MAX];
};

static int open_unix(const char *path) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof name.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(name.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&name, sizeof name)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int open_tcp(uint16_t port) {
    struct sockaddr_in name = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&name, sizeof name)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int open_port(const char *where, struct ringshade_error *err) {
    const struct timeval limit = {.tv_sec = SECONDS};
    char *end;
    unsigned long port = strtoul(where, &end, 10);
    bool is_unix = !strncmp(where, "unix:", 5);
    if (!is_unix && (*end || end == where || *where < '0' || *where > '9' || !port || port > UINT16_MAX))
        return parse_error(err, "--gdb %.64s is neither unix:PATH nor a TCP port", where);
    int fd = is_unix ? open_unix(where + 5) : open_tcp((uint16_t)port);
    if (fd < 0)
        return parse_error(err, "--gdb %.64s: cannot connect: %s", where, strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    return fd;
}

// ---- Packets --------------------------------------------------------------------------------------------------------

static bool send_all(const struct session *session, const char *data, size_t size) {
    return send(session->socket, data, size, MSG_NOSIGNAL) == (ssize_t)size;
}

// Sends the request and waits for its answer, which is then reader.packet.
static bool ask(struct session *session) {
    char byte;
    if (!send_all(session, session->frame, gdb_frame(&session->request, session->frame)))
        return false;
    while (recv(session->socket, &byte, 1, 0) == 1)
        if (gdb_reader_feed(&session->reader, (uint8_t)byte) == GDB_TOKEN_PACKET)
            return send_all(session, "+", 1);
    return false;
}

static bool ask_text(struct session *session, const char *text) {
    gdb_reply_clear(&session->request);
    gdb_reply_text(&session->request, text);
    return ask(session);
}

static bool read_description(struct session *session) {
    size_t length = 0;
    do {
        gdb_reply_clear(&session->request);
        gdb_reply_format(&session->request, "qXfer:features:read:target.xml:%zx,%x", length, CHUNK);
        if (!ask(session) || !strchr("lm", session->reader.packet[0]) || !session->reader.length)
            return false;
        size_t more = session->reader.length - 1;
        if (length + more >= sizeof session->description)
            return false;
        memcpy(session->description + length, session->reader.packet + 1, more);
        length += more;
        session->description[length] = '\0';
    } while (session->reader.packet[0] == 'm');
    return true;
}

// The register whose description is the nth, by name.
static bool read_register(struct session *session, const char *name, uint32_t *value) {
    static const char key[] = "<reg name=\"";
    size_t length = strlen(name);
    unsigned number = 0;
    const char *at = session->description;
    for (; (at = strstr(at, key)) != NULL; number++) {
        at += sizeof key - 1;
        if (!strncmp(at, name, length) && at[length] == '"')
            break;
    }
    gdb_reply_clear(&session->request);
    gdb_reply_format(&session->request, "p%x", number);
    *value = 0;
    return at && ask(session) && gdb_parse_hex(session->reader.packet, value, sizeof *value) == sizeof *value;
}

// ---- The guest ------------------------------------------------------------------------------------------------------

static bool read_mode(struct session *session, struct explain_mode *mode, uint32_t *linear) {
    uint32_t eip, eflags, cs, cr0, base, attr;
    if (!read_register(session, "eip", &eip) || !read_register(session, "eflags", &eflags) ||
        !read_register(session, "cs", &cs) || !read_register(session, "cr0", &cr0) ||
        !read_register(session, "cs_base", &base) || !read_register(session, "cs_attr", &attr))
        return false;
    mode->real = !(cr0 & CR0_PE);
    mode->v86 = !mode->real && (eflags & EFLAGS_VM);
    mode->bits = attr & ATTR_D ? 32 : 16;
    mode->cpl = mode->real ? 0 : mode->v86 ? 3 : cs & 3;
    *linear = base + eip;
    return true;
}

static uint32_t read_memory(struct session *session, uint32_t address, uint32_t length, uint8_t *data) {
    uint32_t done = 0;
    while (done < length) {
        uint32_t size = length - done < CHUNK ? length - done : CHUNK;
        gdb_reply_clear(&session->request);
        gdb_reply_format(&session->request, "m%x,%x", address + done, size);
        size_t got = ask(session) && session->reader.packet[0] != 'E'
                         ? gdb_parse_hex(session->reader.packet, data + done, size)
                         : 0;
        done += (uint32_t)got;
        if (got < size)
            break;
    }
    return done;
}

static int read_guest(struct session *session, struct explain_input *input, const char *where, const uint32_t *address,
                      uint32_t length, struct explain_mode *mode, struct ringshade_error *err) {
    uint32_t start;
    if (!ask_text(session, "qSupported:multiprocess-") || !ask_text(session, "?") || !read_description(session) ||
        !read_mode(session, mode, &start))
        return parse_error(err, "--gdb %.64s: the guest does not answer; is a debugger there already?", where);
    start = address ? *address : start;
    uint32_t room = 0u - start;
    input->data = malloc(length);
    input->size = input->data ? read_memory(session, start, room && room < length ? room : length, input->data) : 0;
    (void)ask_text(session, "D");
    if (!input->size)
        return parse_error(err, "--gdb %.64s: nothing can be read at %08x", where, start);
    input->count = 1;
    input->sections[0] = (struct explain_section){.address = start, .size = input->size, .bytes = input->data};
    return 0;
}

int explain_guest_read(struct explain_input *input, const char *where, const uint32_t *address, uint32_t length,
                       struct explain_mode *mode, struct ringshade_error *err) {
    *input = (struct explain_input){0};
    struct session *session = calloc(1, sizeof *session);
    if (!session)
        return parse_error(err, "out of memory");
    session->socket = open_port(where, err);
    int status = session->socket < 0 ? -1 : read_guest(session, input, where, address, length, mode, err);
    if (session->socket >= 0)
        close(session->socket);
    free(session);
    if (status)
        explain_input_free(input);
    return status;
}
