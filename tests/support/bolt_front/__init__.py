"""A door in front of a Neo4j Community that accepts what Enterprise, or a future Aura, would: tokens and API keys."""

from tests.support.bolt_front.rules import Backend, FrontRules, Logins
from tests.support.bolt_front.running import RunningBoltFront, running_bolt_front

__all__ = ["Backend", "FrontRules", "Logins", "RunningBoltFront", "running_bolt_front"]
