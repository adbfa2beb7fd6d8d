add_guest(sse sse SOURCES alignment.c numeric.c mxcsr.c masked.c fxsave.c)
add_guest(absent sse SOURCES absent.c)
