// See vector_name.h. Intel SDM volume 3, table 6-1.
#include "app/vector_name.h"

#include <stddef.h>

const char *vector_name(unsigned vector) {
    static const char *const names[] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", NULL,
                                        "#TS", "#NP", "#SS", "#GP", "#PF", NULL,  "#MF", "#AC", "#MC", "#XM"};
    return vector < sizeof names / sizeof *names ? names[vector] : NULL;
}
