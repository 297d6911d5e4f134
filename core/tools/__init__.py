"""The tools, one module each: what a tool tells a client about itself, and its handler."""

from core.tools.declaration import ToolDeclaration
from core.tools.get_schema import GET_SCHEMA
from core.tools.read_cypher import READ_CYPHER

__all__ = ["ALL_TOOLS", "ToolDeclaration"]

ALL_TOOLS: tuple[ToolDeclaration, ...] = (GET_SCHEMA, READ_CYPHER)
"""Every tool of this server, in the order in which ``tools/list`` names them."""
