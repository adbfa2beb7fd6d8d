add_guest(demo demo SOURCES shell.c console.c commands.c)
