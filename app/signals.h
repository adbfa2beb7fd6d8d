// Signals of the command line: SIGINT, SIGTERM and SIGHUP end the run cleanly, a second one ends the process. Whatever
// ends the process, a crash included, the terminal gets back the settings that it had at the start.
#ifndef APP_SIGNALS_H
#define APP_SIGNALS_H

struct ringshade;

// Remembers the terminal's settings and catches the signals. Once a process.
void signals_install(void);

// The machine that a signal stops; NULL for none. A signal that came before stops it at once.
void signals_set_machine(struct ringshade *machine);

// The first signal that came, or 0.
int signals_received(void);

// Gives the terminal its settings back, if standard input is one.
void signals_restore_terminal(void);

#endif
