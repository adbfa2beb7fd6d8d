// `ringshade explain`: machine code, what the classification table says of it, and the host code that it becomes.
#ifndef APP_EXPLAIN_H
#define APP_EXPLAIN_H

// argv[0] is "explain". Returns the exit status; has printed what there is to say.
int explain_main(int argc, char **argv);

#endif
