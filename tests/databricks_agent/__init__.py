"""The example of an agent for the Databricks App, as `make databricks-agent` runs it."""
