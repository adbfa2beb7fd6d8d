// The texts of --help and --version.
#ifndef APP_HELP_H
#define APP_HELP_H

#include <stdio.h>

void help_print(FILE *out);         // ringshade --help
void help_print_run(FILE *out);     // ringshade run --help
void help_print_explain(FILE *out); // ringshade explain --help
void help_print_trace(FILE *out);   // ringshade trace --help
void help_print_lab(FILE *out);     // ringshade lab --help
void help_print_version(FILE *out);

#endif
