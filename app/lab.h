// `ringshade lab`: the sensitive unprivileged instructions run three ways, side by side.
#ifndef APP_LAB_H
#define APP_LAB_H

// argv[0] is "lab". Returns the exit status; has printed what there is to say.
int lab_main(int argc, char **argv);

#endif
