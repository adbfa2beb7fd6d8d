add_guest(hypercall hypercall SOURCES kit.c refused.c calls.c yield.c ptes.c noise.c)
add_guest(nohypercall hypercall SOURCES without.c)
