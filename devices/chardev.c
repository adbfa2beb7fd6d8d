// The core of every character back end: the way of a byte out (collect under the lock, write without it on the I/O
// thread) and in (read while there is space, hand over while the receiver has room). It must never write to a
// descriptor on the processor's thread, and never let go of a byte that was read.
#include "devices/chardev_private.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define OUTPUT_FIRST      4096u
#define FLUSH_WRITES_MAX  64   // writes of one flush job before other work gets its turn
#define CLOSE_PATIENCE_MS 2000 // how long chardev_close waits for a reader that takes nothing

#define CTRL_A 0x01

static const char help_text[] = "\r\nCtrl-A x  leave\r\nCtrl-A a  send Ctrl-A to the guest\r\nCtrl-A h  this help\r\n";

static size_t bytes_left(const struct chardev_bytes *buffer) {
    return buffer->end - buffer->start;
}

static size_t pending_output(const struct chardev *dev) {
    return bytes_left(&dev->filling) + dev->writing_left;
}

// Makes space for `count` more bytes at the end; false when that would exceed the bound or memory.
static bool bytes_reserve(struct chardev_bytes *buffer, size_t count) {
    if (buffer->start == buffer->end)
        buffer->start = buffer->end = 0;
    if (count <= buffer->capacity - buffer->end)
        return true;
    size_t capacity = buffer->capacity ? buffer->capacity : OUTPUT_FIRST;
    while (capacity < buffer->end + count)
        capacity *= 2;
    if (capacity > CHARDEV_BUFFER_MAX)
        return false;
    uint8_t *bytes = realloc(buffer->bytes, capacity);
    if (!bytes)
        return false;
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return true;
}

// Output

// Nobody listens at a pty: keep the end of what was said for whoever opens it.
static void trim_held(struct chardev *dev) {
    size_t left = bytes_left(&dev->filling);
    if (left <= CHARDEV_CONGESTED_BYTES)
        return;
    memmove(dev->filling.bytes, dev->filling.bytes + dev->filling.end - CHARDEV_CONGESTED_BYTES / 2,
            CHARDEV_CONGESTED_BYTES / 2);
    dev->filling.start = 0;
    dev->filling.end = CHARDEV_CONGESTED_BYTES / 2;
}

void chardev_flush_soon(struct chardev *dev) {
    event_timer_cancel(&dev->flush_timer);
    if (!dev->out_blocked && !dev->out_held)
        event_loop_post(dev->loop, &dev->flush_job);
}

void chardev_write(struct chardev *dev, const uint8_t *bytes, size_t count) {
    if (dev->out_closed || (dev->out_fd < 0 && !dev->sink))
        return;
    if (!bytes_reserve(&dev->filling, count)) {
        dev->dropped += count;
        return;
    }
    memcpy(dev->filling.bytes + dev->filling.end, bytes, count);
    dev->filling.end += count;
    if (dev->out_held)
        trim_held(dev);
    else if (dev->out_blocked)
        return;
    else if (bytes_left(&dev->filling) >= CHARDEV_FLUSH_BYTES)
        chardev_flush_soon(dev);
    else if (!dev->flush_timer.armed)
        event_timer_arm(&dev->flush_timer, event_loop_now(dev->loop) + CHARDEV_FLUSH_NS);
}

bool chardev_congested(struct chardev *dev) {
    bool congested = !dev->out_held && pending_output(dev) >= CHARDEV_CONGESTED_BYTES;
    dev->congestion_told = dev->congestion_told || congested;
    return congested;
}

void chardev_wait(struct chardev *dev) {
    const struct timespec step = {.tv_nsec = 1000000};
    for (int i = 0; i < CHARDEV_PATIENCE_MS && !dev->out_held && pending_output(dev) >= CHARDEV_CONGESTED_BYTES; i++) {
        event_loop_unlock(dev->loop);
        nanosleep(&step, NULL);
        event_loop_lock(dev->loop);
    }
}

static void tell_writable(struct chardev *dev) {
    if (!dev->congestion_told || pending_output(dev) >= CHARDEV_CONGESTED_BYTES / 2)
        return;
    dev->congestion_told = false;
    if (dev->receiver.writable)
        dev->receiver.writable(dev->receiver.opaque);
}

static void flush_timer_fired(void *opaque) {
    chardev_flush_soon(opaque);
}

static void output_ready(void *opaque, uint32_t events) {
    (void)events;
    struct chardev *dev = opaque;
    event_watch_set(&dev->out_watch, 0);
    dev->out_blocked = false;
    chardev_flush_soon(dev);
}

static void output_block(struct chardev *dev) {
    dev->out_blocked = true;
    if (dev->out_watched) {
        event_watch_set(&dev->out_watch, EPOLLOUT);
        return;
    }
    dev->out_watched = !event_watch_start(&dev->out_watch, dev->loop, dev->out_fd, EPOLLOUT, output_ready, dev, NULL);
    if (!dev->out_watched) { // not a descriptor that can be waited for: try again later
        dev->out_blocked = false;
        event_timer_arm(&dev->flush_timer, event_loop_now(dev->loop) + CHARDEV_FLUSH_NS);
    }
}

