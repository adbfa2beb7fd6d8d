add_guest(alu alu SOURCES main.c harness.c ops_arith.c ops_unary.c ops_shift.c ops_bits.c ops_multiply.c ops_decimal.c
  ops_move.c ops_address.c ops_stack.c)
