// What the files of the character back ends share: the core (buffers and the way of a byte) and the kinds.
#ifndef DEVICES_CHARDEV_PRIVATE_H
#define DEVICES_CHARDEV_PRIVATE_H

#include "devices/chardev.h"

#include <termios.h>

#define CHARDEV_INPUT_MAX 4096u // read ahead of the receiver
#define CHARDEV_RING_SIZE (CHARDEV_INPUT_MAX + CHARDEV_UNREAD_MAX)

// A growing buffer of output.
struct chardev_bytes {
    uint8_t *bytes;
    size_t capacity;
    size_t start, end; // what is left of it
};

struct chardev {
    struct event_loop *loop;
    const struct log *log;
    struct chardev_receiver receiver; // all zero: nobody is attached
    // Output. `filling` collects under the lock; `writing` belongs to the flush job while that runs.
    int out_fd;        // -1: discard
    bool out_owned;    // close it at the end
    bool out_nonblock; // a write never waits
    bool out_is_socket;
    void (*sink)(void *opaque, const uint8_t *bytes, size_t count); // instead of a descriptor
    void *sink_opaque;
    struct chardev_bytes filling, writing;
    size_t writing_left; // of `writing`, as the lock's holders may see it
    uint64_t dropped;
    bool out_closed, out_blocked, out_held; // held: a pty that nobody has opened
    bool congestion_told;
    struct event_timer flush_timer;
    struct event_job flush_job;
    struct event_watch out_watch;
    bool out_watched;
    // Input: read from the descriptor only while there is space, handed over only while the receiver has room.
    int in_fd; // -1: none
    bool in_owned;
    bool in_watched;      // in_watch is known to the loop
    bool in_always_ready; // a regular file: read by in_job
    struct event_watch in_watch;
    struct event_job in_job, accept_job;
    uint8_t in_bytes[CHARDEV_RING_SIZE];
    size_t in_start, in_count; // a ring
    // Console: Ctrl-A commands and the terminal's modes.
    bool escapes, escape_pending;
    struct chardev_console console;
    bool terminal_is_raw;
    struct termios terminal_found, terminal_raw;
    // Pseudo terminal.
    char *path;
    struct event_timer pty_timer;
};

// Core (chardev.c). chardev_new returns an empty back end or NULL with err filled.
struct chardev *chardev_new(struct event_loop *loop, const struct log *log, struct error *err);
void chardev_free(struct chardev *dev);
// Starts reading in_fd (lock held). Returns 0, or -1 with err filled.
int chardev_start_input(struct chardev *dev, struct error *err);
// Stops it for good (lock held).
void chardev_end_input(struct chardev *dev);
// Writes what is waiting as soon as possible (lock held).
void chardev_flush_soon(struct chardev *dev);
// Called by the core when the other side of a pty has gone (lock held). chardev_pty.c
void chardev_pty_lost(struct chardev *dev);

// Output to the descriptor (chardev_output.c). Returns how many bytes went out, 0 if it would block, -1 if it is
// closed. Without the lock.
long chardev_output(const struct chardev *dev, const uint8_t *bytes, size_t count);
// Prepares out_fd so that writes need not block the caller.
void chardev_output_setup(struct chardev *dev, int fd);

// Kinds: each returns 0, or -1 with err filled, and sets up a new back end. No lock held.
int chardev_setup_stdio(struct chardev *dev, struct error *err); // chardev_terminal.c
int chardev_setup_pty(struct chardev *dev, struct error *err);   // chardev_pty.c

#endif
