// The page of `ringshade run --report`, as it stands in report_page.html.
    .section .rodata
    .globl report_page, report_page_end
report_page:
    .incbin "report_page.html"
report_page_end:
    .section .note.GNU-stack, "", @progbits
