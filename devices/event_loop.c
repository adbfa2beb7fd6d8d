// The I/O thread: timers, descriptors and jobs around one epoll instance, and the device lock. The host timer is set
// only when an earlier deadline appears; one that moves away is left to fire for nothing once, which is cheaper than a
// system call at every change. It must never hold the device lock while it sleeps or runs a job.
#include "devices/event_loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define LOOP_EVENTS_MAX 16 // descriptors reported by one epoll_wait; the rest come in the next turn
#define LOOP_TURN_FIRES 64 // timers fired and jobs run in one turn, so that neither can starve descriptors
#define NO_DEADLINE     UINT64_MAX
#define NS_PER_S        1000000000ull
#define WAIT_MAX_NS     (3600 * NS_PER_S) // a deadline further away is looked at again after this

struct event_loop {
    struct device_clock clock;
    int epoll_fd, timer_fd, wake_fd;
    pthread_t thread;
    bool started;
    bool stepped;  // no thread, no host timer
    bool stopping; // accessed with __atomic
    pthread_mutex_t lock;
    // The rest belongs to whoever holds the lock.
    struct event_timer *timers; // ascending deadlines
    struct event_watch *watches;
    struct event_job *jobs, **jobs_end;
    uint64_t host_deadline; // what the timerfd is set to, device clock
    struct device_clock_steps steps;
    bool lent;           // a halted processor keeps the timers
    uint64_t lent_until; // and wakes for them at this time
};

static int loop_add_internal(struct event_loop *loop, int *fd) {
    // Edge-triggered: the two descriptors need no read to be quiet again.
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = fd};
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, *fd, &event);
}

struct event_loop *event_loop_create(struct device_clock clock, struct error *err) {
    struct event_loop *loop = calloc(1, sizeof *loop);
    if (!loop) {
        error_set(err, "I/O thread: out of memory");
        return NULL;
    }
    loop->clock = clock;
    loop->jobs_end = &loop->jobs;
    loop->host_deadline = NO_DEADLINE;
    pthread_mutex_init(&loop->lock, NULL);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->epoll_fd < 0 || loop->timer_fd < 0 || loop->wake_fd < 0 || loop_add_internal(loop, &loop->timer_fd) ||
        loop_add_internal(loop, &loop->wake_fd)) {
        error_set(err, "I/O thread: %s", strerror(errno));
        event_loop_destroy(loop);
        return NULL;
    }
    return loop;
}

struct event_loop *event_loop_create_stepped(struct device_clock clock, struct error *err) {
    struct event_loop *loop = event_loop_create(clock, err);
    if (loop)
        loop->stepped = true;
    return loop;
}

void event_loop_destroy(struct event_loop *loop) {
    if (!loop)
        return;
    const int fds[] = {loop->epoll_fd, loop->timer_fd, loop->wake_fd};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}

void event_loop_lock(struct event_loop *loop) {
    pthread_mutex_lock(&loop->lock);
}

void event_loop_unlock(struct event_loop *loop) {
    pthread_mutex_unlock(&loop->lock);
}

uint64_t event_loop_now(const struct event_loop *loop) {
    return device_clock_now(&loop->clock);
}

uint64_t event_loop_now_quick(struct event_loop *loop) {
    return device_clock_quick(&loop->clock, &loop->steps);
}

void event_loop_wake(struct event_loop *loop) {
    uint64_t one = 1;
    ssize_t written = write(loop->wake_fd, &one, sizeof one);
    (void)written; // a full counter has woken it already
}

uint64_t event_loop_next_deadline(const struct event_loop *loop) {
    return loop->timers ? loop->timers->deadline : NO_DEADLINE;
}

