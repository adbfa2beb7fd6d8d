add_guest(stops stops SOURCES stops.c triple.c)
