// Character back ends: where a serial port's bytes go to and come from (terminal or pipe, nothing, a file, a pty, a
// function of the embedding program). Output is collected and written by the I/O thread, so that a byte costs no system
// call and a slow or closed reader never stops the processor. Input waits in the host until the receiver has room.
#ifndef DEVICES_CHARDEV_H
#define DEVICES_CHARDEV_H

#include "base/error.h"
#include "base/log.h"
#include "devices/event_loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chardev;

// From this many unwritten bytes on the back end is congested: the serial port stops announcing an empty transmitter.
#define CHARDEV_CONGESTED_BYTES (64u << 10)
// A guest that ignores that fills the buffer further, up to this; then bytes are dropped and counted.
#define CHARDEV_BUFFER_MAX (16u << 20)
// Output is written at the latest after this time, and at once when CHARDEV_FLUSH_BYTES have come together.
#define CHARDEV_FLUSH_NS    1000000u
#define CHARDEV_FLUSH_BYTES 4096u

// The device at the guest's side. All calls come with the device lock held.
struct chardev_receiver {
    size_t (*room)(void *opaque);                                      // bytes that it can take now
    void (*receive)(void *opaque, const uint8_t *bytes, size_t count); // count <= room()
    void (*writable)(void *opaque);                                    // congestion is over
    void *opaque;
};

// What the person at the console can ask for (Ctrl-A x). Called on the I/O thread with the lock held: set a flag, or
// ask the processor to stop, no more.
struct chardev_console {
    void (*quit)(void *opaque);
    void *opaque;
};

// Opens "stdio", "null", "file:PATH" (truncated) or "pty". console is copied and may be NULL. A terminal is put into
// raw mode until chardev_close. Not with the lock held. Returns NULL with err filled (unknown kind, file that cannot be
// opened).
struct chardev *chardev_open(const char *spec, struct event_loop *loop, const struct chardev_console *console,
                             const struct log *log, struct error *err);

// A back end of the embedding program: sink gets the output on the I/O thread (or in chardev_close) without the lock;
// chardev_push, without the lock and from any thread, is the input. It returns how many bytes were taken (the rest
// when the device has made room).
struct chardev *chardev_open_sink(struct event_loop *loop,
                                  void (*sink)(void *opaque, const uint8_t *bytes, size_t count), void *opaque,
                                  const struct log *log, struct error *err);
size_t chardev_push(struct chardev *dev, const uint8_t *bytes, size_t count);

// Writes out what is left, waiting for a slow reader only as long as it makes progress, and restores the terminal.
// After event_loop_stop.
void chardev_close(struct chardev *dev);

// The path at which a pty can be opened, or NULL for other kinds.
const char *chardev_path(const struct chardev *dev);

// For the device, with the lock held.
void chardev_attach(struct chardev *dev, const struct chardev_receiver *receiver); // copied; NULL detaches
void chardev_write(struct chardev *dev, const uint8_t *bytes, size_t count);
bool chardev_congested(struct chardev *dev);
// On the processor's thread: lets go of the lock until congestion is over, at most CHARDEV_PATIENCE_MS. For a device
// whose behaviour must not depend on how fast its output is taken.
void chardev_wait(struct chardev *dev);
#define CHARDEV_PATIENCE_MS 10000
void chardev_accept(struct chardev *dev);       // hands over waiting input, as far as there is room, now
void chardev_accept_later(struct chardev *dev); // the same from the I/O thread
// Takes back the last bytes that receive gave, at most CHARDEV_UNREAD_MAX of them: they come again, before all others.
void chardev_unread(struct chardev *dev, const uint8_t *bytes, size_t count);
#define CHARDEV_UNREAD_MAX 16

// Async-signal-safe, for handlers of fatal signals and of SIGCONT: puts the terminal back as it was found, or into raw
// mode again. They do nothing for other kinds and for NULL.
void chardev_restore_terminal(const struct chardev *dev);
void chardev_resume_terminal(const struct chardev *dev);

#endif