static void output_lost(struct chardev *dev) {
    log_line(dev->log, LOG_DEVICES, "chardev: output closed, %zu bytes not written", pending_output(dev));
    dev->out_closed = true;
    dev->filling.start = dev->filling.end = 0;
    dev->writing.start = dev->writing.end = 0;
    dev->writing_left = 0;
}

// One write of what waits, with the lock dropped meanwhile. False when there is nothing more to do now.
static bool flush_once(struct chardev *dev) {
    if (dev->out_closed)
        return false;
    if (!dev->writing_left) {
        struct chardev_bytes full = dev->filling;
        dev->filling = dev->writing;
        dev->filling.start = dev->filling.end = 0;
        dev->writing = full;
        dev->writing_left = bytes_left(&full);
    }
    if (!dev->writing_left)
        return false;
    event_loop_unlock(dev->loop);
    long written = chardev_output(dev, dev->writing.bytes + dev->writing.start, dev->writing_left);
    event_loop_lock(dev->loop);
    if (written > 0) {
        dev->writing.start += (size_t)written;
        dev->writing_left -= (size_t)written;
    } else if (written < 0) {
        output_lost(dev);
    }
    tell_writable(dev);
    return written > 0;
}

static void flush_job_run(void *opaque) {
    struct chardev *dev = opaque;
    event_loop_lock(dev->loop);
    int writes = 0;
    while (!dev->out_held && flush_once(dev))
        if (++writes == FLUSH_WRITES_MAX)
            break;
    if (writes == FLUSH_WRITES_MAX)
        event_loop_post(dev->loop, &dev->flush_job);
    else if (dev->writing_left && !dev->out_held && !dev->out_blocked)
        output_block(dev);
    event_loop_unlock(dev->loop);
}

// Input

static void input_append(struct chardev *dev, uint8_t byte) {
    dev->in_bytes[(dev->in_start + dev->in_count++) % CHARDEV_RING_SIZE] = byte;
}

static void console_command(struct chardev *dev, uint8_t byte) {
    switch (byte) {
    case 'a':
    case CTRL_A: input_append(dev, CTRL_A); break;
    case 'x':
        if (dev->console.quit)
            dev->console.quit(dev->console.opaque);
        break;
    case 'h': chardev_write(dev, (const uint8_t *)help_text, sizeof help_text - 1); break;
    default: break; // a mistyped command goes nowhere
    }
}

// Takes bytes that were read; they fit, because a command is not longer than what it sends.
static void input_take(struct chardev *dev, const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (dev->escape_pending) {
            dev->escape_pending = false;
            console_command(dev, bytes[i]);
        } else if (dev->escapes && bytes[i] == CTRL_A) {
            dev->escape_pending = true;
        } else {
            input_append(dev, bytes[i]);
        }
    }
}

// Hands over what the receiver has room for.
static void input_deliver(struct chardev *dev) {
    while (dev->in_count && dev->receiver.room) {
        size_t count = dev->receiver.room(dev->receiver.opaque);
        size_t contiguous = CHARDEV_RING_SIZE - dev->in_start;
        count = count < dev->in_count ? count : dev->in_count;
        count = count < contiguous ? count : contiguous;
        if (!count)
            return;
        const uint8_t *bytes = dev->in_bytes + dev->in_start;
        dev->in_start = (dev->in_start + count) % CHARDEV_RING_SIZE;
        dev->in_count -= count;
        dev->receiver.receive(dev->receiver.opaque, bytes, count);
    }
}

void chardev_unread(struct chardev *dev, const uint8_t *bytes, size_t count) {
    while (count && dev->in_count < CHARDEV_RING_SIZE) {
        dev->in_start = (dev->in_start + CHARDEV_RING_SIZE - 1) % CHARDEV_RING_SIZE;
        dev->in_bytes[dev->in_start] = bytes[--count];
        dev->in_count++;
    }
}

// How much may be read ahead: nothing while the reserve for unread bytes is in use.
static size_t input_space(const struct chardev *dev) {
    return dev->in_count < CHARDEV_INPUT_MAX ? CHARDEV_INPUT_MAX - dev->in_count : 0;
}

// Goes on reading if there is space, stops if there is none.
static void input_adjust(struct chardev *dev) {
    bool space = input_space(dev) > 0;
    if (dev->in_watched)
        event_watch_set(&dev->in_watch, space ? EPOLLIN : 0);
    else if (dev->in_always_ready && space)
        event_loop_post(dev->loop, &dev->in_job);
}

void chardev_end_input(struct chardev *dev) {
    if (dev->in_watched)
        event_watch_stop(&dev->in_watch);
    dev->in_watched = dev->in_always_ready = false;
}

// After read(): count as it returned. Lock held.
static void input_arrived(struct chardev *dev, const uint8_t *bytes, ssize_t count, int error) {
    if (count < 0 && (error == EINTR || error == EAGAIN))
        return;
    if (count <= 0 && dev->path) {
        chardev_pty_lost(dev);
        return;
    }
    if (count <= 0) {
        log_line(dev->log, LOG_DEVICES, "chardev: end of input");
        chardev_end_input(dev);
        return;
    }
    input_take(dev, bytes, (size_t)count);
    input_deliver(dev);
    input_adjust(dev);
}

