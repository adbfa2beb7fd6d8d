add_guest(multitask multitask SOURCES kernel.c task.c tests.c FLAGS -fno-jump-tables -fno-tree-loop-distribute-patterns)
