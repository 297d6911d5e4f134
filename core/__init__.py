"""The MCP server for Neo4j, whatever platform it runs on. Nothing here knows a cloud."""

import logging

# Where a line cannot be written, the logging module prints the exception that is being handled, text and all: it may
# hold a secret. Source: https://docs.python.org/3/howto/logging.html#exceptions-raised-during-logging
logging.raiseExceptions = False
