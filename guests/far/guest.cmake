add_guest(far far SOURCES same.c gates.c returns.c faults.c)
