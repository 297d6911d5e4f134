"""The way to a deployed server: its URL, its name, the connection and the certificate."""

from __future__ import annotations

import socket
import ssl
import urllib.request
from urllib.parse import urlsplit

from core.addresses import is_loopback
from core.finding import Finding
from core.http import MCP_PATH

__all__ = ["is_local", "look_at_network", "look_at_url"]


def is_local(url: str) -> bool:
    """Whether the host of ``url`` is this machine."""
    return is_loopback(urlsplit(url).hostname or "")


def look_at_url(url: str) -> Finding:
    """Whether ``url`` may be called at all."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return Finding("URL", "failed", "This is not a URL.", "Write it as https://HOST/mcp.")
    if parts.scheme == "http" and not is_local(url):
        return Finding(
            "URL", "failed", "The URL has no TLS, so a token would be readable on the way.", "Write https://."
        )
    if not parts.path.rstrip("/").endswith(MCP_PATH):
        return Finding("URL", "warning", f"MCP is served at {MCP_PATH}.", "End the URL in /mcp.")
    return Finding("URL", "ok", url)


def look_at_network(url: str) -> Finding:
    """Name, connection and certificate of ``url``, which `look_at_url` has passed."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return Finding(
            "network",
            "failed",
            f"The host {host} is unknown.",
            "Take the URL from the outputs of the deployment; a private name needs this machine in its network.",
        )
    try:
        with socket.create_connection((host, port), timeout=10) as connection:
            if parts.scheme == "https":
                with ssl.create_default_context().wrap_socket(connection, server_hostname=host):
                    pass
    except ssl.SSLCertVerificationError as error:
        return Finding(
            "network",
            "failed",
            f"The certificate of {host} does not hold: {error.verify_message}.",
            "Set SSL_CERT_FILE to the authority's certificate if a proxy of your network breaks TLS open.",
        )
    except ssl.SSLError:
        return Finding("network", "failed", f"{host}:{port} does not speak TLS.", "Write http:// on this machine only.")
    except TimeoutError:
        return Finding(
            "network", "failed", f"{host}:{port} does not answer.", "Open the way to it, or use its network."
        )
    except OSError as error:
        if not is_local(url) and urllib.request.getproxies().get("https"):
            return Finding("network", "warning", f"{host}:{port} is reached through the proxy only.")
        why = "refuses the connection" if isinstance(error, ConnectionRefusedError) else "cannot be reached"
        return Finding("network", "failed", f"{host}:{port} {why}.", "Look whether the server runs, and at the port.")
    return Finding("network", "ok", f"{host} is {addresses[0][4][0]}; port {port} answers.")
