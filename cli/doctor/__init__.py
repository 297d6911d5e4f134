"""``doctor``: walks the chain from a caller to the database, and names the link that is broken and what mends it."""

__all__ = ["METHODS"]

METHODS = ("sigv4", "azure", "databricks", "client-credentials", "api-key", "none")
"""The ways in which ``doctor --url`` can prove who calls."""
