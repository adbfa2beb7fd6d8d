add_guest(paging paging SOURCES kit.c rights.c bits.c large.c reserved.c tlb.c crossing.c bits_far.c)
add_guest(smap paging SOURCES kit.c smap.c)
add_guest(spaces paging SOURCES kit.c remap.c spaces.c demand.c)
