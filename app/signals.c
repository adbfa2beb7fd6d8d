// Host signals of the command line. The handlers call only what is async-signal-safe. Synchronous faults (SIGSEGV and
// its kin) belong to cpu/ and are left alone here.
#include "app/signals.h"

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

// Writing terminal settings from a background process group would stop the process; SIGTTOU is ignored for that reason.
void signals_restore_terminal(void) {
    if (state.is_terminal)
        tcsetattr(STDIN_FILENO, TCSANOW, &state.terminal);
}

static void on_stop_signal(int number) {
    int none = 0;
    if (!atomic_compare_exchange_strong(&state.received, &none, number)) {
        signals_restore_terminal();
        _exit(128 + number);
    }
    struct ringshade *machine = atomic_load(&state.machine);
    if (machine)
        ringshade_request_stop(machine);
}

static void on_fatal_signal(int number) {
    signals_restore_terminal();
    raise(number); // the handler was installed with SA_RESETHAND: the default action follows
}

static void catch_signal(int number, void (*handler)(int), int flags) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

void signals_install(void) {
    state.is_terminal = tcgetattr(STDIN_FILENO, &state.terminal) == 0;
    catch_signal(SIGPIPE, SIG_IGN, 0); // a reader of the serial output that goes away is no reason to die
    catch_signal(SIGTTOU, SIG_IGN, 0);
    catch_signal(SIGINT, on_stop_signal, SA_RESTART);
    catch_signal(SIGTERM, on_stop_signal, SA_RESTART);
    struct sigaction hangup;
    if (sigaction(SIGHUP, NULL, &hangup) || hangup.sa_handler != SIG_IGN) // nohup keeps its meaning
        catch_signal(SIGHUP, on_stop_signal, SA_RESTART);
    catch_signal(SIGABRT, on_fatal_signal, (int)SA_RESETHAND);
    catch_signal(SIGQUIT, on_fatal_signal, (int)SA_RESETHAND);
}

void signals_set_machine(struct ringshade *machine) {
    atomic_store(&state.machine, machine);
    if (machine && atomic_load(&state.received))
        ringshade_request_stop(machine);
}

int signals_received(void) {
    return atomic_load(&state.received);
}
