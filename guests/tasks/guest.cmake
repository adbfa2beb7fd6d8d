add_guest(tasks tasks SOURCES kit.c switches.c state.c refused.c late.c events.c access.c v86.c)
