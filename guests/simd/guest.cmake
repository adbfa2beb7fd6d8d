add_guest(simd simd SOURCES ops.c harness.c ops_float.c ops_integer.c ops_move.c)
