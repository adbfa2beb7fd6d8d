add_guest(exceptions exceptions SOURCES vectors.c gates.c step.c double.c accesses.c)
