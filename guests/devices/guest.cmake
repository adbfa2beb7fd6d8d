add_guest(devices devices SOURCES uart.c clock.c keyboard.c a20.c)
add_guest(reset devices SOURCES reset.c)
