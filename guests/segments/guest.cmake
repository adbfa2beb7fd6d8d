add_guest(segments segments SOURCES loads.c limits.c operands.c based.c queries.c ldt.c hidden.c)
add_guest(code16 segments SOURCES code16.c stack16.c address16.c)
