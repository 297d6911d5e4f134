"""Access to the graph: connections, what a read may do, values as JSON, schema."""
