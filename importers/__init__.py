"""Outside bytes become checked candidates: one module a format, one intake."""
