"""``doctor``: walks the chain from a caller to the database, and names the link that is broken and what mends it."""
