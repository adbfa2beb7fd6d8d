add_guest(fpuenv fpuenv SOURCES pointers.c runs.c images.c exceptions.c pending.c irq13.c mmx.c storm.c)
