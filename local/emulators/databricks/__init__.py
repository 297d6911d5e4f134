"""Databricks on this machine: a workspace with its tokens and secrets, and the proxy in front of a real app process."""
