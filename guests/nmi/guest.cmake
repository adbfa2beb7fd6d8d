add_guest(nmi nmi SOURCES nmi.c)
