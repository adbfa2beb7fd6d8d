add_guest(fpu fpu SOURCES ops.c harness.c ops_arith.c ops_compare.c ops_move.c)
add_guest(transcendental fpu SOURCES transcendental.c)
