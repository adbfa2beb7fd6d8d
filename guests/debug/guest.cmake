add_guest(debug debug SOURCES registers.c instructions.c data.c ports.c forms.c)
