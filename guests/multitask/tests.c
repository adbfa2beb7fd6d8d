// Combinations of paging mode, code placement and sharing.
#include "multitask.h"

TEST(two_tasks) {
    multitask(&(struct settings){.mode = PAGING_32, .tasks = 2, .rounds = 5000, .hz = 500});
}
TEST(twelve_tasks) {
    multitask(&(struct settings){.mode = PAGING_32, .tasks = 12, .rounds = 3000, .hz = 400});
}
TEST(random_addresses) {
    multitask(&(struct settings){.mode = PAGING_32, .tasks = 12, .rounds = 3000, .random_code = true, .hz = 400});
}
TEST(copy_on_write) {
    multitask(&(struct settings){
        .mode = PAGING_32, .tasks = 8, .rounds = 1500, .random_code = true, .copy_on_write = true, .hz = 400});
}
TEST(pae) {
    multitask(&(struct settings){
        .mode = PAGING_PAE, .tasks = 8, .rounds = 1500, .random_code = true, .copy_on_write = true, .hz = 250});
}
TEST(long_run) { // long enough for a policy that looks at time to change its mind
    multitask(&(struct settings){.mode = PAGING_32, .tasks = 4, .rounds = 30000, .random_code = true, .hz = 250});
}
