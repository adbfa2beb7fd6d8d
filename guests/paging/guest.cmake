add_guest(paging paging SOURCES kit.c rights.c bits.c large.c reserved.c tlb.c crossing.c)
