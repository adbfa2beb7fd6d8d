add_guest(segments segments SOURCES loads.c limits.c based.c queries.c ldt.c hidden.c)
