// The I/O thread: one loop over epoll with timers, file descriptors and jobs, and the device lock. Descriptor callbacks
// run on the loop's thread with the lock held, and so do timers but for those that a halted processor fires itself;
// jobs run on the thread without the lock, which is how DMA reaches guest memory. The loop never waits for the
// processor while it holds the lock, and sleeps when nothing is due.
#ifndef DEVICES_EVENT_LOOP_H
#define DEVICES_EVENT_LOOP_H

#include "base/error.h"
#include "devices/clock.h"

#include <stdbool.h>
#include <stdint.h>

struct event_loop;
struct event_timer;
struct event_watch;
struct event_job;

// Creates a loop without starting its thread. Returns NULL with err filled (no descriptors, no memory).
struct event_loop *event_loop_create(struct device_clock clock, struct error *err);
// After event_loop_stop, or if the thread never ran. Timers, watches and jobs are forgotten, not freed.
void event_loop_destroy(struct event_loop *loop);

// Starts the thread, with all signals blocked that a handler might want elsewhere. Returns 0, or -1 with err filled.
int event_loop_start(struct event_loop *loop, struct error *err);
// Ends the thread and waits for it: no callback runs afterwards. Not with the lock held, not from a callback.
void event_loop_stop(struct event_loop *loop);

// A loop whose clock goes only when somebody moves it: it never gets a thread, its timers fire in event_loop_fire
// alone, and whoever calls its functions holds another loop's lock.
struct event_loop *event_loop_create_stepped(struct device_clock clock, struct error *err);
void event_loop_fire(struct event_loop *loop); // what is due, a bounded number of timers

// The device lock. Not recursive. Held by the processor around device accesses and by the loop around callbacks.
void event_loop_lock(struct event_loop *loop);
void event_loop_unlock(struct event_loop *loop);

uint64_t event_loop_now(const struct event_loop *loop); // the device clock, ns
// The same for what is read over and over: cheap, at most a microsecond late, never backwards. Lock held.
uint64_t event_loop_now_quick(struct event_loop *loop);
void event_loop_wake(struct event_loop *loop); // from any thread, async-signal-safe

// One turn of the loop on the calling thread: waits up to timeout_ms (-1: until something happens) and runs what is
// due. For tests and for programs without a thread of their own. Not with the lock held.
void event_loop_turn(struct event_loop *loop, int timeout_ms);

// A halted processor may keep the timers itself, so that a tick wakes one thread and not two. It calls idle_begin
// before it sleeps, which returns how long at most, in ns (0: something is due; UINT64_MAX: nothing will be), and
// idle_end when it wakes, for whatever reason: what is due is fired there, on its thread. In between the I/O thread
// serves descriptors and jobs, and only timers that are armed meanwhile and due sooner. One thread at a time; not with
// the lock held.
uint64_t event_loop_idle_begin(struct event_loop *loop);
void event_loop_idle_end(struct event_loop *loop);

// Timers. Embedded in a device; the functions need the lock (init does not). A timer fires once for each arming.
struct event_timer {
    struct event_loop *loop;
    void (*fire)(void *opaque);
    void *opaque;
    uint64_t deadline; // device clock, ns; valid while armed
    bool armed;
    struct event_timer *prev, *next; // the loop's list, by deadline
};

void event_timer_init(struct event_timer *timer, struct event_loop *loop, void (*fire)(void *opaque), void *opaque);
// Arms, or moves, the timer. A deadline in the past fires as soon as the loop gets there.
void event_timer_arm(struct event_timer *timer, uint64_t deadline_ns);
void event_timer_cancel(struct event_timer *timer);
// The first deadline that is armed, UINT64_MAX if none: how far a clock that is not the host's may jump ahead.
uint64_t event_loop_next_deadline(const struct event_loop *loop);

// File descriptors. events is a set of EPOLLIN and EPOLLOUT; EPOLLHUP and EPOLLERR are always reported while it is not
// empty. With 0 the descriptor stays known but is not waited for.
struct event_watch {
    struct event_loop *loop;
    void (*ready)(void *opaque, uint32_t events);
    void *opaque;
    int fd;
    uint32_t events;
    struct event_watch *next;
};

// With the lock held. Returns 0, or -1 with err filled; errno is EPERM when the descriptor is always ready (a regular
// file), which epoll refuses.
int event_watch_start(struct event_watch *watch, struct event_loop *loop, int fd, uint32_t events,
                      void (*ready)(void *opaque, uint32_t events), void *opaque, struct error *err);
void event_watch_set(struct event_watch *watch, uint32_t events);
void event_watch_stop(struct event_watch *watch); // afterwards its callback does not run again

// Jobs: run once on the loop's thread WITHOUT the device lock; a job takes the lock itself to publish its result.
struct event_job {
    void (*run)(void *opaque);
    void *opaque;
    bool queued;
    struct event_job *next;
};

// With the lock held. Posting a job that is still queued changes nothing; one that is running is queued again.
void event_loop_post(struct event_loop *loop, struct event_job *job);
// With the lock held: takes a job that has not begun off the queue.
void event_loop_unpost(struct event_loop *loop, struct event_job *job);

#endif
