"""Whether a request was addressed to this server by a name of its own: the defence against DNS rebinding.

A web page can point a host name of its own at this machine and call a server here through the reader's browser. The
browser then says the page's host name in Host, and where the page came from in Origin.
"""

from __future__ import annotations

from collections.abc import Collection

from core.http import Request, Response, plain

__all__ = ["refuse_other_hosts"]


def refuse_other_hosts(request: Request, allowed_hosts: Collection[str]) -> Response | None:
    """The refusal, unless Host, and Origin if there is one, of ``request`` are among ``allowed_hosts``; else None.

    Source: the transport's security warning on Host and Origin. 421 is RFC 9110's Misdirected Request.
    """
    host = request.header("host")
    if host is None or _host_name(host) not in allowed_hosts:
        return plain(421, "This server answers only on the host names of this machine's loopback interface.")
    origin = request.header("origin")
    if origin is not None:
        scheme, separator, rest = origin.partition("://")
        if not separator or scheme not in ("http", "https") or _host_name(rest) not in allowed_hosts:
            return plain(403, "Web pages from elsewhere may not call this server.")
    return None


def _host_name(authority: str) -> str:
    """The host of ``HOST[:PORT]`` in lower case, IPv6 in its brackets; empty if it has another form."""
    host, separator, port = authority.rpartition(":")
    if separator and not port.isascii():
        return ""
    if not separator or authority.endswith("]"):
        return authority.lower()
    return host.lower() if port.isdigit() else ""
