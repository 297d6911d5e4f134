"""The page for people: what it shows a caller of themselves. Its files are in ``page``, beside ``core``."""
