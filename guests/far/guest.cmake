add_guest(far far SOURCES same.c gates.c returns.c stacks.c faults.c)
