"""The page for people: what a browser gets from ``core.page``. Static files, and no Python."""
