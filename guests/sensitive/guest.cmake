add_guest(sensitive sensitive SOURCES kit.c stores.c flags.c queries.c segments.c transfers.c)
