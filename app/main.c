// The command line: finds the subcommand and hands over to its file.
#include "app/explain.h"
#include "app/help.h"
#include "app/lab.h"
#include "app/run.h"
#include "app/trace.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    const char *command = argc > 1 ? argv[1] : "";
    if (!strcmp(command, "run"))
        return run_main(argc - 1, argv + 1);
    if (!strcmp(command, "explain"))
        return explain_main(argc - 1, argv + 1);
    if (!strcmp(command, "trace"))
        return trace_main(argc - 1, argv + 1);
    if (!strcmp(command, "lab"))
        return lab_main(argc - 1, argv + 1);
    if (!strcmp(command, "--help") || !strcmp(command, "-h") || !strcmp(command, "help")) {
        help_print(stdout);
        return RUN_STATUS_OK;
    }
    if (!strcmp(command, "--version")) {
        help_print_version(stdout);
        return RUN_STATUS_OK;
    }
    if (*command)
        fprintf(stderr, "ringshade: unknown command '%s'; see ringshade --help\n", command);
    else
        fprintf(stderr, "ringshade: no command given; see ringshade --help\n");
    return RUN_STATUS_BAD_INPUT;
}
