// The gdb port: see the header. All of it runs on the vCPU's thread, but for on_input, on_connect (the I/O thread) and
// gdb_server_wake.
#include "machine/gdb_server.h"

#include "machine/gdb_stub.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SEND_SECONDS 5 // a client that takes nothing for this long is gone
#define INPUT_CHUNK  4096

enum { SIGNAL_INT = 2, SIGNAL_ABRT = 6 };

struct gdb_server {
    struct ringshade *machine;
    int listener, client, wake;                           // client: -1 if there is none
    char path[sizeof((struct sockaddr_un *)0)->sun_path]; // of a Unix socket, else empty
    struct event_watch listen_watch, client_watch;
    bool held; // the guest does not run
    bool last; // it never will: resuming ends the run
    struct gdb_stub stub;
    struct gdb_reader reader;
    struct gdb_reply reply, console;
    char frame[GDB_PACKET_MAX + 4];
    size_t frame_length; // of the last packet sent, for a NAK
    uint8_t input[INPUT_CHUNK];
    size_t input_at, input_size; // bytes that were read and not yet looked at
};

// ---- The I/O thread's part -----------------------------------------------------------------------------------------

// The descriptor is not looked at again before the machine has been held.
static void on_input(void *opaque, uint32_t events) {
    struct gdb_server *server = opaque;
    (void)events;
    event_watch_set(&server->client_watch, 0);
    event_watch_set(&server->listen_watch, 0);
    atomic_fetch_or(&server->machine->events, (unsigned)MACHINE_EVENT_DEBUGGER);
    vcpu_request_stop(server->machine->pc.vcpu);
}

static void watch(struct gdb_server *server, bool on) {
    struct event_loop *loop = server->machine->pc.loop;
    event_loop_lock(loop);
    if (server->client >= 0)
        event_watch_set(&server->client_watch, on ? EPOLLIN : 0);
    event_watch_set(&server->listen_watch, on && server->client < 0 ? EPOLLIN : 0);
    event_loop_unlock(loop);
    event_loop_wake(loop);
}

void gdb_server_wake(struct gdb_server *server) {
    uint64_t one = 1;
    int saved = errno;
    (void)!write(server->wake, &one, sizeof one);
    errno = saved;
}

// ---- The client ----------------------------------------------------------------------------------------------------

static void drop_client(struct gdb_server *server) {
    struct event_loop *loop = server->machine->pc.loop;
    if (server->client < 0)
        return;
    event_loop_lock(loop);
    event_watch_stop(&server->client_watch);
    event_loop_unlock(loop);
    close(server->client);
    server->client = -1;
    gdb_stub_reset(&server->stub);
}

static void take_client(struct gdb_server *server) {
    struct event_loop *loop = server->machine->pc.loop;
    struct error err;
    int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    const struct timeval patience = {.tv_sec = SEND_SECONDS};
    const int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); // refused for a Unix socket, which needs none
    event_loop_lock(loop);
    int started = event_watch_start(&server->client_watch, loop, fd, 0, on_input, server, &err);
    event_loop_unlock(loop);
    if (started) {
        close(fd);
        return;
    }
    server->client = fd;
    server->input_at = server->input_size = 0;
    server->frame_length = 0;
    gdb_reader_reset(&server->reader);
    gdb_stub_reset(&server->stub);
}

static void send_bytes(struct gdb_server *server, const char *bytes, size_t size) {
    while (size && server->client >= 0) {
        ssize_t n = send(server->client, bytes, size, MSG_NOSIGNAL);
        if (n > 0) {
            bytes += n;
            size -= (size_t)n;
        } else if (n < 0 && errno != EINTR) {
            drop_client(server);
        }
    }
}

static void send_reply(struct gdb_server *server, const struct gdb_reply *reply) {
    server->frame_length = gdb_frame(reply, server->frame);
    send_bytes(server, server->frame, server->frame_length);
}

static void send_text(struct gdb_server *server, const char *text) {
    gdb_reply_clear(&server->reply);
    gdb_reply_text(&server->reply, text);
    send_reply(server, &server->reply);
}

// Console output, as O packets of a bounded length.
static void send_console(struct gdb_server *server, const char *text, size_t length) {
    const size_t most = GDB_PACKET_MAX / 2 - 1;
    struct gdb_reply packet = {.length = 0};
    for (size_t at = 0; at < length; at += most) {
        gdb_reply_clear(&packet);
        gdb_reply_text(&packet, "O");
        gdb_reply_hex(&packet, text + at, length - at < most ? length - at : most);
        send_reply(server, &packet);
    }
}

