// Techniques of the engine that a run may do without, to show what each buys. The results are the same; only time
// differs. A switch is asked in cold code alone (misses, fills, signals, creation), so that none costs anything where
// it is off. ringshade.h has the same list for users.
#ifndef BASE_ABLATE_H
#define BASE_ABLATE_H

enum ablate {
    ABLATE_CODE_MAP = 1 << 0,     // roots stay empty: each transfer out of a page, and each return, is looked up in C
    ABLATE_FAULT_AROUND = 1 << 1, // a fill shows the one page that faulted
    ABLATE_IRET_PREFILL = 1 << 2, // the page of a guest's page fault is not filled before the handler returns
    ABLATE_HOT_SAMPLING = 1 << 3, // user address spaces stay soft, however much time they use
    ABLATE_FORM_CHANGE = 1 << 4,  // instructions stay direct, however often they fault or their pages change
    ABLATE_RETAIN = 1 << 5,       // killed blocks never come back by their content
    ABLATE_DESCRIPTOR_FAST = 1 << 6, // each segment load checks and unpacks its descriptor anew
};

#endif
