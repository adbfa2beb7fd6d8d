// Host signals of the command line. The handlers call only what is async-signal-safe. While a machine runs, faults
// (SIGSEGV and its kin) belong to cpu/; what is left to this file is a crash of the monitor.
#include "app/signals.h"

#include "app/run.h"
#include "ringshade.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <termios.h>
#include <unistd.h>

// What the handlers need; set before they are installed, or atomic.
static struct {
    _Atomic(struct ringshade *) machine;
    atomic_int received;
    struct termios terminal;
    bool is_terminal;
} state;

// In the background the terminal is somebody else's.
void signals_restore_terminal(void) {
    if (state.is_terminal && tcgetpgrp(STDIN_FILENO) == getpgrp())
        tcsetattr(STDIN_FILENO, TCSANOW, &state.terminal);
}

static void on_stop_signal(int number) {
    int none = 0;
    if (!atomic_compare_exchange_strong(&state.received, &none, number)) {
        signals_restore_terminal();
        _exit(RUN_STATUS_SIGNAL + number);
    }
    struct ringshade *machine = atomic_load(&state.machine);
    if (machine)
        ringshade_request_stop(machine);
}

static void on_continue(int number) {
    (void)number;
    struct ringshade *machine = atomic_load(&state.machine);
    if (machine)
        ringshade_resume_console(machine);
}

static void on_crash(int number) {
    static const char text[] = "ringshade: the monitor crashed\n";
    (void)number;
    signals_restore_terminal();
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(RUN_STATUS_MONITOR_ERROR);
}

// All other signals wait while a handler runs: the signal by which ringshade_request_stop reaches the processor must
// find its thread in guest code or in the library, not in a handler.
static void catch_signal(int number, void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

// Leaves alone what somebody has set before: nohup's SIGHUP, the handlers of a sanitizer.
static void catch_default_signal(int number, void (*handler)(int)) {
    struct sigaction present;
    if (!sigaction(number, NULL, &present) && present.sa_handler == SIG_DFL)
        catch_signal(number, handler);
}

void signals_install(void) {
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGQUIT, SIGSYS};
    state.is_terminal = tcgetattr(STDIN_FILENO, &state.terminal) == 0;
    catch_signal(SIGPIPE, SIG_IGN); // a reader of the serial output that goes away is no reason to die
    catch_signal(SIGXFSZ, SIG_IGN); // a file that must not grow is one that cannot be written
    catch_signal(SIGINT, on_stop_signal);
    catch_signal(SIGTERM, on_stop_signal);
    catch_signal(SIGCONT, on_continue);
    catch_default_signal(SIGHUP, on_stop_signal);
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
        catch_default_signal(crashes[i], on_crash);
}

void signals_set_machine(struct ringshade *machine) {
    atomic_store(&state.machine, machine);
    if (machine && atomic_load(&state.received))
        ringshade_request_stop(machine);
}

int signals_received(void) {
    return atomic_load(&state.received);
}
