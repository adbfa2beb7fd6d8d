add_guest(smoke smoke SOURCES smoke.c)
