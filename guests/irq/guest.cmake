add_guest(irq irq SOURCES basics.c shadow.c storm.c compute.c lines.c)
