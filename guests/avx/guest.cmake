add_guest(avx avx SOURCES state.c xsave.c lanes.c masked.c alignment.c kept.c)