// Sets the host timer, or clears it for NO_DEADLINE. Lock held.
static void loop_set_host_timer(struct event_loop *loop, uint64_t deadline) {
    struct itimerspec spec = {0};
    if (deadline != NO_DEADLINE) {
        uint64_t now = event_loop_now(loop);
        uint64_t wait = deadline > now ? deadline - now : 1; // 0 would clear it
        if (wait > WAIT_MAX_NS)
            wait = WAIT_MAX_NS;
        spec.it_value = (struct timespec){.tv_sec = (time_t)(wait / NS_PER_S), .tv_nsec = (long)(wait % NS_PER_S)};
    }
    loop->host_deadline = deadline;
    timerfd_settime(loop->timer_fd, 0, &spec, NULL);
}

// Makes sure that somebody wakes for the first deadline. Lock held.
static void loop_program(struct event_loop *loop) {
    uint64_t deadline = event_loop_next_deadline(loop);
    bool lender_wakes = loop->lent && deadline >= loop->lent_until;
    if (deadline < loop->host_deadline && !lender_wakes && !loop->stepped)
        loop_set_host_timer(loop, deadline);
}

void event_timer_init(struct event_timer *timer, struct event_loop *loop, void (*fire)(void *opaque), void *opaque) {
    *timer = (struct event_timer){.loop = loop, .fire = fire, .opaque = opaque};
}

void event_timer_cancel(struct event_timer *timer) {
    if (!timer->armed)
        return;
    timer->armed = false;
    if (timer->prev)
        timer->prev->next = timer->next;
    else
        timer->loop->timers = timer->next;
    if (timer->next)
        timer->next->prev = timer->prev;
    timer->prev = timer->next = NULL;
}

void event_timer_arm(struct event_timer *timer, uint64_t deadline_ns) {
    if (timer->armed && timer->deadline == deadline_ns)
        return;
    event_timer_cancel(timer);
    struct event_timer *prev = NULL;
    struct event_timer *next = timer->loop->timers;
    while (next && next->deadline <= deadline_ns) {
        prev = next;
        next = next->next;
    }
    timer->deadline = deadline_ns;
    timer->armed = true;
    timer->prev = prev;
    timer->next = next;
    if (next)
        next->prev = timer;
    if (prev) {
        prev->next = timer;
        return;
    }
    timer->loop->timers = timer;
    loop_program(timer->loop);
}

int event_watch_start(struct event_watch *watch, struct event_loop *loop, int fd, uint32_t events,
                      void (*ready)(void *opaque, uint32_t events), void *opaque, struct error *err) {
    *watch = (struct event_watch){.loop = loop, .ready = ready, .opaque = opaque, .fd = fd};
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event))
        return error_set(err, "cannot wait for a file descriptor: %s", strerror(errno));
    watch->events = events;
    watch->next = loop->watches;
    loop->watches = watch;
    if (!events)
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    return 0;
}

void event_watch_set(struct event_watch *watch, uint32_t events) {
    if (watch->events == events)
        return;
    // Without events the descriptor leaves the set altogether, because epoll would go on reporting a hang-up.
    int operation = !events ? EPOLL_CTL_DEL : watch->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    struct epoll_event event = {.events = events, .data.ptr = watch};
    epoll_ctl(watch->loop->epoll_fd, operation, watch->fd, &event);
    watch->events = events;
}

void event_watch_stop(struct event_watch *watch) {
    event_watch_set(watch, 0);
    for (struct event_watch **at = &watch->loop->watches; *at; at = &(*at)->next)
        if (*at == watch) {
            *at = watch->next;
            break;
        }
}

void event_loop_post(struct event_loop *loop, struct event_job *job) {
    if (job->queued)
        return;
    job->queued = true;
    job->next = NULL;
    *loop->jobs_end = job;
    loop->jobs_end = &job->next;
    if (!loop->started || !pthread_equal(pthread_self(), loop->thread))
        event_loop_wake(loop);
}

void event_loop_unpost(struct event_loop *loop, struct event_job *job) {
    if (!job->queued)
        return;
    job->queued = false;
    struct event_job **at = &loop->jobs;
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    if (loop->jobs_end == &job->next)
        loop->jobs_end = at;
}

// A descriptor's callback runs only if nobody removed or changed the watch since epoll reported it. Lock held.
static void loop_dispatch(struct event_loop *loop, const struct epoll_event *event) {
    for (struct event_watch *watch = loop->watches; watch; watch = watch->next) {
        if (watch != event->data.ptr)
            continue;
        if (watch->events)
            watch->ready(watch->opaque, event->events);
        return;
    }
}

