add_guest(x87env x87env SOURCES pointers.c exceptions.c)
