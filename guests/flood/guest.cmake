add_guest(flood flood SOURCES code.c scatter.c)