// ---- Commands ------------------------------------------------------------------------------------------------------

static void let_run(struct gdb_server *server, bool step) {
    server->held = false;
    vcpu_debug_step(server->machine->pc.vcpu, step);
}

static void obey(struct gdb_server *server) {
    if (!server->stub.no_ack)
        send_bytes(server, "+", 1);
    enum gdb_action action =
        gdb_stub_command(&server->stub, server->reader.packet, server->reader.length, &server->reply, &server->console);
    if (server->console.length)
        send_console(server, server->console.text, server->console.length);
    switch (action) {
    case GDB_ACTION_NONE: break;
    case GDB_ACTION_REPLY: send_reply(server, &server->reply); break;
    case GDB_ACTION_RUN: let_run(server, false); break;
    case GDB_ACTION_STEP: let_run(server, true); break;
    case GDB_ACTION_DETACH:
        send_reply(server, &server->reply);
        drop_client(server);
        let_run(server, false);
        break;
    case GDB_ACTION_KILL:
        if (server->reply.length)
            send_reply(server, &server->reply);
        atomic_fetch_or(&server->machine->events, (unsigned)MACHINE_EVENT_KILL);
        break;
    }
}

static void take_byte(struct gdb_server *server, uint8_t byte) {
    switch (gdb_reader_feed(&server->reader, byte)) {
    case GDB_TOKEN_PACKET: obey(server); break;
    case GDB_TOKEN_BAD:
        if (!server->stub.no_ack)
            send_bytes(server, "-", 1);
        break;
    case GDB_TOKEN_NAK: send_bytes(server, server->frame, server->frame_length); break;
    case GDB_TOKEN_INTERRUPT: // held already
    case GDB_TOKEN_ACK:
    case GDB_TOKEN_NONE: break;
    }
}

// Reads what is there without waiting. False when there was nothing; a client that has gone is dropped.
static bool fill_input(struct gdb_server *server) {
    ssize_t n = recv(server->client, server->input, sizeof server->input, MSG_DONTWAIT);
    server->input_at = 0;
    server->input_size = n > 0 ? (size_t)n : 0;
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        drop_client(server);
    return n > 0;
}

static unsigned events_to_take(struct gdb_server *server) {
    return atomic_load(&server->machine->events) & ~(unsigned)MACHINE_EVENT_DEBUGGER;
}

// Waits for a byte of the client, or for a client.
static void wait_for_input(struct gdb_server *server) {
    struct pollfd fds[2] = {{.fd = server->wake, .events = POLLIN},
                            {.fd = server->client >= 0 ? server->client : server->listener, .events = POLLIN}};
    if (poll(fds, 2, -1) < 0)
        return;
    uint64_t count;
    if (fds[0].revents)
        (void)!read(server->wake, &count, sizeof count);
    if (!fds[1].revents)
        return;
    if (server->client < 0)
        take_client(server);
    else
        fill_input(server);
}

bool gdb_server_hold(struct gdb_server *server) {
    if (!server->held)
        return true;
    watch(server, false);
    while (server->held && !events_to_take(server)) {
        if (server->client >= 0 && server->input_at < server->input_size)
            take_byte(server, server->input[server->input_at++]);
        else
            wait_for_input(server);
    }
    if (server->held)
        return false;
    if (!server->last)
        watch(server, true);
    return true;
}

// ---- Stops ---------------------------------------------------------------------------------------------------------

static void hold_with(struct gdb_server *server) {
    server->held = true;
    vcpu_debug_step(server->machine->pc.vcpu, false);
    if (server->client >= 0)
        send_text(server, server->stub.stop);
}

// Something came in while the guest ran: an interrupt, another packet (which the protocol does not know, and which is
// taken as one), or a client.
static void take_attention(struct gdb_server *server) {
    if (server->client < 0) {
        take_client(server);
        gdb_stub_signal(&server->stub, SIGNAL_INT);
        server->held = server->client >= 0; // the client will ask for the reason
        if (!server->held)
            watch(server, true);
        return;
    }
    bool stop = false;
    while (server->client >= 0 && !stop && (server->input_at < server->input_size || fill_input(server))) {
        enum gdb_token token = gdb_reader_feed(&server->reader, server->input[server->input_at]);
        stop = token == GDB_TOKEN_INTERRUPT || token == GDB_TOKEN_PACKET;
        server->input_at++;
    }
    if (server->client >= 0 && stop) {
        gdb_stub_signal(&server->stub, SIGNAL_INT);
        hold_with(server);
    } else {
        watch(server, true);
    }
}

