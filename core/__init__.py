"""The MCP server for Neo4j, whatever platform it runs on. Nothing here knows a cloud."""