static void input_ready(void *opaque, uint32_t events) {
    (void)events;
    struct chardev *dev = opaque;
    uint8_t bytes[CHARDEV_INPUT_MAX];
    size_t space = input_space(dev);
    if (!space)
        return;
    ssize_t count = read(dev->in_fd, bytes, space);
    input_arrived(dev, bytes, count, errno);
}

// A regular file is always ready, which epoll cannot express: it is read whenever there is space. Only this job adds
// to the ring then, so the space seen under the lock is still there afterwards.
static void input_job_run(void *opaque) {
    struct chardev *dev = opaque;
    uint8_t bytes[CHARDEV_INPUT_MAX];
    event_loop_lock(dev->loop);
    size_t space = input_space(dev);
    event_loop_unlock(dev->loop);
    ssize_t count = space ? read(dev->in_fd, bytes, space) : -1;
    int error = space ? errno : EAGAIN;
    event_loop_lock(dev->loop);
    input_arrived(dev, bytes, count, error);
    event_loop_unlock(dev->loop);
}

int chardev_start_input(struct chardev *dev, struct error *err) {
    if (!event_watch_start(&dev->in_watch, dev->loop, dev->in_fd, EPOLLIN, input_ready, dev, err)) {
        dev->in_watched = true;
        return 0;
    }
    if (errno != EPERM)
        return -1;
    dev->in_always_ready = true;
    input_adjust(dev);
    return 0;
}

void chardev_accept(struct chardev *dev) {
    input_deliver(dev);
    input_adjust(dev);
}

static void accept_job_run(void *opaque) {
    struct chardev *dev = opaque;
    event_loop_lock(dev->loop);
    chardev_accept(dev);
    event_loop_unlock(dev->loop);
}

void chardev_accept_later(struct chardev *dev) {
    if (dev->in_count)
        event_loop_post(dev->loop, &dev->accept_job);
}

size_t chardev_push(struct chardev *dev, const uint8_t *bytes, size_t count) {
    event_loop_lock(dev->loop);
    size_t space = input_space(dev);
    count = count < space ? count : space;
    input_take(dev, bytes, count);
    input_deliver(dev);
    event_loop_unlock(dev->loop);
    return count;
}

// Life

void chardev_attach(struct chardev *dev, const struct chardev_receiver *receiver) {
    dev->receiver = receiver ? *receiver : (struct chardev_receiver){0};
    dev->congestion_told = false;
}

const char *chardev_path(const struct chardev *dev) {
    return dev->path;
}

struct chardev *chardev_new(struct event_loop *loop, const struct log *log, struct error *err) {
    struct chardev *dev = calloc(1, sizeof *dev);
    if (!dev) {
        error_set(err, "serial back end: out of memory");
        return NULL;
    }
    dev->loop = loop;
    dev->log = log;
    dev->out_fd = dev->in_fd = -1;
    event_timer_init(&dev->flush_timer, loop, flush_timer_fired, dev);
    dev->flush_job = (struct event_job){.run = flush_job_run, .opaque = dev};
    dev->in_job = (struct event_job){.run = input_job_run, .opaque = dev};
    dev->accept_job = (struct event_job){.run = accept_job_run, .opaque = dev};
    return dev;
}

// The I/O thread has ended; what is left goes out here, at the reader's pace.
static void flush_finally(struct chardev *dev) {
    event_loop_lock(dev->loop);
    while (!dev->out_held && pending_output(dev) && !dev->out_closed) {
        if (flush_once(dev) || dev->out_closed)
            continue;
        struct pollfd wait = {.fd = dev->out_fd, .events = POLLOUT};
        if (poll(&wait, 1, CLOSE_PATIENCE_MS) <= 0)
            break;
    }
    if (pending_output(dev) + dev->dropped && !dev->out_held)
        log_line(dev->log, LOG_DEVICES, "chardev: %zu bytes not written, %llu dropped", pending_output(dev),
                 (unsigned long long)dev->dropped);
    event_loop_unlock(dev->loop);
}

void chardev_free(struct chardev *dev) {
    if (dev->in_owned)
        close(dev->in_fd);
    if (dev->out_owned)
        close(dev->out_fd);
    free(dev->path);
    free(dev->filling.bytes);
    free(dev->writing.bytes);
    free(dev);
}

void chardev_close(struct chardev *dev) {
    if (!dev)
        return;
    event_loop_lock(dev->loop);
    chardev_end_input(dev);
    if (dev->out_watched)
        event_watch_stop(&dev->out_watch);
    event_timer_cancel(&dev->flush_timer);
    event_timer_cancel(&dev->pty_timer);
    event_loop_unpost(dev->loop, &dev->flush_job);
    event_loop_unpost(dev->loop, &dev->in_job);
    event_loop_unpost(dev->loop, &dev->accept_job);
    event_loop_unlock(dev->loop);
    flush_finally(dev);
    chardev_restore_terminal(dev);
    chardev_free(dev);
}
