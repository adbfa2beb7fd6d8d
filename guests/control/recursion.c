// Recursion and indirect calls in compiled code: many returns to many places.
#include "exec.h"

static __attribute__((noinline)) u32 fib(u32 n) {
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static __attribute__((noinline)) u32 ackermann(u32 m, u32 n) {
    if (m == 0)
        return n + 1;
    if (n == 0)
        return ackermann(m - 1, 1);
    return ackermann(m - 1, ackermann(m, n - 1));
}

static __attribute__((noinline, optimize("no-optimize-sibling-calls"))) u32 depth(u32 n, volatile u32 *sum) {
    *sum += n;
    return n == 0 ? 0 : depth(n - 1, sum) + 1;
}

static u32 even(u32 n);
static u32 odd(u32 n);
static u32 (*volatile even_pointer)(u32) = even;
static u32 (*volatile odd_pointer)(u32) = odd;
static __attribute__((noinline)) u32 even(u32 n) {
    return n == 0 ? 1 : odd_pointer(n - 1);
}
static __attribute__((noinline)) u32 odd(u32 n) {
    return n == 0 ? 0 : even_pointer(n - 1);
}

TEST(fibonacci) {
    CHECK_EQ("fib(24)", fib(24), 46368);
}
TEST(ackermann) {
    CHECK_EQ("ackermann(2, 60)", ackermann(2, 60), 123);
}

TEST(deep) {
    volatile u32 sum = 0;
    CHECK_EQ("depth", depth(1000, &sum), 1000);
    CHECK_EQ("sum", sum, 500500);
}

TEST(mutual) {
    CHECK_EQ("even(500)", even_pointer(500), 1);
    CHECK_EQ("even(501)", even_pointer(501), 0);
}

static int compare(const u32 *a, const u32 *b) {
    return *a < *b ? -1 : *a > *b;
}
static int (*volatile comparer)(const u32 *, const u32 *) = compare;

static void sort(u32 *v, int low, int high) {
    if (low >= high)
        return;
    int i = low;
    for (int j = low; j < high; j++)
        if (comparer(&v[j], &v[high]) < 0) {
            u32 t = v[i];
            v[i] = v[j];
            v[j] = t;
            i++;
        }
    u32 t = v[i];
    v[i] = v[high];
    v[high] = t;
    sort(v, low, i - 1);
    sort(v, i + 1, high);
}

TEST(quicksort) {
    static u32 v[2000];
    u32 x = 1, sum = 0, after = 0;
    for (unsigned i = 0; i < 2000; i++) {
        x = x * 1664525 + 1013904223;
        v[i] = x;
        sum += x;
    }
    sort(v, 0, 1999);
    for (unsigned i = 0; i < 2000; i++) {
        after += v[i];
        if (i && v[i - 1] > v[i]) {
            FAIL("order");
            break;
        }
    }
    CHECK_EQ("sum", after, sum);
}
