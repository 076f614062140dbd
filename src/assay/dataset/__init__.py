"""Any format in, rows out: what a row is, its digest, its key; and writing rows back in the same format."""
