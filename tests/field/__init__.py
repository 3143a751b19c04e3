"""Cases from the field: settings that people use elsewhere, and what the program makes of them."""
