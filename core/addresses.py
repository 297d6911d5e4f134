"""Which addresses this server may connect to when it asks issuers and token endpoints."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator, Set
from typing import TypeAlias

__all__ = ["Hosts", "UnsafeAddress", "is_listed", "is_loopback", "require_safe"]

Hosts: TypeAlias = Set[str] | None
"""Names of hosts, in lower case; ``*.`` at the beginning stands for any number of labels. None means any host."""

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA = frozenset(
    ipaddress.ip_address(address)
    for address in (
        "168.63.129.16",  # Azure: the host's own agent
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
        "fd00:ec2::254",  # AWS: instance metadata
        "fd00:ec2::23",  # AWS: credentials of pods
        "fd20:ce::254",  # Google
    )
)
"""Metadata services, which give out credentials, at addresses that are not link-local; the others are (169.254.*).

Sources: https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16 ,
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html ,
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html ,
https://cloud.google.com/compute/docs/metadata/querying-metadata .
"""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class UnsafeAddress(ValueError):
    """A host that must not be asked; the text says why."""


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine's own loopback interface, the only place where plain HTTP is safe."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_listed(host: str, hosts: Hosts) -> bool:
    """Whether ``hosts`` names ``host``, or is None."""
    name = host.lower().rstrip(".")
    return hosts is None or name in hosts or any(one[:2] == "*." and name.endswith(one[1:]) for one in hosts)


def require_safe(host: str, address: str) -> None:
    """Return if ``host`` may be asked at ``address``, which its name stands for; a name itself passes.

    Private addresses are allowed, since an issuer may be in the same network.

    Raises:
        UnsafeAddress: It is link-local, a metadata service, no single host, or this machine's under another name.
    """
    for found in _meant_by(address):
        if found.is_link_local or found in _METADATA:
            raise UnsafeAddress("its address is link-local or a metadata service, which is never asked")
        if found.is_unspecified or found.is_multicast or (found.version == 4 and found.is_reserved):
            raise UnsafeAddress("its address is not that of a host")
        if found.is_loopback and not is_loopback(host):
            raise UnsafeAddress("its name stands for this machine itself; use localhost if that is meant")


def _meant_by(address: str) -> Iterator[_Address]:
    """``address``, and the IPv4 address inside it if it is one of IPv6 that leads to one."""
    text = address.strip("[]").partition("%")[0]
    try:
        found: _Address = ipaddress.ip_address(text)
    except ValueError:
        try:
            # As the resolver reads it: 0xa9fea9fe, 2852039166 and 169.254.43518 are addresses, too.
            found = ipaddress.IPv4Address(socket.inet_aton(text))
        except (OSError, ValueError):
            return
    yield found
    if isinstance(found, ipaddress.IPv6Address):
        inside = [found.ipv4_mapped, found.sixtofour, *(found.teredo or ())]
        if found in _NAT64 or int(found) < 2**32:
            inside.append(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF))
        yield from (one for one in inside if one is not None and int(found) > 1)
