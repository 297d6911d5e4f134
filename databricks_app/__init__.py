"""The server as a Databricks App, for Agent Bricks."""
