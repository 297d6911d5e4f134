"""The tools, one module each: its description for clients, and its handler."""

from core.tools.declaration import ToolDeclaration
from core.tools.doctor import DOCTOR
from core.tools.explain_cypher import EXPLAIN_CYPHER
from core.tools.get_schema import GET_SCHEMA
from core.tools.list_procedures import LIST_PROCEDURES
from core.tools.read_cypher import READ_CYPHER
from core.tools.search_index import SEARCH_INDEX
from core.tools.write_cypher import WRITE_CYPHER

__all__ = ["ALL_TOOLS", "ToolDeclaration"]

ALL_TOOLS: tuple[ToolDeclaration, ...] = (
    GET_SCHEMA,
    READ_CYPHER,
    WRITE_CYPHER,
    EXPLAIN_CYPHER,
    SEARCH_INDEX,
    LIST_PROCEDURES,
    DOCTOR,
)
"""Every tool of this server, in the order in which ``tools/list`` names them."""
