add_guest(fpuenv fpuenv SOURCES pointers.c images.c pending.c irq13.c mmx.c storm.c)
