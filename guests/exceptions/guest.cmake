add_guest(exceptions exceptions SOURCES vectors.c gates.c step.c double.c accesses.c alignment.c priority.c)
add_guest(privilege exceptions SOURCES privileged.c ports.c flags.c iret.c sysenter.c system.c coprocessor.c)
