// The manual's names of exceptions, as all commands print them.
#ifndef APP_VECTOR_NAME_H
#define APP_VECTOR_NAME_H

// "#GP" for 13. NULL for a vector without a name.
const char *vector_name(unsigned vector);

#endif
