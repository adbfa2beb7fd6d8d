// The first process of the system that tools/lab-elsewhere boots: runs the laboratory with each size of child, as JSON
// between marks on the console, and switches the machine off. It must never return.
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

static void lab(const char *bits) {
    int status = 0;
    printf("\nBEGIN %s\n", bits);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        execl("/ringshade", "ringshade", "lab", "--json", "--child", bits, (char *)NULL);
        _exit(127);
    }
    waitpid(child, &status, 0);
    printf("\nEND %s %d\n", bits, status);
    fflush(stdout);
}

int main(void) {
    setenv("LD_LIBRARY_PATH", "/lib", 1);
    if (mount("proc", "/proc", "proc", 0, NULL))
        perror("/proc");
    lab("32");
    lab("64");
    sync();
    sleep(1); // the console's last bytes
    reboot(RB_POWER_OFF);
    for (;;)
        pause();
}
