add_guest(string string SOURCES matrix.c faults.c special.c ports.c)
