// The last rule: inside one block control only ever moves towards an exit. A kick takes effect where blocks are left,
// so a loop inside a block could keep the monitor out for ever.
#include "translator/verify.h"

enum { VISIT_NOT, VISIT_OPEN, VISIT_DONE };

// The one that leads to `i` on the path being looked at is kept in the state array, which the walk has done with.
static void set_parent(struct verifier *v, unsigned i, unsigned parent) {
    v->state[i].value[0] = parent;
}
static unsigned parent_of(const struct verifier *v, unsigned i) {
    return (unsigned)v->state[i].value[0];
}

// Some way out of instruction `i` not yet taken, plus one; 0 if none is left.
static unsigned take_way(struct vinsn *n) {
    unsigned way = n->fall ? n->fall : n->jump;
    if (n->fall)
        n->fall = 0;
    else
        n->jump = 0;
    return way;
}

// Depth first; an instruction reached again while it is open closes a cycle.
int verify_cycles(struct verifier *v) {
    unsigned i = 0;
    v->insns[0].fall = 2; // the leading lea
    v->insns[0].visit = VISIT_OPEN;
    set_parent(v, 0, v->count);
    while (i < v->count) {
        unsigned way = take_way(&v->insns[i]);
        if (way == 0) {
            v->insns[i].visit = VISIT_DONE;
            i = parent_of(v, i);
            continue;
        }
        struct vinsn *next = &v->insns[way - 1];
        if (next->visit == VISIT_OPEN)
            return verify_reject(v, i, "a loop inside the block");
        if (next->visit == VISIT_DONE)
            continue;
        next->visit = VISIT_OPEN;
        set_parent(v, way - 1, i);
        i = way - 1;
    }
    return 0;
}
