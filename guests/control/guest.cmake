add_guest(control control SOURCES near.c pages.c faults.c loops.c recursion.c)
