# One source, built twice.
add_guest(unmodified paravirt SOURCES main.c rows.c system.c)
add_guest(paravirt paravirt SOURCES main.c rows.c system.c FLAGS -DPARAVIRT)
