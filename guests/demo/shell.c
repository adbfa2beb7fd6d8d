// The shell's loop: prompt, line, command.
#include "demo.h"

static void run(const char *line) {
    while (*line == ' ')
        line++;
    if (!*line)
        return;
    for (const struct command *c = commands; c->name; c++) {
        size_t length = strlen(c->name);
        if (strncmp(line, c->name, length) || (line[length] && line[length] != ' '))
            continue;
        const char *arguments = line + length;
        while (*arguments == ' ')
            arguments++;
        c->run(arguments);
        return;
    }
    print("%s: no such command; help lists them\r\n", line);
}

void main(void) {
    char line[LINE_MAX];
    console_init();
    print("\r\nRingshade's demonstration guest: a bare-metal program in 32-bit protected mode.\r\n"
          "Type help for the commands, exit to end.\r\n");
    for (;;) {
        print("demo> ");
        console_read(line);
        run(line);
    }
}