void gdb_server_stopped(struct gdb_server *server, enum cpu_stop cause) {
    bool attention = atomic_fetch_and(&server->machine->events, ~(unsigned)MACHINE_EVENT_DEBUGGER) &
                     (unsigned)MACHINE_EVENT_DEBUGGER;
    if (cause == CPU_STOP_DEBUG) {
        gdb_stub_stopped(&server->stub);
        hold_with(server);
    } else if (attention) {
        take_attention(server);
    }
}

void gdb_server_told(struct gdb_server *server, const char *text) {
    if (server->client >= 0)
        send_console(server, text, strlen(text));
}

void gdb_server_last_look(struct gdb_server *server, const char *text) {
    if (server->client < 0)
        return;
    gdb_server_told(server, text);
    gdb_stub_signal(&server->stub, SIGNAL_ABRT);
    server->last = true;
    hold_with(server);
    gdb_server_hold(server);
}

void gdb_server_ended(struct gdb_server *server, unsigned status) {
    if (server->client < 0)
        return;
    char text[8];
    snprintf(text, sizeof text, "W%02x", status & 0xff);
    if (!server->held || server->last)
        send_text(server, text);
    drop_client(server);
}

// ---- The port ------------------------------------------------------------------------------------------------------

static int open_unix(struct gdb_server *server, const char *path, struct error *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat status;
    if (!*path || strlen(path) >= sizeof address.sun_path)
        return error_set(err, "the path of the gdb socket is empty or longer than %zu bytes",
                         sizeof address.sun_path - 1);
    strcpy(address.sun_path, path);
    if (!lstat(path, &status) && S_ISSOCK(status.st_mode))
        unlink(path); // of an earlier run
    server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (server->listener < 0 || bind(server->listener, (struct sockaddr *)&address, sizeof address))
        return error_set(err, "cannot open the gdb socket %s: %s", path, strerror(errno));
    strcpy(server->path, path);
    return 0;
}

static int open_tcp(struct gdb_server *server, const char *text, struct error *err) {
    char *end;
    unsigned long port = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || port == 0 || port > 65535)
        return error_set(err, "gdb port '%s' is neither unix:PATH nor a port number", text);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int one = 1;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (server->listener >= 0)
        setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (server->listener < 0 || bind(server->listener, (struct sockaddr *)&address, sizeof address))
        return error_set(err, "cannot open the gdb port %lu: %s", port, strerror(errno));
    return 0;
}

static int open_port(struct gdb_server *server, const char *address, struct error *err) {
    int opened = !strncmp(address, "unix:", 5)  ? open_unix(server, address + 5, err)
                 : !strncmp(address, "tcp:", 4) ? open_tcp(server, address + 4, err)
                                                : open_tcp(server, address, err);
    if (opened)
        return -1;
    if (listen(server->listener, 1))
        return error_set(err, "cannot listen for gdb: %s", strerror(errno));
    server->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->wake < 0)
        return error_set(err, "cannot make an event descriptor: %s", strerror(errno));
    return event_watch_start(&server->listen_watch, server->machine->pc.loop, server->listener, 0, on_input, server,
                             err);
}

struct gdb_server *gdb_server_create(struct ringshade *machine, const char *address, bool wait, struct error *err) {
    struct gdb_server *server = calloc(1, sizeof *server);
    if (!server) {
        error_set(err, "out of memory");
        return NULL;
    }
    server->machine = machine;
    server->listener = server->client = server->wake = -1;
    server->held = wait;
    gdb_stub_init(&server->stub, machine);
    event_loop_lock(machine->pc.loop);
    int opened = open_port(server, address, err);
    if (!opened && !wait)
        event_watch_set(&server->listen_watch, EPOLLIN);
    event_loop_unlock(machine->pc.loop);
    if (opened) {
        gdb_server_destroy(server);
        return NULL;
    }
    return server;
}

void gdb_server_destroy(struct gdb_server *server) {
    if (!server)
        return;
    struct event_loop *loop = server->machine->pc.loop;
    drop_client(server);
    event_loop_lock(loop);
    if (server->listen_watch.loop)
        event_watch_stop(&server->listen_watch);
    event_loop_unlock(loop);
    if (server->listener >= 0)
        close(server->listener);
    if (server->wake >= 0)
        close(server->wake);
    if (*server->path)
        unlink(server->path);
    free(server);
}
