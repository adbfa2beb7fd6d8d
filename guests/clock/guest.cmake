add_guest(clock clock SOURCES count.c deadline.c)
