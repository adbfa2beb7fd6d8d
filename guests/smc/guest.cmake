add_guest(smc smc SOURCES self.c writers.c pages.c jit.c)