// Fires what is due. Lock held.
static void loop_fire_timers(struct event_loop *loop) {
    for (int fired = 0; loop->timers && fired < LOOP_TURN_FIRES; fired++) {
        struct event_timer *first = loop->timers;
        if (first->deadline > event_loop_now(loop))
            break;
        event_timer_cancel(first);
        first->fire(first->opaque);
    }
}

void event_loop_fire(struct event_loop *loop) {
    loop_fire_timers(loop);
}

uint64_t event_loop_idle_begin(struct event_loop *loop) {
    event_loop_lock(loop);
    uint64_t deadline = event_loop_next_deadline(loop);
    uint64_t now = event_loop_now(loop);
    loop->lent = true;
    loop->lent_until = deadline;
    if (loop->host_deadline != NO_DEADLINE)
        loop_set_host_timer(loop, NO_DEADLINE);
    event_loop_unlock(loop);
    return deadline == NO_DEADLINE ? UINT64_MAX : deadline > now ? deadline - now : 0;
}

void event_loop_idle_end(struct event_loop *loop) {
    event_loop_lock(loop);
    loop_fire_timers(loop); // still lent: what these arm is programmed once, below
    loop->lent = false;
    loop_program(loop);
    event_loop_unlock(loop);
}

// Lock held; dropped around each job.
static void loop_run_jobs(struct event_loop *loop) {
    for (int run = 0; loop->jobs && run < LOOP_TURN_FIRES; run++) {
        struct event_job *job = loop->jobs;
        event_loop_unpost(loop, job);
        event_loop_unlock(loop);
        job->run(job->opaque);
        event_loop_lock(loop);
    }
    if (loop->jobs)
        event_loop_wake(loop);
}

void event_loop_turn(struct event_loop *loop, int timeout_ms) {
    struct epoll_event events[LOOP_EVENTS_MAX];
    int count = epoll_wait(loop->epoll_fd, events, LOOP_EVENTS_MAX, timeout_ms);
    event_loop_lock(loop);
    for (int i = 0; i < count; i++)
        if (events[i].data.ptr == &loop->timer_fd)
            loop->host_deadline = NO_DEADLINE; // it has expired, and is set anew below
        else
            loop_dispatch(loop, &events[i]);
    loop_fire_timers(loop);
    loop_program(loop);
    loop_run_jobs(loop);
    event_loop_unlock(loop);
}

static void *loop_main(void *opaque) {
    struct event_loop *loop = opaque;
    while (!__atomic_load_n(&loop->stopping, __ATOMIC_ACQUIRE))
        event_loop_turn(loop, -1);
    return NULL;
}

int event_loop_start(struct event_loop *loop, struct error *err) {
    // Signals that the program or the processor's thread handle must not land here. SIGPIPE of a write to a closed
    // reader goes to the writing thread, so blocking it makes that an ordinary error. Faults stay deliverable.
    sigset_t blocked;
    sigset_t before;
    sigfillset(&blocked);
    const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&blocked, faults[i]);
    __atomic_store_n(&loop->stopping, false, __ATOMIC_RELEASE);
    event_loop_lock(loop); // the thread's first turn waits until its id is known
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int failure = pthread_create(&loop->thread, NULL, loop_main, loop);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    loop->started = !failure;
    loop->host_deadline = NO_DEADLINE;
    loop_program(loop);
    event_loop_unlock(loop);
    return failure ? error_set(err, "I/O thread: %s", strerror(failure)) : 0;
}

void event_loop_stop(struct event_loop *loop) {
    event_loop_lock(loop);
    bool started = loop->started;
    event_loop_unlock(loop);
    if (!started)
        return;
    __atomic_store_n(&loop->stopping, true, __ATOMIC_RELEASE);
    event_loop_wake(loop);
    pthread_join(loop->thread, NULL);
    loop->started = false;
}
