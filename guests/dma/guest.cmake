add_guest(dma dma SOURCES dma.c)
